"""Go or no-go: what is known of the next acquisition before it begins, and the rule for each."""

from collections.abc import Mapping
from typing import Any

from annealscope.controller.monitor.go_beam import beam_items
from annealscope.controller.monitor.go_plan import plan_items
from annealscope.controller.monitor.go_values import LEADING, Before
from annealscope.controller.monitor.planned import PlannedStep, SeenPlan

FIRST_FRAMES = 20
"""So many frames into an acquisition the card is still shown: most of it is known by then only."""
UNDER_WAY = frozenset({"running", "pausing", "paused", "suspended"})


def upcoming(plan: SeenPlan, status: Mapping[str, Any]) -> PlannedStep | None:
    """Return the acquisition that comes next, from when its temperature settles to its first frames."""
    number = status["step_number"]
    if status["state"] not in UNDER_WAY or not status["step"] or number >= len(plan.steps):
        return None
    current = plan.steps[number]
    if current.step.kind == "acquire":
        begins = status["phase"] != "closing" and status["frames"] < FIRST_FRAMES
        return current if begins else None
    if current.step.kind not in LEADING and status["phase"] != "settling":
        return None
    coming = next((step for step in plan.steps[number + 1 :] if step.step.kind not in LEADING), None)
    return coming if coming is not None and coming.step.kind == "acquire" else None


def go(before: Before) -> dict[str, Any]:
    """Return the card: ``go`` when all is well, ``no-go`` when something is not, else ``wait``."""
    items = [*plan_items(before), *beam_items(before)]
    verdicts = {item.verdict for item in items}
    verdict = "no-go" if "bad" in verdicts else "wait" if "unknown" in verdicts else "go"
    title = before.step.step.title or before.step.label
    return {"title": title, "verdict": verdict, "items": [item._asdict() for item in items]}
