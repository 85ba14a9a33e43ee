"""What a recorder that was started again has to be told of a hold, so that it makes the same record."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from annealscope.controller.stream.messages import (
    CloseHold,
    FrameHeader,
    Lost,
    NewSegment,
    NoResults,
    OpenHold,
    Reading,
    ResultsHeader,
)

Note = NewSegment | Lost | Reading
"""What the frame logs do not know; a recorder has it in memory, until the hold file is complete."""
Ending = CloseHold | ResultsHeader | NoResults
Telling = tuple[OpenHold | Note | FrameHeader | Ending, tuple[Any, ...]]
"""A message to the recorder, and its arrays."""


class ToldHold:
    """Everything that was said of one hold and is not on the disk yet.

    Frames are kept until they are durable: from then on their log has them. All else is kept until the hold
    file is complete, because after the death of a recorder it is made afresh.

    Parameters
    ----------
    opening
        The hold as it was announced.
    notes
        What was noted of it by a process that has died.
    """

    def __init__(self, opening: OpenHold, notes: Iterable[Note] = ()) -> None:
        self._opening = opening
        self._notes = list(notes)
        self._frames: deque[tuple[FrameHeader, tuple[Any, ...]]] = deque()
        self._ending: list[tuple[Ending, tuple[Any, ...]]] = []

    @property
    def unacknowledged(self) -> int:
        """Frames that are not known to be durable."""
        return len(self._frames)

    @property
    def newest_seq(self) -> int:
        """The newest of these; -1 when there is none."""
        return self._frames[-1][0].seq if self._frames else -1

    @property
    def complete(self) -> bool:
        """Whether everything was said: what is awaited is the hold file."""
        return any(not isinstance(message, CloseHold) for message, _ in self._ending)

    def keep(self, message: Note | FrameHeader | Ending, arrays: tuple[Any, ...]) -> None:
        """Keep what is said now."""
        match message:
            case FrameHeader():
                self._frames.append((message, arrays))
            case NewSegment() | Lost() | Reading():
                self._notes.append(message)
            case _:
                self._ending.append((message, arrays))

    def acknowledge(self, durable_seq: int) -> None:
        """Forget the frames up to one that is durable."""
        while self._frames and self._frames[0][0].seq <= durable_seq:
            self._frames.popleft()

    def again(self) -> Iterator[Telling]:
        """Yield all that a fresh recorder has to be told, in an order that makes the same record."""
        yield self._opening, ()
        for note in self._notes:
            yield note, ()
        yield from self._frames
        yield from self._ending
