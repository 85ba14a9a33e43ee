"""The analyst process: ``python -m annealscope.controller.stream.analyst``.

Frames come from the publisher; what was missed, by falling behind or by being restarted, is read from the
frame log. So it never keeps the camera waiting and never misses a frame. One JSON line on stdin:
``{"endpoint": "tcp://127.0.0.1:PORT", "frames_endpoint": "tcp://127.0.0.1:PORT"}``.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import zmq

from annealscope.analysis.compiling import when_compiling
from annealscope.analysis.drift_watch import DriftWatch
from annealscope.analysis.ecm import EcmAnalysis, EcmLive
from annealscope.analysis.fem import FemLive
from annealscope.analysis.values import InvalidData
from annealscope.controller.analysis_setup import Analysis, analysis_of, block_of, watch_of
from annealscope.controller.record.block import block_of_rows
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import HoldLogs
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

LIVE_EVERY_S = 0.5
LIVE_SHARE = 0.05
"""Share of the time that live results may take."""
IDLE_MS = 20
ROWS_AT_ONCE = 32
"""Frames read from the log before the parent is heard and told again."""


class HoldSession:
    """The analysis of one hold: every frame once, in the order of the log."""

    def __init__(self, opening: OpenHold) -> None:
        self.opening = opening
        self.analysis = analysis_of(opening)
        self.rows = 0
        """Frames analysed: also the next row to read from the log."""
        self.closing: CloseHold | None = None
        self._next_seq = 0
        self._logs: HoldLogs | None = None

    @property
    def complete(self) -> bool:
        """Every frame that was recorded has been analysed."""
        return self.closing is not None and self.rows >= self.closing.frames

    def offer(self, header: FrameHeader, pixels: Any) -> list[DriftRow]:
        """Analyse a frame from the publisher, after those that were missed before it."""
        if header.hold != self.opening.hold or header.seq < self._next_seq:
            return []
        rows = [] if self._follows(header) else self.catch_up()
        if self._follows(header):
            rows += self._analyse(header, pixels)
        return rows

    def catch_up(self) -> list[DriftRow]:
        """Analyse the next frames that are in the log and have not been seen; not too many at a time."""
        rows = []
        try:
            if self._logs is None:
                self._logs = HoldLogs(Path(self.opening.folder) / "holds" / self.opening.name)
            end = min(self._logs.rows, self.rows + ROWS_AT_ONCE)
            while self.rows < end:
                rows += self._analyse(*self._logs.read(self.rows))
        except RecordError:  # not written yet: next time
            return rows
        return rows

    def close(self) -> None:
        """Close the logs, so that the recorder can delete them."""
        if self._logs is not None:
            self._logs.close()

    def _follows(self, header: FrameHeader) -> bool:
        return header.seq - header.lost_before == self._next_seq

    def _analyse(self, header: FrameHeader, pixels: Any) -> list[DriftRow]:
        rows = _update(self.analysis, header, pixels)
        self.rows += 1
        self._next_seq = header.seq + 1
        return rows


class WatchSession:
    """The drift while nothing is recorded: frames as they come, none is ever missed but none is kept."""

    def __init__(self, opening: OpenHold) -> None:
        self.hold = opening.hold
        self._watch = watch_of(opening)

    def offer(self, header: FrameHeader, pixels: Any) -> list[DriftRow]:
        """Locate a frame."""
        return _update(self._watch, header, pixels) if header.hold == self.hold else []


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
        self._live_due_s = 0.0

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
            self._live_rows = 0

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
        if session is not None and session.rows > self._live_rows and time.monotonic() >= self._live_due_s:
            self._tell_live(session)

    def _tell_live(self, session: HoldSession) -> None:
        """Say what the record shows so far, as often as costs little of the time for frames."""
        start_s = time.monotonic()
        self._tell(_live(session))
        end_s = time.monotonic()
        self._live_rows = session.rows
        self._live_due_s = end_s + max(LIVE_EVERY_S, (end_s - start_s) / LIVE_SHARE)

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


def _update(analysis: Analysis | DriftWatch, header: FrameHeader, pixels: Any) -> list[DriftRow]:
    """Analyse one frame; return its displacement, if that is measured."""
    block = block_of(block_of_rows([(header, pixels)]))
    if not isinstance(analysis, EcmAnalysis | DriftWatch):
        analysis.update(block)
        return []
    (moved,) = analysis.update(block)
    return [DriftRow(hold=header.hold, seq=header.seq, **moved._asdict())]


def _live(session: HoldSession) -> Live:
    live = session.analysis.live()
    ecm = live if isinstance(live, EcmLive) else EcmLive(session.rows)
    fem = live if isinstance(live, FemLive) else FemLive(session.rows)
    return Live(
        hold=session.opening.hold,
        frames=session.rows,
        tau_s=ecm.tau_s,
        beta=ecm.beta,
        sigma_tau_s=ecm.sigma_tau_s,
        V_max=fem.V_max,
        sigma_V_max=fem.sigma,
    )


def main() -> None:
    """Start, serve, end."""
    wire.ignore_interrupts()
    Analyst(wire.Parent(sys.stdin)).serve()


if __name__ == "__main__":
    main()
