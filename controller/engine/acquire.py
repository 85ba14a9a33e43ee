"""An acquisition: frames from the camera into the stream, until it has what it was started for."""

import dataclasses

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.exposures import Exposures
from annealscope.controller.engine.interrupted import WHY_A_SEGMENT, Interrupted
from annealscope.controller.engine.preparation import Preparation
from annealscope.controller.engine.steering import Steering
from annealscope.controller.engine.suspension import DriftLimit, OutOfBand, Suspension
from annealscope.controller.engine.task import TICK_STEADY_S, Task
from annealscope.controller.engine.until import EndWatch, Progress
from annealscope.controller.planning.values import AcquireStep
from annealscope.controller.stream.messages import HoldClosed
from annealscope.drivers.interfaces import DeviceError, Frame

RETRY_S = 0.01
"""A frame that is due but not there yet is asked for again after this ..."""
PATIENCE = 0.05
"""... or after this share of the time that it is late: it may be lost."""
SAME_K = 0.01
"""Temperatures closer than this are the same."""
ROUNDING = 1e-9
"""A dose that is planned to reach the limit exactly does not exceed it."""
TAKEN_UP_LATER = frozenset(("failed", "parked"))
"""An acquisition that was to be gone on with, and is left before it was for such a reason, still is."""


class Acquire(Task):
    """Prepares where nobody did, opens a hold, moves its frames, steers the image, closes the hold.

    Parameters
    ----------
    step
        What is to be taken.
    earlier
        How far a program was with it that has died: what is left is taken into the same hold.
    """

    def __init__(self, step: AcquireStep, earlier: Interrupted | None = None) -> None:
        self.step = step
        self.phase = "preparing"
        self.closed: HoldClosed | None = None
        """What the recorder said when the hold was complete on disk."""
        self.opened = False
        """A hold was opened, so a file will come of it."""
        self._earlier = earlier
        setup = step.setup if earlier is None else dataclasses.replace(step.setup, fresh_region=False)
        self._preparation = Preparation(setup)
        self._exposures = Exposures(step, earlier)
        self._steering = Steering(step.drift, self._exposures)
        self._end = EndWatch(step)
        self._pause_asked_s: float | None = None
        self._reason = "complete"

    @property
    def frames(self) -> int:
        """Frames so far, lost ones included."""
        return self._exposures.frames

    @property
    def frames_lost(self) -> int:
        """Frames that the camera lost."""
        return self._exposures.lost

    @property
    def segment(self) -> int:
        """Number of the segment."""
        return self._exposures.segment

    @property
    def region(self) -> int:
        """Number of the region under the beam; 0 before the first exposure."""
        return self._exposures.region

    @property
    def exposing(self) -> bool:
        """Say whether the camera runs."""
        return self._exposures.running

    @property
    def at_rest(self) -> bool:
        """Say whether neither column nor camera is at work."""
        return self._preparation.at_rest if self.phase == "preparing" else not self.exposing

    @property
    def question(self) -> str:
        """The checklist of the preparation."""
        return self._preparation.question if self.phase == "preparing" else ""

    def guards(self) -> list[Suspension]:
        """Return what may suspend it: the temperature, and the drift where the protocol says so."""
        return [OutOfBand(), DriftLimit(self._steering)]

    def start(self, bench: Bench) -> None:
        """Begin at once what was prepared, else prepare it; close at once what had ended."""
        ended = self._earlier and (self._earlier.reason or self._why_ended(bench))
        if ended:
            self._close(bench, ended)
        elif bench.prepared == self.step.setup.key:
            self._open(bench)
        else:
            self._preparation.start(bench)

    def tick(self, bench: Bench) -> bool:
        """Move what is ready; return True when the hold is complete on disk."""
        if self.phase == "closing":
            return self._is_closed(bench)
        if self.phase == "preparing":
            if self._preparation.tick(bench):
                self._open(bench)
        elif self.exposing and bench.stream.ready():
            self._expose(bench)
        return False

    def next_event_s(self, bench: Bench) -> float | None:
        """The end of the running exposure; None while the stream has to catch up or to close."""
        if self.phase == "preparing":
            return self._preparation.next_event_s(bench)
        if self.phase == "closing" or not bench.stream.ready():
            return None
        due_s = self._exposures.due_s()
        retry_s = bench.now_s + max(RETRY_S, PATIENCE * (bench.now_s - due_s))
        return min(max(due_s, retry_s), bench.now_s + TICK_STEADY_S)

    def pause(self, bench: Bench) -> None:
        """Come to rest after the running exposure."""
        self._pause_asked_s = bench.now_s
        self._preparation.pause(bench)
        if self.exposing and self._exposures.in_pause(bench.now_s):
            self._halt(bench)

    def resume(self, bench: Bench, why: str) -> None:
        """Go on; what had come to rest begins a new segment, if frames are left."""
        self._pause_asked_s = None
        self._preparation.resume(bench, why)
        if self.phase != "acquiring" or self.exposing:
            return
        if self._exposures.complete:  # the last frame came while the camera was being stopped
            self._close(bench, "complete")
        else:
            self._exposures.arm(bench)
            self._exposures.segment = bench.stream.new_segment(why)
            self._begin_segment(bench)

    def answer(self, bench: Bench, by: str) -> None:
        """The checklist is done."""
        self._preparation.answer(bench, by)

    def stop(self, bench: Bench, reason: str) -> None:
        """End the acquisition now; `tick` then waits for the file."""
        preparing = self.phase == "preparing"
        if self.phase != "closing":
            self._close(bench, reason)
        if preparing:
            self._preparation.stop(bench, reason)

    # ------------------------------------------------------------------ opening

    def _open(self, bench: Bench) -> None:
        """Announce the hold and begin, if the region may still see the beam."""
        bench.prepared = None
        self._check_region(bench)
        if self._dose_is_full(bench, bench.microscope.region().number):
            self._reject(bench)
            return
        self._exposures.arm(bench)
        self._announce(bench)
        self._begin_segment(bench)
        self.enter(bench, "acquiring")

    def _check_region(self, bench: Bench) -> None:
        """Refuse to go on with a hold in another place. Raises DeviceError."""
        here = bench.microscope.region().number
        if self._earlier is not None and here != self._earlier.region:
            raise DeviceError(
                f"{bench.microscope.name}: {self.step.title} was begun in region {self._earlier.region}, the "
                f"stage is at region {here}: move it back, then `annealscope continue` goes on; or "
                "`annealscope repair` closes the acquisition with the frames that it has"
            )

    def _announce(self, bench: Bench) -> None:
        earlier = self._earlier
        if earlier is None:
            opening = bench.opening(_as_found(self.step, bench), bench.settled_s, bench.now_s)
        else:
            opening = earlier.opening
        bench.stream.open_hold(opening)
        self.opened = True
        bench.journal.write(
            "hold_opened",
            hold=opening.hold,
            name=opening.name,
            title=opening.title,
            method=opening.method,
            region=earlier.region if earlier else bench.microscope.region().number,
            t_settled_s=opening.t_settled_s,
            setpoint_K=opening.setpoint_K,
            frames_planned=opening.frames_planned,
        )
        if earlier is not None:
            place = {"segment": opening.segment, "first_seq": opening.first_seq}
            bench.journal.write("segment", hold=opening.hold, **place, why=WHY_A_SEGMENT)

    def _begin_segment(self, bench: Bench) -> None:
        self._exposures.begin(bench)
        self._steering.begin(bench)

    def _reject(self, bench: Bench) -> None:
        message = f"{self.step.title}: its region has seen as much as the protocol allows; nothing is taken"
        bench.journal.write("guard", guard="dose", message=message, action="skipped")
        self.enter(bench, "closing")

    # ------------------------------------------------------------------ frames

    def _expose(self, bench: Bench) -> None:
        taken = self._take(bench)
        reason = self._why_ended(bench)
        if reason is not None:
            self._close(bench, reason)
        elif self._pause_asked_s is not None:
            self._rest(bench, taken)
        else:
            self._steering.steer(bench)

    def _take(self, bench: Bench) -> bool:
        """Hand the next finished frame on. Raises DeviceError for one of another form."""
        frame = self._exposures.fetch(bench)
        if frame is None:
            self._exposures.check_overdue(bench)
            return False
        self._send(bench, frame)
        return True

    def _send(self, bench: Bench, frame: Frame) -> None:
        bench.stream.send(frame, self._steering.shift_at(frame.t_start_s), beam_on=bench.beam_was_on(frame))

    def _why_ended(self, bench: Bench) -> str | None:
        frames = self._exposures.frames - (self._exposures.planned - self.step.frames)
        running_s = self._exposures.running_s(bench.now_s)
        why = self._end.ended(Progress(bench.now_s, frames, running_s, bench.stream.newest_live()))
        if why is not None:
            if self.step.until is not None:
                bench.journal.write("decision", hold=self.step.hold, why=why)
            return "complete"
        return "dose limit" if self._dose_is_full(bench, self._exposures.region) else None

    def _dose_is_full(self, bench: Bench, region: int) -> bool:
        """Say whether one more frame would bring the region above the protocol's limit."""
        limit, counts = bench.plan.max_dose_per_region_per_nm2, bench.plan.dose_counts
        if limit is None:
            return False
        dose = bench.doses.of(region) + self._exposures.dose_of_next()
        return dose.counted(counts) > limit * (1.0 + ROUNDING)

    def _rest(self, bench: Bench, taken: bool) -> None:
        """Stop the camera at a boundary: a frame was just finished, or none will be for a while."""
        step, asked_s = self.step, self._pause_asked_s or 0.0
        hopeless = bench.now_s > asked_s + step.period_s + step.exposure_s
        if taken or hopeless or self._exposures.in_pause(bench.now_s):
            self._halt(bench)

    def _halt(self, bench: Bench) -> None:
        """Stop the camera, and take the frames that were finished before."""
        self._exposures.end(bench)
        while (frame := self._exposures.fetch(bench)) is not None:
            self._send(bench, frame)

    # ------------------------------------------------------------------ closing

    def _close(self, bench: Bench, reason: str) -> None:
        self._reason = reason
        if not self.opened:
            self._close_unopened(bench, reason)
            return
        self._note_end(bench, reason)
        try:
            self._halt(bench)
        finally:  # of a camera that has failed, too: what was recorded gets its file
            bench.stream.close_hold(reason, self.frames)
            self.enter(bench, "closing")
        self._exposures.note_dose(bench)

    def _note_end(self, bench: Bench, reason: str) -> None:
        bench.journal.write("closing", hold=self.step.hold, frames=self.frames, reason=reason)

    def _close_unopened(self, bench: Bench, reason: str) -> None:
        """Nothing was taken here; what a program took that has died gets its file."""
        if self._earlier is not None and reason not in TAKEN_UP_LATER:
            self._announce(bench)
            self._note_end(bench, reason)
            bench.stream.close_hold(reason, self.frames)
            self._exposures.note_dose(bench)
        self.enter(bench, "closing")

    def _is_closed(self, bench: Bench) -> bool:
        if not self.opened or self.closed is not None:
            return True
        closed = bench.stream.closed_hold(self.step.hold)
        if closed is None:  # when nothing is recorded any more, no file will come: the logs have the frames
            return bench.stream.failure() is not None
        self.closed = closed
        bench.journal.write(
            "hold_closed",
            hold=closed.hold,
            path=closed.path,
            frames=closed.frames,
            lost=closed.lost,
            analysis=closed.analysis,
            reason=self._reason,
        )
        return True


def _as_found(step: AcquireStep, bench: Bench) -> AcquireStep:
    """Return the step with the temperature that the specimen has: a ramp before it may have been skipped."""
    if abs(bench.target_K - step.setpoint_K) > SAME_K:
        return dataclasses.replace(step, setpoint_K=bench.target_K)
    return step
