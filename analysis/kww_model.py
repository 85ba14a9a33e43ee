"""The Kohlrausch-Williams-Watts decay, and what a record of finite duration shows of it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import FloatArray, InvalidData


def kww(t_s: npt.ArrayLike, tau_s: npt.ArrayLike, beta: npt.ArrayLike) -> FloatArray:
    """Decay of g2 - 1 for unit amplitude: ``exp[-2 (t/tau)^beta]``.

    The factor 2 is there because g2 - 1 follows ``|g1|^2`` and ``g1 = exp[-(t/tau)^beta]``: at ``t = tau``
    the curve has fallen to ``e^-2``.

    Parameters
    ----------
    t_s
        Lag times >= 0, in s.
    tau_s, beta
        Relaxation time in s and stretching exponent, both > 0. All three broadcast.
    """
    ratio = np.asarray(t_s, dtype=np.float64) / np.asarray(tau_s, dtype=np.float64)
    return np.exp(-2.0 * ratio ** np.asarray(beta, dtype=np.float64))


def mean_subtraction(
    lag_slots: npt.ArrayLike,
    tau_s: float,
    beta: float,
    *,
    spacing_s: float,
    segments: Sequence[int],
    segment_starts: Sequence[int] | None = None,
) -> FloatArray:
    """Part of the decay that dividing by the means of the same finite record takes away.

    For one segment of N slots and M = N - k it is
    ``B_N(k) = (1/M^2) sum_{i,j<M} f(|i - j - k|)``, about ``2 tau_int / T`` (docs/methods/kww.md). Several
    segments share one mean, as `MultiTau` accumulates them.

    Parameters
    ----------
    lag_slots
        Lags k in slots, integers, shape (L,).
    tau_s, beta
        Parameters of the decay f.
    spacing_s
        Slot spacing in s.
    segments
        Number of slots of each segment.
    segment_starts
        First slot of each segment on one common grid. Without it the segments count as independent of each
        other (gaps much longer than tau).

    Returns
    -------
    B(k), shape (L,); NaN where no segment is longer than the lag.
    """
    k = np.asarray(lag_slots, dtype=np.int64)
    counts = [int(n) for n in segments]
    starts = [0] * len(counts) if segment_starts is None else [int(s) for s in segment_starts]
    if len(starts) != len(counts):
        raise InvalidData(
            f"segment starts: one per segment is needed, got {len(starts)} for {len(counts)} segments; "
            "pass both from the same record"
        )
    span = max(s + n for s, n in zip(starts, counts, strict=True)) - min(starts)
    area = _double_sum(kww(np.arange(span) * spacing_s, tau_s, beta))
    total, pairs = np.zeros(k.shape), np.zeros(k.shape)
    for a in range(len(counts)):
        left = np.maximum(counts[a] - k, 0)
        pairs += left
        for b in [a] if segment_starts is None else range(len(counts)):
            right = np.maximum(counts[b] - k, 0)
            total += _rectangle(area, starts[a] - starts[b] - k, left, right)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / pairs**2)


def finite_kww(
    lag_slots: npt.ArrayLike,
    tau_s: float,
    beta: float,
    *,
    spacing_s: float,
    segments: Sequence[int],
    segment_starts: Sequence[int] | None = None,
) -> FloatArray:
    """Return the expected g2 - 1 of the `ratio` estimator for unit amplitude: ``f(k) - B(k)``.

    Parameters are those of `mean_subtraction`; O(slots) per call.
    """
    decay = kww(np.asarray(lag_slots) * spacing_s, tau_s, beta)
    return decay - mean_subtraction(
        lag_slots, tau_s, beta, spacing_s=spacing_s, segments=segments, segment_starts=segment_starts
    )


def _double_sum(f: FloatArray) -> FloatArray:
    """Return the even function h with h(0) = 0 and the second difference f(abs(x)).

    Sums of f over a rectangle of index pairs are differences of h at its corners.
    """
    slope = np.cumsum(f) - 0.5 * f[0]
    return np.concatenate([[0.0], np.cumsum(slope)])


def _rectangle(
    h: FloatArray, offset: npt.NDArray[np.int64], n_i: npt.NDArray[np.int64], n_j: npt.NDArray[np.int64]
) -> FloatArray:
    """Sum of f(abs(i - j + offset)) over i < n_i and j < n_j."""
    used = (n_i > 0) & (n_j > 0)
    corners = [offset + n_i, offset, offset + n_i - n_j, offset - n_j]
    ul, ur, ll, lr = (h[np.where(used, np.abs(corner), 0)] for corner in corners)
    return np.asarray(np.where(used, ul - ur - ll + lr, 0.0))
