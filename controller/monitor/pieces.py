"""Pieces of the state that the page shows, each from what is known: status, hold, disk, losses, trace."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.controller.monitor.planned import SeenPlan
from annealscope.controller.monitor.seen import HoldSeen, Stretch
from annealscope.controller.monitor.story import Story
from annealscope.controller.space import space_needed
from annealscope.controller.stream.messages import OpenHold
from annealscope.controller.units import ZERO_CELSIUS_K, to_celsius

TRACE_POINTS = 2000
TASK = "next_task"


def shown_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the newest of the run with temperatures in °C; what the operator does next is told apart."""
    shown = {name: value for name, value in status.items() if name != TASK and not name.endswith("_K")}
    for name in ("temperature", "setpoint"):
        shown[f"{name}_degC"] = to_celsius(status[f"{name}_K"])
    return shown


def shown_hold(opening: OpenHold | None, story: Story, phase: str) -> dict[str, Any] | None:
    """Return what frames are taken for now: the open acquisition, or a watch; None: for nothing."""
    if opening is None or not _is_open(opening, story, phase):
        return None
    drift = opening.settings.get("drift") or {}
    return {
        "hold": opening.hold,
        "name": opening.name,
        "title": opening.title,
        "method": opening.method,
        "period_s": opening.period_s,
        "pixel_nm": opening.camera.pixel_nm,
        "drift_warn_nm": _finite(drift.get("warn_nm")),
        "drift_limit_nm": _finite(drift.get("limit_nm")),
    }


def _is_open(opening: OpenHold, story: Story, phase: str) -> bool:
    if opening.method == "watch":
        return phase == "watching"
    seen = story.holds.get(opening.hold)
    return seen is None or not seen.closed


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def step_actual(steps: Sequence[Stretch]) -> list[dict[str, Any]]:
    """Return when each step was really done."""
    return [{"index": one.index, "t_from_s": one.t_from_s, "t_to_s": one.t_to_s} for one in steps]


def interruptions(story: Story) -> list[dict[str, Any]]:
    """Return the times in which the plan stood still, in order."""
    stretches = sorted([*story.standing, *story.asked], key=lambda one: one.t_from_s)
    return [
        {"state": one.what, "t_from_s": one.t_from_s, "t_to_s": one.t_to_s, "why": one.why}
        for one in stretches
    ]


def done(holds: Sequence[HoldSeen]) -> list[dict[str, Any]]:
    """Return the acquisitions that are over, with their results as far as they are known."""
    return [
        {
            "hold": seen.hold,
            "name": seen.name,
            "title": seen.title,
            "method": seen.method,
            "frames": seen.frames,
            "lost": seen.lost,
            "reason": seen.reason,
            "tau_s": seen.tau_s,
            "sigma_tau_s": seen.sigma_tau_s,
            "V_max": seen.V_max,
            "sigma_V_max": seen.sigma_V_max,
        }
        for seen in holds
        if seen.closed
    ]


def lost(story: Story, status: Mapping[str, Any]) -> dict[str, int]:
    """Return how many frames are not in the record: of the open acquisition, and of all.

    The run counts those of the camera at once, the journal those for any other reason, too.
    """
    opened = story.open_hold
    over = sum(seen.lost for seen in story.holds.values() if seen.closed)
    now = max(opened.lost, int(status.get("frames_lost", 0))) if opened is not None else 0
    return {"hold": now, "total": over + now}


def disk(plan: SeenPlan | None, story: Story, frames: int, free_bytes: int | None) -> dict[str, Any]:
    """Return what is free, and what the acquisitions ahead may need: their frames, the largest log, spare."""
    needed = needed_bytes(plan, story, frames)
    short = free_bytes is not None and free_bytes < needed
    return {"free_bytes": free_bytes, "needed_bytes": needed, "verdict": "low" if short else "ok"}


def needed_bytes(plan: SeenPlan | None, story: Story, frames: int) -> int:
    """Return the space that acquisitions need which are not over; ``frames`` of the open one are there."""
    if plan is None:
        return 0
    opened = story.open_hold
    taken = {opened.hold: frames} if opened is not None else {}
    ahead = [hold for hold in plan.holds if not _is_over(hold.hold, story)]
    return space_needed([(hold.bytes, 1 - taken.get(hold.hold, 0) / max(hold.frames, 1)) for hold in ahead])


def _is_over(hold: int, story: Story) -> bool:
    seen = story.holds.get(hold)
    return seen is not None and seen.closed


def trace(story: Story) -> dict[str, npt.NDArray[np.float32]]:
    """Return all temperatures so far, thinned out such that no peak is lost."""
    t_s, temperature_K = (np.array(column) for column in story.readings)
    kept = _kept(temperature_K, TRACE_POINTS)
    return {
        "t_s": t_s[kept].astype(np.float32),
        "temperature_degC": (temperature_K[kept] - ZERO_CELSIUS_K).astype(np.float32),
    }


def _kept(values: npt.NDArray[np.float64], points: int) -> npt.NDArray[np.intp]:
    """Return the places of the lowest and the highest value of each of many short pieces, and both ends."""
    n = len(values)
    if n <= points:
        return np.arange(n)
    size = -(-2 * n // (points - 2))
    whole = n // size * size
    pieces = values[:whole].reshape(-1, size)
    first = np.arange(0, whole, size)
    places = [first + pieces.argmin(axis=1), first + pieces.argmax(axis=1), [0, n - 1]]
    return np.unique(np.concatenate(places))
