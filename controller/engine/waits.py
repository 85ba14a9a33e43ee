"""Waiting at temperature: for a time, for an age, for the drift to calm down."""

import math

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.drift_watch import DriftWatch
from annealscope.controller.engine.suspension import Suspension
from annealscope.controller.engine.task import TICK_STEADY_S, Task
from annealscope.controller.planning.values import WaitStep


class Wait(Task):
    """Time passes at temperature, through pauses too; then the drift is watched, where it matters."""

    phase = "waiting"

    def __init__(self, step: WaitStep) -> None:
        self._step = step
        self._until_s = 0.0
        self._deadline_s = math.inf
        self._watch: DriftWatch | None = None
        self._stopped = False

    @property
    def exposing(self) -> bool:
        """While the drift is watched."""
        return self._watch is not None and self._watch.exposing

    @property
    def at_rest(self) -> bool:
        """Unless the drift is being watched."""
        return self._watch is None or self._watch.at_rest

    def guards(self) -> list[Suspension]:
        """Return what may suspend the watch."""
        return DriftWatch.suspended_by()

    def start(self, bench: Bench) -> None:
        """Fix the end: by age, or by a duration from now."""
        step = self._step
        zero_s = bench.now_s if step.until_age_s is None else bench.settled_s
        self._until_s = zero_s + (step.until_age_s or step.for_s or 0.0)
        self._deadline_s = zero_s + step.at_most_s if step.at_most_s is not None else math.inf

    def tick(self, bench: Bench) -> bool:
        """Say whether the time is over, and the specimen calm."""
        if self._stopped:
            return True
        if bench.now_s < self._until_s:
            return False
        return self._step.drift_below_nm_per_s is None or self._is_calm(
            bench, self._step.drift_below_nm_per_s
        )

    def next_event_s(self, bench: Bench) -> float | None:
        """A second from now, or the end; while the drift is watched, the next exposure's."""
        if self._watch is not None:
            return self._watch.next_event_s(bench)
        left_s = self._until_s if bench.now_s < self._until_s else math.inf
        return min(left_s, bench.now_s + TICK_STEADY_S)

    def pause(self, bench: Bench) -> None:
        """Time goes on; a watch comes to rest."""
        if self._watch is not None:
            self._watch.pause(bench)

    def resume(self, bench: Bench, why: str) -> None:
        """A watch goes on."""
        if self._watch is not None:
            self._watch.resume(bench, why)

    def stop(self, bench: Bench, reason: str) -> None:
        """End a watch."""
        self._stopped = True
        if self._watch is not None:
            self._watch.stop(bench, reason)

    def _is_calm(self, bench: Bench, below_nm_per_s: float) -> bool:
        """Watch the drift; return True when it is slow enough, or when there is no time left."""
        if bench.now_s >= self._deadline_s:
            self._give_up(bench, below_nm_per_s)
            return True
        if self._watch is None and self._step.watch is not None:
            left_s = min(self._deadline_s - bench.now_s, 1e6)
            self._watch = DriftWatch(self._step.watch, below_nm_per_s, left_s, bench.target_K)
            self.enter(bench, "watching")
            self._watch.start(bench)
        return self._watch is not None and self._watch.tick(bench)

    def _give_up(self, bench: Bench, below_nm_per_s: float) -> None:
        rate = math.nan
        if self._watch is not None:
            rate = self._watch.rate_nm_per_s
            self._watch.stop(bench, "at_most")
        found = "not known" if math.isnan(rate) else f"{rate * 60:.2f} nm/min"
        message = f"the drift is {found}, {below_nm_per_s * 60:.2f} nm/min wanted, at `at_most`"
        bench.journal.write("guard", guard="drift", message=message, action="goes on")
