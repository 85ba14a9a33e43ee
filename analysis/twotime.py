"""Streaming two-time correlation function (TTCF) of the whole image, in time bins.

The definition, and the rules for lost slots and segments, is in docs/methods/ttcf.md. Bins hold sums, not
means, of ``delta = I - 1``: two bins become one of twice the width by adding their images, and adding 2 x 2
elements of the matrix, which is exact. Bins are correlated in groups of fixed size, so that it does not
matter how the frames were split into calls.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from annealscope.analysis.slots import Integers, SlotOrder, block_runs
from annealscope.analysis.twotime_bins import GROUP, Bins, OpenBin
from annealscope.analysis.twotime_map import TwoTimeMap
from annealscope.analysis.values import FloatArray, InvalidData


class TwoTime:
    """Correlates the image at any two times of a record (docs/methods/ttcf.md).

    Parameters
    ----------
    shape
        (ny, nx) of the frames.
    bin_frames
        Slots in a bin, at least 1. Choose it below a twentieth of the relaxation time.
    max_bins
        When there are this many bins (even, at least 4), neighbours merge: bins are twice as wide from then
        on.
    pixel_bin
        Side of the squares of pixels that are averaged first; stay below the size of a speckle. What is left
        of a row or column of pixels is not used.
    mask
        True where a pixel takes part, bool, shape (ny, nx); None takes all. A square needs all its pixels.

    Raises
    ------
    InvalidData
        When bins, shape or mask are not as said, or no square is left.

    Notes
    -----
    Memory: 4 bytes for each bin and square, and 8 max_bins^2 bytes.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        bin_frames: int,
        max_bins: int = 2048,
        pixel_bin: int = 1,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        if bin_frames < 1 or max_bins < 4 or max_bins % 2:
            raise InvalidData(
                "two-time: bin_frames must be at least 1, max_bins even and at least 4, "
                f"got {bin_frames} and {max_bins}"
            )
        self._order = SlotOrder(shape)
        self._chosen = _chosen_squares(self._order.shape, pixel_bin, mask)
        self._pixel_bin = pixel_bin
        self._width = bin_frames
        self._max_bins = max_bins
        self._segment: int | None = None
        self._open = OpenBin(np.zeros(self._chosen.shape, dtype=np.float32))
        self._bins = Bins(self._chosen)
        self._matrix = np.zeros((max_bins, max_bins))
        self._correlated = 0

    def update(self, frames: npt.ArrayLike, slot: npt.ArrayLike, segment: npt.ArrayLike) -> None:
        """Add frames; arguments, rules and errors are those of :meth:`MultiTau.update`."""
        images, slots, segments = self._order.check(frames, slot, segment)
        for number, _, run in block_runs(slots, segments, self._width):
            self._enter(number, int(slots[run.start]))
            self._open.add(images[run], self._pixel_bin)
            if (slots[run.stop - 1] + 1) % self._width == 0:
                self._finish_bin()

    def result(self) -> TwoTimeMap:
        """Return C between all complete bins; more frames may follow.

        Returns
        -------
        TwoTimeMap
            Times in slots; C, float64, shape (n, n).

        Raises
        ------
        InvalidData
            No bin is complete yet.
        """
        return self._map(self._products(), np.array(self._bins.sum), int(np.count_nonzero(self._chosen)))

    def so_far(self, most_bins: int) -> TwoTimeMap:
        """Return C for a look at it: little work, and no work that was done already.

        Parameters
        ----------
        most_bins
            Neighbours are joined until there are no more than so many, at least 2.

        Returns
        -------
        TwoTimeMap
            As of `result`; from the first group of 64 on without the newest bins, which are correlated in
            groups.

        Raises
        ------
        InvalidData
            No bin is complete yet.
        """
        bins = self._bins
        matrix = self._matrix if self._correlated else self._products()
        n = self._correlated or len(bins.frames)
        number, segment = np.array(bins.number[:n]), np.array(bins.segment[:n])
        starts = _joined(segment, most_bins)
        last = np.append(starts[1:], n) - 1
        sums, frames = (np.add.reduceat(np.array(values[:n]), starts) for values in (bins.sum, bins.frames))
        products = np.add.reduceat(np.add.reduceat(matrix[:n, :n], starts, axis=0), starts, axis=1)
        value = _normalised(products, sums, frames, segment[starts], int(np.count_nonzero(self._chosen)))
        t_slots = (number[starts] + number[last]) / 2 * self._width + (self._width - 1) / 2
        shown = slice(None, None, -(-len(starts) // most_bins))  # more segments than bins
        width = self._width * int((last - starts + 1).max())
        return TwoTimeMap(t_slots[shown], segment[starts][shown], value[shown, shown], width)

    def without_blocks(self, labels: npt.NDArray[np.integer]) -> Iterator[TwoTimeMap]:
        """Yield C with one block of the image left out, block after block (docs/methods/jackknife.md).

        The frames are divided by the means of the pixels that remain. Add no frames until the last map.

        Parameters
        ----------
        labels
            Block of each pixel (ny, nx), or of each square that `pixel_bin` makes of them; 0 ... B - 1, or
            negative for a part of the image that is never left out. A square has the label of the pixel in
            its middle.

        Yields
        ------
        TwoTimeMap
            B of them; NaN when nothing remains.

        Raises
        ------
        InvalidData
            No bin is complete yet, or the labels have another shape.
        """
        blocks = self._square_labels(labels)
        products, sums = self._products(), np.array(self._bins.sum)
        n_squares = int(np.count_nonzero(self._chosen))
        for block in range(int(labels.max()) + 1):
            left_out = np.flatnonzero(blocks == block)
            block_products, block_sums = self._bins.block(left_out)
            remaining = products - _symmetric(block_products)
            yield self._map(remaining, sums - block_sums, n_squares - len(left_out))

    def _products(self) -> FloatArray:
        """Sums over the image of bin times bin, for all complete bins."""
        n = len(self._bins.frames)
        if n == 0:
            raise InvalidData(
                f"two-time: a bin of {self._width} slots must be complete, but the frames fill none"
            )
        products = self._matrix[:n, :n].copy()
        self._correlate(products)
        return products

    def _square_labels(self, labels: npt.NDArray[np.integer]) -> Integers:
        """Return the block of each square, flat; -1 for those that take no part."""
        side, blocks = self._pixel_bin, np.asarray(labels, dtype=np.int64)
        if blocks.shape == self._order.shape:
            ny, nx = self._chosen.shape
            blocks = blocks[side // 2 :: side, side // 2 :: side][:ny, :nx]
        if blocks.shape != self._chosen.shape:
            raise InvalidData(
                f"labels: one for each pixel {self._order.shape} or square {self._chosen.shape} is needed, "
                f"got shape {blocks.shape}"
            )
        return np.where(self._chosen, blocks, -1).ravel()

    def _map(self, products: FloatArray, sums: FloatArray, n_squares: int) -> TwoTimeMap:
        """Turn sums over squares of all complete bins into C."""
        frames, segment = np.array(self._bins.frames), np.array(self._bins.segment)
        value = _normalised(products, sums, frames, segment, n_squares)
        t_slots = np.array(self._bins.number) * self._width + (self._width - 1) / 2
        return TwoTimeMap(t_slots, segment, value, self._width)

    def _enter(self, segment: int, slot: int) -> None:
        """Open the bin of this slot; bins that were passed by are complete, with the frames they have."""
        if segment != self._segment:
            self._segment = segment
            self._open.start(slot // self._width)
        while self._open.number < slot // self._width:
            self._finish_bin()

    def _finish_bin(self) -> None:
        assert self._segment is not None  # noqa: S101  (a bin is open)
        self._bins.append(self._segment, self._open)
        self._open.start(self._open.number + 1)
        n = len(self._bins.frames)
        if n == self._correlated + GROUP:
            self._correlate(self._matrix)
            self._correlated = n
        while len(self._bins.frames) == self._max_bins:
            self._double_width()

    def _correlate(self, matrix: FloatArray) -> None:
        """Fill in the products of the bins that have not been correlated yet."""
        first, last = self._correlated, len(self._bins.frames)
        products = self._bins.products(first, last)
        matrix[:first, first:last] = products[:first]
        matrix[first:last, :first] = products[:first].T
        matrix[first:last, first:last] = _symmetric(products[first:])

    def _double_width(self) -> None:
        """Merge neighbours, as if the bins had been twice as wide from the start."""
        self._correlate(self._matrix)
        starts, complete = self._bins.pairs()
        n = len(self._bins.frames)
        sums = np.add.reduceat(np.add.reduceat(self._matrix[:n, :n], starts, axis=0), starts, axis=1)
        self._bins.merge(starts, complete, self._open)
        self._correlated = len(self._bins.frames)
        self._matrix[:] = 0
        self._matrix[: self._correlated, : self._correlated] = sums[np.ix_(complete, complete)]
        self._width *= 2


def _normalised(
    products: FloatArray, sums: FloatArray, frames: Integers, segment: Integers, n_squares: int
) -> FloatArray:
    """Turn sums over squares of delta delta' and delta into < I I' > / (< I > < I' >)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = sums / n_squares
        mean = frames + excess
        numerator = np.outer(mean, mean) - np.outer(excess, excess) + products / n_squares
        value = numerator / np.outer(mean, mean)
    value[segment[:, None] != segment] = np.nan
    return np.asarray(value)


def _joined(segment: Integers, most: int) -> Integers:
    """Return where neighbours begin that are joined to ``most`` or fewer, unless there are more segments."""
    n, change = len(segment), np.diff(segment) != 0
    together = -(-n // max(most - int(np.count_nonzero(change)), 1))
    ends = change | (np.diff(np.arange(n) // together) != 0)
    return np.append(0, np.flatnonzero(ends) + 1)


def _symmetric(products: FloatArray) -> FloatArray:
    """Mirror what is above the diagonal."""
    upper = np.triu(products)
    return np.asarray(upper + np.triu(upper, 1).T)


def _chosen_squares(
    shape: tuple[int, int], pixel_bin: int, mask: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_]:
    """Return which squares of pixel_bin x pixel_bin pixels take part."""
    if not 1 <= pixel_bin <= min(shape):
        raise InvalidData(
            f"two-time: pixel_bin must be 1 to {min(shape)} for frames {shape}, got {pixel_bin}"
        )
    pixels = np.ones(shape, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
    if pixels.shape != shape:
        raise InvalidData(f"mask: shape must be {shape}, got {pixels.shape}")
    ny, nx = shape[0] // pixel_bin, shape[1] // pixel_bin
    squares = pixels[: ny * pixel_bin, : nx * pixel_bin].reshape(ny, pixel_bin, nx, pixel_bin)
    chosen: npt.NDArray[np.bool_] = np.logical_and.reduce(squares, axis=(1, 3))
    if not chosen.any():
        raise InvalidData(f"mask: no square of {pixel_bin} x {pixel_bin} pixels is selected")
    return chosen
