"""What the go / no-go card is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from annealscope.controller.monitor.newest import FrameStatistics, Newest
from annealscope.controller.monitor.planned import PlannedHold, PlannedStep, SeenPlan
from annealscope.controller.monitor.story import Story

LEADING = frozenset({"wait", "prepare", "prompt"})
"""Kinds of steps that lead to an acquisition without changing the temperature."""


class Item(NamedTuple):
    """One thing that has to be right."""

    name: str
    value: str
    rule: str
    verdict: Literal["ok", "bad", "unknown"]
    why: str = ""
    """What is not right, or what is waited for."""


def judged(name: str, value: str, rule: str, wrong: str = "") -> Item:
    """Return an item that is known: all is well unless something is said to be wrong."""
    return Item(name, value, rule, "bad" if wrong else "ok", wrong)


def unknown(name: str, rule: str, why: str, value: str = "not known") -> Item:
    """Return an item that waits for something."""
    return Item(name, value, rule, "unknown", why)


def percent(share: float) -> str:
    """Write a share: ``20 %``."""
    return f"{100 * share:.3g} %"


@dataclass(frozen=True)
class Before:
    """What is known before an acquisition."""

    plan: SeenPlan
    step: PlannedStep
    """The acquisition."""
    story: Story
    status: Mapping[str, Any]
    newest: Newest
    free_bytes: int | None = None
    tau_s: float | None = None
    """Relaxation time of the hold before."""

    @property
    def estimate(self) -> PlannedHold | None:
        """What the plan expects of the acquisition."""
        return next((one for one in self.plan.holds if one.hold == self.step.step.hold), None)

    @property
    def now_s(self) -> float:
        """Time on the run's clock."""
        return float(self.status["t_s"])

    @property
    def statistics(self) -> FrameStatistics | None:
        """Counts of the newest frame, when it shows what the acquisition will see: its own, or a watch's."""
        opening, frame = self.newest.opening, self.newest.frame
        if opening is None or frame is None or not frame.beam_on or frame.hold != opening.hold:
            return None
        shows_it = opening.method == "watch" or opening.hold == self.step.step.hold
        return self.newest.statistics if shows_it else None
