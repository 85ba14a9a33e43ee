"""From the sums of a correlator to g2: of every pixel, and the four averages over the image.

The definitions, and what each average is biased by, are in docs/methods/g2.md.
"""

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from annealscope.analysis.multitau import LagSums
from annealscope.analysis.values import FloatArray, InvalidData


def g2_averages(sums: LagSums, mask: npt.NDArray[np.bool_] | None = None) -> dict[str, FloatArray]:
    """Average g2 over the image in four ways, which differ in where the division stands.

    With the means S of the products, L of the earlier and R of the later intensities over the pairs of a lag,
    and < > the mean over pixels:

    - ``pixel`` = < S / (L R) >: the mean of the curves of the pixels
    - ``ratio`` = < S > / < L R >
    - ``roi`` = < S > / (< L > < R >): one curve of the whole region
    - ``ttcf`` = < S >: the mean of the two-time correlation along its diagonals, for frames whose mean over
      these pixels is 1 (as :class:`MultiTau` is given them)

    Parameters
    ----------
    sums
        What :meth:`MultiTau.sums` returns.
    mask
        True where a pixel takes part, shape (ny, nx); None takes all. Dead pixels must not take part.

    Returns
    -------
    dict
        The four g2 (not g2 - 1) by their names, each float64 of shape (L,), accumulated in float64.

    Raises
    ------
    InvalidData
        The mask has another shape than the frames, or selects no pixel.
    """
    shape = sums.product.shape[1:]
    chosen = np.ones(shape, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
    if chosen.shape != shape or not chosen.any():
        raise InvalidData(
            f"mask: shape must be {shape} with at least one pixel selected, "
            f"got {chosen.shape} with {np.count_nonzero(chosen)} selected"
        )
    n_lags = len(sums.pairs)
    totals = _pixel_totals(
        *(part.reshape(n_lags, -1) for part in (sums.product, sums.left, sums.right)), chosen.ravel()
    )
    product, left, right, left_right, curve = totals.T / np.count_nonzero(chosen)
    pairs = sums.pairs.astype(np.float64)
    return {
        "pixel": pairs * curve,
        "ratio": pairs * product / left_right,
        "roi": pairs * product / (left * right),
        "ttcf": product / pairs,
    }


def pixel_g2(sums: LagSums) -> npt.NDArray[np.float32]:
    """Return g2 = S / (L R) of every pixel (not g2 - 1), float32 of shape (L, ny, nx).

    A pixel without any intensity has no g2: it becomes NaN.
    """
    g2 = np.empty_like(sums.product)
    with np.errstate(divide="ignore", invalid="ignore"):
        for lag, pairs in enumerate(sums.pairs):
            means = sums.left[lag].astype(np.float64) * sums.right[lag]
            g2[lag] = pairs * sums.product[lag] / np.where(means > 0, means, np.nan)
    return g2


@njit(cache=True, parallel=True, error_model="numpy")
def _pixel_totals(product, left, right, chosen):  # type: ignore[no-untyped-def]
    """Sum product, left, right, left * right and product / (left * right) over the chosen pixels, by lag."""
    totals = np.zeros((product.shape[0], 5))
    for lag in prange(product.shape[0]):
        for p in range(product.shape[1]):
            if chosen[p]:
                s, a, b = np.float64(product[lag, p]), np.float64(left[lag, p]), np.float64(right[lag, p])
                totals[lag, 0] += s
                totals[lag, 1] += a
                totals[lag, 2] += b
                totals[lag, 3] += a * b
                totals[lag, 4] += s / (a * b)
    return totals
