"""The books of one level of the multi-tau correlator: which of its samples exist, and what pairs they make.

Before a segment and after it all slots count as lost: its first and last samples need no rule of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from annealscope.analysis.multitau_tiles import BLOCK, HALF_BATCH, Flags, Pixels, Visit
from annealscope.analysis.slots import Integers


@dataclass(frozen=True)
class _Settled:
    """What a batch of one level comes to."""

    weights: Pixels
    """Weights of the two samples in each mean for the next level, shape (batch / 2, 2); 0: lost."""

    left_out: Integers
    """Samples without a later partner, shape (n, 2): number of the lag, row in history and batch."""

    right_out: Integers
    """The same for samples without an earlier partner."""


class Level:
    """Which samples of one width exist: a history, and a batch that fills up.

    Parameters
    ----------
    channels
        Samples the level looks back, and the lags it serves: all below this number on level 0, the upper half
        of them on the other levels.
    number
        Number of the level; its samples are means over 2^number slots.
    """

    def __init__(self, channels: int, number: int) -> None:
        self.width = 2**number
        self.lags = np.arange(channels // 2 if number else 1, channels)
        self.pairs = np.zeros(len(self.lags), dtype=np.int64)
        self.pending = 0
        self._number = number
        self._batch = BLOCK // 2 if number else BLOCK
        self._history = channels - 1
        self._exists = np.zeros(self._history + self._batch, dtype=np.bool_)

    @property
    def exists(self) -> Flags:
        """Which samples of the batch exist; a view."""
        return self._exists[self._history :]

    @property
    def full(self) -> bool:
        """Whether the batch is complete."""
        return self.pending == self._batch

    def start_at(self, block: int) -> None:
        """Leave empty what a segment that began at slot 0 would have filled before this block."""
        half_filled = self._number >= 2 and (block >> (self._number - 2)) & 1
        self.pending = HALF_BATCH if half_filled else 0

    def clear(self) -> None:
        """Forget the samples, keep the pairs."""
        self._exists[:] = False
        self.pending = 0

    def take(self, weights: Pixels) -> None:
        """Add means of samples of the level below; without any weight a mean is lost."""
        last = self.pending + len(weights)
        self.exists[self.pending : last] = weights.any(axis=1)
        self.pending = last

    def settle(self, *, closing: bool) -> _Settled:
        """Count the pairs whose later sample is in the batch, and make room for the next batch.

        When closing, the samples that will have no later partner are settled as well.
        """
        rows = self._history + np.arange(self._batch + (self._history if closing else 0))
        earlier = rows - self.lags[:, None]
        known = np.append(self._exists, np.zeros(self._history, dtype=np.bool_))
        exists, partner_exists = known[rows], known[earlier]
        self.pairs += (exists & partner_exists).sum(axis=1)
        left = np.nonzero(partner_exists & ~exists)
        right = np.nonzero(exists & ~partner_exists)
        halves = self.exists.reshape(-1, 2)
        weights = (halves / np.maximum(halves.sum(axis=1, keepdims=True), 1)).astype(np.float32)
        self._exists[: self._history] = known[self._batch : self._batch + self._history]
        self.exists[:] = False
        self.pending = 0
        return _Settled(
            weights, np.stack([left[0], earlier[left]], axis=1), np.stack([right[0], rows[right[1]]], axis=1)
        )


def settle(levels: list[Level], place: Integers, *, closing: bool = False) -> Visit:
    """Settle the block of level 0 and the levels that are full with it, and say what it means for the pixels.

    Parameters
    ----------
    levels
        From the lowest up.
    place
        Slots of the block whose frames come with the visit.
    closing
        Settle all levels, as if only lost slots followed.
    """
    stored, fresh = levels[0].exists.copy(), np.full(BLOCK, -1)
    fresh[place] = np.arange(len(place))
    levels[0].exists[place] = True
    waiting = np.array([level.pending for level in levels])
    settled: list[_Settled] = []
    for level, above in with_next(levels):
        settled.append(level.settle(closing=closing))
        if above is not None:
            above.take(settled[-1].weights)
            if not (closing or above.full):
                break
    weights = np.zeros((len(settled), BLOCK // 2, 2), dtype=np.float32)
    for number, batch in enumerate(settled):
        weights[number, : len(batch.weights)] = batch.weights
    return Visit(
        stored,
        fresh,
        waiting,
        weights,
        left_out=_numbered([batch.left_out for batch in settled]),
        right_out=_numbered([batch.right_out for batch in settled]),
    )


def with_next(levels: list[Level]) -> Iterator[tuple[Level, Level | None]]:
    """Pair each level with the one above it; the last has none."""
    return zip_longest(levels, levels[1:])


def _numbered(samples: list[Integers]) -> Integers:
    """Join the samples of all levels, with the number of the level in front."""
    return np.concatenate([np.insert(rows, 0, number, axis=1) for number, rows in enumerate(samples)])
