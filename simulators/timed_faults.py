"""What goes wrong in a simulated laboratory at a time, for a while."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

FaultKind = Literal["beam", "valves", "camera", "sensor"]
"""The gun stops emitting; the column valves close; cameras give no frames; the temperature is no number."""


@dataclass(frozen=True)
class TimedFault:
    """One fault."""

    what: FaultKind
    at_s: float
    """When it begins, on the run's clock."""
    for_s: float = math.inf

    def __post_init__(self) -> None:
        if self.what not in get_args(FaultKind):
            raise ValueError(f"a fault is one of {', '.join(get_args(FaultKind))}, got {self.what!r}")
        if not (self.at_s >= 0 and self.for_s > 0):
            raise ValueError(
                f"a fault begins at 0 s or later and lasts, got {self.at_s:g} s, {self.for_s:g} s"
            )


def happens(faults: Iterable[TimedFault], what: FaultKind, t_s: float) -> bool:
    """Say whether a fault is there at a time."""
    return any(fault.what == what and 0.0 <= t_s - fault.at_s < fault.for_s for fault in faults)
