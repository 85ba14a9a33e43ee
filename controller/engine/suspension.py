"""Conditions under which the beam should not be on the specimen for now: levels, with hysteresis.

A guard that ends a run is in `guards`. One that suspends it is a class here, and its name in the `guards` of
the steps that it watches over.
"""

import math
from typing import Protocol

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.settle import SettleWatch, Settling
from annealscope.controller.units import to_celsius
from annealscope.drivers.interfaces import DeviceError

BAND_WIDTHS = 2.0
"""A temperature is out of band this many times farther from the target than it may settle."""
READINGS_OUT = 3
"""So many readings out of band in a row are an outlier; one more is an excursion."""
MOST_DRIFT_SUSPENSIONS = 3
"""In one acquisition; after that the frames are flagged."""


class Suspension(Protocol):
    """Trips while a step exposes, and clears while the run is suspended."""

    name: str

    def check(self, bench: Bench) -> str | None:
        """Return why the run is to be suspended now, or None. Asked at every turn while the step exposes."""

    def begin(self, bench: Bench) -> None:
        """Prepare to clear: the run has come to rest."""

    def cleared(self, bench: Bench) -> bool:
        """Say whether the run may go on. Raises DeviceError when that has become hopeless."""


class OutOfBand:
    """The temperature has left its band; clears when it has settled again."""

    name = "band"

    def __init__(self) -> None:
        self._out = 0
        self._counted_s = -math.inf
        self._watch: SettleWatch | None = None

    def check(self, bench: Bench) -> str | None:
        """Count readings beyond twice the settling tolerance. Written so that a NaN counts."""
        limit_K, reading = BAND_WIDTHS * bench.plan.settle.within_K, bench.temperature
        if math.isnan(bench.target_K) or abs(reading.value - bench.target_K) <= limit_K:
            self._out = 0
        elif reading.t_s > self._counted_s:
            self._counted_s = reading.t_s
            self._out += 1
        if self._out <= READINGS_OUT:
            return None
        return (
            f"{to_celsius(reading.value):.2f} °C measured, {to_celsius(bench.target_K):.1f} "
            f"+- {limit_K:g} °C allowed while frames are taken"
        )

    def begin(self, bench: Bench) -> None:
        """Settle anew."""
        self._out = 0
        self._watch = SettleWatch(bench.band(bench.target_K), bench.now_s)

    def cleared(self, bench: Bench) -> bool:
        """Say whether the temperature has settled. Raises DeviceError when it does not in time."""
        if self._watch is None or math.isnan(bench.target_K):
            return True
        settling = self._watch.feed(bench.temperature, bench.read_s)
        if settling is Settling.TIMED_OUT:
            raise DeviceError(f"{bench.holder.name}: {not_settled(bench, bench.target_K)}")
        return settling is Settling.SETTLED


class Excursion(Protocol):
    """Whoever watches the drift of an acquisition."""

    def beyond_limit(self) -> str | None:
        """Say how far the newest frame lies beyond the limit, or None."""

    def only_flag(self) -> None:
        """Flag excursions from now on."""


class DriftLimit:
    """The image has moved too far; clears after a settling time, and a new segment has a new reference."""

    name = "drift"

    def __init__(self, excursion: Excursion) -> None:
        self._excursion = excursion
        self._suspensions = 0
        self._since_s = 0.0

    def check(self, bench: Bench) -> str | None:
        """Return how far the image has moved, a few times in an acquisition."""
        return self._excursion.beyond_limit()

    def begin(self, bench: Bench) -> None:
        """Let the specimen come to rest."""
        self._since_s = bench.now_s
        self._suspensions += 1
        if self._suspensions >= MOST_DRIFT_SUSPENSIONS:
            self._excursion.only_flag()

    def cleared(self, bench: Bench) -> bool:
        """Say whether the settling time is over."""
        return bench.now_s - self._since_s >= bench.plan.settle.for_s


def not_settled(bench: Bench, target_K: float) -> str:
    """Say that a temperature has not settled in time."""
    band = bench.band(target_K)
    return (
        f"not settled after {band.timeout_s:g} s: {to_celsius(target_K):.1f} +- {band.within_K:g} °C wanted, "
        f"{to_celsius(bench.temperature.value):.2f} °C measured; "
        "widen `settle:` in the protocol or check the holder"
    )
