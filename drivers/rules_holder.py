"""What a holder must do: ramp at the rate asked for, stop where it is told, refuse what it cannot do."""

from collections.abc import Iterator

import numpy as np

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Holder
from annealscope.drivers.rules import GRACE_S, Rule, pass_time, refuses

STEP_K = 5.0
RATE_K_PER_S = 0.5
SETPOINT_TOLERANCE_K = 0.05


def measures_its_temperature(holder: Holder, clock: Clock) -> Iterator[str]:
    """There is a channel ``temperature`` in K."""
    channel = holder.describe().get("temperature")
    if channel is None or channel.units != "K":
        yield f"needs a channel 'temperature' in 'K', got {channel}"


def ramps_at_the_rate_asked_for(holder: Holder, clock: Clock) -> Iterator[str]:
    """Move the setpoint at the rate; the action is running until it arrives, and done after."""
    start_K, start_s = holder.locate().setpoint_K, clock.monotonic()
    ramp = holder.ramp(start_K + STEP_K, RATE_K_PER_S)
    duration_s = STEP_K / RATE_K_PER_S
    pass_time(clock, duration_s / 2)
    moved_K = holder.locate().setpoint_K - start_K
    allowed_K = RATE_K_PER_S * (clock.monotonic() - start_s) + RATE_K_PER_S * GRACE_S
    if not 0 < moved_K <= allowed_K:
        yield f"half way the setpoint had moved by {moved_K:.3f} K, not between 0 and {allowed_K:.3f} K"
    if ramp.poll() != "running":
        yield f"half way the action was {ramp.poll()!r}, not 'running'"
    pass_time(clock, duration_s / 2 + GRACE_S)
    if ramp.poll() != "done":
        yield f"{GRACE_S} s after its end the action was {ramp.poll()!r}, not 'done'"
    yield from _setpoint_is(holder, start_K + STEP_K)


def a_cancelled_ramp_stays_where_it_is(holder: Holder, clock: Clock) -> Iterator[str]:
    """`cancel` returns at once, freezes the setpoint, and may be repeated."""
    ramp = holder.ramp(holder.locate().setpoint_K + STEP_K, RATE_K_PER_S)
    pass_time(clock, 2.0)
    before_s = clock.monotonic()
    ramp.cancel()
    ramp.cancel()
    if clock.monotonic() - before_s > GRACE_S:
        yield f"cancel took {clock.monotonic() - before_s:.3f} s"
    frozen_K = holder.locate().setpoint_K
    if ramp.poll() != "cancelled":
        yield f"after cancel the action was {ramp.poll()!r}, not 'cancelled'"
    pass_time(clock, 3.0)
    yield from _setpoint_is(holder, frozen_K)


def hold_here_freezes_the_setpoint(holder: Holder, clock: Clock) -> Iterator[str]:
    """`hold_here` ends a ramp where it is."""
    start_K = holder.locate().setpoint_K
    ramp = holder.ramp(start_K + STEP_K, RATE_K_PER_S)
    pass_time(clock, 4.0)
    holder.hold_here()
    frozen_K = holder.locate().setpoint_K
    if not start_K < frozen_K < start_K + STEP_K:
        yield f"in the middle of a ramp from {start_K:.2f} K by {STEP_K} K it froze at {frozen_K:.2f} K"
    pass_time(clock, 3.0)
    yield from _setpoint_is(holder, frozen_K)
    if ramp.poll() == "running":
        yield "the ramp that it ended was still 'running'"


def refuses_ramps_it_cannot_do(holder: Holder, clock: Clock) -> Iterator[str]:
    """`check` names what is impossible, touches nothing, and `ramp` raises DeviceError for the same."""
    start_K = holder.locate().setpoint_K
    possible = holder.check(start_K + STEP_K, RATE_K_PER_S)
    if possible:
        yield f"check refused a ramp by {STEP_K} K at {RATE_K_PER_S} K/s: {possible}"
    for target_K, rate in (
        (1e5, RATE_K_PER_S),
        (start_K + STEP_K, 0.0),
        (start_K + STEP_K, -1.0),
        (np.nan, 1.0),
    ):
        if not holder.check(target_K, rate):
            yield f"check accepted a ramp to {target_K} K at {rate} K/s"
        if not refuses(holder.ramp, target_K, rate):
            yield f"ramp to {target_K} K at {rate} K/s did not raise DeviceError"
    yield from _setpoint_is(holder, start_K)


def a_safe_holder_ramps_no_more(holder: Holder, clock: Clock) -> Iterator[str]:
    """`safe` ends a ramp and switches the heater off."""
    start_K = holder.locate().setpoint_K
    ramp = holder.ramp(start_K + STEP_K, RATE_K_PER_S)
    pass_time(clock, 2.0)
    holder.safe("conformance")
    pass_time(clock, STEP_K / RATE_K_PER_S)
    if ramp.poll() in ("running", "done"):
        yield f"the action of the ramp that it ended was {ramp.poll()!r}"
    if holder.locate().setpoint_K >= start_K + STEP_K - SETPOINT_TOLERANCE_K:
        yield "the ramp arrived in spite of it"


def _setpoint_is(holder: Holder, expected_K: float) -> Iterator[str]:
    setpoint_K = holder.locate().setpoint_K
    if abs(setpoint_K - expected_K) > SETPOINT_TOLERANCE_K:
        yield f"the setpoint was {setpoint_K:.3f} K, not {expected_K:.3f} K"


HOLDER_RULES: tuple[Rule, ...] = (
    measures_its_temperature,
    ramps_at_the_rate_asked_for,
    a_cancelled_ramp_stays_where_it_is,
    hold_here_freezes_the_setpoint,
    refuses_ramps_it_cannot_do,
    a_safe_holder_ramps_no_more,
)
