"""The controller's ends of the sockets: what the recorder and the analyst have said so far."""

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
    Message,
    NoResults,
    OpenHold,
    ResultsHeader,
    Trouble,
)


class Link:
    """A socket bound by the controller for one child."""

    def __init__(self, context: wire.Context) -> None:
        self.socket, self.endpoint = wire.bind(context, zmq.DEALER)
        self.ready = False
        """The child has said hello."""
        self.heard = False
        """Something has arrived since this was last reset."""
        self.complaints: list[str] = []

    def send(self, message: Message, *arrays: Any) -> bool:
        """Queue a message for the child; never blocks: False when nobody takes it."""
        return wire.send(self.socket, message, *arrays, wait=False)

    def drain(self) -> list[tuple[Any, list[Any]]]:
        """Return every message that has arrived; complain about and drop what is not one."""
        arrived: list[tuple[Any, list[Any]]] = []
        while True:
            try:
                received = wire.receive(self.socket, 0)
            except BadMessage as error:
                self.complaints.append(str(error))
                continue
            if received is None:
                return arrived
            self.heard = True
            arrived.append(received)

    def close(self) -> None:
        """Close the socket; what was not delivered is dropped."""
        self.socket.close(0)


class RecorderLink(Link):
    """Frames out, acknowledgements in."""

    def __init__(self, context: wire.Context) -> None:
        super().__init__(context)
        self.hold = -1
        self.sent = 0
        """Frames of the open hold that were sent."""
        self.last_seq = -1
        self.durable_seq = -1
        self.closed: dict[int, HoldClosed] = {}
        self.failure: str | None = None
        self._unacknowledged: list[int] = []

    def open_hold(self, opening: OpenHold) -> None:
        """Announce a hold and forget the last one."""
        self.hold, self.sent, self.last_seq, self.durable_seq = opening.hold, 0, -1, -1
        self._unacknowledged = []
        self.send(opening)

    def send(self, message: Message, *arrays: Any) -> bool:
        """Queue a message; a recorder that takes none has failed."""
        taken = super().send(message, *arrays)
        if not taken:
            self.handle()  # it may have said why
            self.failure = self.failure or "the recorder takes no messages any more"
        return taken

    def send_frame(self, header: FrameHeader, pixels: Any) -> None:
        """Send one frame; it counts against the credit until it is durable."""
        self.send(header, pixels)
        self.sent += 1
        self.last_seq = header.seq
        self._unacknowledged.append(header.seq)

    @property
    def unacknowledged(self) -> int:
        """Frames that are not known to be durable."""
        return len(self._unacknowledged)

    def handle(self) -> list[Ack]:
        """Take in what has arrived; return the acknowledgements."""
        acks = []
        for message, _ in self.drain():
            if isinstance(message, Ack):
                self._acknowledge(message)
                acks.append(message)
            elif isinstance(message, Hello):
                self.ready = True
            elif isinstance(message, HoldClosed):
                self.closed[message.hold] = message
            elif isinstance(message, Trouble) and message.fatal:
                self.failure = f"the recorder gave up: {message.message}"
            elif isinstance(message, Trouble):
                self.complaints.append(message.message)
        return acks

    def _acknowledge(self, ack: Ack) -> None:
        if ack.hold != self.hold:
            return
        self.durable_seq = max(self.durable_seq, ack.durable_seq)
        self._unacknowledged = [seq for seq in self._unacknowledged if seq > self.durable_seq]


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

    def handle(self) -> list[tuple[ResultsHeader | NoResults, list[Any]]]:
        """Take in what has arrived; return results that are to go to the recorder."""
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
            elif isinstance(message, ResultsHeader | NoResults):
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
