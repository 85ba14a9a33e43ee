"""What a heater can bear: limits of commands and of readings, written so that a NaN never passes."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

from annealscope.drivers.interfaces import Reading

SAMPLES_IN_WINDOW = 50
"""A watch keeps no more samples than about this."""


def _check_positive(limits: "Envelope | RiseLimits") -> None:
    for field in fields(limits):
        value = getattr(limits, field.name)
        if isinstance(value, int | float) and not 0 < value < math.inf:
            raise ValueError(
                f"envelope: {field.name} must be > 0 and finite, got {value}; correct the rig file"
            )


@dataclass(frozen=True)
class RiseLimits:
    """How well a heater must follow: what a runaway, or a sensor that has come off, does not."""

    window_s: float = 10.0
    """Time in which it has to show."""
    tolerance_K: float = 10.0
    """Distance between temperature and setpoint that is nothing unusual, overshoot and lag included."""
    least_rise_K: float = 1.0
    """Rise within the window that shows that a heater far below its setpoint does heat."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class Envelope:
    """What the holder can bear. It comes from the rig, never from a protocol."""

    max_temperature_K: float
    max_heating_rate_K_per_s: float
    max_cooling_rate_K_per_s: float
    max_reading_age_s: float = 2.0
    resistance_ohm: tuple[float, float] | None = None
    """Lowest and highest resistance of a sound heater; None: the holder does not measure it."""
    rise: RiseLimits | None = RiseLimits()
    """None: nobody checks whether the heater follows."""

    def __post_init__(self) -> None:
        _check_positive(self)
        if self.resistance_ohm is not None and not 0 < self.resistance_ohm[0] < self.resistance_ohm[1]:
            raise ValueError(
                f"envelope: resistance_ohm must be two numbers, 0 < lowest < highest, "
                f"got {self.resistance_ohm}; correct the rig file"
            )

    def refusals(self, setpoint_K: float, target_K: float, rate_K_per_s: float) -> list[str]:
        """Say why a ramp from ``setpoint_K`` is refused; empty when it is within the envelope."""
        heats = not target_K < setpoint_K
        fastest = self.max_heating_rate_K_per_s if heats else self.max_cooling_rate_K_per_s
        found = []
        if not 0 < target_K <= self.max_temperature_K:
            found.append(
                f"envelope: a target must be above 0 K and at most {self.max_temperature_K:g} K, "
                f"got {target_K:g} K; lower it"
            )
        if not 0 < rate_K_per_s <= fastest:
            direction = "heating" if heats else "cooling"
            found.append(
                f"envelope: a {direction} rate must be > 0 and at most {fastest:g} K/s, "
                f"got {rate_K_per_s:g} K/s; ramp more slowly"
            )
        return found

    def violations(self, readings: Mapping[str, Reading], now_s: float) -> list[str]:
        """Say what is wrong with the newest readings; empty when a heater may be on.

        Parameters
        ----------
        readings
            ``temperature`` in K, and ``resistance`` in ohm when the envelope has a band for it.
        now_s
            On the clock that stamped them.
        """
        found = self._of_channel(readings, "temperature", now_s, "K", 0.0, self.max_temperature_K)
        if self.resistance_ohm is not None:
            found += self._of_channel(readings, "resistance", now_s, "ohm", *self.resistance_ohm)
        return found

    def _of_channel(
        self, readings: Mapping[str, Reading], name: str, now_s: float, unit: str, low: float, high: float
    ) -> list[str]:
        reading = readings.get(name)
        if reading is None:
            return [f"envelope: there is no reading of the {name}; check the holder's cable"]
        age_s = now_s - reading.t_s
        if not age_s <= self.max_reading_age_s:
            limit_s = self.max_reading_age_s
            return [
                f"envelope: the newest {name} is {age_s:.2f} s old, {limit_s:g} s allowed; check the link"
            ]
        if reading.quality == "bad" or not low < reading.value <= high:
            return [
                f"envelope: the {name} must be above {low:g} {unit} and at most {high:g} {unit}, "
                f"got {reading.value:.6g} {unit} ({reading.quality}); check the heater and its sensor"
            ]
        return []


class _Sample(NamedTuple):
    t_s: float
    measured_K: float
    setpoint_K: float


class RiseWatch:
    """Looks back over a window: a heater has to heat when it should, and only then."""

    def __init__(self, limits: RiseLimits) -> None:
        self._limits = limits
        self._samples: deque[_Sample] = deque()

    def feed(self, now_s: float, measured_K: float, setpoint_K: float) -> str | None:
        """Take what is now; return what is wrong with the window that ends here, or None.

        Parameters
        ----------
        now_s
            Never goes back.
        measured_K
            A NaN is left out: judging single readings is the envelope's task.
        setpoint_K
            Of the controller; NaN while the heater is off.
        """
        if math.isnan(measured_K):
            return None
        newest = _Sample(now_s, measured_K, -math.inf if math.isnan(setpoint_K) else setpoint_K)
        self._keep(newest)
        fault = self._rises_unasked(newest) or self._does_not_rise(newest)
        if fault is not None:
            self.forget()
        return fault

    def forget(self) -> None:
        """Begin a new window."""
        self._samples.clear()

    def _keep(self, newest: _Sample) -> None:
        """Keep one sample from before the window's start, and not more of the others than are needed."""
        samples, window_s = self._samples, self._limits.window_s
        if not samples or newest.t_s - samples[-1].t_s >= window_s / SAMPLES_IN_WINDOW:
            samples.append(newest)
        while len(samples) > 1 and samples[1].t_s <= newest.t_s - window_s:
            samples.popleft()

    def _rises_unasked(self, newest: _Sample) -> str | None:
        limits, oldest = self._limits, self._samples[0]
        asked_K = max(newest.setpoint_K, *(sample.setpoint_K for sample in self._samples), oldest.measured_K)
        if newest.measured_K <= asked_K + limits.tolerance_K:
            return None
        return (
            f"rate of rise: measured {newest.measured_K:.1f} K, {newest.t_s - oldest.t_s:.1f} s before "
            f"{oldest.measured_K:.1f} K, and nobody asked for more than {asked_K:.1f} K "
            f"(+{limits.tolerance_K:g} K allowed); check the heater's supply"
        )

    def _does_not_rise(self, newest: _Sample) -> str | None:
        limits, oldest = self._limits, self._samples[0]
        if newest.t_s - oldest.t_s < limits.window_s:
            return None
        missing_K = min(sample.setpoint_K - sample.measured_K for sample in (*self._samples, newest))
        rise_K = newest.measured_K - oldest.measured_K
        if missing_K <= limits.tolerance_K or rise_K >= limits.least_rise_K:
            return None
        return (
            f"rate of rise: {missing_K:.1f} K or more below the setpoint for {limits.window_s:g} s, in which "
            f"the temperature rose by {rise_K:.2f} K (at least {limits.least_rise_K:g} K expected); "
            "check the heater and its sensor"
        )
