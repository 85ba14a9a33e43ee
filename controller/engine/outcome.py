"""How a run ends, and how everything is made safe when it does not end well."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from annealscope.controller.config.wording import counted
from annealscope.controller.errors import ExitCode
from annealscope.controller.stream.messages import HoldClosed
from annealscope.drivers.interfaces import Device

SAFE_WITHIN_S = 2.0
"""How long an emergency waits for a device to answer before it goes on to report."""
TOLERATED_LOSS = 0.01
"""Share of a hold's frames that a camera may lose before the hold counts as incomplete."""

OutcomeName = Literal["success", "stopped", "aborted", "failed", "parked"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    outcome: OutcomeName
    why: str
    exit_code: ExitCode


class PlannedEnd(Exception):
    """A step wants the run to end as planned: the protocol's cool-down, everything closed and written."""


def with_records_checked(
    outcome: Outcome, closed: Sequence[HoldClosed], failure: str | None = None
) -> Outcome:
    """Say what is missing; a run that lacks results or more than a few frames is incomplete.

    Parameters
    ----------
    outcome
        How the run ended.
    closed
        Its holds that are complete on disk.
    failure
        Why nothing could be recorded any more, at the end.
    """
    missing = [hold.path for hold in closed if hold.analysis == "missing"]
    lossy = [hold for hold in closed if hold.lost]
    gaps = [f"no results in {', '.join(missing)}"] if missing else []
    gaps += [failure] if failure is not None else []
    if lossy:
        gaps.append("lost: " + ", ".join(f"{counted(hold.lost, 'frame')} of {hold.path}" for hold in lossy))
    if not gaps or outcome.exit_code is not ExitCode.OK:
        return outcome
    incomplete = bool(missing) or failure is not None or any(map(_lost_much, lossy))
    exit_code = ExitCode.INCOMPLETE if incomplete else ExitCode.OK
    return replace(outcome, why=f"{outcome.why}, but: {'; '.join(gaps)}", exit_code=exit_code)


def with_heater_checked(outcome: Outcome, order: str) -> Outcome:
    """Say that the heater may be on: the operator of a holder that only they can set has an order left."""
    if not order:
        return outcome
    why = f"{outcome.why}; the heater was not confirmed off: {order}"
    return replace(outcome, why=why, exit_code=ExitCode.SAFETY)


def with_words_about_heater(outcome: Outcome, words: str) -> Outcome:
    """Say what is known of a heater that is not off although the run has ended; no words: it is off."""
    if not words:
        return outcome
    safe = outcome.exit_code is not ExitCode.OK
    exit_code = outcome.exit_code if safe else ExitCode.SAFETY
    return replace(outcome, why=f"{outcome.why}; {words}", exit_code=exit_code)


def _lost_much(hold: HoldClosed) -> bool:
    return hold.lost > TOLERATED_LOSS * (hold.frames + hold.lost)


def safe_all(devices: Sequence[Device], why: str) -> None:
    """Send every device to its safe state, all at once: none waits for one that hangs."""
    threads = [threading.Thread(target=device.safe, args=(why,), daemon=True) for device in devices]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + SAFE_WITHIN_S
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
