"""Changes of temperature: up, down, and the way down before the heater is switched off."""

import math
from dataclasses import dataclass

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.settle import SettleWatch, Settling
from annealscope.controller.engine.suspension import not_settled
from annealscope.controller.engine.task import TICK_CHANGING_S, TICK_STEADY_S, Task
from annealscope.controller.units import to_celsius
from annealscope.drivers.interfaces import Action, DeviceError

SAME_SETPOINT_K = 0.5
"""Setpoints closer than this are the same."""
LATE_BY = 1.5
"""A ramp that takes this many times as long as it should, and a settling time more, has failed."""


class ChangeTemperature(Task):
    """A ramp: the controller's setpoint arrives, then the measured temperature settles."""

    steady = False

    def __init__(self, target_K: float, rate_K_per_s: float) -> None:
        self.target_K = target_K
        self.rate_K_per_s = rate_K_per_s
        self.phase = "ramping"
        self._action: Action | None = None
        self._watch: SettleWatch | None = None
        self._deadline_s = math.inf
        self._allowed_s = 0.0
        """From the start, or from the operator's confirmation, to the deadline."""
        self._stopped = False

    def start(self, bench: Bench) -> None:
        """Ask the holder for the ramp. Raises DeviceError when it cannot do it."""
        refusals = bench.holder.check(self.target_K, self.rate_K_per_s)
        if refusals:
            raise DeviceError(f"{bench.holder.name} refuses the ramp: {'; '.join(refusals)}")
        expected_s = abs(self.target_K - bench.setpoint_K) / self.rate_K_per_s
        self._allowed_s = LATE_BY * expected_s + bench.plan.settle.timeout_s
        self._deadline_s = bench.now_s + self._allowed_s
        self._action = bench.holder.ramp(self.target_K, self.rate_K_per_s)

    def tick(self, bench: Bench) -> bool:
        """Wait for the setpoint, then for the specimen. Raises DeviceError when either fails."""
        if self._stopped:
            self._stay(bench)
            if bench.order:
                return False
            count_as_settled(bench)
            return True
        if self._watch is None:
            self._await_setpoint(bench)
            return False
        settling = self._watch.feed(bench.temperature, bench.read_s)
        if settling is Settling.WAITING:
            return False
        if settling is Settling.TIMED_OUT:
            self._not_settled(bench)
        else:
            bench.target_K = self.target_K
        self._settled(bench)
        return True

    def next_event_s(self, bench: Bench) -> float | None:
        """A tenth of a second from now; a second while the operator is waited for."""
        return bench.now_s + (TICK_STEADY_S if bench.order else TICK_CHANGING_S)

    def pause(self, bench: Bench) -> None:
        """Freeze the setpoint where it is."""
        self._freeze(bench)

    def resume(self, bench: Bench, why: str) -> None:
        """Go on to the target; what had arrived settles anew."""
        if self._watch is None:
            self.start(bench)
        else:
            self._watch = SettleWatch(bench.band(self.target_K), bench.now_s)

    def stop(self, bench: Bench, reason: str) -> None:
        """Freeze the setpoint: the temperature on the way is the one that later steps find."""
        self._freeze(bench)
        self._stopped = True
        self._stay(bench)

    @property
    def ramping(self) -> bool:
        """Say whether the setpoint is on its way."""
        return self._action is not None and self._action.poll() == "running"

    def _stay(self, bench: Bench) -> None:
        bench.settled_s = bench.now_s
        bench.target_K = bench.holder.locate().setpoint_K

    def _freeze(self, bench: Bench) -> None:
        if self._action is not None:  # a heater that is off stays off
            self._action.cancel()
            bench.holder.hold_here()

    def _await_setpoint(self, bench: Bench) -> None:
        if bench.order:  # nobody has begun yet
            self._deadline_s = bench.now_s + self._allowed_s
        state = self._action.poll() if self._action is not None else "failed"
        if state == "done":
            self._watch = SettleWatch(bench.band(self.target_K), bench.now_s)
            self.enter(bench, "settling")
        elif state != "running" or bench.now_s > self._deadline_s:
            why = state if state != "running" else "has not arrived in time"
            raise DeviceError(f"{bench.holder.name}: the ramp to {to_celsius(self.target_K):.1f} °C: {why}")

    def _settled(self, bench: Bench) -> None:
        count_as_settled(bench)

    def _not_settled(self, bench: Bench) -> None:
        raise DeviceError(f"{bench.holder.name}: {not_settled(bench, self.target_K)}")


def count_as_settled(bench: Bench, age_s: float = 0.0) -> None:
    """Begin to count the age at the present target, or go on with it."""
    bench.settled_s = bench.now_s - age_s
    target_K = None if math.isnan(bench.target_K) else bench.target_K
    bench.journal.write("settled", setpoint_K=target_K, age_s=round(age_s, 3))


@dataclass(frozen=True)
class WayBack:
    """From a park, or from the death of a program, to the hold that was left in its middle."""

    target_K: float
    rate_K_per_s: float
    age_s: float
    """Age of the hold when it was left."""
    left_s: float | None = None
    """When nobody was left to look after the heater, on the run's clock; None: it was switched off."""

    def is_there(self, setpoint_K: float) -> bool:
        """Say whether a holder has the temperature already."""
        return abs(setpoint_K - self.target_K) <= SAME_SETPOINT_K


class ComeBack(ChangeTemperature):
    """Back to the temperature that was left; the age goes on from where it was.

    A heater that was left alone and has kept its setpoint has aged the specimen all the while.
    """

    def __init__(self, back: WayBack) -> None:
        super().__init__(back.target_K, back.rate_K_per_s)
        self.back = back
        self._kept: bool | None = None

    def start(self, bench: Bench) -> None:
        """Ask the holder for the ramp, a short one where it has kept its setpoint."""
        if self._kept is None:
            self._kept = self.back.is_there(bench.setpoint_K)
        super().start(bench)

    def _settled(self, bench: Bench) -> None:
        left_s = self.back.left_s
        alone_s = bench.now_s - left_s if self._kept and left_s is not None else 0.0
        count_as_settled(bench, self.back.age_s + alone_s)


class CoolDown(ChangeTemperature):
    """A way down. A room that is too warm to settle in is worth a note, not a fault."""

    def __init__(self, target_K: float, rate_K_per_s: float) -> None:
        super().__init__(target_K, rate_K_per_s)
        self.phase = "cooling"

    def shows(self, bench: Bench) -> bool:
        """Say whether the specimen is at the end of the way down already."""
        reading, band = bench.temperature, bench.band(self.target_K)
        fresh = reading.quality == "ok" and bench.read_s - reading.t_s <= band.max_age_s
        return self.ramping and fresh and reading.value <= self.target_K + band.within_K

    def _not_settled(self, bench: Bench) -> None:
        bench.target_K = math.nan
        message = f"{bench.holder.name}: {not_settled(bench, self.target_K)}"
        bench.journal.write("guard", guard="settle", message=message, action="goes on")


class SafeCoolDown(CoolDown):
    """The last way down before the heater is switched off; a holder that refuses it goes off at once."""

    def start(self, bench: Bench) -> None:
        """Ask the holder for the ramp, or switch it off."""
        try:
            super().start(bench)
        except DeviceError as error:
            self._action = None
            bench.holder.switch_off()
            bench.journal.write("guard", guard="holder", message=str(error), action="switched off")

    def tick(self, bench: Bench) -> bool:
        """Return True when the specimen is cool, or when there was nothing to wait for."""
        return self._action is None or super().tick(bench)
