"""Streaming two-time correlation function (TTCF) of the whole image, in time bins.

The definition, and the rules for lost slots and segments, is in docs/methods/ttcf.md. Bins hold sums, not
means, of ``delta = I - 1``: two bins become one of twice the width by adding their images, and adding 2 x 2
elements of the matrix, which is exact. Bins are correlated in groups of fixed size, so that it does not
matter how the frames were split into calls.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from annealscope.analysis.slots import Integers, SlotOrder, block_runs
from annealscope.analysis.twotime_map import TwoTimeMap
from annealscope.analysis.values import FloatArray, InvalidData

_GROUP = 32
_SLAB = 256
_PIXELS_AT_ONCE = 16384

Pixels = npt.NDArray[np.float32]


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
        self._open = _OpenBin(np.zeros(self._chosen.shape, dtype=np.float32))
        self._bins = _Bins(self._chosen.size)
        self._matrix = np.zeros((max_bins, max_bins))
        self._correlated = 0

    def update(self, frames: npt.ArrayLike, slot: npt.ArrayLike, segment: npt.ArrayLike) -> None:
        """Add frames; arguments, rules and errors are those of :meth:`MultiTau.update`."""
        images, slots, segments = self._order.check(frames, slot, segment)
        for number, _, run in block_runs(slots, segments, self._width):
            self._enter(number, int(slots[run.start]))
            _add_frames(images[run], self._pixel_bin, self._open.total)
            self._open.frames += run.stop - run.start
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
        n = len(self._bins.frames)
        if n == 0:
            raise InvalidData(
                f"two-time: a bin of {self._width} slots must be complete, but the frames fill none"
            )
        products = self._matrix[:n, :n].copy()
        self._correlate(products)
        segment = np.array(self._bins.segment)
        value = self._normalised(products)
        value[segment[:, None] != segment] = np.nan
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
        self._open.total[~self._chosen] = 0
        self._bins.append(self._segment, self._open)
        self._open.start(self._open.number + 1)
        n = len(self._bins.frames)
        if n == self._correlated + _GROUP:
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
        upper = np.triu(products[first:])
        matrix[first:last, first:last] = upper + np.triu(upper, 1).T

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

    def _normalised(self, products: FloatArray) -> FloatArray:
        """Turn sums of delta delta' over pixels into < I I' > / (< I > < I' >)."""
        n_pixels = np.count_nonzero(self._chosen)
        frames, excess = np.array(self._bins.frames, dtype=np.float64), np.array(self._bins.sum) / n_pixels
        mean = frames + excess
        with np.errstate(invalid="ignore"):
            return (np.outer(mean, mean) - np.outer(excess, excess) + products / n_pixels) / np.outer(
                mean, mean
            )


@dataclass
class _OpenBin:
    """The bin that is being filled."""

    total: Pixels
    """Sum of delta over its frames, one number a square."""

    frames: int = 0
    number: int = 0

    def start(self, number: int) -> None:
        self.total[:] = 0
        self.frames, self.number = 0, number


@dataclass
class _Bins:
    """Complete bins: what they are the sums of, and their images in slabs that never move."""

    n_pixels: int
    segment: list[int] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    sum: list[float] = field(default_factory=list)
    _slabs: list[Pixels] = field(default_factory=list)

    def append(self, segment: int, done: _OpenBin) -> None:
        """Add a bin."""
        if len(self.frames) == _SLAB * len(self._slabs):
            self._slabs.append(np.zeros((_SLAB, self.n_pixels), dtype=np.float32))
        self._image(len(self.frames))[:] = done.total.ravel()
        self.segment.append(segment)
        self.number.append(done.number)
        self.frames.append(done.frames)
        self.sum.append(float(done.total.sum(dtype=np.float64)))

    def products(self, first: int, last: int) -> FloatArray:
        """Sum bin times bin over pixels: bins up to last by bins from first, (last, last - first)."""
        new = np.empty((last - first, self.n_pixels), dtype=np.float32)
        for row in range(last - first):
            new[row] = self._image(first + row)
        products = np.zeros((_SLAB * len(self._slabs), last - first))
        for start in range(0, self.n_pixels, _PIXELS_AT_ONCE):
            part = slice(start, start + _PIXELS_AT_ONCE)
            for number, slab in enumerate(self._slabs):
                rows = slice(number * _SLAB, (number + 1) * _SLAB)
                products[rows] += slab[:, part] @ new[:, part].T
        return products[:last]

    def pairs(self) -> tuple[Integers, npt.NDArray[np.bool_]]:
        """Find the bins of twice the width: the first old bin of each, and whether it has its second half."""
        segment, number = np.array(self.segment), np.array(self.number)
        changes = (np.diff(segment) != 0) | (np.diff(number // 2) != 0)
        starts = np.append(0, np.flatnonzero(changes) + 1)
        last = np.append(starts[1:], len(number)) - 1
        return starts, number[last] % 2 == 1

    def merge(self, starts: Integers, complete: npt.NDArray[np.bool_], open_bin: _OpenBin) -> None:
        """Merge pairs. The newest bin is open again if it is a first half; other first halves are dropped."""
        edges = [*starts.tolist(), len(self.frames)]
        open_bin.number //= 2
        if not complete[-1]:
            open_bin.total[:] = self._image(edges[-2]).reshape(open_bin.total.shape)
            open_bin.frames = self.frames[edges[-2]]
        kept = [pair for pair, whole in enumerate(complete) if whole]
        for row, pair in enumerate(kept):
            self._image(row)[:] = sum(self._image(old) for old in range(edges[pair], edges[pair + 1]))
        self.segment = [self.segment[edges[pair]] for pair in kept]
        self.number = [self.number[edges[pair]] // 2 for pair in kept]
        self.frames = [sum(self.frames[edges[pair] : edges[pair + 1]]) for pair in kept]
        self.sum = [sum(self.sum[edges[pair] : edges[pair + 1]]) for pair in kept]
        del self._slabs[-(-len(kept) // _SLAB) :]

    def _image(self, row: int) -> Pixels:
        image: Pixels = self._slabs[row // _SLAB][row % _SLAB]
        return image


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


@njit(cache=True, parallel=True)
def _add_frames(frames, side, total):  # type: ignore[no-untyped-def]
    """Add the means over squares of frames - 1, frame after frame: one order of summing for any split."""
    area = np.float32(side * side)
    for y in prange(total.shape[0]):
        for frame in range(np.uintp(frames.shape[0])):
            for x in range(np.uintp(total.shape[1])):
                square = np.float32(0)
                for dy in range(np.uintp(side)):
                    for dx in range(np.uintp(side)):
                        square += frames[
                            frame, np.uintp(y * side) + dy, x * np.uintp(side) + dx
                        ] - np.float32(1)
                total[y, x] += square / area
