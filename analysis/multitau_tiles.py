"""The pixels of the multi-tau correlator: its samples, its sums, and the kernels that do the work.

- Everything is summed for ``delta = I - 1``, which is small, so that float32 sums stay accurate.
- A lost slot holds ``delta = 0``: the products need no mask. What a mask would have kept out of the two
  means is collected in ``left_out`` and ``right_out``, and subtracted from the total in the end.
- Memory is what limits the speed. Pixels stand in tiles: one visit takes the samples of a tile through all
  the levels that are due while they are in the processor's cache, and writes back only what a later visit
  needs: for each level the history, and at most half a batch that waits for its other half.
"""

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from annealscope.analysis.slots import Integers

Pixels = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

BLOCK = 32
"""Slots that are correlated at once; the levels above take half as many samples at once."""

HALF_BATCH = BLOCK // 4
"""Samples that a level hands up at once; from level 2 on, half of what the level above takes at once."""

TILE = 256
"""Pixels whose samples stand together in memory."""


@dataclass(frozen=True)
class Visit:
    """What is done to every tile in one visit, to as many levels as ``weights`` has."""

    stored: Flags
    """Slots of the block whose frames were stored before, shape (BLOCK,)."""

    fresh: Integers
    """Index of a slot's frame among those that come with the visit; negative: none. Shape (BLOCK,)."""

    place: Integers
    """Number of samples that wait at each level of all, shape (levels,)."""

    weights: Pixels
    """Weights of the two samples in each mean for the next level, shape (depth, BLOCK / 2, 2)."""

    left_out: Integers
    """Samples without a later partner, shape (n, 3): level, number of the lag, row in history and batch."""

    right_out: Integers
    """The same for samples without an earlier partner."""


class Tiles:
    """Samples and sums of all pixels, in tiles.

    Parameters
    ----------
    n_pixels
        Number of pixels; the last tile may be partly filled.
    channels
        Samples that a level looks back.
    lags
        Lags of each level, in samples, increasing by one.
    """

    def __init__(self, n_pixels: int, channels: int, lags: list[Integers]) -> None:
        levels = len(lags)
        self.n_tiles = -(-n_pixels // TILE)
        self._first_lag = np.array([level[0] for level in lags])
        self._lag_edges = np.cumsum([0, *(len(level) for level in lags)])
        self.frames = self._zeros(BLOCK)
        self.history = self._zeros(levels, channels - 1)
        self.waiting = self._zeros(levels, HALF_BATCH)
        self.total = self._zeros(levels)
        self.product = self._zeros(int(self._lag_edges[-1]))
        self.right_out = np.zeros_like(self.product)
        self.left_out: Pixels | None = None

    def store(self, pixels: Pixels, slots: Integers) -> None:
        """Keep frames (n, n_pixels) for these slots of a block until it is visited."""
        _store(pixels, slots.astype(np.uintp), self.frames)

    def visit(self, visit: Visit, pixels: Pixels) -> None:
        """Correlate a block, from frames that were stored and from frames (n, n_pixels) given here."""
        left_out = self._allocate_left_out() if len(visit.left_out) else self.right_out
        _visit(
            pixels,
            self.frames,
            (visit.stored, visit.fresh),
            visit.weights,
            (self.history, self.waiting, visit.place),
            (self._first_lag, self._lag_edges),
            (self.product, self.total),
            visit.left_out,
            left_out,
            visit.right_out,
            self.right_out,
        )

    def clear(self) -> None:
        """Forget the samples, keep the sums."""
        self.history[:] = 0
        self.waiting[:] = 0

    def part(self, tiles: slice) -> "Tiles":
        """Return an independent copy of some tiles."""
        part = copy.copy(self)
        part.frames, part.history = self.frames[tiles].copy(), self.history[tiles].copy()
        part.waiting, part.total = self.waiting[tiles].copy(), self.total[tiles].copy()
        part.product, part.right_out = self.product[tiles].copy(), self.right_out[tiles].copy()
        part.left_out = None if self.left_out is None else self.left_out[tiles].copy()
        return part

    def add(self, other: "Tiles", tiles: slice) -> None:
        """Add the sums of ``other``, which has these tiles only."""
        self.total[tiles] += other.total
        self.product[tiles] += other.product
        self.right_out[tiles] += other.right_out
        if other.left_out is not None:
            self._allocate_left_out()[tiles] += other.left_out

    def write_sums(self, pairs: Integers, target: Integers, out: Pixels) -> None:
        """Write the sums for I (not delta) of each lag.

        Parameters
        ----------
        pairs
            Number of pairs of each lag of all levels.
        target
            Row of ``out`` for each lag; negative: not wanted.
        out
            Shape (3, L, pixels): product, left and right sums; starts at the first pixel of these tiles.
        """
        if self.left_out is not None:
            level = np.repeat(np.arange(len(self._first_lag)), np.diff(self._lag_edges))
            sums = self.product, self.total, self.left_out, self.right_out
            _write_sums(*sums, level, pairs, target, out)

    def _zeros(self, *rows: int) -> Pixels:
        return np.zeros((self.n_tiles, *rows, TILE), dtype=np.float32)

    def _allocate_left_out(self) -> Pixels:
        """Return ``left_out``, which one segment without gaps needs at its end only."""
        if self.left_out is None:
            self.left_out = np.zeros_like(self.product)
        return self.left_out


@njit(cache=True, parallel=True)
def _store(pixels, slots, frames):  # type: ignore[no-untyped-def]
    """frames[tile, slots[i]] = pixels[i] - 1; the last tile may be partly filled."""
    n_pixels = pixels.shape[1]
    for tile in prange(frames.shape[0]):
        start = np.uintp(tile * TILE)
        width = np.uintp(min(TILE, n_pixels - tile * TILE))
        for i in range(np.uintp(len(slots))):
            for p in range(width):
                frames[tile, slots[i], p] = pixels[i, start + p] - np.float32(1)


@njit(cache=True)
def _copy_rows(source, target):  # type: ignore[no-untyped-def]
    for row in range(np.uintp(source.shape[0])):
        for p in range(np.uintp(TILE)):
            target[row, p] = source[row, p]


@njit(cache=True)
def _load_block(pixels, start, stored, stored_here, fresh, batch):  # type: ignore[no-untyped-def]
    """Fill the batch of level 0: frames that came before, frames of this visit, zero for lost slots."""
    width = np.uintp(min(TILE, pixels.shape[1] - start))
    for slot in range(np.uintp(BLOCK)):
        if fresh[slot] >= 0:
            frame, first = np.uintp(fresh[slot]), np.uintp(start)
            for p in range(width):
                batch[slot, p] = pixels[frame, first + p] - np.float32(1)
            batch[slot, width:] = 0
        elif stored_here[slot]:
            _copy_rows(stored[slot : slot + np.uintp(1)], batch[slot : slot + np.uintp(1)])
        else:
            batch[slot] = 0


@njit(cache=True)
def _add_products(x, history, steps, lag, partial, product):  # type: ignore[no-untyped-def]
    """Add the sum over the batch of x[i] x[i - lag] and of three longer lags to the rows of product.

    Eight samples meet four lags each, so that what is read is used nearly twice. Of less than four rows of
    product, the first lags are not wanted. Indices are unsigned: signed ones keep the loop from vectorising.
    """
    one, two, three, four = np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4)
    five, six, seven = np.uintp(5), np.uintp(6), np.uintp(7)
    partial[:] = 0
    for i in range(np.uintp(history), np.uintp(history + steps), np.uintp(8)):
        j = np.uintp(np.int64(i) - lag - 3)
        for p in range(np.uintp(TILE)):
            a0, a1, a2, a3 = x[i, p], x[i + one, p], x[i + two, p], x[i + three, p]
            a4, a5, a6, a7 = x[i + four, p], x[i + five, p], x[i + six, p], x[i + seven, p]
            b0, b1, b2, b3 = x[j, p], x[j + one, p], x[j + two, p], x[j + three, p]
            b4, b5, b6, b7 = x[j + four, p], x[j + five, p], x[j + six, p], x[j + seven, p]
            b8, b9, b10 = x[j + seven + one, p], x[j + seven + two, p], x[j + seven + three, p]
            partial[0, p] += a0 * b3 + a1 * b4 + a2 * b5 + a3 * b6 + a4 * b7 + a5 * b8 + a6 * b9 + a7 * b10
            partial[1, p] += a0 * b2 + a1 * b3 + a2 * b4 + a3 * b5 + a4 * b6 + a5 * b7 + a6 * b8 + a7 * b9
            partial[2, p] += a0 * b1 + a1 * b2 + a2 * b3 + a3 * b4 + a4 * b5 + a5 * b6 + a6 * b7 + a7 * b8
            partial[3, p] += a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
    not_wanted = np.uintp(4 - product.shape[0])
    for k in range(np.uintp(product.shape[0])):
        for p in range(np.uintp(TILE)):
            product[k, p] += partial[not_wanted + k, p]


@njit(cache=True)
def _add_batch(batch, partial, total):  # type: ignore[no-untyped-def]
    """Add the samples of a batch to their total, first among each other."""
    one, two, three = np.uintp(1), np.uintp(2), np.uintp(3)
    partial[:] = 0
    for i in range(np.uintp(0), np.uintp(batch.shape[0]), np.uintp(4)):
        for p in range(np.uintp(TILE)):
            partial[p] += batch[i, p] + batch[i + one, p] + batch[i + two, p] + batch[i + three, p]
    for p in range(np.uintp(TILE)):
        total[p] += partial[p]


@njit(cache=True)
def _merge_pairs(batch, weights, merged):  # type: ignore[no-untyped-def]
    """merged[i] = weighted sum of the samples 2 i and 2 i + 1."""
    for i in range(np.uintp(merged.shape[0])):
        w0, w1 = weights[i, 0], weights[i, 1]
        for p in range(np.uintp(TILE)):
            merged[i, p] = w0 * batch[i + i, p] + w1 * batch[i + i + np.uintp(1), p]


@njit(cache=True)
def _add_left_out(x, level, samples, out):  # type: ignore[no-untyped-def]
    """out[lag] += x[row] for the samples (level, lag, row) of this level."""
    for n in range(samples.shape[0]):
        if samples[n, 0] == level:
            lag, row = np.uintp(samples[n, 1]), np.uintp(samples[n, 2])
            for p in range(np.uintp(TILE)):
                out[lag, p] += x[row, p]


@njit(cache=True)
def _correlate_batch(x, history, steps, first_lag, partial, product, total):  # type: ignore[no-untyped-def]
    for top in range(product.shape[0], 0, -4):
        lag, rows = first_lag + top - 4, product[max(top - 4, 0) : top]
        _add_products(x, history, steps, lag, partial, rows)
    _add_batch(x[history : history + steps], partial[0], total)


@njit(cache=True, parallel=True)
def _visit(  # type: ignore[no-untyped-def]
    pixels, frames, slots, weights, samples, lags, sums, left, left_out, right, right_out
):
    """Take each tile through the levels that are due (arguments as in `Tiles.visit`)."""
    stored, fresh = slots
    histories, waiting, place = samples
    first_lag, edges = lags
    product, total = sums
    history, depth = histories.shape[2], weights.shape[0]
    for tile in prange(frames.shape[0]):
        # Two rows more than are used: of four lags at once the shortest may reach past the end.
        x = np.empty((history + BLOCK + 2, TILE), dtype=np.float32)
        above = np.empty((history + BLOCK + 2, TILE), dtype=np.float32)
        partial = np.empty((4, TILE), dtype=np.float32)
        _load_block(pixels, tile * TILE, frames[tile], stored, fresh, x[history:])
        for level in range(depth):
            steps = BLOCK // 2 if level else BLOCK
            _copy_rows(histories[tile, level], x)
            level_lags = slice(edges[level], edges[level + 1])
            _correlate_batch(
                x, history, steps, first_lag[level], partial, product[tile, level_lags], total[tile, level]
            )
            _add_left_out(x, level, left, left_out[tile, level_lags])
            _add_left_out(x, level, right, right_out[tile, level_lags])
            _copy_rows(x[steps : steps + history], histories[tile, level])
            if level + 1 == histories.shape[1]:
                continue
            first = history + place[level + 1]
            last = first + steps // 2
            _merge_pairs(x[history:], weights[level], above[first:last])
            if level + 1 < depth:
                _copy_rows(waiting[tile, level + 1, : place[level + 1]], above[history:])
                above[last : history + BLOCK // 2] = 0
            else:
                _copy_rows(above[first:last], waiting[tile, level + 1])
            x, above = above, x


@njit(cache=True, parallel=True)
def _write_sums(product, total, left_out, right_out, level, pairs, target, out):  # type: ignore[no-untyped-def]
    """Turn sums of delta into sums of I = 1 + delta, in float64, for the lags that have a target row."""
    n_pixels = out.shape[2]
    for tile in prange(product.shape[0]):
        start = np.uintp(tile * TILE)
        width = np.uintp(min(TILE, n_pixels - tile * TILE))
        for lag in range(product.shape[1]):
            if target[lag] < 0:
                continue
            row, count, whole = np.uintp(target[lag]), np.float64(pairs[lag]), np.uintp(level[lag])
            for p in range(width):
                left = np.float64(total[tile, whole, p]) - np.float64(left_out[tile, lag, p])
                right = np.float64(total[tile, whole, p]) - np.float64(right_out[tile, lag, p])
                out[0, row, start + p] = count + left + right + np.float64(product[tile, lag, p])
                out[1, row, start + p] = count + left
                out[2, row, start + p] = count + right
