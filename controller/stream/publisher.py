"""The controller's side of the streams: frames to the recorder and to whoever listens, answers back."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import Journal
from annealscope.controller.stream import wire
from annealscope.controller.stream.caretaker import Caretaker, Patience
from annealscope.controller.stream.control import ControlServer, Handler
from annealscope.controller.stream.framing import HoldFrames
from annealscope.controller.stream.headline import headline
from annealscope.controller.stream.links import AnalystLink, RecorderLink
from annealscope.controller.stream.messages import (
    Ack,
    CloseHold,
    DriftRow,
    FrameHeader,
    HoldClosed,
    Live,
    NewSegment,
    NoResults,
    OpenHold,
    Preview,
    Reading,
    ResultsHeader,
)
from annealscope.controller.stream.retold import Note
from annealscope.controller.stream.viewers import AGAIN_EVERY_S, Viewers
from annealscope.drivers.interfaces import Frame

CREDIT_FRAMES = 64
"""Frames that may be on their way to the disk."""
PUBLISHED_AHEAD = 16
"""Frames that wait for a slow listener; what it misses it reads from the log."""
JOURNAL_DURABLE_EVERY_S = 0.2
WATCH = 0
"""Number of every watch, as the engine sees it."""
NO_CREDIT = f"{CREDIT_FRAMES} frames before them were not on the disk yet"


class Publisher:
    """The `FrameStream` of a run: two children, some sockets, one thread (the engine's)."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        *,
        lock_step: bool,
        compression: str = "auto",
        patience: Patience | None = None,
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._lock_step = lock_step
        self._context: wire.Context = zmq.Context()
        self._recorder = RecorderLink(self._context)
        self._analyst = AnalystLink(self._context)
        self._frames, frames_endpoint = wire.bind(self._context, zmq.PUB, PUBLISHED_AHEAD)
        self.viewers = Viewers()
        """Whoever looks on."""
        self._patience = patience or Patience()
        self._caretaker = Caretaker(
            self._recorder,
            self._analyst,
            frames_endpoint=frames_endpoint,
            compression=compression,
            logs=folder / "logs",
            journal=journal,
            patience=self._patience,
        )
        self._control: ControlServer | None = None
        self._opening: OpenHold | None = None
        """The hold that frames are taken for, or whose results are awaited."""
        self._closing = False
        self._remembered: dict[int, Sequence[Note]] = {}
        """What processes that have died noted of holds that are to go on, by number."""
        self._taken: HoldFrames | None = None
        """The frames of the open hold; None between two holds."""
        self._watches = 0
        self._journalled_s = 0.0

    # ------------------------------------------------------------------ life

    def listen(self, handler: Handler) -> None:
        """Answer requests from other processes, from now on."""
        endpoints = self.viewers.frames_endpoint, self.viewers.news_endpoint
        self._control = ControlServer(self._context, self._folder, handler, *endpoints)

    def start(self) -> None:
        """Start the children and wait until both listen. Raises RunError."""
        self._caretaker.start()
        deadline_s = time.monotonic() + self._patience.start_s
        while not (self._recorder.ready and self._analyst.ready):
            self.wait(0.05)
            hopeless = self._recorder.failure is not None or self._caretaker.analyst_given_up
            if hopeless or time.monotonic() > deadline_s:
                raise RunError(self._caretaker.why_no_start(), ExitCode.INTERNAL)

    def close(self) -> None:
        """Let the children end, close the sockets."""
        self._caretaker.stop()
        if self._control is not None:
            self._control.close()
        for link in (self._recorder, self._analyst):
            link.close()
        self._frames.close(0)
        self._context.destroy(linger=0)
        self.viewers.close()

    # ------------------------------------------------------------------ the frame stream

    def remember(self, hold: int, notes: Sequence[Note]) -> None:
        """Keep for `open_hold` what the journal has of a hold that was begun by a process that has died.

        Parameters
        ----------
        hold
            Its number.
        notes
            Every break, the one that it goes on with included, every loss and every reading. Of the frames
            before ``OpenHold.first_seq`` each is in the logs or in one of the losses.
        """
        self._remembered[hold] = notes

    def open_hold(self, opening: OpenHold) -> None:
        """Announce a hold to both children; a watch to the analyst alone."""
        self._caretaker.new_hold()
        if opening.method == "watch":
            self._watches += 1  # a number of its own, so that a late row of the watch before is known as such
            opening = opening.model_copy(update={"hold": -self._watches})
        else:
            self._recorder.open_hold(opening, self._remembered.pop(opening.hold, ()))
        self._opening, self._closing = opening, False
        self._taken = HoldFrames(opening)
        self._analyst.open_hold(opening)
        self.viewers.tell(opening)

    def new_segment(self, why: str) -> int:
        """Break the open hold: slots begin anew, no correlation crosses. Returns the segment's number."""
        opening, taken = self._open()
        segment = taken.new_segment()
        if not self._watching:
            hold, first_seq = opening.hold, taken.next_seq
            self._recorder.tell(NewSegment(hold=hold, segment=segment, first_seq=first_seq, why=why))
            self._journal.write("segment", hold=hold, segment=segment, first_seq=first_seq, why=why)
        return segment

    def send(self, frame: Frame, shift_applied_nm: tuple[float, float], beam_on: bool) -> None:
        """Send a frame; without credit it is counted as lost instead, the camera is never kept waiting."""
        _, taken = self._open()
        if not taken.follows(frame):
            self._refuse(frame, taken.next_seq)
        elif not self._watching and self._recorder.unacknowledged >= CREDIT_FRAMES:
            self._lose(frame, taken)
        else:
            pixels = np.ascontiguousarray(frame.data)
            header = taken.header(frame, pixels, shift_applied_nm, beam_on)
            self._send(header, pixels)
            self.viewers.show(header, pixels)

    def send_temperature(self, t_s: float, temperature_K: float, setpoint_K: float) -> None:
        """Record a temperature with the open hold."""
        if self._opening is not None and not self._closing and not self._watching:
            hold = self._opening.hold
            reading = Reading(hold=hold, t_s=t_s, temperature_K=temperature_K, setpoint_K=setpoint_K)
            self._recorder.tell(reading)

    def ready(self) -> bool:
        """In lock step: the recorder has credit and the analyst has measured the last frame."""
        if not self._lock_step:
            return True
        return self._recorder.unacknowledged < CREDIT_FRAMES and not self._analyst_behind()

    def backlog(self) -> float:
        """Return how full the queue to the disk is, 0 ... 1; 0 in lock step, where frames wait for it."""
        return 0.0 if self._lock_step else self._recorder.unacknowledged / CREDIT_FRAMES

    def newest_drift(self) -> DriftRow | None:
        """Return the newest drift row of the open hold."""
        row = self._analyst.drift
        return row.model_copy(update={"hold": WATCH}) if row is not None and self._watching else row

    def newest_live(self) -> Live | None:
        """Return the newest live result of the open hold."""
        return self._analyst.live

    def close_hold(self, reason: str, end_seq: int = 0) -> None:
        """Ask both children to finish the open hold; a watch is over at once. See `FrameStream`."""
        if self._opening is None or self._closing:
            return
        _, taken = self._open()
        taken.lose_rest(end_seq)
        self._tell_losses(taken)
        hold, frames = self._opening.hold, 0 if self._watching else self._recorder.sent
        closing = CloseHold(hold=hold, end_seq=taken.next_seq, frames=frames, reason=reason)
        self._analyst.close_hold(closing)
        if self._watching:
            self._analyst.finished()
            self._opening = None
            return
        self._closing = True
        self._recorder.tell(closing)

    def closed_hold(self, hold: int) -> HoldClosed | None:
        """Return the recorder's confirmation; nobody waits for a watch, which leaves no file."""
        if hold == WATCH and not self._watching:
            return HoldClosed(hold=WATCH, path="", frames=0, analysis="missing")
        return self._recorder.closed.get(hold)

    def durable_seq(self) -> int:
        """Return the last frame of the open hold that survives a power cut; -1 before the first."""
        return self._recorder.durable_seq

    def trouble(self) -> str | None:
        """Say why nothing can be recorded at the moment: the recorder is being replaced, or given up."""
        return self._recorder.failure or self._recorder.trouble

    def failure(self) -> str | None:
        """Say why nothing can be recorded any more: no recorder is started again."""
        return self._recorder.failure

    def wait(self, timeout_s: float) -> None:
        """Handle what has arrived, and look after the children."""
        self._poll(min(timeout_s, AGAIN_EVERY_S))
        if self._control is not None:
            self._control.poll()
        for ack in self._recorder.handle():
            self._journal_durable(ack)
        for message, arrays in self._analyst.handle():
            if isinstance(message, Preview):
                self.viewers.tell(message, *arrays)
            else:
                self._pass_results_on(message, arrays)
        self.viewers.keep_up()
        self._pass_complaints_on()
        self._caretaker.look_after_recorder()
        self._caretaker.look_after_analyst(owes=self._analyst_owes())
        if self._closing and self._opening is not None and self._caretaker.analyst_given_up:
            why = self._caretaker.analyst_last_words
            self._pass_results_on(NoResults(hold=self._opening.hold, why=why), [])

    # ------------------------------------------------------------------ inside

    def _poll(self, timeout_s: float) -> None:
        """Wait until somebody says something; the recorder's socket is as old as its process."""
        poller = zmq.Poller()
        for end in (self._recorder, self._analyst, self._control):
            if end is not None:
                poller.register(end.socket, zmq.POLLIN)
        poller.poll(round(timeout_s * 1000))

    @property
    def _watching(self) -> bool:
        return self._opening is not None and self._opening.method == "watch"

    def _open(self) -> tuple[OpenHold, HoldFrames]:
        assert self._opening is not None  # noqa: S101 - the engine opens a hold before it sends
        assert self._taken is not None  # noqa: S101 - set together with it
        return self._opening, self._taken

    def _analyst_behind(self) -> bool:
        if self._watching:
            return self._analyst.owes_row(-1)
        opening = self._opening
        measured = opening is not None and opening.method == "ecm" and opening.drift
        return measured and self._analyst.owes_row(self._recorder.last_seq)

    def _analyst_owes(self) -> bool:
        """Say whether the analyst has to answer; what is not in the log yet it may have to wait for."""
        if self._recorder.trouble is not None:
            return False
        return self._opening is not None and (self._closing or self._analyst_behind())

    def _pass_results_on(self, message: ResultsHeader | NoResults, arrays: list[Any]) -> None:
        """The recorder writes what the analyst found, or closes the hold without."""
        if self._opening is None or not self._closing:
            return
        self._opening = None
        self._analyst.finished()
        self._recorder.send_results(message, arrays)
        if isinstance(message, NoResults):
            self._journal.write("guard", guard="analyst", message=message.why, action="no results")
        else:
            self._journal.write("results", hold=message.hold, **headline(message))

    def _send(self, header: FrameHeader, pixels: Any) -> None:
        """Frames of a watch go to the analyst in the order of its announcement: no log has them."""
        if self._watching:
            self._analyst.send_frame(header, pixels)
            return
        self._tell_losses(self._open()[1])
        self._recorder.send_frame(header, pixels)
        wire.send(self._frames, header, pixels, wait=False)

    def _refuse(self, frame: Frame, next_seq: int) -> None:
        message = f"frame {frame.seq} came when frame {next_seq} was the next: dropped; check the camera"
        self._journal.write("guard", guard="camera", message=message, action="dropped")

    def _lose(self, frame: Frame, taken: HoldFrames) -> None:
        """Count a frame that the recorder cannot take; the first one in a row is worth a word."""
        if not taken.losing:
            message = f"frame {frame.seq} is lost: {NO_CREDIT}"
            self._journal.write("guard", guard="recorder", message=message, action="counted as lost")
        taken.lose(frame, NO_CREDIT)

    def _tell_losses(self, taken: HoldFrames) -> None:
        for lost in taken.take_losses():
            if not self._watching:
                self._recorder.tell(lost)
                fields = lost.model_dump(include={"hold", "first_seq", "frames", "why"})
                self._journal.write("lost", **fields, t_lost_s=lost.t_s)

    def _pass_complaints_on(self) -> None:
        for role, link in (("recorder", self._recorder), ("analyst", self._analyst)):
            for message in link.complaints:
                self._journal.write("guard", guard=role, message=message, action="none")
            link.complaints.clear()

    def _journal_durable(self, ack: Ack) -> None:
        now_s = time.monotonic()
        if ack.durable_seq >= 0 and now_s - self._journalled_s >= JOURNAL_DURABLE_EVERY_S:
            self._journalled_s = now_s
            self._journal.write("durable", hold=ack.hold, seq=ack.durable_seq)
