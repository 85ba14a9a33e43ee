"""Hypothesis strategies: frames with lost slots and segments, and ways to split them into calls."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Record:
    frames: np.ndarray = field(repr=False)
    slot: np.ndarray
    segment: np.ndarray

    def __len__(self) -> int:
        return len(self.slot)

    def feed(self, accumulator, edges=()):
        """Give the frames to an accumulator, cut at the edges; return the accumulator."""
        cuts = [0, *sorted(edges), len(self)]
        for start, stop in pairwise(cuts):
            part = slice(start, stop)
            accumulator.update(self.frames[part], self.slot[part], self.segment[part])
        return accumulator

    def only(self, segments) -> "Record":
        chosen = np.isin(self.segment, list(segments))
        return Record(self.frames[chosen], self.slot[chosen], self.segment[chosen])


@st.composite
def records(draw, max_frames=150):
    """Frames of mean 1 with a static part; short and long gaps, up to four segments."""
    n = draw(st.integers(2, max_frames))
    shape = draw(st.sampled_from([(1, 1), (3, 7), (2, 131), (17, 16)]))
    rng = np.random.Generator(np.random.Philox(draw(st.integers(0, 2**32 - 1))))
    frames = 1 + 0.2 * rng.standard_normal(shape) + 0.3 * rng.standard_normal((n, *shape))
    frames /= frames.mean(axis=(1, 2), keepdims=True)
    steps = np.ones(n, dtype=np.int64)
    for at in draw(st.lists(st.integers(0, n - 1), max_size=6)):
        steps[at] += draw(st.sampled_from([1, 2, 3, 40, 700]))
    breaks = draw(st.lists(st.integers(1, n - 1), max_size=3, unique=True))
    segment = np.searchsorted(np.sort(breaks), np.arange(n), side="right")
    slot = np.cumsum(steps) - 1
    for number in range(1, len(breaks) + 1):
        slot[segment == number] += draw(st.integers(0, 70)) - slot[segment == number][0]
    return Record(frames.astype(np.float32), slot, segment.astype(np.int64))


def splits(record: Record):
    """Places to cut a record at, the same place twice included (a call without frames)."""
    return st.lists(st.integers(0, len(record)), max_size=12)
