"""What a holder must do that only the operator can set: ask, and believe nothing that is not confirmed."""

from collections.abc import Iterator
from typing import Any

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Action, ActionState, Device, HandSet
from annealscope.drivers.rules import GRACE_S, Rule, pass_time
from annealscope.drivers.rules_holder import RATE_K_PER_S, SETPOINT_TOLERANCE_K, STEP_K


def with_operator(device: Device) -> Any:
    """Give a holder that is set by hand an operator who obeys at once; return other devices as they are."""
    return _Attended(device) if isinstance(device, HandSet) else device


class _Attended:
    """A holder that does what it is told, because somebody stands by."""

    def __init__(self, holder: Any) -> None:
        self._holder = holder
        self.name = holder.name
        self.open, self.close = holder.open, holder.close
        self.describe, self.read, self.locate = holder.describe, holder.read, holder.locate
        self.check = holder.check

    def ramp(self, target_K: float, rate_K_per_s: float) -> Action:
        action = self._holder.ramp(target_K, rate_K_per_s)
        self._holder.obeyed()
        return _Attentive(action, self._holder)

    def hold_here(self) -> None:
        self._holder.hold_here()
        self._holder.obeyed()

    def switch_off(self) -> None:
        self._holder.switch_off()
        self._holder.obeyed()

    def safe(self, why: str) -> None:
        self._holder.safe(why)
        self._holder.obeyed()


class _Attentive:
    """A ramp whose end is obeyed too."""

    def __init__(self, action: Action, holder: HandSet) -> None:
        self._action = action
        self._holder = holder

    def poll(self) -> ActionState:
        return self._action.poll()

    def cancel(self) -> None:
        self._action.cancel()
        self._holder.obeyed()


def asks_for_a_ramp_and_waits(holder: Any, clock: Clock) -> Iterator[str]:
    """A ramp is an order; the setpoint stays, and the action runs, until the operator has confirmed it."""
    start_K = holder.locate().setpoint_K
    ramp = holder.ramp(start_K + STEP_K, RATE_K_PER_S)
    if not holder.order:
        yield "a ramp was asked for, and there is no order"
    pass_time(clock, STEP_K / RATE_K_PER_S + GRACE_S)
    moved_K = holder.locate().setpoint_K - start_K
    if abs(moved_K) > SETPOINT_TOLERANCE_K:
        yield f"the setpoint moved by {moved_K:.3f} K though nobody had confirmed the ramp"
    if ramp.poll() != "running":
        yield f"before it was confirmed the action was {ramp.poll()!r}, not 'running'"
    holder.obeyed()
    if holder.order:
        yield f"after it was confirmed there was the order {holder.order!r}"
    pass_time(clock, STEP_K / RATE_K_PER_S + GRACE_S)
    if ramp.poll() != "done":
        yield f"{GRACE_S} s after its end the action was {ramp.poll()!r}, not 'done'"


def the_newest_order_stands(holder: Any, clock: Clock) -> Iterator[str]:
    """Each command that changes what the operator has to do replaces the order, in any state."""
    ramp = holder.ramp(holder.locate().setpoint_K + STEP_K, RATE_K_PER_S)
    orders = [holder.order]
    for command in (ramp.cancel, holder.switch_off):
        command()
        orders.append(holder.order)
    if len(set(orders)) < len(orders) or "" in orders:
        yield f"a ramp, its cancel and switch_off should be three orders, got {orders}"
    if ramp.poll() != "cancelled":
        yield f"after cancel the action was {ramp.poll()!r}, not 'cancelled'"


def asks_until_the_heater_is_off(holder: Any, clock: Clock) -> Iterator[str]:
    """`safe` asks to switch off, as often as it is called, until that is confirmed once."""
    for _ in range(2):
        holder.safe("conformance")
        if not holder.order:
            yield "safe was called, and there is no order"
    holder.obeyed()
    holder.switch_off()
    if holder.order:
        yield f"the heater was confirmed off, and there is the order {holder.order!r}"


HAND_SET_RULES: tuple[Rule, ...] = (
    asks_for_a_ramp_and_waits,
    the_newest_order_stands,
    asks_until_the_heater_is_off,
)
