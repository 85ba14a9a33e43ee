"""A holder that only the operator can set, at a controller of its own; the program reads its temperature.

Commands become orders in words, of which the newest stands. The setpoint is what the operator has confirmed:
nobody can read it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from annealscope.drivers.clock import Clock
from annealscope.drivers.envelope import Envelope
from annealscope.drivers.interfaces import (
    Action,
    ActionState,
    Channel,
    DeviceError,
    Holder,
    Location,
    Reading,
)

ZERO_CELSIUS_K = 273.15
AT_THE_CONTROLLER = "at the holder's controller"
SOON_S = 1e-6
"""Rounding of a time of arrival."""


class Thermometer(Protocol):
    """What can be read of such a holder; `read` has at least ``temperature`` in K."""

    def open(self) -> None:
        """Connect. Raises DeviceError."""

    def close(self) -> None:
        """Disconnect."""

    def describe(self) -> Mapping[str, Channel]:
        """Name the channels that `read` returns."""

    def read(self) -> Mapping[str, Reading]:
        """Return the newest readings; never blocks."""


@dataclass(frozen=True)
class RampOrder:
    """Go to a temperature."""

    target_K: float
    rate_K_per_s: float

    @property
    def text(self) -> str:
        """What the operator reads."""
        target, rate = self.target_K - ZERO_CELSIUS_K, self.rate_K_per_s * 60
        return f"ramp to {target:.1f} °C at {rate:.6g} K/min {AT_THE_CONTROLLER}"


@dataclass(frozen=True)
class HoldOrder:
    """Stay at the temperature that the specimen has."""

    measured_K: float
    """When the order was given."""

    @property
    def text(self) -> str:
        """What the operator reads."""
        now = self.measured_K - ZERO_CELSIUS_K
        return f"hold the present temperature (now {now:.1f} °C) {AT_THE_CONTROLLER}"


@dataclass(frozen=True)
class OffOrder:
    """Take the power off the heater."""

    text = f"switch the heater off {AT_THE_CONTROLLER}"


Order = RampOrder | HoldOrder | OffOrder


def carry_out(order: Order, holder: Holder) -> None:
    """Do what an order says with a holder that can be set: the operator's hands in a rehearsal."""
    match order:
        case RampOrder():
            holder.ramp(order.target_K, order.rate_K_per_s)
        case HoldOrder():
            holder.hold_here()
        case OffOrder():
            holder.switch_off()


@dataclass(frozen=True)
class _Course:
    """The setpoint from a confirmation on; a course at rest has a target equal to its start."""

    start_s: float
    start_K: float
    target_K: float
    rate_K_per_s: float

    @property
    def arrival_s(self) -> float:
        distance_K = abs(self.target_K - self.start_K)
        return self.start_s + (distance_K / self.rate_K_per_s if distance_K > 0 else 0.0)

    def at(self, t_s: float) -> float:
        if t_s >= self.arrival_s:
            return self.target_K
        moved_K = self.rate_K_per_s * (t_s - self.start_s)
        return self.start_K + math.copysign(moved_K, self.target_K - self.start_K)


class HandSetRamp:
    """A ramp that the operator was asked for."""

    def __init__(self, holder: "HandSetHolder") -> None:
        self._holder = holder
        self._state: ActionState = "running"

    def poll(self) -> ActionState:
        """Running until the operator has confirmed it and the time it takes is over."""
        if self._state == "running" and self._holder.has_arrived(self):
            self._state = "done"
        return self._state

    def cancel(self) -> None:
        """Ask the operator to hold instead, unless the ramp is over."""
        if self.poll() == "running":
            self._holder.hold_here()

    def supersede(self) -> None:
        """Give way to another order."""
        if self.poll() == "running":
            self._state = "cancelled"


class HandSetHolder:
    """Asks the operator for what it is asked for.

    Parameters
    ----------
    thermometer
        What can be read.
    clock
        The clock that stamps the readings.
    envelope
        Ramps beyond it are refused, before anybody is asked for them.
    surroundings_K
        Setpoint of a heater without power, for the record.
    """

    name = "holder"

    def __init__(
        self, thermometer: Thermometer, clock: Clock, envelope: Envelope, surroundings_K: float = 298.15
    ) -> None:
        self._thermometer = thermometer
        self._clock = clock
        self._envelope = envelope
        self._surroundings_K = surroundings_K
        self._course = self._resting_at(math.nan)
        self._order: Order | None = None
        self._off = False
        """The operator has confirmed it, and was asked for nothing since."""
        self._ramp: HandSetRamp | None = None

    # ------------------------------------------------------------------ reading

    def open(self) -> None:
        """Connect to the thermometer; the setpoint begins at what is measured."""
        self._thermometer.open()
        if math.isnan(self._course.target_K):
            self._course = self._resting_at(self._measured().value)

    def close(self) -> None:
        """Disconnect; the heater stays as it is, and so does the order."""
        self._thermometer.close()

    def describe(self) -> Mapping[str, Channel]:
        """Name the channels: those of the thermometer, and the setpoint."""
        setpoint = Channel("K", "setpoint that the operator has confirmed, moving during a ramp")
        return {**self._thermometer.describe(), "setpoint": setpoint}

    def read(self) -> Mapping[str, Reading]:
        """Return the newest readings and the setpoint."""
        readings, now_s = self._thermometer.read(), self._clock.monotonic()
        return {**readings, "setpoint": Reading(self._course.at(now_s), now_s)}

    def locate(self) -> Location:
        """Return the confirmed setpoint and the measured temperature."""
        measured = self._measured()
        return Location(self._course.at(self._clock.monotonic()), measured.value, measured.t_s)

    # ------------------------------------------------------------------ orders

    def check(self, target_K: float, rate_K_per_s: float) -> list[str]:
        """Say what this holder cannot do of a ramp."""
        setpoint_K = self._course.at(self._clock.monotonic())
        return self._envelope.refusals(setpoint_K, target_K, rate_K_per_s)

    def ramp(self, target_K: float, rate_K_per_s: float) -> Action:
        """Ask for a ramp. Raises DeviceError when the holder cannot do it."""
        problems = self.check(target_K, rate_K_per_s)
        if problems:
            raise DeviceError(f"{self.name}: {'; '.join(problems)}")
        self._ask(RampOrder(target_K, rate_K_per_s))
        self._ramp = HandSetRamp(self)
        return self._ramp

    def hold_here(self) -> None:
        """Ask to hold, unless the heater holds already and nothing else was asked for."""
        resting = self._clock.monotonic() >= self._course.arrival_s
        if not isinstance(self._order, HoldOrder) and (self._order is not None or not resting):
            self._ask(HoldOrder(self._measured().value))

    def switch_off(self) -> None:
        """Ask to switch off, unless that was confirmed before."""
        if not self._off and not isinstance(self._order, OffOrder):
            self._ask(OffOrder())

    def safe(self, why: str) -> None:
        """Ask to switch off; nobody is waited for."""
        self.switch_off()

    @property
    def order(self) -> str:
        """What the operator has to do now; empty: nothing."""
        return self._order.text if self._order is not None else ""

    def obeyed(self) -> None:
        """The operator has done it: from now on the setpoint does what was asked for."""
        order, self._order = self._order, None
        match order:
            case RampOrder():
                now_s = self._clock.monotonic()
                start_K = self._course.at(now_s)
                self._course = _Course(now_s, start_K, order.target_K, order.rate_K_per_s)
            case HoldOrder():
                self._course = self._resting_at(self._held_K())
            case OffOrder():
                self._off = True
                self._course = self._resting_at(self._surroundings_K)
        if order is not None:
            self.hands(order)

    def hands(self, order: Order) -> None:
        """Do what was confirmed: nothing, where the operator has hands of their own."""

    def has_arrived(self, ramp: HandSetRamp) -> bool:
        """Say whether a ramp is confirmed and its time over."""
        asked_for = ramp is self._ramp and not isinstance(self._order, RampOrder)
        return asked_for and self._clock.monotonic() >= self._course.arrival_s - SOON_S

    def _ask(self, order: Order) -> None:
        if self._ramp is not None:
            self._ramp.supersede()
            self._ramp = None
        self._order, self._off = order, False

    def _held_K(self) -> float:
        """Return where the heater was held: as measured, for the operator may have told us late."""
        measured = self._measured()
        known = measured.quality == "ok" and math.isfinite(measured.value)
        return measured.value if known else self._course.at(self._clock.monotonic())

    def _measured(self) -> Reading:
        return self._thermometer.read()["temperature"]

    def _resting_at(self, setpoint_K: float) -> _Course:
        return _Course(self._clock.monotonic(), setpoint_K, setpoint_K, math.inf)
