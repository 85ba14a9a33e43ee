"""One line about what an analysis found, for each kind of measurement."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.values import Results
from annealscope.controller.report.summary import Fit

NO_RELAXATION = "the frames stay the same, are noise alone, or change too fast or too slowly for this record"


class Row(Protocol):
    """What came out of one hold or stack."""

    @property
    def found(self) -> bool:
        """Whether the quantity that was looked for is there."""

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data."""


@dataclass(frozen=True)
class RelaxationRow:
    """What a movie says."""

    title: str
    tau_s: float
    sigma_tau_s: float
    beta: float
    tau_pixel_s: float
    """By the estimator of the paper: every pixel normalised by its own mean."""
    flagged: str
    """Why tau should not be believed, in words; empty when nothing is known against it."""
    note: str
    """Where the results are, or how they compare with those in the file."""

    @property
    def found(self) -> bool:
        """Whether there is a relaxation time at all."""
        return math.isfinite(self.tau_s)

    def __str__(self) -> str:
        if not self.found:
            return f"{self.title}: no relaxation found: {NO_RELAXATION}; {self.note}"
        remark = f"{self.flagged}; " if self.flagged else ""
        return (
            f"{self.title}: tau {self.tau_s:.0f} +- {self.sigma_tau_s:.0f} s, beta {self.beta:.3f} "
            f"(per-pixel normalisation: {self.tau_pixel_s:.0f} s); {remark}{self.note}"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class FailedRow:
    """Why nothing can be computed from a hold."""

    title: str
    why: str

    @property
    def found(self) -> bool:
        """Nothing is."""
        return False

    def __str__(self) -> str:
        return f"{self.title}: cannot be analysed: {self.why}"

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class VarianceRow:
    """What the nanobeam patterns of a grid say."""

    title: str
    V_max: float
    sigma_V_max: float
    k_per_nm: float
    ratio: float
    """Second peak over the first."""
    note: str

    @property
    def found(self) -> bool:
        """Whether there is a peak."""
        return math.isfinite(self.V_max)

    def __str__(self) -> str:
        if not self.found:
            return f"{self.title}: no peak of V(k) found; {self.note}"
        return (
            f"{self.title}: V {self.V_max:.4f} +- {self.sigma_V_max:.4f} at k = {self.k_per_nm:.3f} 1/nm, "
            f"second peak {self.ratio:.2f} of it; {self.note}"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class RingsRow:
    """What the diffraction patterns of an area say."""

    title: str
    rings_per_nm: list[float]
    note: str

    @property
    def found(self) -> bool:
        """Whether there is a ring."""
        return any(map(math.isfinite, self.rings_per_nm))

    def __str__(self) -> str:
        rings = ", ".join(f"{k:.2f}" if math.isfinite(k) else "(not found)" for k in self.rings_per_nm)
        found = f"rings at {rings} 1/nm" if self.found else "no ring found"
        return f"{self.title}: {found}; {self.note}"

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return asdict(self)


def row_of(title: str, results: Results, note: str) -> Row:
    """Say what results say, whichever measurement they are of."""
    if "fem" in results:
        return _variance_row(title, results, note)
    if "diffraction" in results:
        rings = results["diffraction"].attrs["rings_per_nm"]
        return RingsRow(title, [float(k) for k in rings], note)
    return _relaxation_row(title, results, note)


def _relaxation_row(title: str, results: Results, note: str) -> RelaxationRow:
    corrected, pixel = results["kww/corrected"].attrs, results["kww/pixel"].attrs
    return RelaxationRow(
        title=title,
        tau_s=float(corrected["tau_s"]),
        sigma_tau_s=float(corrected["sigma_tau_s"]),
        beta=float(corrected["beta"]),
        tau_pixel_s=float(pixel["tau_s"]),
        flagged=Fit(corrected["tau_s"], corrected["beta"], flags=FitFlag(corrected["flags"])).flagged,
        note=note,
    )


def _variance_row(title: str, results: Results, note: str) -> VarianceRow:
    first, both = results["fem/peaks/first"].attrs, results["fem/peaks"].attrs
    return VarianceRow(
        title=title,
        V_max=float(first["V_max"]),
        sigma_V_max=float(first["sigma_V_max"]),
        k_per_nm=float(first["k_per_nm"]),
        ratio=float(both["ratio"]),
        note=note,
    )
