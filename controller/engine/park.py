"""The end of a day: cooled, switched off, blanked."""

import math

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.ramps import SafeCoolDown, WayBack
from annealscope.controller.engine.task import Task

NIGHT_TICK_S = 600.0
"""How often one looks at a run that sleeps."""
COOL_K = 0.5
"""A setpoint less than this above the end of a cool-down needs no cool-down."""


class Park(Task):
    """Goes down by the step's way, then leaves the heater off and the beam blanked.

    Parameters
    ----------
    target_K, rate_K_per_s
        The way down.
    back
        The way back to a hold that is left in its middle; None when none is.
    """

    steady = False
    phase = "cooling"

    def __init__(self, target_K: float, rate_K_per_s: float, back: WayBack | None = None) -> None:
        self.target_K = target_K
        self.rate_K_per_s = rate_K_per_s
        self.back = back
        self._way = SafeCoolDown(target_K, rate_K_per_s)
        self._cooling = False
        self._stopped = False

    @property
    def done(self) -> bool:
        """False when it was skipped."""
        return not self._stopped

    def start(self, bench: Bench) -> None:
        """Blank, and cool down when the heater is above the end of the way."""
        bench.microscope.blank(True)
        bench.prepared = None
        self._cooling = bench.setpoint_K > self.target_K + COOL_K
        if self._cooling:
            self._way.start(bench)

    def tick(self, bench: Bench) -> bool:
        """Return True when the heater is off."""
        if self._cooling and not self._way.tick(bench):
            return False
        self._cooling = False
        if not self._stopped:
            bench.holder.switch_off()
            bench.target_K = math.nan
        return not bench.order

    def next_event_s(self, bench: Bench) -> float | None:
        """As on the way down."""
        return self._way.next_event_s(bench)

    def shows(self, bench: Bench) -> bool:
        """As on the way down; that the heater is off shows nowhere."""
        return self._cooling and self._way.shows(bench)

    def pause(self, bench: Bench) -> None:
        """Stop on the way down."""
        if self._cooling:
            self._way.pause(bench)

    def resume(self, bench: Bench, why: str) -> None:
        """Go on down."""
        if self._cooling:
            self._way.resume(bench, why)

    def stop(self, bench: Bench, reason: str) -> None:
        """Stay at the temperature on the way."""
        if self._cooling:
            self._way.stop(bench, reason)
        self._stopped = True
