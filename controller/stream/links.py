"""The controller's ends of the sockets: what the recorder and the analyst have said so far."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import zmq

from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import (
    Ack,
    BadMessage,
    CloseHold,
    DriftRow,
    FrameHeader,
    Hello,
    HoldClosed,
    Live,
    Lost,
    Message,
    NoResults,
    OpenHold,
    Preview,
    ResultsHeader,
    Trouble,
)
from annealscope.controller.stream.retold import Ending, Note, Telling, ToldHold

LAST_WORDS_MS = 50
"""So long after the death of a process something that it said may still arrive."""
MESSAGES_AT_ONCE = 1000
"""Taken in on one turn, however many somebody sends."""


class Link:
    """The controller's end of the line to one child."""

    def __init__(self, context: wire.Context) -> None:
        self._line = wire.Line(context)
        self._refused = 0
        self.ready = False
        """The child has said hello."""
        self.heard = False
        """Something has arrived since this was last reset."""
        self.complaints: list[str] = []

    @property
    def socket(self) -> wire.Socket:
        """What is to be polled."""
        return self._line.socket

    @property
    def endpoint(self) -> str:
        """Where the child finds it; nobody else is told."""
        return self._line.endpoint

    def send(self, message: Message, *arrays: Any) -> bool:
        """Queue a message for the child; never blocks: False when nobody takes it."""
        return self._line.send(message, *arrays)

    def drain(self) -> list[tuple[Any, list[Any]]]:
        """Return the messages that have arrived; complain about and drop what is not one."""
        arrived: list[tuple[Any, list[Any]]] = []
        for _ in range(MESSAGES_AT_ONCE):
            try:
                received = self._line.receive()
            except BadMessage as error:
                self._refuse(str(error))
                continue
            if received is None:
                break
            self.heard = True
            arrived.append(received)
        return arrived

    def _refuse(self, why: str) -> None:
        """Complain, less and less often: nobody is to fill the journal."""
        self._refused += 1
        if self._refused.bit_count() == 1:
            self.complaints.append(f"a message is dropped, {self._refused} so far: {why}")

    def close(self) -> None:
        """Close the socket; what was not delivered is dropped."""
        self._line.close()


class RecorderLink(Link):
    """Frames out, acknowledgements in; whatever the recorder dies of, the next one is told what it needs.

    Every process has a socket of its own: what was queued for one that died goes with it, so that no message
    reaches the next one before its hold was announced, or twice.
    """

    def __init__(self, context: wire.Context) -> None:
        super().__init__(context)
        self._context = context
        self.hold = -1
        self.sent = 0
        """Frames of the open hold that were sent, by this process or by one that has died."""
        self.last_seq = -1
        self.durable_seq = -1
        self.closed: dict[int, HoldClosed] = {}
        self.failure: str | None = None
        """Why no recorder is started any more."""
        self.gave_up: str | None = None
        """What the process said before it ended by itself."""
        self.progress = False
        """Something has come onto the disk since this was last reset."""
        self.reading_back = False
        """The recorder has not answered yet, because it may be reading the long logs of an earlier one."""
        self._told: dict[int, ToldHold] = {}
        self._queue: deque[Telling] = deque()
        self._down = "the recorder process has not said hello"
        self._behind_seq: int | None = None
        """Newest frame that a fresh recorder was sent again, until it is durable."""

    # ------------------------------------------------------------------ one process after the other

    def renew(self) -> str:
        """Return the endpoint of a fresh socket, for the next process. Raises OSError when there is none."""
        try:
            line = wire.Line(self._context)
        except zmq.ZMQError as error:
            raise OSError(f"no socket for the recorder: {error}") from error
        self.close()
        self._line = line
        self._forget_process()
        return self.endpoint

    def lost(self, why: str) -> None:
        """The process has died: take in what it said last, keep for the next one what is not on the disk."""
        while self.socket.poll(LAST_WORDS_MS):
            self.handle()
        self._down = f"the recorder gave up: {self.gave_up}" if self.gave_up else why
        self._forget_process()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be recorded at the moment: until a fresh recorder has made up for the last one."""
        return None if self.ready and self._behind_seq is None else self._down

    # ------------------------------------------------------------------ out

    def open_hold(self, opening: OpenHold, notes: Sequence[Note] = ()) -> None:
        """Announce a hold, and what was noted of it by a process that has died."""
        lost = sum(note.frames for note in notes if isinstance(note, Lost))
        self.hold, self.sent = opening.hold, opening.first_seq - lost
        self.last_seq = self.durable_seq = -1
        self.reading_back, self._behind_seq = opening.first_seq > 0, None
        self._told[opening.hold] = ToldHold(opening, notes)
        self._say(self._told[opening.hold].again())

    def tell(self, message: Note | Ending) -> None:
        """Say something about a hold, see `ToldHold`; never blocks."""
        self._keep(message, ())

    def send_frame(self, header: FrameHeader, pixels: Any) -> None:
        """Send one frame; it counts against the credit until it is durable. Do not write to it any more."""
        self._keep(header, (pixels,))
        self.sent += 1
        self.last_seq = header.seq

    def send_results(self, message: ResultsHeader | NoResults, arrays: Sequence[Any]) -> None:
        """Send what the analyst found: the last word on a hold."""
        self._keep(message, tuple(arrays))

    def _keep(self, message: Note | FrameHeader | Ending, arrays: tuple[Any, ...]) -> None:
        if message.hold in self._told:
            self._told[message.hold].keep(message, arrays)
            self._say([(message, arrays)])

    def _say(self, tellings: Iterable[Telling]) -> None:
        """Queue messages for a process that listens; one that does not yet is told all at its hello."""
        if self.ready:
            self._queue.extend(tellings)
            self._flush()

    def _flush(self) -> None:
        while self._queue:
            message, arrays = self._queue[0]
            if not self.send(message, *arrays):
                return
            self._queue.popleft()

    # ------------------------------------------------------------------ in

    @property
    def unacknowledged(self) -> int:
        """Frames of the open hold that are not known to be durable."""
        return self._told[self.hold].unacknowledged if self.hold in self._told else 0

    @property
    def storing(self) -> bool:
        """Whether a hold file is being closed."""
        return any(told.complete for told in self._told.values())

    def handle(self) -> list[Ack]:
        """Take in what has arrived; return the acknowledgements."""
        acks = []
        for message, _ in self.drain():
            if isinstance(message, Ack):
                self._acknowledge(message)
                acks.append(message)
            elif isinstance(message, Hello):
                self._welcome()
            elif isinstance(message, HoldClosed):
                self._close(message)
            elif isinstance(message, Trouble) and message.fatal:
                self.gave_up = message.message
            elif isinstance(message, Trouble):
                self.complaints.append(message.message)
        self._flush()
        return acks

    def _welcome(self) -> None:
        """A fresh recorder listens: tell it what is not on the disk."""
        self.ready, self.gave_up = True, None
        if self.hold in self._told:
            self.reading_back, self._behind_seq = True, self._told[self.hold].newest_seq
        for told in self._told.values():
            self._say(told.again())

    def _acknowledge(self, ack: Ack) -> None:
        if ack.hold in self._told:
            self._told[ack.hold].acknowledge(ack.durable_seq)
        if ack.hold != self.hold:
            return
        self.reading_back = False
        self.progress |= ack.durable_seq > self.durable_seq
        self.durable_seq = max(self.durable_seq, ack.durable_seq)
        if self._behind_seq is not None and self.durable_seq >= self._behind_seq:
            self._behind_seq = None

    def _close(self, closed: HoldClosed) -> None:
        self.closed[closed.hold] = closed
        self._told.pop(closed.hold, None)
        self.progress = True
        if closed.hold == self.hold:
            self.reading_back, self._behind_seq = False, None

    def _forget_process(self) -> None:
        self.ready = False
        self._queue.clear()


class AnalystLink(Link):
    """Announcements out, drift rows and results in; knows what a restarted analyst has to be told again."""

    def __init__(self, context: wire.Context) -> None:
        super().__init__(context)
        self.drift: DriftRow | None = None
        self.live: Live | None = None
        self._awaited_seq = -1
        """Newest frame of a watch that this process was sent."""
        self._opening: OpenHold | None = None
        self._closing: CloseHold | None = None

    def open_hold(self, opening: OpenHold) -> None:
        """Announce a hold and forget the last one."""
        self.drift, self.live, self._awaited_seq = None, None, -1
        self._opening, self._closing = opening, None
        if self.ready:
            self.send(opening)

    def send_frame(self, header: FrameHeader, pixels: Any) -> None:
        """Send a frame that is in no log: one of a watch, for a process that listens."""
        if self.ready and self.send(header, pixels):
            self._awaited_seq = header.seq

    def owes_row(self, recorded_seq: int) -> bool:
        """Say whether the drift of a frame is still to come: of one in the log, or of one sent here."""
        newest = -1 if self.drift is None else self.drift.seq
        return self.ready and newest < max(recorded_seq, self._awaited_seq)

    def close_hold(self, closing: CloseHold) -> None:
        """Ask for the results of the open hold."""
        self._closing = closing
        if self.ready:
            self.send(closing)

    def lost(self) -> None:
        """The process has died: nothing that it measured steers any more."""
        self.ready = False
        self.drift = None
        self._awaited_seq = -1

    def finished(self) -> None:
        """Nothing more is wanted of the hold, and nothing has to be told again."""
        self.drift = None
        self._opening = self._closing = None

    def handle(self) -> list[tuple[ResultsHeader | NoResults | Preview, list[Any]]]:
        """Take in what has arrived; return results: for the recorder, and while they grow for viewers."""
        results = []
        for message, arrays in self.drain():
            if isinstance(message, Hello):
                self._welcome()
            elif not self._current(message):
                continue
            elif isinstance(message, DriftRow):
                self.drift = message
            elif isinstance(message, Live):
                self.live = message
            elif isinstance(message, ResultsHeader | NoResults | Preview):
                results.append((message, arrays))
            elif isinstance(message, Trouble):
                self.complaints.append(message.message)
        return results

    def _welcome(self) -> None:
        """A fresh analyst listens: tell it about the open hold, it reads the frames from the log."""
        self.ready = True
        for message in (self._opening, self._closing):
            if message is not None:
                self.send(message)

    def _current(self, message: Any) -> bool:
        """Say whether a message is about the open hold, or about none."""
        hold = getattr(message, "hold", None)
        return hold is None or (self._opening is not None and hold == self._opening.hold)
