"""A simulated holder that only the operator can set: the chip does what was ordered and confirmed."""

from annealscope.drivers.by_hand import HandSetHolder, Order, carry_out
from annealscope.drivers.clock import Clock
from annealscope.drivers.envelope import Envelope
from annealscope.simulators.devices import SimulatedHolder


class SimulatedHandSetHolder(HandSetHolder):
    """Asks the operator, whose hands are simulated.

    Parameters
    ----------
    holder
        The holder that they set.
    clock
        The run's clock.
    envelope
        Ramps beyond it are refused.
    """

    def __init__(self, holder: SimulatedHolder, clock: Clock, envelope: Envelope) -> None:
        super().__init__(holder, clock, envelope, surroundings_K=holder.locate().measured_K)
        self._holder = holder

    def check(self, target_K: float, rate_K_per_s: float) -> list[str]:
        """Say what this holder cannot do of a ramp, or the simulated one behind it."""
        return [*super().check(target_K, rate_K_per_s), *self._holder.check(target_K, rate_K_per_s)]

    def hands(self, order: Order) -> None:
        """Do it."""
        carry_out(order, self._holder)
