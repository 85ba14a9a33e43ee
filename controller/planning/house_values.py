"""What a plan knows of the house it is carried out in: what is watched, and what falls due."""

from dataclasses import dataclass
from typing import Literal

from annealscope.controller.config.housekeeping import GuardAction

NEARLY_DUE = 0.2
"""The last share of an interval."""


@dataclass(frozen=True)
class ServiceRule:
    """Something that the laboratory has to do every few hours."""

    name: str
    every_s: float
    takes_s: float
    message: str
    action: Literal["note", "suspend"] = "suspend"
    """Whether no frames are taken meanwhile."""
    by_operator: bool = False
    """It is done when the operator says so; else by itself in its time."""

    def is_due(self, now_s: float, due_s: float, acquisition_s: float) -> bool:
        """Say whether it is done now: it is due, or nearly, and would break the acquisition that begins."""
        early_s = self.every_s * NEARLY_DUE if due_s < now_s + acquisition_s else 0.0
        return now_s >= due_s - early_s


@dataclass(frozen=True)
class HouseRules:
    """What the guards of a run go by, as far as the rig says it."""

    services: tuple[ServiceRule, ...] = ()
    beam_below: float = 0.5
    """Share of the usual brightness below which frames are dim."""
    beam_action: GuardAction = "suspend"
    valves_action: GuardAction = "suspend"
    keep_free_bytes: int = 2 * 1024**3
    park_after_s: float = 1800.0
    """How long a run waits for room on the disk."""


@dataclass(frozen=True)
class ServiceDue:
    """When something has to be done by the plan."""

    name: str
    step: int
    """Index of the step that it falls into."""
    t_s: float
    """From the start of the run."""
    into_s: float
    """From the start of the step."""
    takes_s: float
    message: str
    suspends: bool
    by_operator: bool
