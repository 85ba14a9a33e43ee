"""The relaxation time against the duration of the record it is seen in (docs/methods/duration.md)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.analysis.averages import BlockTotals
from annealscope.analysis.duration import LAWS, Law, asymptote
from annealscope.analysis.ecm_fits import Estimate, estimates
from annealscope.analysis.ecm_rows import Timeline
from annealscope.analysis.ecm_spec import DURATION_COLUMNS, EcmSpec
from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.jackknife import left_out_error
from annealscope.analysis.kww import KwwFit, finite_kww, fit_each
from annealscope.analysis.values import FloatArray, InvalidData, Result, Results

LAW: Law = "hyp"
"""Of the asymptote; what the others say stands beside it."""

LEAST_TIMES = 5.0
"""Relaxation times in a prefix from which on `corrected` and `ttcf` are unbiased."""


@dataclass(frozen=True)
class Prefix:
    """A record from its first slot up to one of its slots, fitted like a whole one."""

    totals: BlockTotals

    time: Timeline
    """Of these slots only."""

    found: dict[str, Estimate]
    """By estimator."""

    @property
    def T_s(self) -> float:
        """Duration: the slots of all segments."""
        return self.time.n_slots * self.time.spacing_s

    def seen_times(self, tau_s: float) -> float:
        """Relaxation times of which something is seen; NaN when tau is not known."""
        return self.time.seen_s(tau_s) / tau_s


@dataclass(frozen=True)
class _Course:
    """One estimator in each of K prefixes; unknown where it is not to be believed."""

    tau_s: FloatArray
    beta: FloatArray
    tau_without_s: FloatArray
    """With one block of the image left out, shape (B, K); `beta_without` likewise."""
    beta_without: FloatArray
    flags: npt.NDArray[np.uint16]


def fitted_prefix(totals: BlockTotals, time: Timeline, spec: EcmSpec) -> Prefix:
    """Fit the beginning of a record; a fit that it is too short for is flagged."""
    return Prefix(totals, time, estimates(totals, time, spec))


def duration_results(prefixes: Sequence[Prefix], fit: FitSpec) -> Results:
    """Tabulate the relaxation times of a growing record, and extrapolate them to an endless one.

    Parameters
    ----------
    prefixes
        Parts of one record, all from its first slot on, the shortest first; the last is the whole record.
        All have the same blocks of the image. One that adds no slot to those before, because its newest
        frames are of no use, is left out.
    fit
        Of the `pixel` curve.

    Returns
    -------
    Results
        The group ``duration``, see docs/methods/duration.md; empty when there are no prefixes.
    """
    if not prefixes:
        return {}
    prefixes = [part for part, later in pairwise(prefixes) if part.T_s < later.T_s] + [prefixes[-1]]
    T_s = np.array([prefix.T_s for prefix in prefixes])
    courses = {name: _course(prefixes, name) for name in DURATION_COLUMNS}
    believed = prefixes[-1].found["corrected"].fit
    times = np.array([prefix.seen_times(believed.tau_s) for prefix in prefixes])
    for name in ("corrected", "ttcf"):
        courses[name] = _where(courses[name], times >= LEAST_TIMES)
    results = {"duration/T_s": Result(T_s, "s")}
    for name, course in courses.items():
        results |= _columns(f"duration/{DURATION_COLUMNS[name]}", course)
    results |= _expected(prefixes, believed, fit)
    attrs = {"seen_times": float(times[-1]), **_attributes(T_s, courses["pixel"])}
    return results | {"duration": Result(None, attrs=attrs)}


def _course(prefixes: Sequence[Prefix], name: str) -> _Course:
    found = [prefix.found[name] for prefix in prefixes]
    course = _Course(
        tau_s=np.array([estimate.fit.tau_s for estimate in found]),
        beta=np.array([estimate.fit.beta for estimate in found]),
        tau_without_s=np.array([estimate.tau_without_s for estimate in found]).T,
        beta_without=np.array([estimate.beta_without for estimate in found]).T,
        flags=np.array([estimate.fit.flags for estimate in found], dtype=np.uint16),
    )
    return _where(course, np.array([estimate.fit.usable for estimate in found]))


def _where(course: _Course, good: npt.NDArray[np.bool_]) -> _Course:
    """Keep the numbers of some prefixes only."""
    tau_s, beta = (np.where(good, values, np.nan) for values in (course.tau_s, course.beta))
    return replace(course, tau_s=tau_s, beta=beta)


def _columns(start: str, course: _Course) -> Results:
    known = np.isfinite(course.tau_s)
    sigma_tau_s, sigma_beta = (
        np.where(known, left_out_error(without), np.nan)
        for without in (course.tau_without_s, course.beta_without)
    )
    return {
        f"{start}tau_s": Result(course.tau_s, "s"),
        f"{start}sigma_tau_s": Result(sigma_tau_s, "s"),
        f"{start}beta": Result(course.beta),
        f"{start}sigma_beta": Result(sigma_beta),
        f"{start}flags": Result(course.flags),
    }


def _expected(prefixes: Sequence[Prefix], believed: KwwFit, fit: FitSpec) -> Results:
    """Return what a plain fit shows in each prefix when nothing but the duration changes.

    The decay is the one to believe of the whole record; the expectation is that of the `ratio` curve.
    """
    tau_s, beta = np.full((2, len(prefixes)), np.nan)
    if believed.usable:
        for k, prefix in enumerate(prefixes):
            with suppress(InvalidData):  # too short
                tau_s[k], beta[k] = _plain_fit_of(prefix, believed.tau_s, believed.beta, fit)
    return {"duration/expected_tau_s": Result(tau_s, "s"), "duration/expected_beta": Result(beta)}


def _plain_fit_of(prefix: Prefix, tau_s: float, beta: float, fit: FitSpec) -> tuple[float, float]:
    time, totals = prefix.time, prefix.totals
    curve = finite_kww(totals.lag_slots, tau_s, beta, width_slots=totals.width_slots, **time.layout)
    lag_s = totals.lag_slots * time.spacing_s
    fits = fit_each(lag_s, curve[np.newaxis], totals.pairs, spec=fit, duration_s=prefix.T_s)
    return float(np.exp(fits.parameters[0, 1])), float(fits.parameters[0, 2])


def _attributes(T_s: FloatArray, pixel: _Course) -> dict[str, Any]:
    """Return the laws through the plain times; the error is that of the fit repeated without each block."""
    known = np.isfinite(pixel.tau_s)
    laws = {law: asymptote(T_s[known], pixel.tau_s[known], law) for law in LAWS}
    without = [asymptote(T_s[known], tau_s[known], LAW).tau_asym_s for tau_s in pixel.tau_without_s]
    best = laws[LAW]
    return {
        "signal": "tau_s",
        "auxiliary_signals": ["expected_tau_s", "corrected_tau_s", "ttcf_tau_s"],
        "axes": ["T_s"],
        "law": best.law,
        "tau_asym_s": best.tau_asym_s,
        "sigma_tau_asym_s": float(left_out_error(without)),
        "T0_s": best.T0_s,
        "rms_s": best.rms_s,
        "why": best.why,
        **{f"tau_asym_{law}_s": other.tau_asym_s for law, other in laws.items() if law != LAW},
    }
