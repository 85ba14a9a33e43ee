"""What the conformance rules of all devices share."""

from collections.abc import Callable, Iterator
from typing import Any

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Action, DeviceError

Rule = Callable[[Any, Clock], Iterator[str]]
"""Takes an open device and the clock, yields what is wrong."""

GRACE_S = 1.0
LONGEST_ACTION_S = 120.0


def pass_time(clock: Clock, seconds: float) -> None:
    """Let time pass."""
    clock.sleep_until(clock.monotonic() + seconds)


def refuses(call: Callable[..., object], *arguments: object) -> bool:
    """Say whether a call raises DeviceError."""
    try:
        call(*arguments)
    except DeviceError:
        return True
    return False


def end_of(action: Action, clock: Clock) -> str:
    """Wait for the end of an action; returns its last state, ``running`` when it takes too long."""
    deadline_s = clock.monotonic() + LONGEST_ACTION_S
    while action.poll() == "running" and clock.monotonic() < deadline_s:
        pass_time(clock, GRACE_S)
    return action.poll()
