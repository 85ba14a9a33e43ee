"""The one clock of a run: real, or virtual for rehearsals and tests."""

import time
from typing import Protocol

COUNTS_SLEEP = hasattr(time, "CLOCK_BOOTTIME")
"""The system has a clock that counts on while the machine is suspended, beside one that does not."""


class Clock(Protocol):
    """Time, injected: nobody else reads it."""

    virtual: bool
    """True when time passes only by sleeping."""

    def monotonic(self) -> float:
        """Seconds since the run's clock started; never goes back."""

    def wall(self) -> float:
        """Seconds since the Unix epoch: a label for records, never for control."""

    def sleep_until(self, t_s: float) -> None:
        """Return when `monotonic` has reached ``t_s``; at once when it already has."""

    def real_delay_s(self, t_s: float) -> float:
        """Real seconds that will pass until ``t_s``: what a poll on a socket may take."""

    def asleep_s(self) -> float:
        """Seconds for which the machine was suspended since it was switched on, where it counts them."""

    def wall_error_s(self) -> float:
        """How far the time of day is from what `wall` says: it changes when somebody sets the clock."""


class WallClock:
    """Real time, optionally running ``speed`` times as fast; starts at ``start_s``."""

    virtual = False

    def __init__(self, speed: float = 1.0, start_s: float = 0.0) -> None:
        if not speed > 0:
            raise ValueError(f"clock speed must be > 0, got {speed}")
        self._speed = speed
        self._start_s = start_s
        self._real_start_s = time.monotonic()
        self._wall_start_s = time.time()
        self._asleep_start_s = self.asleep_s()

    def monotonic(self) -> float:
        """Seconds since construction, times the speed, and the start."""
        return self._start_s + (time.monotonic() - self._real_start_s) * self._speed

    def wall(self) -> float:
        """Seconds since the Unix epoch, advancing with the speed."""
        return self._wall_start_s + self.monotonic() - self._start_s

    def sleep_until(self, t_s: float) -> None:
        """Sleep in real time."""
        time.sleep(self.real_delay_s(t_s))

    def real_delay_s(self, t_s: float) -> float:
        """The distance to ``t_s`` divided by the speed; 0 when it has passed."""
        return max(0.0, (t_s - self.monotonic()) / self._speed)

    def asleep_s(self) -> float:
        """What the clock that counts on in sleep is ahead; 0 where the system has none."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic() if COUNTS_SLEEP else 0.0

    def wall_error_s(self) -> float:
        """The time of day now, without suspensions, against the one at the start and the real time since."""
        passed_s = time.monotonic() - self._real_start_s + self.asleep_s() - self._asleep_start_s
        return time.time() - self._wall_start_s - passed_s


class VirtualClock:
    """Time that passes only when somebody sleeps: as fast as the machine, the same every time.

    Parameters
    ----------
    wall_start_s
        What `wall` says at the start.
    start_s
        What `monotonic` says at the start.
    """

    virtual = True

    def __init__(self, wall_start_s: float = 0.0, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._start_s = start_s
        self._wall_start_s = wall_start_s

    def monotonic(self) -> float:
        """The start and the virtual seconds slept so far."""
        return self._now_s

    def wall(self) -> float:
        """The start label plus the virtual seconds."""
        return self._wall_start_s + self._now_s - self._start_s

    def sleep_until(self, t_s: float) -> None:
        """Move time forward to ``t_s``; never back."""
        self._now_s = max(self._now_s, t_s)

    def real_delay_s(self, t_s: float) -> float:
        """No real time has to pass."""
        return 0.0

    def asleep_s(self) -> float:
        """It never sleeps."""
        return 0.0

    def wall_error_s(self) -> float:
        """Nobody can set it."""
        return 0.0
