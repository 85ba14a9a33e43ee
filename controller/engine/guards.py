"""What ends a run at once: a level, checked on every tick, so one already true at the start trips too."""

import math
from dataclasses import dataclass

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.units import to_celsius
from annealscope.drivers.interfaces import Reading


@dataclass(frozen=True)
class Trip:
    """A guard that has tripped."""

    guard: str
    message: str
    exit_code: ExitCode


class Tripped(RunError):
    """The run cannot go on: everything is made safe."""

    def __init__(self, trip: Trip) -> None:
        super().__init__(trip.message, trip.exit_code)
        self.guard = trip.guard


@dataclass(frozen=True)
class TemperatureGuard:
    """The specimen stays below the limit, and somebody is watching it."""

    max_K: float
    max_age_s: float = 5.0

    def check(self, reading: Reading, now_s: float) -> Trip | None:
        """Return a trip, or None. Written so that a NaN trips."""
        if reading.quality == "bad" or math.isnan(reading.value):
            return self._trip(f"the temperature reading is unusable ({reading.value} K, {reading.quality})")
        if not now_s - reading.t_s <= self.max_age_s:
            age_s = now_s - reading.t_s
            return self._trip(f"the newest temperature is {age_s:.1f} s old, {self.max_age_s:g} s allowed")
        if not reading.value <= self.max_K:
            return self._trip(
                f"measured {to_celsius(reading.value):.1f} °C, limit {to_celsius(self.max_K):.1f} °C"
            )
        return None

    @staticmethod
    def _trip(message: str) -> Trip:
        return Trip("temperature", message, ExitCode.SAFETY)
