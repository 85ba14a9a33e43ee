"""Whenever a recorder dies, what the next one is told makes the same record, as a slow, obvious one does."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from record_samples import frame, open_hold

from annealscope.controller.stream import links
from annealscope.controller.stream.links import RecorderLink
from annealscope.controller.stream.messages import (
    Ack,
    CloseHold,
    FrameHeader,
    Hello,
    HoldClosed,
    Lost,
    NewSegment,
    NoResults,
    OpenHold,
    Reading,
)

ROOM = 5
"""Messages that wait for the recorder in its socket."""


@dataclass
class Record:
    """What is known of a hold in the end."""

    frames: list[int] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)
    ending: list[Any] = field(default_factory=list)


class SlowRecorder:
    """Does with one message after the other what a recorder does, on a disk that outlives it."""

    def __init__(self) -> None:
        self.logs: dict[int, list[int]] = {}
        self.files: dict[int, Record] = {}
        self.alive = False
        self.inbox: list[Any] = []
        self.outbox: list[Any] = []
        self._open: int | None = None
        self._record = Record()

    def start(self) -> None:
        assert not self.alive
        self.alive, self._open = True, None
        self.outbox.append(Hello(role="recorder", pid=1))

    def die(self, heard: int) -> None:
        """Lose all that is in memory; of what was said last only some is heard."""
        self.alive = False
        self.inbox.clear()
        del self.outbox[heard:]

    def work(self, messages: int) -> None:
        while self.alive and messages and self.inbox:
            self._handle(self.inbox.pop(0))
            messages -= 1

    def sync(self) -> None:
        if self.alive and self._open is not None:
            durable = max(self.logs.get(self._open, self._closed_frames()), default=-1)
            self.outbox.append(Ack(hold=self._open, durable_seq=durable))

    def _closed_frames(self) -> list[int]:
        return self.files[self._open].frames if self._open in self.files else []

    def _handle(self, message: Any) -> None:
        if isinstance(message, OpenHold):
            assert self._open is None, "the hold before is still open"
            self._open, self._record = message.hold, Record()
            if message.hold not in self.files:
                self.logs.setdefault(message.hold, [])
            self.sync()
            return
        assert message.hold == self._open, "this hold was not announced"
        if isinstance(message, FrameHeader):
            self._append(message.seq)
        elif isinstance(message, NewSegment | Lost | Reading):
            self._record.notes.append(message)
        else:
            self._end(message)

    def _append(self, seq: int) -> None:
        assert not self._record.ending, "a frame came after the last"
        if self._open in self.files:
            assert seq in self._closed_frames()
        elif seq > max(self.logs[self._open], default=-1):
            self.logs[self._open].append(seq)

    def _end(self, message: Any) -> None:
        self._record.ending.append(message)
        self.sync()
        if isinstance(message, CloseHold):
            return
        if self._open not in self.files:
            self._record.frames = self.logs.pop(self._open)
            self.files[self._open] = self._record
        frames = len(self._closed_frames())
        self.outbox.append(HoldClosed(hold=self._open, path="", frames=frames, analysis="missing"))
        self._open = None


class PlayedLink(RecorderLink):
    """A link to a slow recorder instead of a socket."""

    def __init__(self, context: Any, recorder: SlowRecorder) -> None:
        super().__init__(context)
        self._peer = recorder

    def send(self, message: Any, *arrays: Any) -> bool:
        taken = self._peer.alive and len(self._peer.inbox) < ROOM
        if taken:
            self._peer.inbox.append(message)
        return taken

    def drain(self) -> list[Any]:
        arrived = [(message, []) for message in self._peer.outbox]
        self._peer.outbox.clear()
        return arrived

    def replace(self) -> None:
        """Do what the caretaker does for a recorder that has died."""
        self.handle()
        self.lost("died")
        self._forget_process()
        self._peer.outbox.clear()
        self._peer.start()


class Talk:
    """The controller's part: says what a script says, and keeps the record that must come of it."""

    def __init__(self, link: PlayedLink, recorder: SlowRecorder, folder: Any) -> None:
        self._link, self._recorder, self._folder = link, recorder, folder
        self.expected: dict[int, Record] = {}
        self._seq = self._segment = 0

    def do(self, step: str, number: int) -> None:
        match step:
            case "work":
                self._recorder.work(number)
            case "sync":
                self._recorder.sync()
            case "hear":
                self._link.handle()
            case "die":
                self._recorder.die(heard=number)
                self._link.replace()
            case "next hold":
                self.next_hold()
            case _:
                self._say(step)

    def next_hold(self) -> None:
        self.close()
        hold = len(self.expected) + 1
        self._seq = self._segment = 0
        self.expected[hold] = Record()
        self._link.open_hold(open_hold(self._folder, hold=hold))

    def close(self) -> None:
        if not self.expected:
            return
        hold = len(self.expected)
        record = self.expected[hold]
        record.ending = [
            CloseHold(hold=hold, end_seq=self._seq, frames=len(record.frames), reason="complete"),
            NoResults(hold=hold, why="no analysis"),
        ]
        self._link.tell(record.ending[0])
        self._link.send_results(record.ending[1], [])

    def _say(self, step: str) -> None:
        hold, seq = len(self.expected), self._seq
        self._seq += step in ("frame", "lose")
        if step == "frame":
            self.expected[hold].frames.append(seq)
            header, pixels = frame(seq)
            self._link.send_frame(header.model_copy(update={"hold": hold}), pixels)
            return
        self._segment += step == "segment"
        note = {
            "lose": Lost(hold=hold, first_seq=seq, frames=1, t_s=2.0 * seq, why="lost"),
            "segment": NewSegment(hold=hold, segment=self._segment, first_seq=seq, why="paused"),
            "reading": Reading(hold=hold, t_s=2.0 * seq, temperature_K=373.0, setpoint_K=373.15),
        }[step]
        self.expected[hold].notes.append(note)
        self._link.tell(note)

    def finish(self) -> None:
        self.close()
        for _ in range(10_000):
            self._recorder.work(1)
            self._link.handle()
            if len(self._link.closed) == len(self.expected):
                return
        raise AssertionError("the holds are never closed")


STEPS = st.sampled_from(
    ["frame"] * 6
    + ["work"] * 6
    + ["sync", "hear"] * 3
    + ["die"] * 2
    + ["reading", "segment", "lose", "next hold"]
)


@pytest.fixture(scope="module")
def context():
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@settings(max_examples=300, deadline=None)
@given(script=st.lists(st.tuples(STEPS, st.integers(0, 4)), max_size=80))
def test_whatever_point_it_dies_at_the_record_is_the_same(script, context, tmp_path_factory):
    recorder = SlowRecorder()
    link = PlayedLink(context, recorder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(links, "LAST_WORDS_MS", 0)
        talk = Talk(link, recorder, tmp_path_factory.getbasetemp())
        recorder.start()
        talk.next_hold()
        for step, number in script:
            talk.do(step, number)
        talk.finish()
    link.close()
    assert recorder.files == talk.expected
    assert (link.unacknowledged, link.trouble) == (0, None)
