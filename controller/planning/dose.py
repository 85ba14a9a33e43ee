"""Electrons per area of the specimen: planned, and counted while a run goes on.

Two doses are kept, because publications mean either: *exposed* counts the time of the exposures, *beam on*
counts all time in which the beam is on the region, pauses included.

In short::

    planned_dose(rate_per_nm2_s, frames, exposure_s, period_s, beam_in_pause) -> Dose
    grid_dose_rate_per_nm2_s(current_pA, points, pitch_nm) -> float
    ledger = DoseLedger()
    ledger.beam(region, rate_per_nm2_s, t_on_s, t_off_s)     # when the beam goes off, or part by part
    ledger.exposures(region, rate_per_nm2_s, exposure_s, n)  # for frames that were taken
    ledger.of(region).counted("beam_on") <= limit
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

DoseCounts = Literal["beam_on", "exposed"]

_ELEMENTARY_CHARGE_pC = 1.602176634e-7


@dataclass(frozen=True)
class Dose:
    """Electrons per nm^2 that a region has seen."""

    exposed_per_nm2: float = 0.0
    """During exposures."""
    beam_on_per_nm2: float = 0.0
    """While the beam was on it."""

    def __add__(self, other: "Dose") -> "Dose":
        return Dose(
            self.exposed_per_nm2 + other.exposed_per_nm2, self.beam_on_per_nm2 + other.beam_on_per_nm2
        )

    def counted(self, counts: DoseCounts) -> float:
        """Return the one that the limits of a protocol mean."""
        return self.beam_on_per_nm2 if counts == "beam_on" else self.exposed_per_nm2


def planned_dose(
    rate_per_nm2_s: float, frames: int, exposure_s: float, period_s: float, *, beam_in_pause: bool = True
) -> Dose:
    """Return the dose of an acquisition; the last period counts whole.

    >>> planned_dose(1.5e5, 5000, 4.0, 5.0)
    Dose(exposed_per_nm2=3000000000.0, beam_on_per_nm2=3750000000.0)
    """
    exposed = rate_per_nm2_s * frames * exposure_s
    return Dose(exposed, rate_per_nm2_s * frames * period_s if beam_in_pause else exposed)


def electrons(current_pA: float, time_s: float) -> float:
    """Return the number of electrons that a current brings in a time.

    >>> f"{electrons(15, 4):.3g}"
    '3.74e+08'
    """
    return current_pA * time_s / _ELEMENTARY_CHARGE_pC


def grid_dose_rate_per_nm2_s(current_pA: float, points: tuple[int, int], pitch_nm: float) -> float:
    """Return the dose rate of a scanned probe, as a mean over the area that its grid stands for.

    Each point stands for one square of the pitch.
    """
    return electrons(current_pA, 1.0) / (points[0] * points[1] * pitch_nm**2)


def peak_fluence_per_nm2(current_pA: float, exposure_s: float, probe_nm: float) -> float:
    """Return what the centre of a Gaussian probe of a given FWHM receives in one exposure."""
    return electrons(current_pA, exposure_s) * 4 * math.log(2) / (math.pi * probe_nm**2)


class DoseLedger:
    """Keeps the dose of every region of the specimen.

    The regions are those that the microscope numbers. Beam and exposures are fed apart: an interval of beam
    says nothing of exposures, and an exposure says nothing of the beam around it.

    Parameters
    ----------
    doses
        What regions have seen before, for a run that goes on.
    """

    def __init__(self, doses: Mapping[int, Dose] | None = None) -> None:
        self._doses = dict(doses or {})

    def beam(self, region: int, rate_per_nm2_s: float, t_on_s: float, t_off_s: float) -> Dose:
        """Count the beam on a region from one time to another; return the region's total.

        Raises ValueError for an interval that ends before it begins, or a negative rate.
        """
        return self.add(region, Dose(beam_on_per_nm2=_counted(rate_per_nm2_s, t_off_s - t_on_s)))

    def exposures(self, region: int, rate_per_nm2_s: float, exposure_s: float, frames: int = 1) -> Dose:
        """Count frames that were exposed on a region; return the region's total.

        Raises ValueError for a negative rate, time or number.
        """
        return self.add(region, Dose(exposed_per_nm2=_counted(rate_per_nm2_s, exposure_s * frames)))

    def of(self, region: int) -> Dose:
        """Return the dose of a region; zero for one that has seen no beam."""
        return self._doses.get(region, Dose())

    @property
    def regions(self) -> Mapping[int, Dose]:
        """The doses of all regions that have seen the beam, by number."""
        return MappingProxyType(self._doses)

    def add(self, region: int, dose: Dose) -> Dose:
        """Add to what a region has seen; return the region's total."""
        self._doses[region] = self.of(region) + dose
        return self._doses[region]


def _counted(rate_per_nm2_s: float, time_s: float) -> float:
    if rate_per_nm2_s < 0 or time_s < 0:
        raise ValueError(
            f"a dose needs a rate and a time of at least 0, got {rate_per_nm2_s:g} e/nm^2/s for {time_s:g} s"
        )
    return rate_per_nm2_s * time_s
