"""How a run ends, and how everything is made safe when it does not end well."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from annealscope.controller.errors import ExitCode
from annealscope.controller.stream.messages import HoldClosed
from annealscope.drivers.interfaces import Device

SAFE_WITHIN_S = 2.0
"""How long an emergency waits for a device to answer before it goes on to report."""

OutcomeName = Literal["success", "stopped", "aborted", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    outcome: OutcomeName
    why: str
    exit_code: ExitCode


def with_records_checked(outcome: Outcome, closed: Sequence[HoldClosed]) -> Outcome:
    """A run whose frames or results are not all there is incomplete, however well it went."""
    missing = [hold.path for hold in closed if hold.analysis == "missing"]
    lost = [f"{hold.lost} frames of {hold.path}" for hold in closed if hold.lost]
    gaps = [f"no results in {', '.join(missing)}"] if missing else []
    gaps += [f"lost: {', '.join(lost)}"] if lost else []
    if not gaps or outcome.exit_code is not ExitCode.OK:
        return outcome
    return replace(outcome, why=f"{outcome.why}, but: {'; '.join(gaps)}", exit_code=ExitCode.INCOMPLETE)


def safe_all(devices: Sequence[Device], why: str) -> None:
    """Send every device to its safe state, all at once: none waits for one that hangs."""
    threads = [threading.Thread(target=device.safe, args=(why,), daemon=True) for device in devices]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + SAFE_WITHIN_S
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
