"""The time bins of the two-time correlation function, and the kernels that fill and multiply them."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from annealscope.analysis.fused import fma
from annealscope.analysis.slots import Integers
from annealscope.analysis.values import FloatArray

Pixels = npt.NDArray[np.float32]

GROUP = 64
"""Bins that are correlated at once: what is read of the older bins is used for all of them."""

_SLAB = 256
_PARTS = 16
"""Shares of the image that are summed at the same time; fixed, so that no sum depends on the machine."""

_PIXELS_AT_ONCE = 1024
"""Summed in float32, and few enough for a group to stay in the processor's cache."""

_GAP_PIXELS = 272
"""Kept empty between images: a power of two apart they would displace each other from the cache."""


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
    """Those that are empty again after a merge stay: the first touch of new memory takes long."""

    def append(self, segment: int, done: OpenBin) -> None:
        """Add a bin."""
        if len(self.frames) == _SLAB * len(self._slabs):
            self._slabs.append(np.zeros((_SLAB, self.chosen.size + _GAP_PIXELS), dtype=np.float32))
        column_sums = np.zeros(self.chosen.shape[1])
        _keep(done.total, self.chosen, self._image(len(self.frames)).reshape(self.chosen.shape), column_sums)
        self.segment.append(segment)
        self.number.append(done.number)
        self.frames.append(done.frames)
        self.sum.append(float(column_sums.sum()))

    def products(self, first: int, last: int) -> FloatArray:
        """Sum bin times bin over pixels: bins up to last by bins from first, (last, last - first).

        Only where the row is not later than the column; elsewhere it may be 0.
        """
        return _slab_products(self._slabs, first, last)

    def block(self, pixels: Integers) -> tuple[FloatArray, FloatArray]:
        """Sum over some pixels alone: bin times bin as `products` of all bins, (n, n), and each bin, (n,)."""
        n = len(self.frames)
        filled = self._slabs[: -(-n // _SLAB)]
        used = [slab[: n - number * _SLAB] for number, slab in enumerate(filled)]
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

    def _image(self, row: int) -> Pixels:
        image: Pixels = self._slabs[row // _SLAB][row % _SLAB, : self.chosen.size]
        return image


def _slab_products(slabs: list[Pixels], first: int, last: int) -> FloatArray:
    products = np.zeros((last, last - first))
    # One space for all slabs: the first touch of new memory may take as long as the sums.
    space = np.empty((_PARTS, _SLAB, GROUP))
    next_slab = (first // _SLAB + 1) * _SLAB
    edges = sorted({*range(first, last, GROUP), *range(next_slab, last, _SLAB), last})
    for start, stop in pairwise(edges):
        new, row = divmod(start, _SLAB)
        columns = slabs[new][row : row + stop - start]
        for old, slab in enumerate(slabs[: new + 1]):
            rows = slab[: stop - old * _SLAB]
            sums = space[:, : len(rows), : len(columns)]
            _set_products(rows, columns, sums)
            products[old * _SLAB :, start - first : stop - first][: len(rows)] = sums.sum(axis=0)
    return products


@njit(cache=True, parallel=True)
def _set_products(old, new, sums):  # type: ignore[no-untyped-def]
    """sums[part, i, j] = sum of old[i] new[j] over a part of the pixels.

    Every sum runs pixel after pixel; what the processor does at once are the sums of a group. A library
    would do the same with threads of its own, which fight with the ones that numba has. The last pixels may
    lie in the gap, where images are 0.
    """
    n_pixels = old.shape[1] - _GAP_PIXELS
    share = max(_PIXELS_AT_ONCE, -(-n_pixels // (4 * _PARTS)) * 4)
    for part in prange(_PARTS):
        group = np.zeros((_PIXELS_AT_ONCE, GROUP), dtype=np.float32)
        partial = np.empty((4, GROUP), dtype=np.float32)
        sums[part] = 0
        end = min((part + 1) * share, -(-n_pixels // 4) * 4)
        for start in range(part * share, end, _PIXELS_AT_ONCE):
            stop = min(start + _PIXELS_AT_ONCE, end)
            _turn(new[:, start:stop], group)
            for i in range(0, old.shape[0], 4):
                _multiply_four(old[i : i + 4, start:stop], group, partial)
                for row in range(min(4, old.shape[0] - i)):
                    for j in range(new.shape[0]):
                        sums[part, i + row, j] += partial[row, j]


@njit(cache=True)
def _turn(images, group):  # type: ignore[no-untyped-def]
    """group[p, j] = images[j, p]."""
    for p in range(np.uintp(images.shape[1])):
        for j in range(np.uintp(images.shape[0])):
            group[p, j] = images[j, p]


@njit(cache=True)
def _multiply_four(images, group, out):  # type: ignore[no-untyped-def]
    """out[i, j] = sum of images[i, p] group[p, j], four pixels in one go; the last image may repeat."""
    zero, one, two, three = np.uintp(0), np.uintp(1), np.uintp(2), np.uintp(3)
    last = images.shape[0] - 1
    x0, x1, x2, x3 = images[0], images[min(1, last)], images[min(2, last)], images[last]
    out[:] = 0
    for p in range(zero, np.uintp(images.shape[1]), np.uintp(4)):  # signed indices would be slow
        a0, a1, a2, a3 = x0[p], x0[p + one], x0[p + two], x0[p + three]
        b0, b1, b2, b3 = x1[p], x1[p + one], x1[p + two], x1[p + three]
        c0, c1, c2, c3 = x2[p], x2[p + one], x2[p + two], x2[p + three]
        d0, d1, d2, d3 = x3[p], x3[p + one], x3[p + two], x3[p + three]
        for j in range(np.uintp(GROUP)):
            y0, y1, y2, y3 = group[p, j], group[p + one, j], group[p + two, j], group[p + three, j]
            out[zero, j] = fma(a3, y3, fma(a2, y2, fma(a1, y1, fma(a0, y0, out[zero, j]))))
            out[one, j] = fma(b3, y3, fma(b2, y2, fma(b1, y1, fma(b0, y0, out[one, j]))))
            out[two, j] = fma(c3, y3, fma(c2, y2, fma(c1, y1, fma(c0, y0, out[two, j]))))
            out[three, j] = fma(d3, y3, fma(d2, y2, fma(d1, y1, fma(d0, y0, out[three, j]))))


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
def _keep(total, chosen, image, column_sums):  # type: ignore[no-untyped-def]
    """Copy a bin, zero where a square takes no part, and add up its columns."""
    for y in range(np.uintp(total.shape[0])):
        for x in range(np.uintp(total.shape[1])):
            value = total[y, x] if chosen[y, x] else np.float32(0)
            image[y, x] = value
            column_sums[x] += value
