"""Streaming multi-tau correlator: the intensity correlation g2 of every pixel while the frames arrive.

What is computed, and the rules for lost slots and segments, is in docs/methods/g2.md. Work is done in blocks
that are aligned on slot numbers, so that it does not matter how the frames were split into calls.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from annealscope.analysis.multitau_level import Level, settle
from annealscope.analysis.multitau_tiles import BLOCK, TILE, Pixels, Tiles, Visit
from annealscope.analysis.slots import Integers, SlotOrder, block_runs
from annealscope.analysis.values import InvalidData

_TILES_AT_ONCE = 64
_NO_FRAMES = np.empty((0, 0), dtype=np.float32)
_NO_SLOTS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class LagSums:
    """Sums over all pairs of samples that are a lag apart, per pixel."""

    lag_slots: Integers
    """Lag in slots, shape (L,), increasing, at least 1."""

    pairs: Integers
    """Number of pairs that were summed, shape (L,), at least 1."""

    width_slots: Integers
    """Slots that one sample is the mean of (1, 2, 4, ...), shape (L,)."""

    product: npt.NDArray[np.floating]
    """Sum of I(i) I(i + lag) over the pairs, shape (L, ny, nx)."""

    left: npt.NDArray[np.floating]
    """Sum of I(i) over the same pairs, shape (L, ny, nx)."""

    right: npt.NDArray[np.floating]
    """Sum of I(i + lag) over the same pairs, shape (L, ny, nx)."""


class MultiTau:
    """Correlates every pixel at lags from one slot up to thousands, in bounded memory (docs/methods/g2.md).

    Level 0 has the lags 1 ... channels - 1. A sample of level l is the mean of two samples of level l - 1 (of
    the one that exists, when the other is lost), and gives the lags channels/2 ... channels - 1 times 2^l.

    Parameters
    ----------
    shape
        (ny, nx) of the frames.
    channels
        Samples that a level looks back, even, at least 4.
    levels
        Number of levels, at least 1. The largest lag is (channels - 1) 2^(levels - 1) slots.

    Raises
    ------
    InvalidData
        When channels, levels or shape are not as said.

    Notes
    -----
    Memory is about 1.5 kB a pixel with 16 channels and 8 levels (1.5 GB at 1024 x 1024), 0.3 kB more after
    the first lost slot or second segment; :meth:`sums` returns another 0.8 kB a pixel.

    Blocks of pixels can be correlated apart and joined by concatenating their sums along the pixel axes: a
    pixel's numbers do not depend on its neighbours. Blocks of segments are joined by :meth:`merge`.
    """

    def __init__(self, shape: tuple[int, int], *, channels: int = 16, levels: int = 8) -> None:
        if channels < 4 or channels % 2 or levels < 1:
            raise InvalidData(
                "multi-tau: channels must be even and at least 4, levels at least 1, "
                f"got {channels} channels and {levels} levels"
            )
        self._order = SlotOrder(shape)
        self.geometry = (self._order.shape, channels, levels)
        self._n_pixels = shape[0] * shape[1]
        self._levels = [Level(channels, number) for number in range(levels)]
        self._tiles = Tiles(self._n_pixels, channels, [level.lags for level in self._levels])
        self._segment: int | None = None
        self._block = 0
        self._span = (channels + 1) * 2 ** (levels - 1)

    def update(self, frames: npt.ArrayLike, slot: npt.ArrayLike, segment: npt.ArrayLike) -> None:
        """Add frames.

        Parameters
        ----------
        frames
            Normalised frames (mean about 1), shape (n, ny, nx), any real dtype; float32 is not copied.
            It is fastest when calls end where blocks of 32 slots do.
        slot
            Place of each frame on the time grid of its segment, integers, shape (n,), increasing. A number
            that is left out is a lost slot: lags cross it, pairs with it do not exist.
        segment
            Segment of each frame, integers, shape (n,). No lag crosses a change; a segment must not come
            back.

        Raises
        ------
        InvalidData
            The shapes do not fit or the slots are out of order; nothing has been added then.
        """
        images, slots, segments = self._order.check(frames, slot, segment)
        pixels = images.reshape(len(images), self._n_pixels)
        for number, block, run in block_runs(slots, segments, BLOCK):
            self._enter(number, block)
            place = slots[run] % BLOCK
            if place[-1] == BLOCK - 1:
                self._finish_block(pixels[run], place)
            else:
                self._tiles.store(pixels[run], place)
                self._levels[0].exists[place] = True

    def sums(self) -> LagSums:
        """Return the sums over everything so far, at the lags that have a pair; more frames may follow.

        Returns
        -------
        LagSums
            Lags in slots; sums per pixel, float32, shape (L, ny, nx).

        Raises
        ------
        InvalidData
            There is no pair of frames yet.
        """
        sums: Pixels = np.empty(0, dtype=np.float32)
        for pixels, part in self.parts():
            if pixels.start == 0:
                sums = np.empty((3, len(part.pairs), self._n_pixels), dtype=np.float32)
            for k, values in enumerate((part.product, part.left, part.right)):
                sums[k, :, pixels] = values[:, 0]
        product, left, right = sums.reshape(3, -1, *self._order.shape)
        return replace(part, product=product, left=left, right=right)

    def parts(self) -> Iterator[tuple[slice, LagSums]]:
        """Yield what `sums` returns for some thousand pixels after others, which takes little memory.

        Yields
        ------
        slice, LagSums
            The pixels in the flat image, from the first one on; their sums, of shape (L, 1, pixels).
        """
        levels, visit = self._close()
        pairs = np.concatenate([level.pairs for level in levels])
        kept = pairs > 0
        if not kept.any():
            raise InvalidData("g2: at least two frames in one segment are needed, no pair of frames found")
        lag_slots = np.concatenate([level.lags * level.width for level in levels])[kept]
        width_slots = np.concatenate([np.full_like(level.lags, level.width) for level in levels])[kept]
        row = np.where(kept, np.cumsum(kept) - 1, -1)
        for tiles in self._chunks():
            pixels = slice(tiles.start * TILE, min(tiles.stop * TILE, self._n_pixels))
            sums = np.empty((3, len(lag_slots), pixels.stop - pixels.start), dtype=np.float32)
            self._closed(tiles, visit).write_sums(pairs, row, sums)
            yield pixels, LagSums(lag_slots, pairs[kept], width_slots, *sums[:, :, np.newaxis])

    def merge(self, other: "MultiTau") -> None:
        """Add the sums of another correlator of the same pixels, which saw other segments.

        The current segment ends: frames that follow need a new segment number. ``other`` is not changed.

        Raises
        ------
        InvalidData
            Shape, channels or levels differ, or both have seen the same segment.
        """
        if self.geometry != other.geometry:
            raise InvalidData(
                "merge: shape, channels and levels of the two correlators must agree, "
                f"got {self.geometry} and {other.geometry}"
            )
        self._order.merge(other._order)  # noqa: SLF001
        self._end_segment()
        levels, visit = other._close()  # noqa: SLF001
        for tiles in self._chunks():
            self._tiles.add(other._closed(tiles, visit), tiles)  # noqa: SLF001
        for mine, theirs in zip(self._levels, levels, strict=True):
            mine.pairs += theirs.pairs

    def _enter(self, segment: int, block: int) -> None:
        """Process what comes before this block of this segment."""
        out_of_reach = (block - self._block - 1) * BLOCK > self._span
        if segment != self._segment or out_of_reach:
            self._end_segment()
            self._segment, self._block = segment, block
            for level in self._levels:
                level.start_at(block)
        while self._block < block:
            self._finish_block(_NO_FRAMES, _NO_SLOTS)

    def _finish_block(self, pixels: Pixels, place: Integers) -> None:
        """Correlate the block: frames stored before, and these, which are not."""
        self._tiles.visit(settle(self._levels, place), pixels)
        self._block += 1

    def _end_segment(self) -> None:
        if self._segment is not None:
            self._tiles.visit(settle(self._levels, _NO_SLOTS, closing=True), _NO_FRAMES)
            self._tiles.clear()
            for level in self._levels:
                level.clear()
            self._segment = None

    def _close(self) -> tuple[list[Level], Visit | None]:
        """Return the levels with all that is pending settled, and the visit to the pixels that it takes."""
        levels = copy.deepcopy(self._levels)
        return levels, None if self._segment is None else settle(levels, _NO_SLOTS, closing=True)

    def _closed(self, tiles: slice, visit: Visit | None) -> Tiles:
        """Return a copy of some tiles, with all that is pending settled."""
        part = self._tiles.part(tiles)
        if visit is not None:
            part.visit(visit, _NO_FRAMES)
        return part

    def _chunks(self) -> Iterator[slice]:
        for start in range(0, self._tiles.n_tiles, _TILES_AT_ONCE):
            yield slice(start, start + _TILES_AT_ONCE)
