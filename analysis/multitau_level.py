"""One level of the multi-tau correlator: its samples, its sums, and the kernels that do the work.

- Everything is summed for ``delta = I - 1``, which is small, so that float32 sums stay accurate.
- A lost slot holds ``delta = 0``: the products need no mask. What a mask would have kept out of the two
  means is collected in ``left_out`` and ``right_out``, and subtracted from the total in the end. Before a
  segment and after it all slots count as lost: its first and last samples need no rule of their own.
- Pixels stand in tiles, so that a tile's samples stay in the processor's cache while they are correlated.
"""

import copy
from collections.abc import Iterator
from itertools import zip_longest

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from annealscope.analysis.slots import Integers

Pixels = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.uintp]

BLOCK = 32
"""Slots that are correlated at once; the levels above take half as many samples at once."""

TILE = 256
"""Pixels whose samples stand together in memory."""

_FASTMATH = {"contract", "reassoc", "arcp", "nsz"}


class Level:
    """Samples of one width: a ring of the newest, and the sums over their pairs.

    Parameters
    ----------
    n_tiles
        Number of tiles of pixels.
    channels
        Samples the level looks back, and the lags it serves: all below this number on level 0, the upper half
        of them on the other levels.
    number
        Number of the level; its samples are means over 2^number slots.
    """

    def __init__(self, n_tiles: int, channels: int, number: int) -> None:
        self.width = 2**number
        self.lags = np.arange(channels // 2 if number else 1, channels)
        self.pairs = np.zeros(len(self.lags), dtype=np.int64)
        self.batch = BLOCK // 2 if number else BLOCK
        self.pending = 0
        self._number = number
        self._first = 0
        self._history = channels - 1
        self.exists = np.zeros(self._history + self.batch, dtype=np.bool_)
        self.ring = np.zeros((n_tiles, len(self.exists), TILE), dtype=np.float32)
        self.total = np.zeros((n_tiles, TILE), dtype=np.float32)
        self.product = np.zeros((n_tiles, len(self.lags), TILE), dtype=np.float32)
        self.right_out = np.zeros_like(self.product)
        self.left_out: Pixels | None = None

    def start_at(self, block: int) -> None:
        """Leave empty what a segment that began at slot 0 would have filled before this block."""
        half_filled = self._number >= 2 and (block >> (self._number - 2)) & 1
        self.pending = self.batch // 2 if half_filled else 0

    def put(self, pixels: Pixels, place: Integers) -> None:
        """Store frames (n, ny * nx) at their places in the batch."""
        rows = self._rows(place)
        _store(pixels, rows, self.ring)
        self.exists[rows] = True

    def take(self, exists: Flags) -> Rows:
        """Reserve the next places of the batch for samples from the level below; return their rows."""
        rows = self._rows(self.pending + np.arange(len(exists)))
        self.exists[rows] = exists
        self.pending += len(exists)
        return rows

    def correlate(self, above: "Level | None", *, closing: bool = False) -> None:
        """Add the pairs whose later sample is in the batch, and hand means of two samples to the level above.

        When closing, the samples that will have no later partner are settled as well.
        """
        steps = np.arange(self.batch + (self._history if closing else 0))
        before = steps - self.lags[:, None]
        rows, earlier = self._rows(steps), self._rows(before)
        exists = self.exists[rows] & (steps < self.batch)
        partner_exists = self.exists[earlier] & (before < self.batch)
        self.ring[:, rows[: self.batch][~exists[: self.batch]]] = 0
        self.pairs += (exists & partner_exists).sum(axis=1)
        self._sum_batch(rows[: self.batch], earlier[:, : self.batch], above)
        self._leave_out(rows, earlier, exists, partner_exists)

    def step(self) -> None:
        """Make room for the next batch."""
        self._first = (self._first + self.batch) % len(self.exists)
        self.exists[self._rows(np.arange(self.batch))] = False
        self.pending = 0

    def clear(self) -> None:
        """Forget the samples, keep the sums."""
        self.exists[:] = False
        self.ring[:] = 0
        self._first = 0

    def part(self, tiles: slice) -> "Level":
        """Return an independent copy of some tiles."""
        part = copy.copy(self)
        part.pairs, part.exists = self.pairs.copy(), self.exists.copy()
        part.ring, part.total = self.ring[tiles].copy(), self.total[tiles].copy()
        part.product, part.right_out = self.product[tiles].copy(), self.right_out[tiles].copy()
        part.left_out = None if self.left_out is None else self.left_out[tiles].copy()
        return part

    def add(self, other: "Level", tiles: slice) -> None:
        """Add the pixel sums of ``other``, which has these tiles only."""
        self.total[tiles] += other.total
        self.product[tiles] += other.product
        self.right_out[tiles] += other.right_out
        if other.left_out is not None:
            self._allocate_left_out()[tiles] += other.left_out

    def write_sums(self, out: Pixels, target: Integers) -> None:
        """Write the sums for I (not delta) of each lag.

        Parameters
        ----------
        out
            Shape (3, L, pixels): product, left and right sums; starts at the first pixel of this level.
        target
            Row of ``out`` for each lag of this level; negative: not wanted.
        """
        if self.left_out is not None:
            _write_sums(self.product, self.total, self.left_out, self.right_out, self.pairs, target, out)

    def _rows(self, place: npt.NDArray[np.integer]) -> Rows:
        """Rows of the ring for places counted from the start of the batch."""
        return ((self._first + place) % len(self.exists)).astype(np.uintp)

    def _sum_batch(self, rows: Rows, earlier: Rows, above: "Level | None") -> None:
        if above is None:
            weights, parents, ring = np.zeros((0, 2), dtype=np.float32), rows[:0], self.ring
        else:
            exists = self.exists[rows].reshape(-1, 2)
            weights = (exists / np.maximum(exists.sum(axis=1, keepdims=True), 1)).astype(np.float32)
            parents, ring = above.take(exists[:, 0] | exists[:, 1]), above.ring
        _correlate(self.ring, rows, earlier, self.product, self.total, weights, ring, parents)

    def _leave_out(self, rows: Rows, earlier: Rows, exists: Flags, partner_exists: Flags) -> None:
        """Collect the samples without a partner, which the means of their lag must not contain."""
        lag, step = np.nonzero(exists & ~partner_exists)
        _add_rows(self.ring, lag.astype(np.uintp), rows[step], self.right_out)
        lag, step = np.nonzero(partner_exists & ~exists)
        if len(lag):
            _add_rows(self.ring, lag.astype(np.uintp), earlier[lag, step], self._allocate_left_out())

    def _allocate_left_out(self) -> Pixels:
        """Return ``left_out``, which one segment without gaps needs at its end only."""
        if self.left_out is None:
            self.left_out = np.zeros_like(self.product)
        return self.left_out


def close_levels(levels: list[Level]) -> None:
    """Settle all that is pending, from the lowest level up, as if only lost slots followed."""
    for level, above in with_next(levels):
        level.correlate(above, closing=True)


def with_next(levels: list[Level]) -> Iterator[tuple[Level, Level | None]]:
    """Pair each level with the one above it; the last has none."""
    return zip_longest(levels, levels[1:])


@njit(cache=True, parallel=True)
def _store(pixels, rows, ring):  # type: ignore[no-untyped-def]
    """ring[tile, rows[i]] = pixels[i] - 1; the last tile may be partly filled."""
    n_pixels = pixels.shape[1]
    for tile in prange(ring.shape[0]):
        start = np.uintp(tile * TILE)
        width = np.uintp(min(TILE, n_pixels - tile * TILE))
        for i in range(np.uintp(len(rows))):
            row = rows[i]
            for p in range(width):
                ring[tile, row, p] = pixels[i, start + p] - np.float32(1)


@njit(cache=True, parallel=True)
def _add_rows(ring, targets, rows, out):  # type: ignore[no-untyped-def]
    """out[tile, targets[i]] += ring[tile, rows[i]] for every i."""
    for tile in prange(ring.shape[0]):
        for i in range(np.uintp(len(rows))):
            target, row = targets[i], rows[i]
            for p in range(np.uintp(TILE)):
                out[tile, target, p] += ring[tile, row, p]


@njit(cache=True, parallel=True, fastmath=_FASTMATH)
def _correlate(ring, later, earlier, product, total, weights, above, parents):  # type: ignore[no-untyped-def]
    """Visit each tile once: its products at every lag, its total, and the samples of the next level.

    product[tile, lag] += sum over i of x[later[i]] x[earlier[lag, i]]; above[tile, parents[i]] = weighted sum
    of x[later[2 i]] and x[later[2 i + 1]]. Indices are unsigned, because signed ones keep the loops from
    vectorising; the tile is copied first, because memory is fastest when it is read in order.
    """
    one, two, three = np.uintp(1), np.uintp(2), np.uintp(3)
    for tile in prange(ring.shape[0]):
        x = np.empty((ring.shape[1], TILE), dtype=np.float32)
        for row in range(np.uintp(ring.shape[1])):
            for p in range(np.uintp(TILE)):
                x[row, p] = ring[tile, row, p]
        partial = np.empty(TILE, dtype=np.float32)
        for lag in range(np.uintp(earlier.shape[0])):
            partial[:] = 0
            for i in range(np.uintp(0), np.uintp(len(later)), np.uintp(4)):
                a0, a1, a2, a3 = later[i], later[i + one], later[i + two], later[i + three]
                b0, b1 = earlier[lag, i], earlier[lag, i + one]
                b2, b3 = earlier[lag, i + two], earlier[lag, i + three]
                for p in range(np.uintp(TILE)):
                    partial[p] += (
                        x[a0, p] * x[b0, p] + x[a1, p] * x[b1, p] + x[a2, p] * x[b2, p] + x[a3, p] * x[b3, p]
                    )
            for p in range(np.uintp(TILE)):
                product[tile, lag, p] += partial[p]
        partial[:] = 0
        for i in range(np.uintp(len(later))):
            row = later[i]
            for p in range(np.uintp(TILE)):
                partial[p] += x[row, p]
        for p in range(np.uintp(TILE)):
            total[tile, p] += partial[p]
        for i in range(np.uintp(len(parents))):
            a0, a1, parent = later[i + i], later[i + i + one], parents[i]
            w0, w1 = weights[i, 0], weights[i, 1]
            for p in range(np.uintp(TILE)):
                above[tile, parent, p] = w0 * x[a0, p] + w1 * x[a1, p]


@njit(cache=True, parallel=True)
def _write_sums(product, total, left_out, right_out, pairs, target, out):  # type: ignore[no-untyped-def]
    """Turn sums of delta into sums of I = 1 + delta, in float64, for the lags that have a target row."""
    n_pixels = out.shape[2]
    for tile in prange(product.shape[0]):
        start = np.uintp(tile * TILE)
        width = np.uintp(min(TILE, n_pixels - tile * TILE))
        for lag in range(product.shape[1]):
            if target[lag] < 0:
                continue
            row, count = np.uintp(target[lag]), np.float64(pairs[lag])
            for p in range(width):
                left = np.float64(total[tile, p]) - np.float64(left_out[tile, lag, p])
                right = np.float64(total[tile, p]) - np.float64(right_out[tile, lag, p])
                out[0, row, start + p] = count + left + right + np.float64(product[tile, lag, p])
                out[1, row, start + p] = count + left
                out[2, row, start + p] = count + right
