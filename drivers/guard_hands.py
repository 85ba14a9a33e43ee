"""What a guard does to the hardware by itself: tried again until it is done."""

from collections.abc import Callable, Iterable
from typing import Any

from annealscope.drivers.interfaces import Action, Holder
from annealscope.drivers.lease import LadderRules, Order

COMPLAIN_EVERY = 500
"""Attempts between two lines of the log about something that cannot be done."""


class Hands:
    """Carries out orders: of those for the heater the newest counts, and each is repeated until it succeeds.

    Parameters
    ----------
    holder
        The heater.
    blanker
        Has a ``blank(on)``; None: there is none.
    rules
        The safe ramp.
    note
        Writes a line into the log.
    """

    def __init__(self, holder: Holder, blanker: Any, rules: LadderRules, note: Callable[..., None]) -> None:
        self._holder = holder
        self._blanker = blanker
        self._rules = rules
        self._note = note
        self._heater: Order | None = None
        self._blank = False
        self._failures = 0
        self._safe_ramp: Action | None = None

    @property
    def busy(self) -> bool:
        """Whether something is left to do."""
        return self._heater is not None or self._blank

    @property
    def safe_ramp_arrived(self) -> bool:
        """Whether the safe ramp is over; one that cannot be asked counts as over, what follows it is off."""
        try:
            return self._safe_ramp is not None and self._safe_ramp.poll() != "running"
        except Exception:  # of the hosted driver
            return True

    def take(self, orders: Iterable[Order]) -> None:
        """Add what is to be done."""
        for order in orders:
            if order is Order.BLANK:
                self._blank = self._blanker is not None
            else:
                self._heater = order

    def leave_to_controller(self) -> None:
        """A controller commands the heater: what was to be done to it before is void."""
        self._heater = self._safe_ramp = None

    def act(self) -> bool:
        """Do what is left, the heater first; return True when a safe ramp was refused."""
        order, refused = self._heater, False
        if order is not None:
            done = self._try(order, lambda: self._apply(order))
            refused = order is Order.COOL and not done
            if done or refused:
                self._heater = None
        if self._blank:
            self._blank = not self._try(Order.BLANK, lambda: self._blanker.blank(True))
        return refused

    def _apply(self, order: Order) -> None:
        self._safe_ramp = None
        match order:
            case Order.FREEZE:
                self._holder.hold_here()
            case Order.COOL:
                self._safe_ramp = self._holder.ramp(self._rules.cool_to_K, self._rules.rate_K_per_s)
            case _:
                self._holder.switch_off()

    def _try(self, order: Order, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:  # a driver may raise anything; it is tried again
            if self._failures % COMPLAIN_EVERY == 0:
                self._note("order_failed", order=order, error=repr(error))
            self._failures += 1
            return False
        self._note("order", order=order)
        return True
