"""Whether a heater was ever without somebody in charge, by what itself and its guard wrote down.

Both logs are JSON lines with the time by `time.monotonic`, which all processes of a machine share.
"""

import bisect
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.checker import Violation

Lines = Sequence[dict[str, Any]]

FREEZE_AFTER_DEATH_S = 0.1
SETPOINT_NOISE_K = 0.01
RATE_OVER_S = 0.5
"""A rate is judged over this time at least ..."""
STAMPED_LATE_S = 0.1
"""... because a busy machine may write a reading down so much later than it was taken."""


@dataclass(frozen=True)
class HeaterLimits:
    """What rig and protocol say, in K and s."""

    max_K: float
    heating_K_per_s: float
    lease_s: float
    grace_s: float
    cool_to_K: float
    safe_K_per_s: float


@dataclass(frozen=True)
class Loss:
    """Control of the heater was lost: the controller was killed, or stopped."""

    t_s: float
    hung: bool
    woken_late_s: float = 0.0
    """How long the machine took to end the process, and how late it woke one that only slept at that time."""


def lines_of(path: Path) -> Lines:
    """Return the lines of a log, without one that is being written."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def check_heater(
    hardware: Lines, guard: Lines, limits: HeaterLimits, losses: Sequence[Loss]
) -> list[Violation]:
    """Return what is wrong with a heater whose run is over."""
    found = [*_envelope(hardware, limits), *_off_in_the_end(hardware)]
    for loss in losses:
        found += _unattended(hardware, guard, limits, loss)
    return found


def froze_after_s(hardware: Lines, loss: Loss) -> float | None:
    """Return how long the heater went on after a loss of control; None when it was off."""
    orders = [line for line in hardware if line["what"] in ("ramp", "hold", "off")]
    before = [line["what"] for line in orders if line["t_s"] < loss.t_s]
    if before[-1:] in ([], ["off"]):
        return None
    after = (line["t_s"] for line in orders if line["t_s"] >= loss.t_s and line["what"] != "ramp")
    return next(after, float("inf")) - loss.t_s


def _envelope(hardware: Lines, limits: HeaterLimits) -> Iterator[Violation]:
    samples = [line for line in hardware if line["what"] == "read"]
    if not samples:
        yield Violation("heat", "heater", "nobody has ever read it")
    for sample in samples:
        for kelvin in (sample["temperature_K"], sample["setpoint_K"]):
            if not 0 < kelvin <= limits.max_K:  # written so that a NaN is a violation
                yield Violation("heat", f"{sample['t_s']} s", f"{kelvin} K")
    times_s = [sample["t_s"] for sample in samples]
    for place, after in enumerate(samples):
        before = samples[max(0, bisect.bisect_right(times_s, after["t_s"] - RATE_OVER_S, hi=place) - 1)]
        time_s, rise_K = after["t_s"] - before["t_s"], after["setpoint_K"] - before["setpoint_K"]
        if rise_K > limits.heating_K_per_s * (time_s + STAMPED_LATE_S):
            yield Violation("heat", f"{after['t_s']} s", f"the setpoint rose by {rise_K} K in {time_s} s")


def _off_in_the_end(hardware: Lines) -> Iterator[Violation]:
    orders = [line["what"] for line in hardware if line["what"] in ("ramp", "hold", "off")]
    if orders[-1:] not in ([], ["off"]):
        yield Violation("heat", "heater", f"the last order is {orders[-1]}: it was left on")


def _unattended(hardware: Lines, guard: Lines, limits: HeaterLimits, loss: Loss) -> Iterator[Violation]:
    """It freezes in time, never heats, and goes off in time, unless somebody takes over."""
    took_s = froze_after_s(hardware, loss)
    if took_s is None:
        return
    where = f"after {'a hang' if loss.hung else 'a death'} at {loss.t_s:.3f} s"
    allowed_s = FREEZE_AFTER_DEATH_S + loss.woken_late_s + (limits.lease_s if loss.hung else 0.0)
    if not took_s <= allowed_s:
        yield Violation("heat", where, f"frozen after {took_s:.3f} s, {allowed_s:.3f} s allowed")
    claims_s = [line["t_s"] for line in guard if line["what"] == "claim" and line["t_s"] > loss.t_s + took_s]
    claimed_s = claims_s[0] if claims_s else float("inf")
    yield from _heats_nothing(hardware, where, loss.t_s + allowed_s, claimed_s)
    left_K = _setpoint_at(hardware, loss.t_s + took_s)
    cooling_s = max(0.0, left_K - limits.cool_to_K) / limits.safe_K_per_s
    off_by_s = loss.t_s + allowed_s + limits.grace_s + 1.2 * cooling_s + 5.0
    offs_s = [line["t_s"] for line in hardware if line["what"] == "off" and line["t_s"] > loss.t_s]
    if not min([claimed_s, *offs_s]) <= off_by_s:
        yield Violation("heat", where, f"not off, and in nobody's hands, {off_by_s - loss.t_s:.1f} s later")


def _heats_nothing(hardware: Lines, where: str, from_s: float, to_s: float) -> Iterator[Violation]:
    samples = [line for line in hardware if line["what"] == "read" and from_s <= line["t_s"] <= to_s]
    for before, after in itertools.pairwise(samples):
        if after["setpoint_K"] > before["setpoint_K"] + SETPOINT_NOISE_K:
            yield Violation("heat", where, f"somebody heats at {after['t_s']:.3f} s, and nobody is in charge")


def _setpoint_at(hardware: Lines, t_s: float) -> float:
    samples = [line for line in hardware if line["what"] == "read"]
    place = bisect.bisect_right([line["t_s"] for line in samples], t_s) - 1
    return float(samples[max(place, 0)]["setpoint_K"])
