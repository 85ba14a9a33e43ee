"""Correlation curves of squares of some speckles, for a map that single pixels are too noisy for."""

import numpy as np
import numpy.typing as npt

from annealscope.analysis.averages import lit
from annealscope.analysis.geometry import FWHM_TIMES_APERTURE
from annealscope.analysis.multitau import LagSums
from annealscope.analysis.values import FloatArray

PATCH_FWHM = 4.0
"""Side of a patch in speckle widths: about 13 speckles."""


def patch_side_px(shape: tuple[int, int], aperture_per_px: float) -> int:
    """Return the side of a patch: `PATCH_FWHM` speckle widths, at most the shorter side of the frame.

    Parameters
    ----------
    shape
        (ny, nx) of the frame.
    aperture_per_px
        Radius of the pupil in cycles per pixel.
    """
    return min(max(round(PATCH_FWHM * FWHM_TIMES_APERTURE / aperture_per_px), 1), *shape)


def patch_g2(sums: LagSums, side_px: int) -> FloatArray:
    """Return the `ratio` g2 = <S> / <L R> of every patch of a frame (docs/methods/maps.md).

    Parameters
    ----------
    sums
        What :meth:`MultiTau.sums` returns.
    side_px
        Side of a patch. What does not fill one, at the end of rows and columns, is left out.

    Returns
    -------
    float64, shape (L, ny // side_px, nx // side_px); NaN where no pixel was lit.
    """
    g2, used = [], lit(sums)
    for lag, pairs in enumerate(sums.pairs):
        means = used * sums.left[lag].astype(np.float64) * sums.right[lag]
        left_right = _patch_sums(means, side_px)
        product = _patch_sums(used * sums.product[lag], side_px)
        g2.append(pairs * product / np.where(left_right > 0, left_right, np.nan))
    return np.array(g2)


def _patch_sums(frame: npt.NDArray[np.floating], side_px: int) -> FloatArray:
    ny, nx = (n // side_px for n in frame.shape)
    whole = frame[: ny * side_px, : nx * side_px].reshape(ny, side_px, nx, side_px)
    return np.asarray(whole.sum(axis=(1, 3), dtype=np.float64))
