"""How structured a glass looks through a probe: V(k, R) against temperature and thickness."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from annealscope.simulators.glass import ZERO_DEGC_K, paper_numbers

FloatArray = npt.NDArray[np.float64]
State = Literal["as-cast", "annealed"]
Mount = Literal["chip", "grid"]

ROOM_DEGC = 25.0
DISC_PER_NM = 0.61
"""Radius of a probe's disc in k times the FWHM of the probe."""


def disc_radius_per_nm(probe_nm: float) -> float:
    """Return Q = 0.61 / R, the radius of the disc that each beam of a pattern is spread over."""
    return DISC_PER_NM / probe_nm


@dataclass(frozen=True)
class LatePhase:
    """What appears in V(k) at the highest temperature, and fades in below it."""

    from_degC: float
    to_degC: float
    shoulder_per_nm: float
    shoulder_height: float
    """In units of the first peak."""
    shoulder_width_per_nm: float
    second_wider_by: float

    def share(self, temperature_degC: float) -> float:
        """Return how much of it there is, 0 ... 1."""
        return float(np.interp(temperature_degC, (self.from_degC, self.to_degC), (0.0, 1.0)))


@dataclass(frozen=True)
class VarianceLaw:
    """Normalised variance of one pixel from pattern to pattern, as a camera records it.

    Two Gaussian peaks on a base. The height of the first follows eq. (2) of the paper for wide probes and
    falls off for narrow ones; a common factor describes the temperature; V ~ 1 / thickness.
    """

    peaks_per_nm: tuple[float, float]
    split_per_nm: tuple[float, float]
    """Where the first peak is double, for probes wider than ``split_above_nm``."""
    split_above_nm: float
    second_to_first: float
    base: float
    """In units of the first peak."""
    widths_per_nm: tuple[float, float]
    probe_blur: float
    slope: float
    intercept_per_nm2: float
    falls_off_below_nm: float
    fall_off_width_per_nm: float
    factor_at_room: float
    """Height at 25 degC in units of eq. (2)."""
    reference_thickness: float
    """In mean free paths: where the heights hold."""
    rise: float
    """Relative rise from room temperature to ``rise_until_degC``; it stays there above."""
    rise_until_degC: float
    rise_scale_K: float
    late: LatePhase

    def first_peak(self, probe_nm: float) -> float:
        """Return V at the first peak at 25 degC on a grid (eq. (2) of the paper for wide probes)."""
        q = disc_radius_per_nm(probe_nm)
        beyond = max(0.0, q - disc_radius_per_nm(self.falls_off_below_nm)) / self.fall_off_width_per_nm
        return q**2 / (self.slope * q**2 + self.intercept_per_nm2) * math.exp(-(beyond**2))

    def temperature_factor(self, temperature_degC: float) -> float:
        """Return the height at a temperature in units of that at 25 degC."""
        heated_K = np.clip(temperature_degC, ROOM_DEGC, self.rise_until_degC) - ROOM_DEGC
        full_K = self.rise_until_degC - ROOM_DEGC
        return float(
            1 + self.rise * np.expm1(-heated_K / self.rise_scale_K) / np.expm1(-full_K / self.rise_scale_K)
        )

    def variance(
        self, k_per_nm: npt.ArrayLike, probe_nm: float, temperature_K: float, thickness: float | None = None
    ) -> FloatArray:
        """Return V(k).

        Parameters
        ----------
        k_per_nm
            1/d in 1/nm, any shape.
        probe_nm
            FWHM of the probe.
        temperature_K
            Of the specimen.
        thickness
            In mean free paths; None: the reference thickness.
        """
        temperature_degC = temperature_K - ZERO_DEGC_K
        height = self.first_peak(probe_nm) * self.factor_at_room * self.temperature_factor(temperature_degC)
        height *= self.reference_thickness / (thickness or self.reference_thickness)
        k = np.asarray(k_per_nm, dtype=float)
        return height * self._shape(k, probe_nm, self.late.share(temperature_degC))

    def _shape(self, k: FloatArray, probe_nm: float, late: float) -> FloatArray:
        """Return V(k) in units of the first peak."""
        blur = self.probe_blur * disc_radius_per_nm(probe_nm)
        first, second = (math.hypot(width, blur) for width in self.widths_per_nm)
        second *= 1 + late * (self.late.second_wider_by - 1)
        profile = self.base + (1 - self.base) * self._first_shape(k, probe_nm, first)
        profile += (self.second_to_first - self.base) * gaussian(k, self.peaks_per_nm[1], second)
        shoulder = gaussian(k, self.late.shoulder_per_nm, self.late.shoulder_width_per_nm)
        return np.asarray(profile + late * self.late.shoulder_height * shoulder)

    def _first_shape(self, k: FloatArray, probe_nm: float, width: float) -> FloatArray:
        """Return the first peak, of height 1: single, or the mean of two that are not resolved."""
        if probe_nm <= self.split_above_nm:
            return gaussian(k, self.peaks_per_nm[0], width)
        low, high = self.split_per_nm
        middle = gaussian(np.array((low + high) / 2), low, width)
        return np.asarray((gaussian(k, low, width) + gaussian(k, high, width)) / (2 * middle))


def gaussian(k: FloatArray, position: float, width: float) -> FloatArray:
    """Return exp[-(k - position)^2 / (2 width^2)]."""
    return np.asarray(np.exp(-0.5 * ((k - position) / width) ** 2))


def load_variance_law(
    state: State = "as-cast", mount: Mount = "chip", name_or_path: str | Path = "amz4_paper"
) -> VarianceLaw:
    """Make a `VarianceLaw` from the sections ``fem`` and ``model`` of a file of published numbers.

    A specimen on a heating chip shows a smaller variance than one on a grid, by more than its thickness
    explains: its heights are those of the paper's series at temperature, at the thickness of that series.

    Parameters
    ----------
    state
        Which line of eq. (2), and which split positions.
    mount
        ``chip``: heights and thickness of the series at temperature; ``grid``: of the one with ten probes.
    name_or_path
        Name of a shipped file of published numbers, or a path to one.
    """
    numbers = paper_numbers(name_or_path)
    law = _grid_law(numbers, state)
    if mount == "grid":
        return law
    fem = numbers["fem"]
    as_cast_on_grid = _grid_law(numbers, "as-cast").first_peak(fem["in_situ_probe_fwhm_nm"])
    return replace(
        law,
        factor_at_room=numbers["model"]["variance"]["in_situ_25degC"] / as_cast_on_grid,
        reference_thickness=numbers["thickness_over_mean_free_path"]["fem_in_situ"],
    )


def _grid_law(numbers: dict[str, Any], state: State) -> VarianceLaw:
    fem, model, key = numbers["fem"], numbers["model"]["variance"], state.replace("-", "_")
    line = fem["pair_persistence"][key]
    low, high = fem["split_peak_per_nm"][key]
    narrow, wide = model["widths_per_nm"]
    return VarianceLaw(
        peaks_per_nm=(fem["first_peak_per_nm"], fem["second_peak_per_nm"]),
        split_per_nm=(low, high),
        split_above_nm=fem["split_above_probe_fwhm_nm"],
        second_to_first=fem["second_to_first_peak"]["value"],
        base=model["base"],
        widths_per_nm=(narrow, wide),
        probe_blur=model["probe_blur"],
        slope=line["slope"],
        intercept_per_nm2=line["intercept_per_nm2"],
        falls_off_below_nm=model["falls_off_below_probe_nm"],
        fall_off_width_per_nm=model["fall_off_width_per_nm"],
        factor_at_room=1.0,
        reference_thickness=numbers["thickness_over_mean_free_path"]["fem_variable_resolution"],
        rise=fem["change_25_to_150degC"],
        rise_until_degC=model["rises_until_degC"],
        rise_scale_K=model["rise_scale_K"],
        late=_late_phase(fem["extra_shoulder_275degC_per_nm"], model["extras_275degC"]),
    )


def _late_phase(shoulder_per_nm: float, extras: dict[str, float]) -> LatePhase:
    return LatePhase(
        from_degC=extras["fade_in_from_degC"],
        to_degC=extras["whole_at_degC"],
        shoulder_per_nm=shoulder_per_nm,
        shoulder_height=extras["shoulder"],
        shoulder_width_per_nm=extras["shoulder_width_per_nm"],
        second_wider_by=extras["second_peak_wider_by"],
    )
