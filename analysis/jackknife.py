"""Errors from the image itself: estimates with one block left out (docs/methods/jackknife.md)."""

import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import FloatArray, InvalidData

_FEWEST_ON_A_SIDE = 4
_MOST_ON_A_SIDE = 6

LEAST_BLOCKS = _FEWEST_ON_A_SIDE**2
"""Fewer blocks give no error: their scatter would itself be known too badly."""


def block_labels(shape: tuple[int, int], least_side_px: float) -> npt.NDArray[np.int64]:
    """Number the pixels of an image by n x n blocks of equal sides (docs/methods/jackknife.md).

    Parameters
    ----------
    shape
        Pixels of the image (ny, nx).
    least_side_px
        Side that a block needs, > 0: three times the FWHM of a speckle makes blocks nearly independent.

    Returns
    -------
    ndarray
        Labels 0 ... n^2 - 1, int64 of shape (ny, nx); all 0 when not even 4 x 4 blocks fit. There are 5 x 5
        or 6 x 6 blocks only when each still has twice the side it needs.

    Raises
    ------
    InvalidData
        The shape has no pixel, or the side is not > 0.
    """
    if min(shape) < 1 or not least_side_px > 0:
        raise InvalidData(
            "jackknife blocks: an image (ny, nx) with pixels and a block side > 0 px are needed, "
            f"got {tuple(shape)} and {least_side_px} px"
        )
    fit = min(shape) / least_side_px
    if fit < _FEWEST_ON_A_SIDE:
        return np.zeros(shape, dtype=np.int64)
    n = max(_FEWEST_ON_A_SIDE, min(int(fit / 2), _MOST_ON_A_SIDE))
    row, column = (np.arange(side, dtype=np.int64) * n // side for side in shape)
    return np.asarray(row[:, None] * n + column)


def left_out_error(values: npt.ArrayLike) -> FloatArray:
    """Return the standard error of an estimate, from its values with one block left out.

    The jackknife: ``sqrt((B - 1)/B sum_b (v_b - mean)^2)``.

    Parameters
    ----------
    values
        The estimate with block b left out, shape (B, ...), any real type.

    Returns
    -------
    ndarray
        float64 of shape (...); NaN where a value is not finite, and everywhere with fewer than
        `LEAST_BLOCKS` blocks.
    """
    left_out = np.asarray(values, dtype=np.float64)
    n = len(left_out)
    if n < LEAST_BLOCKS:
        return np.full(left_out.shape[1:], np.nan)
    with np.errstate(invalid="ignore"):
        deviation = left_out - left_out.mean(axis=0)
        return np.asarray(np.sqrt((n - 1) / n * np.square(deviation).sum(axis=0)))
