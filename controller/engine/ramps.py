"""Changes of temperature: up, down, and the way down before the heater is switched off."""

import math
from dataclasses import dataclass

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.settle import SettleWatch, Settling
from annealscope.controller.engine.suspension import not_settled
from annealscope.controller.engine.task import TICK_CHANGING_S, Task
from annealscope.controller.units import to_celsius
from annealscope.drivers.interfaces import Action, DeviceError

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
        self._stopped = False

    def start(self, bench: Bench) -> None:
        """Ask the holder for the ramp. Raises DeviceError when it cannot do it."""
        refusals = bench.holder.check(self.target_K, self.rate_K_per_s)
        if refusals:
            raise DeviceError(f"{bench.holder.name} refuses the ramp: {'; '.join(refusals)}")
        expected_s = abs(self.target_K - bench.setpoint_K) / self.rate_K_per_s
        self._deadline_s = bench.now_s + LATE_BY * expected_s + bench.plan.settle.timeout_s
        self._action = bench.holder.ramp(self.target_K, self.rate_K_per_s)

    def tick(self, bench: Bench) -> bool:
        """Wait for the setpoint, then for the specimen. Raises DeviceError when either fails."""
        if self._stopped:
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
        """A tenth of a second from now."""
        return bench.now_s + TICK_CHANGING_S

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
        bench.settled_s = bench.now_s
        bench.target_K = bench.holder.locate().setpoint_K

    def _freeze(self, bench: Bench) -> None:
        if self._action is not None:  # a heater that is off stays off
            self._action.cancel()
            bench.holder.hold_here()

    def _await_setpoint(self, bench: Bench) -> None:
        state = self._action.poll() if self._action is not None else "failed"
        if state == "done":
            self._watch = SettleWatch(bench.band(self.target_K), bench.now_s)
            self.enter(bench, "settling")
        elif state != "running" or bench.now_s > self._deadline_s:
            why = state if state != "running" else "has not arrived in time"
            raise DeviceError(f"{bench.holder.name}: the ramp to {to_celsius(self.target_K):.1f} °C: {why}")

    def _settled(self, bench: Bench) -> None:
        bench.settled_s = bench.now_s
        bench.journal.write("settled", setpoint_K=self.target_K)

    def _not_settled(self, bench: Bench) -> None:
        raise DeviceError(f"{bench.holder.name}: {not_settled(bench, self.target_K)}")


@dataclass(frozen=True)
class WayBack:
    """From a park to the hold that was left in its middle."""

    target_K: float
    rate_K_per_s: float
    age_s: float
    """Age of the hold when it was left."""


class ComeBack(ChangeTemperature):
    """Back to the temperature that a run was parked from; the age goes on from where it was."""

    def __init__(self, back: WayBack) -> None:
        super().__init__(back.target_K, back.rate_K_per_s)
        self.back = back

    def _settled(self, bench: Bench) -> None:
        super()._settled(bench)
        bench.settled_s = bench.now_s - self.back.age_s


class CoolDown(ChangeTemperature):
    """A way down. A room that is too warm to settle in is worth a note, not a fault."""

    def __init__(self, target_K: float, rate_K_per_s: float) -> None:
        super().__init__(target_K, rate_K_per_s)
        self.phase = "cooling"

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
