"""The recorder process: frames in, durable acknowledgements out, one hold file for each hold.

Run by the controller as ``python -m annealscope.controller.stream.recorder``, with one JSON line on stdin:
``{"endpoint": "tcp://127.0.0.1:PORT", "compression": "auto"}``. The end of stdin means that the controller is
gone: what has arrived is made durable, the log stays in place. After any error of the disk it says so and
leaves at once, without touching the file again: the controller starts another one, tells it of the open hold
once more, and that one goes on in a log of its own.
"""

import os
import sys
import traceback
from contextlib import suppress
from typing import Any

import zmq
from pydantic import BaseModel

from annealscope.controller.record.closedhold import ClosedHold
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.recording import HoldRecording, take_up
from annealscope.controller.record.tiles import Compression
from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import (
    Ack,
    BadMessage,
    CloseHold,
    FrameHeader,
    Hello,
    HoldClosed,
    Lost,
    NewSegment,
    NoResults,
    OpenHold,
    Reading,
    ResultsHeader,
    Trouble,
)

IDLE_MS = 50.0
DRAIN_MS = 200.0
BACKLOG_FRAMES = 256
"""So far the log may run ahead of the hold file while frames come without a pause."""

Parts = list[memoryview]
Recording = HoldRecording | ClosedHold


class Settings(BaseModel):
    """What the controller writes on stdin."""

    endpoint: str
    compression: Compression = "auto"


class Recorder:
    """Handles messages one by one; between them it syncs when due and works on the hold file."""

    def __init__(self, socket: wire.Socket, compression: Compression) -> None:
        self._socket = socket
        self._compression: Compression = compression
        self._recording: Recording | None = None
        self._closing: CloseHold | None = None

    def run(self, parent: wire.Parent) -> None:
        """Record until the parent is gone and everything it sent is durable."""
        wire.send(self._socket, Hello(role="recorder", pid=os.getpid()))
        busy = False
        while parent.alive:
            received = self._receive(0.0 if busy else self._patience_ms())
            busy = self._work(hurry=received)
        while self._receive(DRAIN_MS):
            self._work(hurry=True)
        if self._recording is not None:
            self._recording.leave()

    def _patience_ms(self) -> float:
        due_in_s = self._recording.due_in_s() if self._recording else None
        return IDLE_MS if due_in_s is None else due_in_s * 1000

    def _receive(self, timeout_ms: float) -> bool:
        try:
            received = wire.receive(self._socket, timeout_ms)
        except BadMessage as error:
            self._complain(str(error))
            return True
        if received is not None:
            self._handle(*received)
        return received is not None

    def _work(self, hurry: bool) -> bool:
        """Acknowledge when it is time, then do one piece of the hold file; return whether there was one.

        In a hurry the hold file waits, as long as the log is not too far ahead: more frames may be arriving.
        """
        if self._recording is None:
            return False
        if self._recording.due_in_s() == 0.0:
            self._recording.sync()
            self._acknowledge(self._recording)
        if hurry and self._recording.backlog < BACKLOG_FRAMES:
            return True
        return self._recording.derive()

    def _handle(self, message: Any, parts: Parts) -> None:
        match message:
            case OpenHold():
                self._open(message)
            case FrameHeader():
                self._record(message, parts)
            case Reading() | NewSegment() | Lost():
                self._note(message)
            case CloseHold():
                self._end(message)
            case ResultsHeader() | NoResults():
                self._finish(message, parts)

    def _open(self, message: OpenHold) -> None:
        if self._recording is not None:
            self._complain(f"hold {self._recording.info.hold} was still open when hold {message.hold} began")
            self._close("overtaken by the next hold")
        self._closing = None
        self._recording = take_up(message, self._compression)
        self._acknowledge(self._recording)

    def _record(self, header: FrameHeader, parts: Parts) -> None:
        recording = self._recording
        if recording is None or header.hold != recording.info.hold or self._closing is not None:
            self._complain(
                f"frame {header.seq} of hold {header.hold} came while that hold was not open: dropped"
            )
        elif not recording.append(header, wire.pixels_of(header, parts)):
            self._acknowledge(recording)

    def _note(self, message: Reading | NewSegment | Lost) -> None:
        recording = self._recording
        if recording is not None and message.hold == recording.info.hold:
            recording.note(message)

    def _end(self, message: CloseHold) -> None:
        recording = self._recording
        if recording is None or message.hold != recording.info.hold:
            self._complain(f"hold {message.hold} is to be closed but is not open")
            return
        self._closing = message
        recording.end_frames()
        self._acknowledge(recording)
        if recording.frames != message.frames:
            self._complain(
                f"hold {message.hold}: {message.frames} frames were sent, {recording.frames} arrived"
            )

    def _finish(self, message: ResultsHeader | NoResults, parts: Parts) -> None:
        if self._recording is None or self._closing is None or message.hold != self._closing.hold:
            self._complain(f"results of hold {message.hold} came while that hold was not closing: dropped")
            return
        if isinstance(message, ResultsHeader):
            self._write_results(self._recording, message, parts)
        self._close(self._closing.reason)

    def _write_results(self, recording: Recording, message: ResultsHeader, parts: Parts) -> None:
        """Write what can be written: results can be computed again, the frames must be closed properly."""
        try:
            recording.write_results(wire.parts_to_entries(message, parts))
        except (TypeError, ValueError) as error:
            self._complain(f"results of hold {message.hold} cannot be stored: {error}")

    def _close(self, reason: str) -> None:
        recording, closing = self._recording, self._closing
        assert recording is not None  # noqa: S101 - the callers know that a hold is open
        self._recording = self._closing = None
        closed = HoldClosed(
            hold=recording.info.hold,
            path=f"holds/{recording.path.name}",
            frames=recording.frames,
            lost=closing.end_seq - recording.frames if closing else 0,
            analysis=recording.close(reason),
        )
        wire.send(self._socket, closed)

    def _acknowledge(self, recording: Recording) -> None:
        wire.send(self._socket, Ack(hold=recording.info.hold, durable_seq=recording.durable_seq))

    def _complain(self, message: str) -> None:
        wire.send(self._socket, Trouble(role="recorder", message=message, fatal=False))


def main() -> None:
    """Record until stdin ends. Exits with 1, without closing any file, after an error."""
    wire.ignore_interrupts()
    parent = wire.Parent(sys.stdin)
    settings = Settings.model_validate(parent.settings)
    socket = wire.connect(zmq.Context(), zmq.DEALER, settings.endpoint)
    try:
        Recorder(socket, settings.compression).run(parent)
    except Exception as error:  # whatever it is, the recorder cannot be trusted with the open file any more
        _give_up(socket, error)
    wire.farewell(socket)


def _give_up(socket: wire.Socket, error: Exception) -> None:
    """Say why and end at once: HDF5 crashes, or writes nonsense, when it closes a file it could not write."""
    expected = isinstance(error, RecordError | BadMessage)
    message = " ".join((str(error) if expected else f"{type(error).__name__}: {error}").split())
    wire.send(socket, Trouble(role="recorder", message=message, fatal=True), wait=False)
    with suppress(OSError):  # the controller keeps our stderr, on a disk that may be full
        if not expected:
            traceback.print_exception(error)
        print(message, file=sys.stderr, flush=True)  # noqa: T201
    wire.farewell(socket)
    os._exit(1)


if __name__ == "__main__":
    main()
