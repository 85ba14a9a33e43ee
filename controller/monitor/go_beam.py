"""Go or no-go, as far as frames tell: drift, counts, contrast."""

import math
from collections.abc import Iterator

import numpy as np

from annealscope.controller.monitor.go_values import LEADING, Before, Item, judged, percent, unknown
from annealscope.controller.monitor.newest import FrameStatistics
from annealscope.controller.stream.messages import CameraInfo

READ_NOISES = 5.0
"""Fewer counts than so many times the read noise are lost in it."""
FULLEST = 0.6
"""Mean counts over the camera's range: bright speckle needs the rest."""
MOST_SATURATED = 1e-3
"""Share of pixels."""
SIGMAS = 5.0
FIRST_SEEN = "seen with the first frames"


def beam_items(before: Before) -> Iterator[Item]:
    """Yield what frames tell of an acquisition before it begins; a watch has frames, too."""
    planned = before.step.step
    if planned.drift is not None:
        yield drift(before, planned.drift.warn_nm)
    if planned.method != "ecm":
        yield saturation(before)
        return
    yield counts(before)
    yield contrast(before)


def drift(before: Before, warn_nm: float) -> Item:
    """Compare the drift with what the wait before asks for; without one, with the drift warning."""
    below_nm_per_min = _wanted_rate(before)
    if below_nm_per_min is None:
        return _displacement(before, warn_nm)
    rule = f"below {below_nm_per_min:.3g} nm/min, as the wait asks"
    rate = before.story.drift_rate_nm_per_min
    if rate is None:
        return unknown("drift rate", rule, "not measured since the temperature has changed")
    value = f"{rate:.2g} nm/min"
    if rate >= below_nm_per_min and before.status["phase"] == "watching":
        return unknown("drift rate", rule, "too fast, the wait goes on", value)
    return judged("drift rate", value, rule, "" if rate < below_nm_per_min else "too fast")


def _wanted_rate(before: Before) -> float | None:
    """Return the drift rate in nm/min that a wait before the acquisition asks for."""
    for planned in reversed(before.plan.steps[: before.step.index]):
        below_nm_per_s = planned.step.drift_below_nm_per_s
        if planned.step.kind not in LEADING:
            break
        if below_nm_per_s is not None:
            return 60 * below_nm_per_s
    return None


def _displacement(before: Before, warn_nm: float) -> Item:
    found_nm, rule = before.status.get("drift_nm"), f"below {warn_nm:g} nm, the drift warning"
    if found_nm is None:
        return unknown("drift", rule, FIRST_SEEN)
    return judged("drift", f"{found_nm:.2f} nm", rule, "" if found_nm < warn_nm else "too far")


def counts(before: Before) -> Item:
    """Compare the mean counts of a pixel with the read noise and the range of the camera."""
    opening, seen = before.newest.opening, before.statistics
    if opening is None or seen is None:
        rule = f"{READ_NOISES:g} times the read noise … {percent(FULLEST)} of the camera's range"
        return unknown("counts per pixel", rule, FIRST_SEEN)
    lowest, highest = READ_NOISES * opening.camera.read_noise_counts, FULLEST * _range(opening.camera)
    rule = f"{lowest:.3g} (read noise × {READ_NOISES:g}) … {highest:.5g} ({percent(FULLEST)} of the range)"
    mean = seen.mean_counts * before.step.step.exposure_s / opening.exposure_s
    wrong = "too dark" if mean < lowest else "too bright" if mean > highest else _saturated(seen)
    return judged("counts per pixel", f"{mean:.4g}", rule, wrong)


def _range(camera: CameraInfo) -> float:
    """Return the highest counts above the offset; of a camera that gives floats nobody knows."""
    dtype = np.dtype(camera.dtype)
    return np.iinfo(dtype).max - camera.offset_counts if dtype.kind in "ui" else math.inf


def _saturated(seen: FrameStatistics) -> str:
    return f"{percent(seen.saturated)} of the pixels are saturated" if seen.saturated > MOST_SATURATED else ""


def saturation(before: Before) -> Item:
    """Look for saturated pixels in patterns, which may be dark otherwise."""
    seen, rule = before.statistics, f"at most {percent(MOST_SATURATED)} of the pixels"
    if seen is None:
        return unknown("saturated", rule, FIRST_SEEN)
    return judged("saturated", f"{percent(seen.saturated)}", rule, _saturated(seen))


def contrast(before: Before) -> Item:
    """Compare the spread of the counts with what shot noise and read noise alone would give."""
    opening, seen = before.newest.opening, before.statistics
    rule = f"more spread than noise alone has, by {SIGMAS:g} σ"
    if opening is None or seen is None:
        return unknown("speckle contrast", rule, FIRST_SEEN)
    if seen.mean_counts <= 0:
        return judged("speckle contrast", "none", rule, "there is no signal")
    camera = opening.camera
    shot = camera.noise_power * camera.gain_counts_per_e * seen.mean_counts
    noise = shot + camera.read_noise_counts**2
    excess = seen.std_counts**2 - noise
    visible = excess > SIGMAS * noise * math.sqrt(2 / math.prod(camera.shape))
    speckle, alone = (math.sqrt(max(part, 0.0)) / seen.mean_counts for part in (excess, noise))
    value = f"{percent(speckle)}, noise {percent(alone)}"
    return judged("speckle contrast", value, rule, "" if visible else "no speckle is seen")
