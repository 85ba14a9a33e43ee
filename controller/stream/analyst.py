"""The analyst process: ``python -m annealscope.controller.stream.analyst``.

Frames come from the publisher; what was missed, by falling behind or by being restarted, is read from the
frame log. So it never keeps the camera waiting and never misses a frame. One JSON line on stdin:
``{"endpoint": "tcp://127.0.0.1:PORT", "frames_endpoint": "tcp://127.0.0.1:PORT"}``.
"""

import math
import os
import sys
from typing import Any

import zmq

from annealscope.analysis.compiling import when_compiling
from annealscope.analysis.values import InvalidData
from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import (
    BadMessage,
    CloseHold,
    DriftRow,
    FrameHeader,
    Hello,
    Live,
    Message,
    NoResults,
    OpenHold,
    Trouble,
)
from annealscope.controller.stream.pace import Pace
from annealscope.controller.stream.sessions import HoldSession, WatchSession

LIVE_EVERY_S = 0.5
PREVIEW_EVERY_S = 1.0
SHARE = 0.05
"""Of the time, that live results may take, and previews beside them."""
IDLE_MS = 20


class Analyst:
    """Serves one controller until it goes away."""

    def __init__(self, parent: wire.Parent) -> None:
        self._parent = parent
        self._context: wire.Context = zmq.Context()
        self._control = wire.connect(self._context, zmq.DEALER, parent.settings["endpoint"])
        self._frames = wire.connect(self._context, zmq.SUB, parent.settings["frames_endpoint"])
        self._frames.setsockopt(zmq.SUBSCRIBE, b"")
        self._poller = zmq.Poller()
        self._poller.register(self._control, zmq.POLLIN)
        self._poller.register(self._frames, zmq.POLLIN)
        self._session: HoldSession | None = None
        self._watch: WatchSession | None = None
        self._live_rows = 0
        self._preview_rows: float = 0
        """Frames that the last one was made of; infinite: there is no other one in this hold."""
        self._live_pace = Pace(LIVE_EVERY_S, SHARE)
        self._preview_pace = Pace(PREVIEW_EVERY_S, SHARE)

    def serve(self) -> None:
        """Answer until the parent is gone."""
        self._tell(Hello(role="analyst", pid=os.getpid()))
        with when_compiling(lambda: self._tell_compiling(self._session)):
            self._serve()

    def _serve(self) -> None:
        while self._parent.alive:
            ready = dict(self._poller.poll(IDLE_MS))
            if self._control in ready:
                self._obey()
            if self._frames in ready:
                self._take_published()
            elif self._session is not None:
                self._report(self._session.catch_up())
            self._finish_if_complete()

    def _obey(self) -> None:
        message, parts = self._receive(self._control)
        if isinstance(message, OpenHold):
            self._open(message)
        elif isinstance(message, FrameHeader) and self._watch is not None:
            self._report(self._watch.offer(message, wire.pixels_of(message, parts)))
        elif isinstance(message, CloseHold):
            self._watch = None
            if self._session is not None and self._session.opening.hold == message.hold:
                self._session.closing = message

    def _open(self, opening: OpenHold) -> None:
        if self._session is not None:
            self._session.close()
        if opening.method == "watch":
            self._session, self._watch = None, WatchSession(opening)
        else:
            self._session, self._watch = HoldSession(opening), None
            self._live_rows = self._preview_rows = 0

    def _take_published(self) -> None:
        header, parts = self._receive(self._frames)
        if self._session is None or not isinstance(header, FrameHeader):
            return
        try:
            pixels = wire.pixels_of(header, parts)
        except BadMessage as error:  # the log has the frame too
            self._complain(str(error))
            return
        self._report(self._session.offer(header, pixels))

    def _receive(self, socket: wire.Socket) -> tuple[Any, Any]:
        try:
            return wire.receive(socket, 0) or (None, [])
        except BadMessage as error:
            self._complain(str(error))
            return None, []

    def _report(self, rows: list[DriftRow]) -> None:
        for row in rows:
            self._tell(row)
        session = self._session
        if session is None:
            return
        if session.rows > self._live_rows and self._live_pace.due:
            self._tell_live(session)
        elif session.rows > self._preview_rows and self._preview_pace.due:
            self._tell_preview(session)

    def _tell_live(self, session: HoldSession) -> None:
        """Say what the record shows so far, as often as costs little of the time for frames."""
        with self._live_pace.measured():
            self._tell(session.live())
        self._live_rows = session.rows

    def _tell_preview(self, session: HoldSession) -> None:
        """Show what the record says so far to those who look on; without, when that fails once."""
        try:
            with self._preview_pace.measured():
                preview, arrays = session.preview()
                wire.send(self._control, preview, *arrays)
        except Exception as error:  # the results matter more than a look at them
            self._complain(f"no preview of {session.opening.name}: {type(error).__name__}: {error}")
            self._preview_rows = math.inf
        else:
            self._preview_rows = session.rows

    def _finish_if_complete(self) -> None:
        session = self._session
        if session is None or not session.complete:
            return
        self._session = None
        session.close()
        hold = session.opening.hold
        try:
            with when_compiling(lambda: self._tell_compiling(session)):
                header, arrays = wire.results_to_parts(session.analysis.result(), hold)
        except InvalidData as error:
            self._tell(NoResults(hold=hold, why=str(error)))
            return
        wire.send(self._control, header, *arrays)

    def _tell_compiling(self, session: HoldSession | None) -> None:
        if session is not None:
            self._tell(Live(hold=session.opening.hold, frames=session.rows, compiling=True))

    def _complain(self, message: str) -> None:
        self._tell(Trouble(role="analyst", message=message, fatal=False))

    def _tell(self, message: Message) -> None:
        wire.send(self._control, message)


def main() -> None:
    """Start, serve, end."""
    wire.ignore_interrupts()
    Analyst(wire.Parent(sys.stdin)).serve()


if __name__ == "__main__":
    main()
