"""When a temperature counts as reached: in the band, long enough, by fresh readings, before a deadline."""

from dataclasses import dataclass
from enum import StrEnum

from annealscope.drivers.interfaces import Reading


class Settling(StrEnum):
    """How far the settling is."""

    WAITING = "waiting"
    SETTLED = "settled"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Band:
    """The criterion."""

    target_K: float
    within_K: float
    for_s: float
    timeout_s: float
    max_age_s: float = 2.0
    """A reading older than this says nothing about now."""

    def holds(self, reading: Reading, now_s: float) -> bool:
        """Say whether a reading is in the band, and fresh. Written so that a NaN is not."""
        fresh = reading.quality == "ok" and now_s - reading.t_s <= self.max_age_s
        return fresh and abs(reading.value - self.target_K) <= self.within_K


class SettleWatch:
    """Decides from the stream of readings; a sensor that falls silent times out, it never settles."""

    def __init__(self, band: Band, start_s: float) -> None:
        self._band = band
        self._start_s = start_s
        self._in_band_since_s: float | None = None

    def feed(self, reading: Reading, now_s: float) -> Settling:
        """Take the newest reading and say how far the settling is."""
        if not self._band.holds(reading, now_s):
            self._in_band_since_s = None
        elif self._in_band_since_s is None:
            self._in_band_since_s = now_s
        if self._in_band_since_s is not None and now_s - self._in_band_since_s >= self._band.for_s:
            return Settling.SETTLED
        if now_s - self._start_s > self._band.timeout_s:
            return Settling.TIMED_OUT
        return Settling.WAITING
