"""The rules every accumulator has for frames: shape, slots that increase, segments that do not come back."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import InvalidData

Frames = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class SlotOrder:
    """Remembers where the last frame stood, and refuses frames that cannot follow it.

    Parameters
    ----------
    shape
        (ny, nx) of the frames.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        if len(shape) != 2 or min(shape) < 1:
            raise InvalidData(f"frame shape: must be (ny, nx) with both at least 1, got {tuple(shape)}")
        self.shape = (int(shape[0]), int(shape[1]))
        self.segments: set[int] = set()
        self._last: tuple[int, int] | None = None

    def check(
        self, frames: npt.ArrayLike, slot: npt.ArrayLike, segment: npt.ArrayLike
    ) -> tuple[Frames, Integers, Integers]:
        """Return the three as contiguous float32 (n, ny, nx) and int64 (n,) arrays, and remember the last.

        Raises
        ------
        InvalidData
            The shapes do not fit, a slot is negative or does not increase within its segment, or a segment
            that was left comes back.
        """
        images = np.ascontiguousarray(frames, dtype=np.float32)
        slots = np.asarray(slot, dtype=np.int64)
        segments = np.asarray(segment, dtype=np.int64)
        self._check_shapes(images, slots, segments)
        if len(slots):
            self._check_order(slots, segments)
            self._last = int(segments[-1]), int(slots[-1])
            self.segments.update(segments.tolist())
        return images, slots, segments

    def merge(self, other: "SlotOrder") -> None:
        """Take over the segments of another accumulator, and end the current one.

        Raises
        ------
        InvalidData
            Both have seen the same segment.
        """
        shared = self.segments & other.segments
        if shared:
            raise InvalidData(f"merge: the segments must be disjoint, both sides have seen {sorted(shared)}")
        self.segments |= other.segments
        self._last = None

    def _check_shapes(self, frames: Frames, slot: Integers, segment: Integers) -> None:
        if frames.shape[1:] != self.shape or frames.ndim != 3:
            raise InvalidData(
                f"frames: shape must be (n, {self.shape[0]}, {self.shape[1]}), got {frames.shape}"
            )
        if slot.shape != frames.shape[:1] or segment.shape != frames.shape[:1]:
            raise InvalidData(
                f"slot and segment: one number per frame is needed ({len(frames)} frames), "
                f"got shapes {slot.shape} and {segment.shape}"
            )

    def _check_order(self, slot: Integers, segment: Integers) -> None:
        if slot.min() < 0:
            raise InvalidData(f"slot: must not be negative, got {slot.min()}")
        changes = np.flatnonzero(np.diff(segment)) + 1
        backwards = np.setdiff1d(np.flatnonzero(np.diff(slot) <= 0) + 1, changes)
        if len(backwards):
            at = int(backwards[0])
            raise InvalidData(
                f"slot: must increase within a segment, got {slot[at]} after {slot[at - 1]} "
                f"in segment {segment[at]} (frame {at} of this call)"
            )
        self._check_continuation(slot, segment, segment[changes].tolist())

    def _check_continuation(self, slot: Integers, segment: Integers, entered: list[int]) -> None:
        first = int(segment[0]), int(slot[0])
        if self._last is None or first[0] != self._last[0]:
            entered = [first[0], *entered]
        elif first[1] <= self._last[1]:
            raise InvalidData(
                f"slot: must increase within a segment, got {first[1]} after {self._last[1]} "
                f"in segment {first[0]}"
            )
        again = self.segments.intersection(entered)
        if again or len(set(entered)) < len(entered):
            raise InvalidData(
                f"segment: a segment that was left must not come back, got {entered} "
                f"after {sorted(self.segments)}; give the new frames a new segment number"
            )


def block_runs(slot: Integers, segment: Integers, length: int) -> Iterator[tuple[int, int, slice]]:
    """Cut frames where their segment or their block of ``length`` slots changes.

    Yields
    ------
    tuple
        Segment, block number (slot // length), and the slice of the frames that are in it.
    """
    block = slot // length
    cuts = np.flatnonzero((np.diff(block) != 0) | (np.diff(segment) != 0)) + 1
    edges = [0, *cuts.tolist(), len(slot)] if len(slot) else []
    for start, stop in pairwise(edges):
        yield int(segment[start]), int(block[start]), slice(start, stop)
