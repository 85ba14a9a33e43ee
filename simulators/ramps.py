"""Ramps of simulated heaters: how far they are, and which of them cannot be done."""

from typing import Protocol

from annealscope.drivers.interfaces import ActionState
from annealscope.simulators.camera import SOON_S

HOTTEST_K = 1273.15
FASTEST_K_PER_S = 1000.0


class Heater(Protocol):
    """What a ramp needs of its holder."""

    def now_s(self) -> float:
        """Return the time on the holder's clock."""

    def hold_here(self) -> None:
        """Freeze the setpoint."""


class RampAction:
    """A ramp that a simulated holder was asked for; replaced by whatever it is asked for next."""

    def __init__(self, holder: Heater, arrival_s: float) -> None:
        self._holder = holder
        self._arrival_s = arrival_s
        self._cancelled = False

    def poll(self) -> ActionState:
        """Say whether the setpoint has arrived."""
        if self._cancelled:
            return "cancelled"
        return "done" if self._holder.now_s() >= self._arrival_s - SOON_S else "running"

    def cancel(self) -> None:
        """Freeze the setpoint where it is, unless the ramp is over."""
        if self.poll() == "running":
            self._holder.hold_here()

    def supersede(self) -> None:
        """Give way to another command."""
        self._cancelled = self.poll() != "done"


def refusals(name: str, coldest_K: float, target_K: float, rate_K_per_s: float) -> list[str]:
    """Say what a simulated holder cannot do of a ramp; empty when it can.

    Parameters
    ----------
    name
        Of the holder, for the messages.
    coldest_K
        Temperature of its surroundings.
    target_K, rate_K_per_s
        The ramp.
    """
    problems = []
    if not coldest_K <= target_K <= HOTTEST_K:
        problems.append(
            f"{name}: target must be between {coldest_K:g} K (no cooling below the surroundings) "
            f"and {HOTTEST_K:g} K, got {target_K:g} K"
        )
    if not 0 < rate_K_per_s <= FASTEST_K_PER_S:
        problems.append(
            f"{name}: ramp rate must be > 0 and at most {FASTEST_K_PER_S:g} K/s, got {rate_K_per_s:g} K/s"
        )
    return problems
