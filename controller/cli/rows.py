"""One line about what an analysis found, for each kind of measurement."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from annealscope.analysis.ecm_duration import LEAST_TIMES
from annealscope.analysis.ecm_rows import FrameState
from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.values import Results
from annealscope.controller.config.wording import counted
from annealscope.controller.report.numbers import percent, pm
from annealscope.controller.report.summary import Fit

NO_RELAXATION = "the frames stay the same, are noise alone, or change too fast or too slowly for this record"

MOST_JUMPS = 3
"""Jumps whose times are named."""

BELIEVED = "the number to believe, its model knows how long the record is"


@dataclass(frozen=True)
class RelaxationRow:
    """What a movie says."""

    title: str
    tau_s: float
    """The one to believe: corrected for the finite length of the record."""
    sigma_tau_s: float
    beta: float
    sigma_beta: float
    tau_pixel_s: float
    """By the estimator of the paper: every pixel normalised by its own mean."""
    expected_s: float
    """What the length of the record alone makes of the corrected values by a plain fit; NaN when unknown."""
    flagged: str
    """Why tau should not be believed, in words; empty when nothing is known against it."""
    cautions: list[str]
    """What was noticed of the frames, or of a change during the record."""
    note: str
    """Where the results are, or how they compare with those in the file."""

    @property
    def found(self) -> bool:
        """Whether there is a relaxation time at all."""
        return math.isfinite(self.tau_s)

    def __str__(self) -> str:
        remarks = [*self.cautions, self.note]
        if not self.found:
            return f"{self.title}: no relaxation found: {'; '.join([NO_RELAXATION, *remarks])}"
        tau, beta = pm(self.tau_s, self.sigma_tau_s, "s"), pm(self.beta, self.sigma_beta)
        verdict = f"not to be believed; {self.flagged}" if self.flagged else BELIEVED
        remarks.insert(0, f"per pixel, as published: {self._per_pixel}")
        return f"{self.title}: tau {tau}, beta {beta} ({verdict}); {'; '.join(remarks)}"

    @property
    def _per_pixel(self) -> str:
        if not math.isfinite(self.tau_pixel_s):
            return "no fit"
        seen, expected = (pm(tau_s, unit="s") for tau_s in (self.tau_pixel_s, self.expected_s))
        return f"{seen} ({expected} expected of the bias alone)" if math.isfinite(self.expected_s) else seen


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


Row = RelaxationRow | FailedRow | VarianceRow | RingsRow
"""What came out of one hold or stack; `found`: whether the quantity that was looked for is there."""


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
    expected = results["duration/expected_tau_s"].values
    return RelaxationRow(
        title=title,
        tau_s=float(corrected["tau_s"]),
        sigma_tau_s=float(corrected["sigma_tau_s"]),
        beta=float(corrected["beta"]),
        sigma_beta=float(corrected["sigma_beta"]),
        tau_pixel_s=float(pixel["tau_s"]),
        expected_s=math.nan if expected is None else float(expected[-1]),
        flagged=Fit(corrected["tau_s"], corrected["beta"], flags=FitFlag(corrected["flags"])).flagged,
        cautions=[*_of_length(results), *_of_frames(results), *_of_age(results)],
        note=note,
    )


def _of_length(results: Results) -> Iterator[str]:
    """Say when the record is shorter than what even the corrected fit is tested for."""
    times, fit = results["duration"].attrs["seen_times"], results["kww/corrected"].attrs
    if times < LEAST_TIMES and not FitFlag(fit["flags"]) & FitFlag.TOO_SLOW:
        yield f"the record is only {times:.1f} tau long, below {LEAST_TIMES:g} tau it may read short"


def _of_frames(results: Results) -> Iterator[str]:
    """Say how many frames were of no use, and whether the beam was steady."""
    seen = results["frame_mean"].attrs
    lost = {state.name.lower(): int(seen[state.name.lower()]) for state in FrameState if state}
    if any(lost.values()):
        kinds = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in lost.items() if count)
        yield f"{sum(lost.values())} of {seen['frames']} frames not used: {kinds}"
    if lost["not_a_number"]:
        yield "pixels that are not a number cost whole frames: if these are edges, leave them out by --roi"
    if seen["clipped"]:
        share, count = percent(seen["share_at_largest"]), seen["largest_count"]
        yield f"{share} of the pixels show the largest count, {count:g}: is the camera saturated?"
    if seen["beam_unsteady"]:
        spread = percent(seen["beam_spread"])
        yield f"the frame means waver by {spread}, by an unsteady beam or a wrong offset: see frame_mean"


def _of_age(results: Results) -> Iterator[str]:
    """Say whether tau changes during the record, and whether the image jumped."""
    if "age" not in results:  # shorter than a bin of the two-time map
        return
    age, t_s = results["age"].attrs, results["ttcf/t"].values
    if t_s is not None and (np.diff(t_s) <= 0).any():
        yield "time stamps go back between segments, so no age is known: was a clock set?"
    if age["verdict"] in ("aging", "speeding_up"):
        change = pm(age["slope"], age["sigma_slope"])
        yield f"tau changes during the record, ln tau by {change}: see age"
    if age["jumps_s"]:
        at = ", ".join(f"{t_s:.4g}" for t_s in age["jumps_s"][:MOST_JUMPS])
        more = " ..." if len(age["jumps_s"]) > MOST_JUMPS else ""
        yield f"{counted(len(age['jumps_s']), 'jump')} of the image, at {at}{more} s: see drift and age"


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
