"""Whether the dynamics change with age: tau along the diagonal of the two-time map (docs/methods/age.md)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from annealscope.analysis.jackknife import left_out_error
from annealscope.analysis.jumps import jump_times
from annealscope.analysis.kww import KwwFit
from annealscope.analysis.slots import Integers
from annealscope.analysis.twotime_map import TwoTimeMap
from annealscope.analysis.values import FloatArray, InvalidData

Verdict = Literal["steady", "aging", "speeding_up", "undetermined"]

AGES = 7
LONGEST_LAG = 0.35
"""Of the duration: beyond it few elements are left, at few ages."""

LEAST_REACH = 0.5
"""Of tau: an age with shorter lags only sees too little of the decay."""

STEADY_SLOPE = 0.10
"""Change of ln tau over the record that counts as none."""

_JUMP_LAG = 1 / 20
"""Of tau: a lag at which little has changed by itself."""

_MOST_STEPS = 60
_LARGEST_STEP = 0.5
_STEP_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Aging:
    """The relaxation time at several ages, and what follows from it. What is not known is NaN."""

    t_age_s: FloatArray
    """Ages (t1 + t2)/2 since the start of the record, shape (J,)."""

    tau_s: FloatArray
    """Relaxation time at each age, shape (J,)."""

    sigma_s: FloatArray
    """Standard error of `tau_s` by the jackknife, for the given amplitude, beta and baseline, shape (J,)."""

    reach_s: FloatArray
    """Longest lag used at each age, shape (J,)."""

    slope: float
    """d ln(tau) / d(t_age / T): the change of ln(tau) over the whole record."""

    sigma_slope: float
    verdict: Verdict
    jumps_s: FloatArray
    """When the image jumped, increasing, see `jump_times`."""


def aging(
    two_time: TwoTimeMap,
    left_out: Iterable[TwoTimeMap],
    *,
    t_s: FloatArray,
    spacing_s: float,
    fit: KwwFit,
    ages: int = AGES,
) -> Aging:
    """Fit tau at several ages of a record, and say whether it changes (docs/methods/age.md).

    Parameters
    ----------
    two_time
        C between n time bins.
    left_out
        The same with each block of pixels left out, from :meth:`TwoTime.without_blocks`; for the errors.
    t_s
        Middle of each bin in s, gaps between segments included, shape (n,). Where they do not increase, a
        clock was set back, and no age is known.
    spacing_s
        Slot spacing in s.
    fit
        Of the whole record, with a free baseline: its beta and baseline hold at every age, and the amplitude
        that the map has with its tau: pixels that were binned for the map have less contrast.
    ages
        Number of ages J, at least 3.

    Returns
    -------
    Aging
        All NaN and "undetermined" when ``fit`` is not usable, or times do not increase.

    Raises
    ------
    InvalidData
        Shapes that do not fit, or fewer than 3 ages.
    """
    if ages < 3 or t_s.shape != two_time.t_slots.shape:
        raise InvalidData(
            "aging: at least 3 ages and one time for each bin of the two-time map are needed, got "
            f"{ages} ages and times {t_s.shape} for {two_time.t_slots.shape} bins"
        )
    bin_s = two_time.bin_slots * spacing_s
    duration_s = float(np.ptp(t_s)) + bin_s
    t_age_s = float(t_s.min()) - bin_s / 2 + duration_s * (np.arange(ages) + 0.5) / ages
    if not fit.usable or np.any(np.diff(t_s) <= 0):
        return _unknown(t_age_s)
    cuts = _cut(two_time.value, t_s, t_age_s, bin_s, duration_s)
    curves = cuts.curves(two_time.value)
    decay = _Decay(fit, fit.amplitude, bin_s, two_time.bin_slots).scaled_to(curves, cuts.pairs)
    if not 0.0 < decay.amplitude < np.inf:
        return _unknown(t_age_s)
    ln_tau = decay.ln_tau(curves)
    without = np.array([decay.ln_tau(cuts.curves(part.value)) for part in left_out]).reshape(-1, ages)
    reach_s = cuts.longest_lag * bin_s
    fitted = np.isfinite(ln_tau) & np.isfinite(without).all(axis=0)
    known, age = fitted & (reach_s >= LEAST_REACH * fit.tau_s), t_age_s / duration_s
    ln_tau = np.where(known, ln_tau, np.nan)
    slope = _slope(age[known], ln_tau[known])
    sigma_slope = float(left_out_error([_slope(age[known], part[known]) for part in without]))
    return Aging(
        t_age_s=t_age_s,
        tau_s=np.exp(ln_tau),
        sigma_s=np.exp(ln_tau) * left_out_error(without),
        reach_s=np.where(known, reach_s, np.nan),
        slope=slope,
        sigma_slope=sigma_slope,
        verdict=verdict(slope, sigma_slope),
        jumps_s=jump_times(two_time, t_s, max(1, round(fit.tau_s * _JUMP_LAG / bin_s))),
    )


def verdict(slope: float, sigma_slope: float) -> Verdict:
    """Judge a change of ln(tau) over the record; that no change was found does not make it steady."""
    if abs(slope) + 2 * sigma_slope < STEADY_SLOPE:
        return "steady"
    significant = max(3 * sigma_slope, STEADY_SLOPE) if np.isfinite(sigma_slope) else np.nan
    if slope > significant:
        return "aging"
    return "speeding_up" if slope < -significant else "undetermined"


@dataclass(frozen=True)
class _Cuts:
    """Which elements of C are averaged for an age and a lag."""

    row: Integers
    column: Integers
    cell: Integers
    """Age and lag of each element: age times number of lags, plus lag in bins - 1."""

    pairs: Integers
    """Elements of each cell, shape (J, K)."""

    @property
    def longest_lag(self) -> Integers:
        """Longest lag with an element, in bins; 0 for an age without."""
        lag = 1 + np.arange(self.pairs.shape[1])
        return np.asarray(np.max(np.where(self.pairs > 0, lag, 0), axis=1))

    def curves(self, value: FloatArray) -> FloatArray:
        """Return the mean of C - 1 at each age and lag, shape (J, K); NaN without elements."""
        total = np.bincount(self.cell, value[self.row, self.column], minlength=self.pairs.size)
        with np.errstate(invalid="ignore"):
            return np.asarray(total.reshape(self.pairs.shape) / self.pairs - 1)


def _cut(value: FloatArray, t_s: FloatArray, t_age_s: FloatArray, bin_s: float, duration_s: float) -> _Cuts:
    """Sort the elements by age, (t1 + t2)/2, and lag; those beyond the coverage of their age are left out."""
    start_s = float(t_s[0]) - bin_s / 2
    most = max(1, int(LONGEST_LAG * duration_s / bin_s))
    row, column = _elements(value, most)
    lag = column - row
    place = ((t_s[row] + t_s[column]) / 2 - start_s) / duration_s * len(t_age_s)
    age = np.minimum(place.astype(np.int64), len(t_age_s) - 1)
    middle_s = t_age_s - start_s
    covered = lag * bin_s <= 2 * np.minimum(middle_s, duration_s - middle_s)[age]
    row, column, cell = row[covered], column[covered], (age * most + lag - 1)[covered]
    pairs = np.bincount(cell, minlength=len(t_age_s) * most).reshape(-1, most)
    return _Cuts(row, column, cell, pairs)


def _elements(value: FloatArray, most: int) -> tuple[Integers, Integers]:
    """Rows and columns of the numbers above the diagonal, at most so many bins from it."""
    n = len(value)
    near = np.triu(np.tri(n, n, most, dtype=np.bool_), 1)
    row, column = np.nonzero(near & np.isfinite(value))
    return row, column


@dataclass(frozen=True)
class _Decay:
    """The decay of the whole record, of which only tau is free at an age."""

    fit: KwwFit
    amplitude: float
    """In the map, see `scaled_to`."""

    bin_s: float
    bin_slots: int

    def scaled_to(self, y: FloatArray, pairs: Integers) -> "_Decay":
        """Return the decay with the amplitude of these curves together; arrays as of `_Cuts`."""
        shape, _ = self._at(np.log([self.fit.tau_s]), y.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            amplitude = np.nansum(pairs * shape * (y - self.fit.baseline)) / np.sum(pairs * shape**2)
        return replace(self, amplitude=float(amplitude))

    def ln_tau(self, y: FloatArray) -> FloatArray:
        """Fit ln tau to curves of C - 1 at lags of 1, 2, ... bins (J, K); NaN where it does not converge."""
        used = np.isfinite(y)
        shape = np.where(used, (y - self.fit.baseline) / self.amplitude, 0.0)
        ln_tau, step = np.full(len(y), np.log(self.fit.tau_s)), np.full(len(y), np.nan)
        for _ in range(_MOST_STEPS):
            decay, by_ln_tau = self._at(ln_tau, y.shape[1])
            by_ln_tau *= used
            norm = np.sum(by_ln_tau**2, axis=1)
            step = np.sum(by_ln_tau * (shape - decay), axis=1) / np.where(norm > 0.0, norm, np.nan)
            step = np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
            ln_tau = ln_tau + step
            if not np.any(np.abs(step) > _STEP_TOLERANCE):
                break
        return np.where(np.abs(step) <= _STEP_TOLERANCE, ln_tau, np.nan)

    def _at(self, ln_tau: FloatArray, lags: int) -> tuple[FloatArray, FloatArray]:
        """Return the decay at lags 1, 2, ... bins (J, K), and its derivative by ln tau.

        Frames of a bin are averaged, which averages the decay over a triangle of plus and minus one bin.
        """
        ratio = np.arange(lags + 2) * self.bin_s / np.exp(ln_tau)[:, None]
        power = ratio**self.fit.beta
        decay = np.exp(-2 * power)
        return self._binned(decay), self._binned(2 * self.fit.beta * power * decay)

    def _binned(self, f: FloatArray) -> FloatArray:
        beside = (1 - 1 / self.bin_slots**2) / 12
        return np.asarray(f[:, 1:-1] + beside * (f[:, :-2] - 2 * f[:, 1:-1] + f[:, 2:]))


def _slope(age: FloatArray, ln_tau: FloatArray) -> float:
    """Least-squares slope; NaN with fewer than 3 ages."""
    if len(age) < 3:
        return float("nan")
    deviation = age - age.mean()
    return float(deviation @ ln_tau / (deviation @ deviation))


def _unknown(t_age_s: FloatArray) -> Aging:
    nan = np.full(len(t_age_s), np.nan)
    return Aging(t_age_s, nan, nan, nan, np.nan, np.nan, "undetermined", np.empty(0))
