"""An acquisition: frames from the camera into the stream, drift feedback in the pauses between exposures."""

import math
from collections import deque

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.ports import Pair
from annealscope.controller.engine.steps import TICK_STEADY_S
from annealscope.controller.planning.values import AcquireStep, DriftPlan
from annealscope.controller.stream.messages import DriftRow, HoldClosed
from annealscope.drivers.interfaces import Camera, DeviceError, FrameSpec

SHIFTS_KEPT = 512
KEEP_CLEAR = 0.1
"""The last share of a pause, in which the image is left alone: the next exposure may begin a little early."""
RETRY_S = 0.01
"""A frame that is due but not there yet is asked for again after this."""
FROZEN_PERIODS = 3
"""So many periods without a frame that was due are a fault of the camera."""
_INSTANT_S = 1e-6
"""Two times on the frame grid closer than this are the same."""


class Acquire:
    """Opens a hold, moves its frames, steers the image shift, closes the hold."""

    steady = True

    def __init__(self, step: AcquireStep) -> None:
        self.step = step
        self.phase = "preparing"
        self.frames = 0
        """Frames taken so far, lost ones included."""
        self.closed: HoldClosed | None = None
        """What the recorder said when the hold was complete on disk."""
        self._last_start_s = 0.0
        """Start of the newest exposure that was fetched; before the first: of the first."""
        self._first_fresh_seq = 0
        """Frames before this one were exposed before the last move: their displacement says nothing new."""
        self._shifts: deque[tuple[float, Pair]] = deque(maxlen=SHIFTS_KEPT)
        """When the image shift was set, and to what: a frame fetched late was taken before the last move."""
        self._announced = False
        """A hold was opened, so a file will come of it."""
        self._reason = "complete"
        self._excursion = ""
        """What was said about the displacement that goes on now."""

    def start(self, bench: Bench) -> None:
        """Go to the region, unblank, announce the hold, start the camera."""
        if self.step.fresh_region:
            bench.microscope.fresh_region()
        camera = self._camera(bench)
        camera.arm(FrameSpec(self.step.exposure_s, self.step.period_s))
        self._announce(bench)
        self._last_start_s = bench.now_s
        self._note_shift(bench)
        bench.microscope.blank(False)
        camera.start()
        self._enter(bench, "acquiring")

    def tick(self, bench: Bench) -> bool:
        """Move what is ready; return True when the hold is complete on disk."""
        if self.phase == "closing":
            return self._closed(bench)
        if not bench.stream.ready():
            return False
        self._take(bench)
        if self.frames >= self.step.frames:
            self._close(bench)
        else:
            self._steer(bench)
        return False

    def next_event_s(self, bench: Bench) -> float | None:
        """The end of the running exposure; None while the stream has to catch up or to close."""
        if self.phase == "closing" or not bench.stream.ready():
            return None
        due_s = max(self._due_s(), bench.now_s + RETRY_S)
        return min(due_s, bench.now_s + TICK_STEADY_S)

    def stop(self, bench: Bench, reason: str) -> None:
        """End the acquisition now; `tick` then waits for the file."""
        if self.phase != "closing":
            self._reason = reason
            self._close(bench)

    def _camera(self, bench: Bench) -> Camera:
        return bench.cameras[self.step.camera]

    def _enter(self, bench: Bench, phase: str) -> None:
        self.phase = phase
        bench.journal.write("phase", phase=phase)

    def _announce(self, bench: Bench) -> None:
        opening = bench.opening(self.step, bench.settled_s, bench.now_s)
        bench.stream.open_hold(opening)
        self._announced = True
        bench.journal.write(
            "hold_opened",
            hold=opening.hold,
            name=opening.name,
            title=opening.title,
            t_settled_s=opening.t_settled_s,
            setpoint_K=opening.setpoint_K,
            frames_planned=opening.frames_planned,
        )

    def _take(self, bench: Bench) -> None:
        """Take the frame that is due. Raises DeviceError when the camera seems frozen."""
        if self._fetch(bench):
            return
        late_s = bench.now_s - self._due_s()
        if late_s > FROZEN_PERIODS * self.step.period_s:
            message = f"no frame {self.frames}, {late_s:.1f} s after the end of its exposure; is it frozen?"
            raise DeviceError(f"{self._camera(bench).name}: {message}")

    def _fetch(self, bench: Bench) -> bool:
        """Hand the next finished frame on, if there is one."""
        frame = self._camera(bench).next_frame(0.0)
        if frame is None:
            return False
        bench.stream.send(frame, self._shift_at(frame.t_start_s), beam_on=True)
        self.frames = frame.seq + 1
        self._last_start_s = frame.t_start_s
        return True

    def _due_s(self) -> float:
        """When the next frame should be there."""
        next_start_s = self._last_start_s + (self.step.period_s if self.frames else 0.0)
        return next_start_s + self.step.exposure_s

    def _steer(self, bench: Bench) -> None:
        """Move the image by the newest drift row, but only while no exposure runs."""
        drift, row = self.step.drift, bench.stream.newest_drift()
        if drift is None or row is None or row.seq < self._first_fresh_seq:
            return
        self._watch_limit(bench, drift, row)
        if not self._in_pause(bench):
            return
        self._first_fresh_seq = row.seq + 1
        shift_nm = bench.feedback.next_shift(self._shifts[-1][1], row.measured_nm, row.quality)
        if shift_nm is not None:
            bench.microscope.shift_image(shift_nm)
            self._note_shift(bench)
            self._first_fresh_seq = self._next_seq(bench)

    def _note_shift(self, bench: Bench) -> None:
        self._shifts.append((bench.now_s, bench.microscope.image_shift_nm()))

    def _shift_at(self, t_s: float) -> Pair:
        return next(
            (shift for since_s, shift in reversed(self._shifts) if since_s <= t_s + _INSTANT_S),
            self._shifts[0][1],
        )

    def _in_pause(self, bench: Bench) -> bool:
        """Say whether this is the pause after the newest frame: where later ones are the camera knows."""
        since_start_s = bench.now_s - self._last_start_s + _INSTANT_S
        pause_s = self.step.period_s - self.step.exposure_s
        return self.step.exposure_s <= since_start_s <= self.step.exposure_s + (1.0 - KEEP_CLEAR) * pause_s

    def _next_seq(self, bench: Bench) -> int:
        """Return the first frame whose exposure has not begun."""
        periods = (bench.now_s - self._last_start_s - _INSTANT_S) / self.step.period_s
        return self.frames - 1 + math.ceil(periods)

    def _watch_limit(self, bench: Bench, drift: DriftPlan, row: DriftRow) -> None:
        """Say, once for each excursion, that a raw frame lies beyond the protocol's `warn` or `limit`."""
        drift_nm = max(abs(row.measured_nm[0]), abs(row.measured_nm[1]))
        excursion = "flag" if drift_nm > drift.limit_nm else "warn" if drift_nm > drift.warn_nm else ""
        if excursion and excursion != self._excursion:
            message = f"frame {row.seq} lies {drift_nm:.2f} nm from the reference"
            bench.journal.write("guard", guard="drift", message=message, action=excursion)
        self._excursion = excursion

    def _close(self, bench: Bench) -> None:
        self._camera(bench).stop()
        bench.microscope.blank(True)
        self._fetch_rest(bench)
        if self._announced:
            bench.stream.close_hold(self._reason)
        self._enter(bench, "closing")

    def _fetch_rest(self, bench: Bench) -> None:
        """Take the frames that were finished before the camera stopped, but no more than were planned."""
        while self.frames < self.step.frames and self._fetch(bench):
            pass

    def _closed(self, bench: Bench) -> bool:
        if not self._announced:
            return True
        closed = bench.stream.closed_hold(self.step.hold)
        if closed is None:
            return False
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
