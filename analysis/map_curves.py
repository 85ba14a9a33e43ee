"""The correlation curves behind a map, of a record and of its null alike (docs/methods/maps.md)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annealscope.analysis.averages import g2_of_lags
from annealscope.analysis.binning import bin_frame
from annealscope.analysis.multitau import LagSums
from annealscope.analysis.slots import Integers
from annealscope.analysis.values import FloatArray

ROUNDING = 1e-6
"""Of g2 - 1 in single precision: a curve that nowhere exceeds it has no contrast, and no fit."""


@dataclass(frozen=True)
class MapCurves:
    """One curve for each pixel of a map."""

    lag_slots: Integers
    """Lag in slots, shape (L,)."""

    pairs: Integers
    """Number of pairs behind each lag, shape (L,)."""

    y: npt.NDArray[np.float32]
    """g2 - 1, shape (L, ny, nx); NaN where a pixel is not lit, see `averages.lit`."""

    @property
    def contrast(self) -> npt.NDArray[np.bool_]:
        """Whether a pixel varies at all, shape (ny, nx)."""
        return varies(self.y)

    @property
    def image_mean(self) -> FloatArray:
        """The `pixel` average of g2 - 1 over the pixels that vary, shape (L,); NaN without any."""
        chosen = self.contrast
        count = np.count_nonzero(chosen) or np.nan
        return np.array([lag.sum(where=chosen, dtype=np.float64) for lag in self.y]) / count


def varies(y: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return where curves g2 - 1, shape (L, ny, nx), have any contrast, shape (ny, nx)."""
    return np.asarray(np.abs(y).max(axis=0) > ROUNDING)


def map_curves(sums: LagSums, bin_px: int) -> MapCurves:
    """Return g2 - 1 of every square of ``bin_px`` x ``bin_px`` pixels: the mean of their curves.

    Works on one lag at a time, so that a large record costs no second array of its size.
    """
    n_lags, ny, nx = sums.product.shape
    y = np.empty((n_lags, ny // bin_px, nx // bin_px), dtype=np.float32)
    for lag, g2 in enumerate(g2_of_lags(sums)):
        y[lag] = bin_frame(g2 - np.float32(1), bin_px)
    return MapCurves(sums.lag_slots, sums.pairs, y)
