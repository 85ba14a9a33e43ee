"""The heated chip: a temperature that follows its setpoint, with a little overshoot."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

POWER_OFF_S = 0.1
"""Time in which an unpowered chip is back at the temperature of its surroundings."""

OVERSHOOT_TIME_S = 5.0
"""Time from the end of a ramp to the peak of its overshoot."""

FULL_OVERSHOOT_STEP_K = 25.0
"""Ramps shorter than this overshoot in proportion."""

FEW_REPORTS = 1024
"""Room for so many reports of a followed chip to begin with."""


@dataclass(frozen=True)
class _Path:
    """Corners of the setpoint against time; between them it is linear, after the last one constant."""

    t_s: tuple[float, ...]
    setpoint_K: tuple[float, ...]

    def at(self, t_s: float | FloatArray) -> FloatArray:
        return np.asarray(np.interp(t_s, self.t_s, self.setpoint_K))

    def from_then_on(self, t_s: float, corners: list[tuple[float, float]]) -> "_Path":
        """Keep the path up to ``t_s`` and append corners (t, setpoint) after it."""
        here = (t_s, float(self.at(t_s)))
        kept = [corner for corner in zip(self.t_s, self.setpoint_K, strict=True) if corner[0] < t_s]
        times, setpoints = zip(*kept, here, *corners, strict=True)
        return _Path(times, setpoints)


class Chip:
    """Setpoint and temperature of the chip as functions of time, past and planned.

    The chip is so small that it follows the ramp; what is left of the controller is an overshoot after each
    completed ramp. The temperature is continuous in time whatever is commanded, and its past never changes.
    """

    def __init__(self, initial_K: float, overshoot_K: float) -> None:
        self._path = _Path((0.0,), (initial_K,))
        self._surroundings_K = initial_K
        self._overshoot_K = overshoot_K
        self._arrivals: tuple[tuple[float, float], ...] = ()

    def setpoint_K(self, t_s: float) -> float:
        """Return the setpoint at a time."""
        return float(self._path.at(t_s))

    def temperature_K(self, t_s: float | FloatArray) -> FloatArray:
        """Return the temperature at times in s, in their shape."""
        times = np.asarray(t_s, dtype=np.float64)
        total = self._path.at(times)
        for arrival_s, amplitude_K in self._arrivals:
            x = np.maximum(times - arrival_s, 0.0) / OVERSHOOT_TIME_S
            total = total + amplitude_K * x * np.exp(1.0 - x)
        return total

    def ramp(self, now_s: float, target_K: float, rate_K_per_s: float) -> float:
        """Ramp from the present setpoint; returns the time of arrival."""
        self.hold(now_s)
        step_K = target_K - self.setpoint_K(now_s)
        arrival_s = now_s + abs(step_K) / rate_K_per_s
        if arrival_s > now_s:
            self._path = self._path.from_then_on(now_s, [(arrival_s, target_K)])
            amplitude_K = self._overshoot_K * float(np.clip(step_K / FULL_OVERSHOOT_STEP_K, -1.0, 1.0))
            self._arrivals = (*self._arrivals, (arrival_s, amplitude_K))
        return arrival_s

    def hold(self, now_s: float) -> None:
        """Freeze the setpoint; a ramp that had not arrived never overshoots."""
        self._path = self._path.from_then_on(now_s, [])
        self._arrivals = tuple(arrival for arrival in self._arrivals if arrival[0] <= now_s)

    def power_off(self, now_s: float) -> None:
        """Let the chip fall to the temperature of its surroundings."""
        self.hold(now_s)
        self._path = self._path.from_then_on(now_s, [(now_s + POWER_OFF_S, self._surroundings_K)])


class FollowedChip:
    """A chip that somebody else heats: known by what is reported of it, linear between two reports.

    Before the first report it has the temperature of its surroundings, after the newest it stays there.
    """

    def __init__(self, surroundings_K: float) -> None:
        self._surroundings_K = surroundings_K
        self._reports = np.empty((2, FEW_REPORTS))
        self._known = 0

    def follow(self, t_s: float, temperature_K: float) -> None:
        """Take a report; one that is not newer than the last, or is no number, says nothing."""
        newest_s = self._reports[0, self._known - 1] if self._known else -np.inf
        if not (np.isfinite(temperature_K) and t_s > newest_s):
            return
        if self._known == self._reports.shape[1]:
            self._reports = np.concatenate([self._reports, np.empty_like(self._reports)], axis=1)
        self._reports[:, self._known] = t_s, temperature_K
        self._known += 1

    def temperature_K(self, t_s: float | FloatArray) -> FloatArray:
        """Return the temperature at times in s, in their shape."""
        times = np.asarray(t_s, dtype=np.float64)
        if self._known == 0:
            return np.full(times.shape, self._surroundings_K)
        times_s, temperatures_K = self._reports[:, : self._known]
        return np.asarray(np.interp(times, times_s, temperatures_K, left=self._surroundings_K))
