"""The controller's side of the streams: frames to the recorder and to whoever listens, answers back."""

import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import Journal
from annealscope.controller.stream import wire
from annealscope.controller.stream.children import Child
from annealscope.controller.stream.control import ControlServer, Handler
from annealscope.controller.stream.links import AnalystLink, RecorderLink
from annealscope.controller.stream.messages import (
    Ack,
    CloseHold,
    DriftRow,
    FrameHeader,
    HoldClosed,
    Live,
    NoResults,
    OpenHold,
    Reading,
    ResultsHeader,
)
from annealscope.controller.stream.slots import SlotCounter
from annealscope.controller.stream.watchdog import Watchdog
from annealscope.drivers.interfaces import Frame

CREDIT_FRAMES = 64
"""Frames that may be on their way to the disk."""
PUBLISHED_AHEAD = 16
"""Frames that wait for a slow listener; what it misses it reads from the log."""
MAX_ANALYST_RESTARTS = 5
"""In one hold."""
JOURNAL_DURABLE_EVERY_S = 0.2


@dataclass(frozen=True)
class Patience:
    """Real time after which a child that owes an answer is taken for dead."""

    start_s: float = 60.0
    acknowledge_s: float = 60.0
    close_s: float = 900.0
    """A long hold is read back before it is called closed."""
    analyse_s: float = 120.0
    """The first frame of a first run waits for the compiler."""


class Publisher:
    """The `FrameStream` of a run: two children, three sockets, one thread (the engine's)."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        *,
        lock_step: bool,
        compression: str = "auto",
        patience: Patience = Patience(),
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._lock_step = lock_step
        self._context: wire.Context = zmq.Context()
        self._recorder = RecorderLink(self._context)
        self._analyst = AnalystLink(self._context)
        self._frames, frames_endpoint = wire.bind(self._context, zmq.PUB, PUBLISHED_AHEAD)
        self._poller = zmq.Poller()
        for socket in (self._recorder.socket, self._analyst.socket):
            self._poller.register(socket, zmq.POLLIN)
        logs = folder / "logs"
        logs.mkdir(exist_ok=True)
        self._children = {
            "recorder": Child(
                "recorder",
                "annealscope.controller.stream.recorder",
                {"endpoint": self._recorder.endpoint, "compression": compression},
                logs / "recorder.log",
            ),
            "analyst": Child(
                "analyst",
                "annealscope.controller.stream.analyst",
                {"endpoint": self._analyst.endpoint, "frames_endpoint": frames_endpoint},
                logs / "analyst.log",
            ),
        }
        self._control: ControlServer | None = None
        self._patience = patience
        self._acknowledging = Watchdog(patience.acknowledge_s)
        self._storing = Watchdog(patience.close_s)
        self._analysing = Watchdog(patience.analyse_s)
        self._opening: OpenHold | None = None
        """The hold that frames are taken for, or whose results are awaited."""
        self._closing = False
        self._awaiting_file: int | None = None
        """The hold whose results the recorder has and whose file it is closing."""
        self._slots = SlotCounter(1.0)
        self._next_seq = 0
        self._lost_before = 0
        self._journalled_s = 0.0

    # ------------------------------------------------------------------ life

    def listen(self, handler: Handler) -> None:
        """Answer requests from other processes, from now on."""
        self._control = ControlServer(self._context, self._folder, handler)
        self._poller.register(self._control.socket, zmq.POLLIN)

    def start(self) -> None:
        """Start the children and wait until both listen. Raises RunError."""
        for child in self._children.values():
            child.start()
            self._note(child, "started")
        deadline_s = time.monotonic() + self._patience.start_s
        while not (self._recorder.ready and self._analyst.ready):
            self.wait(0.05)
            hopeless = self._recorder.failure is not None or self._analyst_given_up()
            if hopeless or time.monotonic() > deadline_s:
                raise RunError(self._no_start_message(), ExitCode.INTERNAL)

    def close(self) -> None:
        """Let the children end, close the sockets."""
        for child in self._children.values():
            child.stop(timeout_s=10.0)
        if self._control is not None:
            self._control.close()
        self._context.destroy(linger=0)
        _remove_if_empty(self._folder / "logs")

    def _no_start_message(self) -> str:
        silent = [name for name, link in self._links().items() if not link.ready]
        words = "; ".join(f"{name}: {self._children[name].last_words() or 'no message'}" for name in silent)
        return f"no answer from {' and '.join(silent)} ({words}); see {self._folder / 'logs'}"

    def _links(self) -> dict[str, RecorderLink | AnalystLink]:
        return {"recorder": self._recorder, "analyst": self._analyst}

    # ------------------------------------------------------------------ the frame stream

    def open_hold(self, opening: OpenHold) -> None:
        """Announce a hold to both children."""
        self._opening, self._closing = opening, False
        self._slots = SlotCounter(opening.period_s)
        self._next_seq = self._lost_before = 0
        self._children["analyst"].restarts = 0
        self._recorder.open_hold(opening)
        self._analyst.open_hold(opening)

    def send(self, frame: Frame, shift_applied_nm: tuple[float, float], beam_on: bool) -> None:
        """Send a frame; without credit it is counted as lost instead, the camera is never kept waiting."""
        opening = self._opening
        assert opening is not None  # noqa: S101 - the engine opens a hold before it sends
        self._next_seq = frame.seq + 1
        if self._recorder.unacknowledged >= CREDIT_FRAMES:
            self._lose(frame)
            return
        pixels = np.ascontiguousarray(frame.data)
        header = FrameHeader(
            hold=opening.hold,
            seq=frame.seq,
            slot=self._slots.place(frame.t_start_s, opening.segment),
            segment=opening.segment,
            t_start_s=frame.t_start_s,
            exposure_s=frame.exposure_s,
            lost_before=frame.lost_before + self._lost_before,
            shape=frame.data.shape,
            dtype=frame.data.dtype.str,
            crc32=zlib.crc32(pixels.data),
            shift_applied_nm=shift_applied_nm,
            beam_on=beam_on,
        )
        self._lost_before = 0
        self._recorder.send_frame(header, pixels)
        wire.send(self._frames, header, pixels, wait=False)

    def send_temperature(self, t_s: float, temperature_K: float, setpoint_K: float) -> None:
        """Record a temperature with the open hold."""
        if self._opening is not None and not self._closing:
            hold = self._opening.hold
            reading = Reading(hold=hold, t_s=t_s, temperature_K=temperature_K, setpoint_K=setpoint_K)
            self._recorder.send(reading)

    def ready(self) -> bool:
        """In lock step: the recorder has credit and the analyst has measured the last frame."""
        if not self._lock_step:
            return True
        return self._recorder.unacknowledged < CREDIT_FRAMES and not self._analyst_behind()

    def newest_drift(self) -> DriftRow | None:
        """Return the newest drift row of the open hold."""
        return self._analyst.drift

    def newest_live(self) -> Live | None:
        """Return the newest live result of the open hold."""
        return self._analyst.live

    def close_hold(self, reason: str) -> None:
        """Ask both children to finish the open hold."""
        if self._opening is None or self._closing:
            return
        self._closing = True
        closing = CloseHold(
            hold=self._opening.hold, end_seq=self._next_seq, frames=self._recorder.sent, reason=reason
        )
        self._recorder.send(closing)
        self._analyst.close_hold(closing)

    def closed_hold(self, hold: int) -> HoldClosed | None:
        """Return the recorder's confirmation."""
        return self._recorder.closed.get(hold)

    def durable_seq(self) -> int:
        """Return the last frame of the open hold that survives a power cut; -1 before the first."""
        return self._recorder.durable_seq

    def failure(self) -> str | None:
        """Say why nothing can be recorded any more."""
        return self._recorder.failure

    def wait(self, timeout_s: float) -> None:
        """Handle what has arrived, and look after the children."""
        self._poller.poll(round(timeout_s * 1000))
        if self._control is not None:
            self._control.poll()
        for ack in self._recorder.handle():
            self._journal_durable(ack)
        for message, arrays in self._analyst.handle():
            self._pass_results_on(message, arrays)
        self._pass_complaints_on()
        self._look_after_recorder()
        self._look_after_analyst()
        if self._closing and self._opening is not None and self._analyst_given_up():
            why = self._children["analyst"].last_words() or "the analyst died again and again"
            self._pass_results_on(NoResults(hold=self._opening.hold, why=why), [])

    # ------------------------------------------------------------------ looking after the children

    def _analyst_behind(self) -> bool:
        if not self._analyst.ready or self._opening is None or not self._opening.drift:
            return False
        row = self._analyst.drift
        return self._recorder.sent > 0 and (row is None or row.seq < self._recorder.last_seq)

    def _analyst_given_up(self) -> bool:
        child = self._children["analyst"]
        return child.restarts >= MAX_ANALYST_RESTARTS and not child.alive()

    def _look_after_recorder(self) -> None:
        link, child = self._recorder, self._children["recorder"]
        if self._awaiting_file in link.closed:
            self._awaiting_file = None
        stuck = self._acknowledging.watch(owes=link.unacknowledged > 0, heard=link.heard)
        stuck |= self._storing.watch(owes=self._awaiting_file is not None, heard=link.heard)
        link.heard = False
        if link.failure is None and stuck:
            link.failure = "the recorder process hangs: it has not answered for too long"
            child.kill()
            self._note(child, "killed")
        elif link.failure is None and child.pid and not child.alive():
            link.failure = f"the recorder process died: {child.last_words() or 'no message'}"
            self._note(child, "died")

    def _look_after_analyst(self) -> None:
        link, child = self._analyst, self._children["analyst"]
        owes = link.ready and self._opening is not None and (self._closing or self._analyst_behind())
        if self._analysing.watch(owes=owes, heard=link.heard):
            child.kill()
            self._note(child, "killed")
        link.heard = False
        if not child.pid or child.alive():
            return
        if link.ready:
            link.lost()
            self._note(child, "died")
        if child.restarts < MAX_ANALYST_RESTARTS and child.restart_when_due():
            self._note(child, "restarted")

    def _pass_results_on(self, message: ResultsHeader | NoResults, arrays: list[Any]) -> None:
        """The recorder writes what the analyst found, or closes the hold without."""
        if self._opening is None or not self._closing:
            return
        self._awaiting_file = message.hold
        self._opening = None
        self._analyst.finished()
        self._recorder.send(message, *arrays)
        if isinstance(message, NoResults):
            self._journal.write("guard", guard="analyst", message=message.why, action="no results")

    def _lose(self, frame: Frame) -> None:
        """Count a frame that the recorder cannot take; the first one in a row is worth a word."""
        if self._lost_before == 0:
            message = f"frame {frame.seq} is lost: {CREDIT_FRAMES} frames before it are not on the disk yet"
            self._journal.write("guard", guard="recorder", message=message, action="counted as lost")
        self._lost_before += 1 + frame.lost_before

    def _pass_complaints_on(self) -> None:
        for role, link in self._links().items():
            for message in link.complaints:
                self._journal.write("guard", guard=role, message=message, action="none")
            link.complaints.clear()

    def _journal_durable(self, ack: Ack) -> None:
        now_s = time.monotonic()
        if now_s - self._journalled_s >= JOURNAL_DURABLE_EVERY_S:
            self._journalled_s = now_s
            self._journal.write("durable", hold=ack.hold, seq=ack.durable_seq)

    def _note(self, child: Child, event: str) -> None:
        detail = "" if event == "started" else child.last_words()
        self._journal.write("child", role=child.role, event=event, pid=child.pid, detail=detail)


def _remove_if_empty(folder: Path) -> None:
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
