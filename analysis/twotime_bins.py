"""The time bins of the two-time correlation function, and the kernels that fill and multiply them."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from annealscope.analysis.slots import Integers
from annealscope.analysis.values import FloatArray

Pixels = npt.NDArray[np.float32]

_SLAB = 256
_PARTS = 16
"""Shares of the image that are summed at the same time; fixed, so that no sum depends on the machine."""

_PIXELS_AT_ONCE = 2048
"""Summed in float32, and few enough for eight images to stay in the processor's cache."""

_GAP_PIXELS = 272
"""Kept empty between images: a power of two apart they would displace each other from the cache."""

_FASTMATH = {"contract", "reassoc", "arcp", "nsz"}


@dataclass
class OpenBin:
    """The bin that is being filled."""

    total: Pixels
    """Sum of delta over its frames, one number a square."""

    frames: int = 0
    number: int = 0

    def start(self, number: int) -> None:
        """Begin an empty bin."""
        self.total[:] = 0
        self.frames, self.number = 0, number

    def add(self, images: Pixels, side: int) -> None:
        """Add frames (n, ny, nx), averaged over squares of ``side`` pixels."""
        _add_frames(images, side, self.total)
        self.frames += len(images)


@dataclass
class Bins:
    """Complete bins: what they are the sums of, and their images in slabs that never move."""

    chosen: npt.NDArray[np.bool_]
    """Which squares take part, shape (ny, nx)."""

    segment: list[int] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    sum: list[float] = field(default_factory=list)
    _slabs: list[Pixels] = field(default_factory=list)

    def append(self, segment: int, done: OpenBin) -> None:
        """Add a bin."""
        if len(self.frames) == _SLAB * len(self._slabs):
            self._slabs.append(np.zeros((_SLAB, self.chosen.size + _GAP_PIXELS), dtype=np.float32))
        row_sums = np.zeros(len(done.total))
        _keep(done.total, self.chosen, self._image(len(self.frames)).reshape(self.chosen.shape), row_sums)
        self.segment.append(segment)
        self.number.append(done.number)
        self.frames.append(done.frames)
        self.sum.append(float(row_sums.sum()))

    def products(self, first: int, last: int) -> FloatArray:
        """Sum bin times bin over pixels: bins up to last by bins from first, (last, last - first).

        Only where the row is not later than the column; elsewhere it may be 0.
        """
        return _slab_products(self._slabs, first, last)

    def block(self, pixels: Integers) -> tuple[FloatArray, FloatArray]:
        """Sum over some pixels alone: bin times bin as `products` of all bins, (n, n), and each bin, (n,)."""
        n = len(self.frames)
        used = [slab[: n - number * _SLAB] for number, slab in enumerate(self._slabs)]
        images = [np.zeros((len(slab), len(pixels) + _GAP_PIXELS), dtype=np.float32) for slab in used]
        for slab, image in zip(used, images, strict=True):
            np.take(slab, pixels, axis=1, out=image[:, : len(pixels)])
        sums = np.concatenate([image.sum(axis=1, dtype=np.float64) for image in images])
        return _slab_products(images, 0, n), sums

    def pairs(self) -> tuple[Integers, npt.NDArray[np.bool_]]:
        """Find the bins of twice the width: the first old bin of each, and whether it has its second half."""
        segment, number = np.array(self.segment), np.array(self.number)
        changes = (np.diff(segment) != 0) | (np.diff(number // 2) != 0)
        starts = np.append(0, np.flatnonzero(changes) + 1)
        last = np.append(starts[1:], len(number)) - 1
        return starts, number[last] % 2 == 1

    def merge(self, starts: Integers, complete: npt.NDArray[np.bool_], open_bin: OpenBin) -> None:
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
        image: Pixels = self._slabs[row // _SLAB][row % _SLAB, : self.chosen.size]
        return image


def _slab_products(slabs: list[Pixels], first: int, last: int) -> FloatArray:
    products = np.zeros((last, last - first))
    for new in range(first // _SLAB, -(-last // _SLAB)):
        start, stop = max(first, new * _SLAB), min(last, (new + 1) * _SLAB)
        columns = slabs[new][start % _SLAB : (stop - 1) % _SLAB + 1]
        # One space for all slabs: the first touch of new memory may take as long as the sums.
        space = np.empty((_PARTS, _SLAB, _whole_fours(len(columns))))
        for old, slab in enumerate(slabs[: new + 1]):
            rows = slice(old * _SLAB, min(last, (old + 1) * _SLAB))
            products[rows, start - first : stop - first] = _products(
                slab[: rows.stop - rows.start], columns, space
            )
    return products


def _products(old: Pixels, new: Pixels, space: FloatArray) -> FloatArray:
    """Sum over pixels of each old image times each new one, rows of slabs: (len(old), len(new))."""
    space[:] = 0
    _add_products(old, new, space)
    products: FloatArray = space.sum(axis=0)[: len(old), : len(new)]
    return products


def _whole_fours(n: int) -> int:
    return -(-n // 4) * 4


@njit(cache=True, parallel=True, fastmath=_FASTMATH)
def _add_products(old, new, sums):  # type: ignore[no-untyped-def]
    """sums[part, i, j] += sum of old[i] new[j] over a part of the pixels.

    Four images meet four, so that what is read is used four times; their 16 sums and 8 values fit into the
    registers. Numbers past the last image repeat it, and what they add is not used. A library would do the
    same with threads of its own, which fight with the ones that numba has.
    """
    n_pixels = old.shape[1] - _GAP_PIXELS
    share = max(_PIXELS_AT_ONCE, -(-n_pixels // _PARTS))
    at_once = -(-share // -(-share // _PIXELS_AT_ONCE))
    for part in prange(_PARTS):
        out, end = sums[part], min((part + 1) * share, n_pixels)
        for start in range(part * share, end, at_once):
            stop = min(start + at_once, end)
            for i in range(0, old.shape[0], 4):
                for j in range(0, new.shape[0], 4):
                    _add_four_by_four(old, new, i, j, start, stop, out)


@njit(cache=True, fastmath=_FASTMATH)
def _add_four_by_four(old, new, i, j, start, stop, out):  # type: ignore[no-untyped-def]
    last_i, last_j = old.shape[0] - 1, new.shape[0] - 1
    x0, x1 = old[i, start:stop], old[min(i + 1, last_i), start:stop]
    x2, x3 = old[min(i + 2, last_i), start:stop], old[min(i + 3, last_i), start:stop]
    y0, y1 = new[j, start:stop], new[min(j + 1, last_j), start:stop]
    y2, y3 = new[min(j + 2, last_j), start:stop], new[min(j + 3, last_j), start:stop]
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = np.float32(0)
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = np.float32(0)
    for p in range(np.uintp(stop - start)):  # unsigned: signed indices keep the loop from vectorising
        a0, a1, a2, a3 = x0[p], x1[p], x2[p], x3[p]
        b0, b1, b2, b3 = y0[p], y1[p], y2[p], y3[p]
        s00, s01, s02, s03 = s00 + a0 * b0, s01 + a0 * b1, s02 + a0 * b2, s03 + a0 * b3
        s10, s11, s12, s13 = s10 + a1 * b0, s11 + a1 * b1, s12 + a1 * b2, s13 + a1 * b3
        s20, s21, s22, s23 = s20 + a2 * b0, s21 + a2 * b1, s22 + a2 * b2, s23 + a2 * b3
        s30, s31, s32, s33 = s30 + a3 * b0, s31 + a3 * b1, s32 + a3 * b2, s33 + a3 * b3
    for k, row in enumerate(
        ((s00, s01, s02, s03), (s10, s11, s12, s13), (s20, s21, s22, s23), (s30, s31, s32, s33))
    ):
        for m in range(4):
            out[i + k, j + m] += row[m]


@njit(cache=True)
def _add_frames(frames, side, total):  # type: ignore[no-untyped-def]
    """Add the means over squares of frames - 1, frame after frame: one order of summing for any split.

    On one thread, as `_keep`: often there is one frame at a time, and waking another thread for it may take
    longer, above all on a busy machine.
    """
    area = np.float32(side * side)
    width = np.uintp(total.shape[1] * side)
    for y in range(np.uintp(total.shape[0])):
        line = np.empty(width, dtype=np.float32)
        for frame in range(np.uintp(frames.shape[0])):
            if side == 1:
                for x in range(width):
                    total[y, x] += frames[frame, y, x] - np.float32(1)
                continue
            line[:] = 0
            for dy in range(np.uintp(side)):
                row = y * np.uintp(side) + dy
                for x in range(width):
                    line[x] += frames[frame, row, x] - np.float32(1)
            for x in range(np.uintp(total.shape[1])):
                square = np.float32(0)
                for dx in range(np.uintp(side)):
                    square += line[x * np.uintp(side) + dx]
                total[y, x] += square / area


@njit(cache=True)
def _keep(total, chosen, image, row_sums):  # type: ignore[no-untyped-def]
    """Copy a bin, zero where a square takes no part, and sum its rows."""
    for y in range(np.uintp(total.shape[0])):
        row_sum = 0.0
        for x in range(np.uintp(total.shape[1])):
            image[y, x] = total[y, x] if chosen[y, x] else np.float32(0)
            row_sum += image[y, x]
        row_sums[y] = row_sum
