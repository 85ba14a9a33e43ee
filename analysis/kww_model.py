"""The Kohlrausch-Williams-Watts decay, and what a record of finite duration shows of it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from annealscope.analysis.kww_gaps import UsedSlots, check_used, mean_of_used_products
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
    used: UsedSlots | None = None,
    width_slots: npt.ArrayLike | None = None,
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
    used
        Which slots have a frame; None: all.
    width_slots
        Slots that a sample of each lag is the mean of, as in `LagSums`, shape (L,); None: 1. Only looked at
        when slots are lost.

    Returns
    -------
    B(k), shape (L,); NaN where there is no pair.
    """
    decay = kww(np.arange(longest_lag(segments, segment_starts)) * spacing_s, tau_s, beta)
    return mean_of_products(lag_slots, decay, segments, segment_starts, used, width_slots)


def longest_lag(segments: Sequence[int], segment_starts: Sequence[int] | None = None) -> int:
    """Return the number of slots from the first to the last, whose distances `mean_of_products` needs."""
    starts = _starts(segments, segment_starts)
    return max(s + int(n) for s, n in zip(starts, segments, strict=True)) - min(starts)


def mean_of_products(
    lag_slots: npt.ArrayLike,
    decay: FloatArray,
    segments: Sequence[int],
    segment_starts: Sequence[int] | None = None,
    used: UsedSlots | None = None,
    width_slots: npt.ArrayLike | None = None,
) -> FloatArray:
    """Return the part of any decay that dividing by the means takes away, see `mean_subtraction`.

    Parameters
    ----------
    lag_slots
        Lags k in slots, integers, shape (L,).
    decay
        Its values at 0, 1, ... slots, `longest_lag` of them, along the first axis; may have more axes.
    segments, segment_starts, used, width_slots
        See `mean_subtraction`.

    Returns
    -------
    B(k), shape (L, ...); NaN where there is no pair.
    """
    k = np.asarray(lag_slots, dtype=np.int64)
    starts = _starts(segments, segment_starts)
    if used is not None:
        check_used(used, segments)
        width = np.ones_like(k) if width_slots is None else np.asarray(width_slots, dtype=np.int64)
        return mean_of_used_products(k, width, decay, used, segment_starts)
    area = _double_sum(decay)
    total, pairs = np.zeros(k.shape + decay.shape[1:]), np.zeros(k.shape)
    for a in range(len(starts)):
        left = np.maximum(int(segments[a]) - k, 0)
        pairs += left
        for b in [a] if segment_starts is None else range(len(starts)):
            right = np.maximum(int(segments[b]) - k, 0)
            total += _rectangle(area, starts[a] - starts[b] - k, left, right)
    with np.errstate(invalid="ignore"):
        return np.asarray((total.T / pairs**2).T)


def finite_kww(
    lag_slots: npt.ArrayLike,
    tau_s: float,
    beta: float,
    *,
    spacing_s: float,
    segments: Sequence[int],
    segment_starts: Sequence[int] | None = None,
    used: UsedSlots | None = None,
    width_slots: npt.ArrayLike | None = None,
) -> FloatArray:
    """Return the expected g2 - 1 of the `ratio` estimator for unit amplitude: ``f(k) - B(k)``.

    Parameters are those of `mean_subtraction`; O(slots) per call, with lost slots O(slots ln slots) per lag.
    """
    decay = kww(np.asarray(lag_slots) * spacing_s, tau_s, beta)
    return decay - mean_subtraction(
        lag_slots,
        tau_s,
        beta,
        spacing_s=spacing_s,
        segments=segments,
        segment_starts=segment_starts,
        used=used,
        width_slots=width_slots,
    )


def _starts(segments: Sequence[int], segment_starts: Sequence[int] | None) -> list[int]:
    starts = [0] * len(segments) if segment_starts is None else [int(s) for s in segment_starts]
    if len(starts) != len(segments):
        raise InvalidData(
            f"segment starts: one per segment is needed, got {len(starts)} for {len(segments)} segments; "
            "pass both from the same record"
        )
    return starts


def _double_sum(f: FloatArray) -> FloatArray:
    """Return the even function h with h(0) = 0 and the second difference f(abs(x)), along the first axis.

    Sums of f over a rectangle of index pairs are differences of h at its corners.
    """
    slope = np.cumsum(f, axis=0) - 0.5 * f[0]
    return np.concatenate([np.zeros_like(slope[:1]), np.cumsum(slope, axis=0)])


def _rectangle(
    h: FloatArray, offset: npt.NDArray[np.int64], n_i: npt.NDArray[np.int64], n_j: npt.NDArray[np.int64]
) -> FloatArray:
    """Sum of f(abs(i - j + offset)) over i < n_i and j < n_j."""
    used = (n_i > 0) & (n_j > 0)
    corners = [offset + n_i, offset, offset + n_i - n_j, offset - n_j]
    ul, ur, ll, lr = (h[np.where(used, np.abs(corner), 0)] for corner in corners)
    return np.asarray(np.where(used, (ul - ur - ll + lr).T, 0.0).T)
