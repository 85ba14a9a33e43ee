"""Looking at the drift while nothing is recorded: a short exposure from time to time."""

import math
from collections import deque

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.exposures import Exposures
from annealscope.controller.engine.ports import Pair
from annealscope.controller.engine.preparation import Preparation
from annealscope.controller.engine.suspension import OutOfBand, Suspension
from annealscope.controller.engine.task import TICK_STEADY_S, Task
from annealscope.controller.planning.values import AcquireStep, DriftPlan, Setup, WatchPlan
from annealscope.drivers.interfaces import DeviceError

RATE_OVER_S = 60.0
"""The rate is the way of the image over this time."""
JOURNAL_EVERY_S = 60.0
STARTS_KEPT = 64
"""Frames whose drift row may still come."""


class DriftWatch(Task):
    """Takes frames for the analyst alone, until the specimen is calm.

    Parameters
    ----------
    plan
        Camera, exposure, period, column.
    below_nm_per_s
        The specimen is calm below this.
    left_s
        Longest time.
    setpoint_K
        Temperature of the hold.
    """

    phase = "watching"

    def __init__(self, plan: WatchPlan, below_nm_per_s: float, left_s: float, setpoint_K: float) -> None:
        self._below_nm_per_s = below_nm_per_s
        self._step = _watch_step(plan, left_s, setpoint_K)
        self._preparation: Preparation | None = Preparation(self._step.setup)
        self._exposures = Exposures(self._step)
        self._starts_s: dict[int, float] = {}
        self._way: deque[tuple[float, Pair]] = deque()
        """When the image was where, over the last minute."""
        self._newest_seq = -1
        self._journalled_s = -math.inf
        self._opened = False
        self._pausing = False
        self.rate_nm_per_s = math.nan
        """The newest rate; NaN before the first."""

    @staticmethod
    def suspended_by() -> list[Suspension]:
        """Return what may suspend a watch."""
        return [OutOfBand()]

    @property
    def exposing(self) -> bool:
        """Say whether the camera runs."""
        return self._exposures.running

    @property
    def at_rest(self) -> bool:
        """Say whether neither column nor camera is at work."""
        return not self.exposing and (self._preparation is None or self._preparation.at_rest)

    def start(self, bench: Bench) -> None:
        """Set the column."""
        if self._preparation is not None:
            self._preparation.start(bench)

    def tick(self, bench: Bench) -> bool:
        """Take a frame when it is due; return True when the specimen is calm."""
        if self._preparation is not None:
            self._prepare(bench)
        elif self.exposing and bench.stream.ready():
            self._look(bench)
            if self.rate_nm_per_s < self._below_nm_per_s:
                self.stop(bench, "calm")
                return True
        return False

    def next_event_s(self, bench: Bench) -> float | None:
        """The next end of an exposure, or a second from now."""
        if self._preparation is not None:
            return self._preparation.next_event_s(bench)
        if self.exposing and not bench.stream.ready():
            return None
        soon_s = bench.now_s + TICK_STEADY_S
        due_s = self._exposures.due_s()
        return due_s if self.exposing and bench.now_s < due_s < soon_s else soon_s

    def pause(self, bench: Bench) -> None:
        """Stop between two exposures, or in one: nothing is recorded."""
        self._pausing = True
        if self._preparation is not None:
            self._preparation.pause(bench)
        self._exposures.end(bench)

    def resume(self, bench: Bench, why: str) -> None:
        """Look again, from a new reference."""
        self._pausing = False
        if self._preparation is not None:
            self._preparation.resume(bench, why)
        elif self._opened and not self.exposing:
            self._exposures.arm(bench)
            bench.stream.new_segment(why)
            self._way.clear()
            self._exposures.begin(bench)

    def stop(self, bench: Bench, reason: str) -> None:
        """End the watch."""
        if self._preparation is not None:
            self._preparation.stop(bench, reason)
        self._exposures.end(bench)
        if self._opened:
            self._opened = False
            bench.stream.close_hold(reason)
            self._exposures.note_dose(bench)

    def _prepare(self, bench: Bench) -> None:
        """Set the column; one that cannot be set now leaves the drift unknown, which ends at the deadline."""
        if self._preparation is None:
            return
        try:
            ready = self._preparation.tick(bench)
        except DeviceError as error:
            message = f"the drift cannot be watched: {error}"
            bench.journal.write("guard", guard="drift", message=message, action="waits")
            self._preparation = None
            return
        if ready:
            self._preparation = bench.prepared = None
            self._open(bench)

    def _open(self, bench: Bench) -> None:
        opening = bench.opening(self._step, bench.settled_s, bench.now_s)
        self._exposures.arm(bench)
        bench.stream.open_hold(opening.model_copy(update={"method": "watch"}))
        self._opened = True
        self._exposures.begin(bench)

    def _look(self, bench: Bench) -> None:
        frame = self._exposures.fetch(bench)
        if frame is not None:
            self._starts_s[frame.seq] = frame.t_start_s
            if len(self._starts_s) > STARTS_KEPT:
                del self._starts_s[next(iter(self._starts_s))]
            bench.stream.send(frame, bench.microscope.image_shift_nm(), beam_on=bench.beam_was_on(frame))
        else:
            self._exposures.check_overdue(bench)
        self._measure(bench)

    def _measure(self, bench: Bench) -> None:
        """Take a new drift row: the rate is the way between two frames a minute apart that were found."""
        row = bench.stream.newest_drift()
        if row is None:  # the analyst is away: the next one counts from a reference of its own
            self._way.clear()
            return
        if row.seq <= self._newest_seq or row.seq not in self._starts_s:
            return
        self._newest_seq = row.seq
        if not row.found:  # it repeats the displacement of the last one found
            return
        t_s, here = self._starts_s[row.seq], row.measured_nm
        while len(self._way) > 1 and t_s - self._way[1][0] >= RATE_OVER_S:
            self._way.popleft()
        if self._way and t_s - self._way[0][0] >= RATE_OVER_S:
            then_s, there = self._way[0]
            self.rate_nm_per_s = math.dist(here, there) / (t_s - then_s)
            self._note(bench)
        self._way.append((t_s, here))

    def _note(self, bench: Bench) -> None:
        if bench.now_s - self._journalled_s >= JOURNAL_EVERY_S or self.rate_nm_per_s < self._below_nm_per_s:
            self._journalled_s = bench.now_s
            bench.journal.write("drift_rate", nm_per_min=round(60.0 * self.rate_nm_per_s, 3))


def _watch_step(plan: WatchPlan, left_s: float, setpoint_K: float) -> AcquireStep:
    """Return an acquisition that is none: hold 0, which nobody records."""
    dose_rate = plan.optics.dose_rate_per_nm2_s if plan.optics is not None else None
    return AcquireStep(
        hold=0,
        name="watch",
        key="watch",
        title="drift watch",
        camera=plan.camera,
        exposure_s=plan.exposure_s,
        period_s=plan.period_s,
        frames=math.ceil(left_s / plan.period_s) + 1,
        drift=DriftPlan(warn_nm=math.inf, limit_nm=math.inf),
        dose_rate_per_nm2_s=dose_rate or 0.0,
        setup=Setup("watch", "for the drift watch", plan.optics, 0.0, (), False, None),
        setpoint_K=setpoint_K,
        beam_in_pause=False,
    )
