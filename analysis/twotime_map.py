"""The two-time correlation function as a value, without what computes it (docs/methods/ttcf.md)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import FloatArray


@dataclass(frozen=True)
class TwoTimeMap:
    """C(t1, t2) between time bins."""

    t_slots: FloatArray
    """Middle of each bin in slots of its segment, shape (n,)."""

    segment: npt.NDArray[np.int64]
    """Segment of each bin, shape (n,)."""

    value: FloatArray
    """C, shape (n, n), symmetric. NaN between segments and for bins without a frame. The diagonal contains
    noise, see `without_diagonal`."""

    bin_slots: int
    """Width of a bin in slots."""


def without_diagonal(value: FloatArray) -> FloatArray:
    """Replace the diagonal, which contains noise, by the mean of its neighbours in the same row.

    Parameters
    ----------
    value
        Two-time correlation, shape (n, n), any real type.

    Returns
    -------
    ndarray
        A float64 copy of shape (n, n), for display; the diagonal is NaN where both neighbours are missing.
    """
    shown = np.array(value, dtype=np.float64)
    missing = np.array([np.nan])
    beside = np.diagonal(shown, 1)
    pair = np.stack([np.concatenate([missing, beside]), np.concatenate([beside, missing])])
    count = np.isfinite(pair).sum(axis=0)
    np.fill_diagonal(shown, np.where(count > 0, np.nansum(pair, axis=0) / np.maximum(count, 1), np.nan))
    return shown
