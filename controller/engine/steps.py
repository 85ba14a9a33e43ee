"""How the steps of a plan are carried out: short turns in the engine's loop, no call that blocks."""

import math
from typing import Protocol

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.settle import SettleWatch, Settling
from annealscope.controller.planning.values import WaitStep
from annealscope.controller.units import to_celsius
from annealscope.drivers.interfaces import Action, DeviceError

TICK_CHANGING_S = 0.1
"""Longest sleep while a temperature changes or settles ..."""
TICK_STEADY_S = 1.0
"""... and while it holds."""


class Task(Protocol):
    """One step being carried out."""

    phase: str
    steady: bool
    """The temperature is meant to be constant."""

    def start(self, bench: Bench) -> None:
        """Begin."""

    def tick(self, bench: Bench) -> bool:
        """Do what is due; return True when the step is over."""

    def next_event_s(self, bench: Bench) -> float | None:
        """When the next turn is due on the run's clock; None: when the stream has news."""

    def stop(self, bench: Bench, reason: str) -> None:
        """End early; harmless when already over."""


LATE_BY = 1.5
"""A ramp that takes this many times as long as it should, and a settling time more, has failed."""


class ChangeTemperature:
    """A ramp: the controller's setpoint arrives, then the measured temperature settles."""

    steady = False

    def __init__(self, target_K: float, rate_K_per_s: float) -> None:
        self.target_K = target_K
        self.rate_K_per_s = rate_K_per_s
        self.phase = "ramping"
        self._action: Action | None = None
        self._watch: SettleWatch | None = None
        self._deadline_s = math.inf

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
        if self._watch is None:
            self._await_setpoint(bench)
            return False
        settling = self._watch.feed(bench.temperature, bench.read_s)
        if settling is Settling.WAITING:
            return False
        if settling is Settling.TIMED_OUT:
            self._not_settled(bench)
        bench.settled_s = bench.now_s
        bench.journal.write("settled", setpoint_K=self.target_K)
        return True

    def next_event_s(self, bench: Bench) -> float | None:
        """A tenth of a second from now."""
        return bench.now_s + TICK_CHANGING_S

    def stop(self, bench: Bench, reason: str) -> None:
        """Cancel the ramp; the setpoint stays where it is."""
        if self._action is not None:
            self._action.cancel()
        bench.holder.hold_here()

    def _await_setpoint(self, bench: Bench) -> None:
        state = self._action.poll() if self._action is not None else "failed"
        if state == "done":
            self._watch = SettleWatch(bench.band(self.target_K), bench.now_s)
            self.phase = "settling"
            bench.journal.write("phase", phase=self.phase)
        elif state != "running" or bench.now_s > self._deadline_s:
            why = state if state != "running" else "has not arrived in time"
            raise DeviceError(f"{bench.holder.name}: the ramp to {to_celsius(self.target_K):.1f} °C: {why}")

    def _not_settled(self, bench: Bench) -> None:
        raise DeviceError(self._timeout_message(bench))

    def _timeout_message(self, bench: Bench) -> str:
        band = bench.band(self.target_K)
        return (
            f"{bench.holder.name}: not settled after {band.timeout_s:g} s: {to_celsius(self.target_K):.1f} "
            f"+- {band.within_K:g} °C wanted, {to_celsius(bench.temperature.value):.2f} °C measured; "
            "widen `settle:` in the protocol or check the holder"
        )


class CoolDown(ChangeTemperature):
    """A way down. A room that is too warm to settle in is worth a note, not a fault."""

    def __init__(self, target_K: float, rate_K_per_s: float) -> None:
        super().__init__(target_K, rate_K_per_s)
        self.phase = "cooling"

    def _not_settled(self, bench: Bench) -> None:
        message = self._timeout_message(bench)
        bench.journal.write("guard", guard="settle", message=message, action="goes on")


class SafeCoolDown(CoolDown):
    """The last way down before the heater is switched off; a holder that refuses it goes off at once."""

    def start(self, bench: Bench) -> None:
        """Ask the holder for the ramp, or switch it off."""
        try:
            super().start(bench)
        except DeviceError as error:
            bench.holder.switch_off()
            bench.journal.write("guard", guard="holder", message=str(error), action="switched off")

    def tick(self, bench: Bench) -> bool:
        """Return True when the specimen is cool, or when there was nothing to wait for."""
        return self._action is None or super().tick(bench)


class Wait:
    """Time passes at temperature."""

    phase = "waiting"
    steady = True

    def __init__(self, step: WaitStep) -> None:
        self._step = step
        self._until_s = 0.0

    def start(self, bench: Bench) -> None:
        """Fix the end: by age, or by a duration from now."""
        if self._step.until_age_s is not None:
            self._until_s = bench.settled_s + self._step.until_age_s
        else:
            self._until_s = bench.now_s + (self._step.for_s or 0.0)

    def tick(self, bench: Bench) -> bool:
        """Say whether the time is over."""
        return bench.now_s >= self._until_s

    def next_event_s(self, bench: Bench) -> float | None:
        """A second from now, or the end."""
        return min(self._until_s, bench.now_s + TICK_STEADY_S)

    def stop(self, bench: Bench, reason: str) -> None:
        """Nothing is under way."""
