"""Which places of the specimen the beam has seen, and how many electrons each."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from annealscope.controller.config.rig import RigConfig
from annealscope.controller.monitor.newest import Newest
from annealscope.controller.monitor.planned import SeenPlan
from annealscope.controller.monitor.seen import RegionSeen
from annealscope.controller.monitor.story import Story
from annealscope.controller.stream.messages import OpenHold


def dose(story: Story, plan: SeenPlan | None, newest: Newest, beam_radius_nm: float | None) -> dict[str, Any]:
    """Return the dose of every region that was under the beam.

    Parameters
    ----------
    story, plan
        What has happened, and what was to happen.
    newest
        What the run tells: the dose of the region under the beam is newer than what the journal says.
    beam_radius_nm
        What is drawn around the middle of a region; None: not known.
    """
    counts = plan.dose_counts if plan is not None else "beam_on"
    limit = plan.max_dose_per_region_per_nm2 if plan is not None else None
    status = newest.status or {}
    current = status.get("region") or story.region
    rows = [
        _row(story, _placed(seen, newest.opening), dose_per_nm2, limit, current)
        for seen in story.regions.values()
        if (dose_per_nm2 := _dose(seen, counts, status)) > 0 or seen.number == current
    ]
    return {"limit_per_nm2": limit, "counts": counts, "regions": rows, "beam_radius_nm": beam_radius_nm}


def _placed(seen: RegionSeen, opening: OpenHold | None) -> RegionSeen:
    """Say where a region is, also the first one, which no journal says."""
    region = opening.settings.get("region") if opening is not None else None
    if not region or seen.y_nm is not None or region["number"] != seen.number:
        return seen
    y_nm, x_nm = region["position_nm"]
    return replace(seen, y_nm=y_nm, x_nm=x_nm, thickness=region["thickness"])


def _dose(seen: RegionSeen, counts: str, status: Mapping[str, Any]) -> float:
    """What the status says of the region under the beam is newer than what the journal does."""
    written = seen.exposed_per_nm2 if counts == "exposed" else seen.beam_on_per_nm2
    now = status.get("region_dose_per_nm2") if status.get("region") == seen.number else None
    return max(written, now or 0.0)


def _row(
    story: Story, seen: RegionSeen, dose_per_nm2: float, limit: float | None, current: int
) -> dict[str, Any]:
    return {
        "number": seen.number,
        "y_nm": seen.y_nm,
        "x_nm": seen.x_nm,
        "thickness": seen.thickness,
        "dose_per_nm2": dose_per_nm2,
        "share": dose_per_nm2 / limit if limit else None,
        "current": seen.number == current,
        "holds": [hold.name for hold in story.holds.values() if hold.region == seen.number],
    }


def beam_radius_nm(opening: OpenHold | None, rig: RigConfig | None) -> float | None:
    """Return the radius of the circle around what the imaging camera sees: at least that is exposed."""
    if opening is not None and opening.camera.pixel_nm is not None:
        return math.hypot(*opening.camera.shape) * opening.camera.pixel_nm / 2
    if rig is None:
        return None
    cameras = [camera for camera in rig.cameras.values() if camera.pixel_nm is not None]
    return max((math.hypot(*one.shape) * (one.pixel_nm or 0.0) / 2 for one in cameras), default=None)
