"""What of a correlation curve is fitted, and what can be wrong with a fit."""

from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from annealscope.analysis.values import FloatArray, InvalidData

_RANGE_FRACTION = {"full": 1.0, "first1": 1.0, "half": 0.5, "quarter": 0.25}


class FitFlag(IntFlag):
    """Why a fit should not be trusted; 0 means nothing was found."""

    NOT_CONVERGED = 1
    """No result: the values are NaN."""
    TAU_AT_BOUND = 2
    BETA_AT_BOUND = 4
    LOW_AMPLITUDE = 8
    """Amplitude below 3 times the rms of the residuals."""
    TOO_FAST = 16
    """tau below 3 slots."""
    TOO_SLOW = 32
    """tau above a third of the duration."""
    FEW_POINTS = 64
    """Fewer than 6 points before the curve first falls to zero."""
    MASKED = 128
    """Masked, dead or saturated pixel: not fitted, NaN."""
    RESIDUAL_RUNS = 256
    """Residuals keep their sign too long. A hint only: neighbouring lags of g2 are correlated."""
    BASELINE_AT_BOUND = 512


UNUSABLE = ~FitFlag.RESIDUAL_RUNS
"""Flags that exclude a fit from summaries."""


@dataclass(frozen=True)
class FitSpec:
    """How a curve g2 - 1 is prepared and fitted (docs/methods/kww.md)."""

    resample: Literal["bin", "interp", "index", "none"] = "bin"
    """bin: pair-weighted means in logarithmic bins; interp: linear interpolation at logarithmic times;
    index: the measured lags nearest to logarithmic times; none: every lag."""

    points: int = 60
    """Number of logarithmic bins or times; short lags share them, so fewer may remain."""

    range: Literal["full", "first1", "half", "quarter"] = "half"
    """Points used: all; up to the first one at or below g2 = 1, this one included; up to T/2; up to T/4."""

    free_baseline: bool = False
    """Fit A f + C instead of A f. Needs the range "quarter"."""

    weights: Literal["none", "pairs"] = "none"
    """Weight of a point: the same for all, or the number of pairs behind it."""

    beta_bounds: tuple[float, float] = (0.2, 2.5)
    """Smallest and largest stretching exponent."""

    def __post_init__(self) -> None:
        _check("resample", self.resample in ("bin", "interp", "index", "none"), self.resample)
        _check("range", self.range in _RANGE_FRACTION, self.range)
        _check("weights", self.weights in ("none", "pairs"), self.weights)
        _check("points (at least 6)", self.points >= 6, self.points)
        low, high = self.beta_bounds
        _check("beta_bounds (0 < low < high)", 0.0 < low < high, self.beta_bounds)
        _check('range (a free baseline needs "quarter")', self._baseline_allowed(), self.range)

    def _baseline_allowed(self) -> bool:
        return not self.free_baseline or self.range == "quarter"

    @classmethod
    def default(cls) -> Self:
        """Pair-weighted means in 60 logarithmic bins up to half the duration."""
        return cls()

    @classmethod
    def paper(cls) -> Self:
        """As published ECM analyses do it: 200 interpolated points up to the first crossing g2 = 1."""
        return cls(resample="interp", points=200, range="first1")

    @classmethod
    def with_baseline(cls) -> Self:
        """As the default, with a free baseline up to T/4: for `roi` and `ttcf` curves."""
        return replace(cls(), range="quarter", free_baseline=True)


@dataclass(frozen=True)
class Resampling:
    """The linear map from measured lags to fitted points; made by `resampling`."""

    lag_s: FloatArray
    """Lag of each point in s, shape (P,)."""

    pairs: FloatArray
    """Number of pairs behind each point, shape (P,)."""

    kept: npt.NDArray[np.int64]
    """Indices of the measured lags that are used, shape (K,)."""

    matrix: Any
    """Sparse weights, shape (P, K), each row with sum 1."""

    def __call__(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Resample values of shape (L,) or (L, n) to (P,) or (P, n)."""
        dtype = np.result_type(y.dtype, np.float32)
        return np.asarray(self.matrix.astype(dtype, copy=False) @ y[self.kept])

    def weights(self, spec: FitSpec) -> FloatArray:
        """Weights of the squared residuals, shape (P,); a common factor does not matter."""
        return self.pairs / self.pairs.max() if spec.weights == "pairs" else np.ones_like(self.pairs)


def resampling(
    lag_s: npt.ArrayLike, pairs: npt.ArrayLike | None, spec: FitSpec, duration_s: float | None = None
) -> Resampling:
    """Choose the lags inside the range of ``spec`` and the points they are averaged or interpolated to.

    Lag 0 and lags without pairs are dropped. Every remaining short lag contributes also when the axis is
    logarithmic already (a multi-tau axis): bins without a lag do not make a point.

    Parameters
    ----------
    lag_s
        Lags in s, increasing, shape (L,).
    pairs
        Number of pairs of each lag, shape (L,); None: all equal.
    spec
        Mode, number of points, range.
    duration_s
        Duration T of the record for the ranges "half" and "quarter"; None: the axis is taken to span it.

    Raises
    ------
    InvalidData
        The axes do not fit together, do not increase, or fewer than 3 lags are in the range.
    """
    lag = np.asarray(lag_s, dtype=np.float64)
    weight = np.ones(lag.shape) if pairs is None else np.asarray(pairs, dtype=np.float64)
    _check_axis(lag, weight)
    used = np.flatnonzero((lag > 0.0) & (weight > 0.0))
    if used.size:
        used = used[lag[used] <= _range_end_s(lag[used], spec, duration_s)]
    if used.size < 3:
        raise InvalidData(
            f"lags: a fit needs at least 3 lags > 0 with pairs in the range {spec.range!r}, got {used.size} "
            f"of {lag.size}; record longer or use a wider range"
        )
    matrix = _MATRIX[spec.resample](lag[used], weight[used], spec.points)
    return Resampling(
        lag_s=matrix @ lag[used], pairs=_point_pairs(matrix, weight[used]), kept=used, matrix=matrix
    )


def resample(
    lag_s: npt.ArrayLike, y: npt.ArrayLike, pairs: npt.ArrayLike | None, spec: FitSpec
) -> tuple[FloatArray, npt.NDArray[Any], FloatArray]:
    """Points ``(lag_s, y, pairs)`` a curve is fitted at; y may be (L,) or (L, n).

    The range "first1" is not cut here, because it depends on the curve. See `resampling` for the rest.
    """
    values = np.asarray(y)
    chosen = resampling(lag_s, pairs, spec)
    return chosen.lag_s, chosen(values), chosen.pairs


def slot_s(lag_s: FloatArray) -> float:
    """Slot spacing of a lag axis in s: its first positive lag or its smallest step, whichever is smaller."""
    positive = lag_s[lag_s > 0.0]
    return float(min(positive[0], np.diff(positive).min(initial=np.inf)))


def duration_of(lag_s: FloatArray) -> float:
    """Shortest duration in s a record with these lags can have."""
    return float(lag_s[-1]) + slot_s(lag_s)


def _range_end_s(lag_s: FloatArray, spec: FitSpec, duration_s: float | None) -> float:
    duration = duration_of(lag_s) if duration_s is None else duration_s
    rounding_s = 1e-6 * slot_s(lag_s)
    return _RANGE_FRACTION[spec.range] * duration + rounding_s


def _bins(lag_s: FloatArray, pairs: FloatArray, points: int) -> Any:
    slot = np.rint(lag_s / slot_s(lag_s)).astype(np.int64)
    edges = np.unique(np.rint(np.geomspace(1, slot[-1] + 1, points + 1)))
    _, row = np.unique(np.searchsorted(edges, slot, side="right"), return_inverse=True)
    column = np.arange(slot.size)
    return sparse.csr_array((pairs / np.bincount(row, pairs)[row], (row, column)))


def _interpolation(lag_s: FloatArray, pairs: FloatArray, points: int) -> Any:
    time_s = np.geomspace(lag_s[0], lag_s[-1], points)
    place = np.interp(time_s, lag_s, np.arange(lag_s.size, dtype=np.float64))
    # Rounding first: a time one ulp above a measured lag must not move to the next one.
    place = np.round(place, 8)
    lower = np.minimum(place.astype(np.int64), lag_s.size - 2)
    upper_part = place - lower
    row = np.arange(points)
    data = np.concatenate([1.0 - upper_part, upper_part])
    where = (np.concatenate([row, row]), np.concatenate([lower, lower + 1]))
    return sparse.csr_array((data, where), shape=(points, lag_s.size))


def _nearest(lag_s: FloatArray, pairs: FloatArray, points: int) -> Any:
    slot = np.rint(lag_s / slot_s(lag_s))
    wanted = np.unique(np.rint(np.geomspace(slot[0], slot[-1], points)))
    above = np.clip(np.searchsorted(slot, wanted), 1, slot.size - 1)
    column = np.unique(np.where(wanted - slot[above - 1] < slot[above] - wanted, above - 1, above))
    row = np.arange(column.size)
    return sparse.csr_array((np.ones(column.size), (row, column)), shape=(column.size, lag_s.size))


def _every(lag_s: FloatArray, pairs: FloatArray, points: int) -> Any:
    return sparse.csr_array(sparse.identity(lag_s.size))


_MATRIX = {"bin": _bins, "interp": _interpolation, "index": _nearest, "none": _every}


def _point_pairs(matrix: Any, pairs: FloatArray) -> FloatArray:
    """Pairs behind each point: the sum over a bin, the weighted neighbours of an interpolated point."""
    squares = matrix.power(2) @ (1.0 / pairs)
    return np.asarray(1.0 / squares)


def _check_axis(lag_s: FloatArray, pairs: FloatArray) -> None:
    if lag_s.ndim != 1 or pairs.shape != lag_s.shape:
        raise InvalidData(
            f"lag axis: lags and pairs must be two arrays of one equal length, got shapes {lag_s.shape} and "
            f"{pairs.shape}; pass the axis that came with the curve"
        )
    if not np.all(np.isfinite(lag_s)) or np.any(np.diff(lag_s) <= 0.0):
        raise InvalidData("lag axis: lags must be finite and increase; sort the curve by lag first")


def _check(what: str, good: bool, got: object) -> None:
    if not good:
        raise InvalidData(f"fit specification: {what} is not valid, got {got!r}; see FitSpec for the choices")
