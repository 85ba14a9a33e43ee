"""From the sums of a correlator to g2: of every pixel, and the four averages over the image.

The definitions, and what each average is biased by, are in docs/methods/g2.md; averages with a block of
pixels left out are in docs/methods/jackknife.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from annealscope.analysis.multitau import LagSums
from annealscope.analysis.slots import Integers
from annealscope.analysis.values import FloatArray, InvalidData

LEAST_LIGHT = 0.1
"""Of the mean intensity of the image: a pixel with less shows noise that is divided by almost nothing."""


@dataclass(frozen=True)
class BlockTotals:
    """Sums over the pixels of each of B blocks, from which the four averages follow."""

    lag_slots: Integers
    """Lag in slots, shape (L,), increasing."""

    pairs: Integers
    """Number of pairs of each lag, shape (L,)."""

    totals: FloatArray
    """Sums over the pixels of S, L, R, L R, S / (L R) and 1, S, L and R being sums over the pairs; float64,
    shape (B, L, 6). The last two leave out pixels that are not lit, see `lit`: they have no S / (L R)."""

    pixels: Integers
    """Pixels of each block, shape (B,)."""

    whole: bool = True
    """Whether every pixel is in a block: only then the mean of a frame over them is 1."""

    width_slots: Integers | None = None
    """Slots that one sample of each lag is the mean of, shape (L,); None: 1."""

    @property
    def unlit_fraction(self) -> float:
        """Of the pixels: what is left out of the average `pixel` (at the shortest lag)."""
        return float(1.0 - self.totals[:, 0, 5].sum() / self.pixels.sum())

    def g2(self) -> dict[str, FloatArray]:
        """Return the four averages over all blocks, see `g2_averages`."""
        means = self.totals.sum(axis=0) / self.pixels.sum()
        curves = _averages(means, self.pairs)
        return curves | {"ttcf": means[:, 0] / self.pairs if self.whole else curves["roi"]}

    def g2_without(self) -> dict[str, FloatArray]:
        """Return the averages with one block left out, float64 of shape (B, L) each.

        The mean of the pixels that remain is no longer 1: `ttcf` is divided by the means of the earlier and
        of the later frames of a lag, and is here the same numbers as `roi` (docs/methods/jackknife.md). With
        one block there is nothing left: NaN.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            remaining = (self.totals.sum(axis=0) - self.totals).T / (self.pixels.sum() - self.pixels)
            curves = _averages(remaining.T, self.pairs)
        return curves | {"ttcf": curves["roi"]}


def block_totals(sums: LagSums, labels: npt.NDArray[np.integer]) -> BlockTotals:
    """Sum over the pixels of blocks.

    Parameters
    ----------
    sums
        What :meth:`MultiTau.sums` returns.
    labels
        Block of each pixel, 0 ... B - 1, integers of shape (ny, nx); negative where a pixel takes no part.
        Dead pixels must not take part.

    Returns
    -------
    BlockTotals
        Accumulated in float64; the numbers do not depend on how many threads there are.

    Raises
    ------
    InvalidData
        The labels have another shape than the frames, or select no pixel.
    """
    shape = sums.product.shape[1:]
    if np.shape(labels) != shape:
        raise InvalidData(f"mask: shape must be {shape}, got {np.shape(labels)}; use that of the frames")
    return part_totals([(slice(0, shape[0] * shape[1]), sums)], labels)


def part_totals(parts: Iterable[tuple[slice, LagSums]], labels: npt.NDArray[np.integer]) -> BlockTotals:
    """Return what `block_totals` does, from :meth:`MultiTau.parts`: in a fraction of the memory.

    Raises
    ------
    InvalidData
        There is no pair of frames yet, or the labels select no pixel.
    """
    block = np.ravel(labels).astype(np.int64)
    if not (block >= 0).any():
        raise InvalidData("mask: at least one pixel must be selected, got 0 selected")
    pixels = np.bincount(block[block >= 0])
    totals = np.empty(0)
    for place, sums in parts:
        n_lags = len(sums.pairs)
        if place.start == 0:
            totals = np.zeros((n_lags, len(pixels), 6))
        columns = (part.reshape(n_lags, -1) for part in (sums.product, sums.left, sums.right))
        _add_pixels(*columns, np.ravel(lit(sums)), block[place], totals)
    whole = bool((block >= 0).all())
    return BlockTotals(sums.lag_slots, sums.pairs, totals.swapaxes(0, 1), pixels, whole, sums.width_slots)


def g2_averages(sums: LagSums, mask: npt.NDArray[np.bool_] | None = None) -> dict[str, FloatArray]:
    """Average g2 over the image in four ways, which differ in where the division stands.

    With the means S of the products, L of the earlier and R of the later intensities over the pairs of a lag,
    and < > the mean over pixels:

    - ``pixel`` = < S / (L R) >: the mean of the curves of the pixels that are lit, see `lit`
    - ``ratio`` = < S > / < L R >
    - ``roi`` = < S > / (< L > < R >): one curve of the whole region
    - ``ttcf`` = < S >: the mean of the two-time correlation along its diagonals, for frames whose mean is 1
      (as :class:`MultiTau` is given them). Over a part of the pixels it is not: there it is ``roi``

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
    chosen = np.ones(sums.product.shape[1:], dtype=np.bool_) if mask is None else np.asarray(mask, np.bool_)
    return block_totals(sums, np.where(chosen, 0, -1)).g2()


def lit(sums: LagSums) -> npt.NDArray[np.bool_]:
    """Return which pixels have the light for a g2 of their own, shape (ny, nx): the same ones at all lags.

    L and R of the shortest lag, means over nearly all frames, are above `LEAST_LIGHT` times that of the
    image, which is 1.
    """
    least = LEAST_LIGHT * sums.pairs[0]
    return np.asarray((sums.left[0] > least) & (sums.right[0] > least))


def pixel_g2(sums: LagSums) -> npt.NDArray[np.float32]:
    """Return g2 = S / (L R) of every pixel (not g2 - 1), float32 of shape (L, ny, nx); NaN where not lit."""
    g2 = np.empty_like(sums.product)
    for lag, values in enumerate(g2_of_lags(sums)):
        g2[lag] = values
    return g2


def g2_of_lags(sums: LagSums) -> Iterator[npt.NDArray[np.float32]]:
    """Yield what `pixel_g2` returns, one lag after the other, (ny, nx) each."""
    used = lit(sums)
    for product, left, right, pairs in zip(sums.product, sums.left, sums.right, sums.pairs, strict=True):
        counted = used & (left > 0) & (right > 0)
        means = np.where(counted, left.astype(np.float64) * right, np.nan)
        yield (pairs * product / means).astype(sums.product.dtype)


def _averages(means: FloatArray, pairs: Integers) -> dict[str, FloatArray]:
    """Divide means over pixels (..., L, 6); of the four, those that need no normalised frames."""
    product, left, right, left_right, curve, counted = np.moveaxis(means, -1, 0)
    return {
        "pixel": pairs * curve / counted,
        "ratio": pairs * product / left_right,
        "roi": pairs * product / (left * right),
    }


@njit(cache=True, parallel=True, error_model="numpy")
def _add_pixels(product, left, right, used, block, totals):  # type: ignore[no-untyped-def]
    """Add product, left, right, left * right, product / (left * right) and 1 to totals[lag, block].

    The last two only of pixels ``used``. Pixels of one block that follow each other are summed in registers
    first. One thread has all of a lag.
    """
    for lag in prange(product.shape[0]):
        p = 0
        while p < block.size:
            b = block[p]
            t0 = t1 = t2 = t3 = t4 = t5 = 0.0
            while p < block.size and block[p] == b:
                s, a, c = np.float64(product[lag, p]), np.float64(left[lag, p]), np.float64(right[lag, p])
                if b >= 0:
                    t0 += s
                    t1 += a
                    t2 += c
                    t3 += a * c
                    if used[p] and a > 0.0 and c > 0.0:
                        t4 += s / (a * c)
                        t5 += 1.0
                p += 1
            if b >= 0:
                for k, t in enumerate((t0, t1, t2, t3, t4, t5)):
                    totals[lag, b, k] += t
