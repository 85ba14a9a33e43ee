"""When an acquisition has what it was started for."""

import math
from dataclasses import dataclass
from typing import Protocol

from annealscope.controller.planning.values import (
    AcquireStep,
    DurationEnd,
    EndCondition,
    FramesEnd,
    PrecisionEnd,
    UntilPlan,
)
from annealscope.controller.stream.messages import Live


@dataclass(frozen=True)
class Progress:
    """How far an acquisition is."""

    now_s: float
    frames: int
    """Lost ones included."""
    running_s: float
    """Time with the camera running."""
    live: Live | None


class _Condition(Protocol):
    def met(self, progress: Progress) -> str | None:
        """Return in words how it is met, or None."""


class _Frames:
    def __init__(self, end: FramesEnd) -> None:
        self._frames = end.frames

    def met(self, progress: Progress) -> str | None:
        return f"{self._frames} frames" if progress.frames >= self._frames else None


class _Duration:
    def __init__(self, end: DurationEnd) -> None:
        self._duration_s = end.duration_s

    def met(self, progress: Progress) -> str | None:
        return f"{self._duration_s:g} s" if progress.running_s >= self._duration_s else None


class _Precision:
    """Looks at live results from time to time; only one that has seen new frames counts as another check."""

    def __init__(self, end: PrecisionEnd) -> None:
        self._end = end
        self._passed = 0
        self._next_s = -math.inf
        self._seen_frames = -1
        self._found = ""

    def met(self, progress: Progress) -> str | None:
        live = progress.live
        if live is not None and progress.now_s >= self._next_s and live.frames > self._seen_frames:
            self._next_s = progress.now_s + self._end.every_s
            self._seen_frames = live.frames
            self._passed = self._passed + 1 if self._precise(live, progress.running_s) else 0
        return self._found if self._passed >= self._end.checks else None

    def _precise(self, live: Live, running_s: float) -> bool:
        """Say whether tau is known well enough. Written so that a NaN is not."""
        if live.tau_s is None or live.sigma_tau_s is None or not live.tau_s > 0:
            return False
        relative = live.sigma_tau_s / live.tau_s
        self._found = (
            f"tau = {live.tau_s:.4g} s is known to {relative:.2%} ({self._end.within:.2%} wanted, "
            f"{self._end.checks} checks in a row)"
        )
        return 0 <= relative <= self._end.within and running_s >= self._end.min_duration_tau * live.tau_s


class EndWatch:
    """Decides when an acquisition ends: after all its frames, or by its `until`."""

    def __init__(self, step: AcquireStep) -> None:
        self._frames = step.frames
        until = step.until or UntilPlan("any", ())
        self._combine = any if until.combine == "any" else all
        self._conditions = [_condition(end) for end in until.conditions]

    def ended(self, progress: Progress) -> str | None:
        """Return why the acquisition ends now, or None; each condition has its look every time."""
        met = [condition.met(progress) for condition in self._conditions]
        if met and self._combine(why is not None for why in met):
            return " and ".join(filter(None, met))
        return f"all {self._frames} frames" if progress.frames >= self._frames else None


def _condition(end: EndCondition) -> _Condition:
    if isinstance(end, FramesEnd):
        return _Frames(end)
    if isinstance(end, DurationEnd):
        return _Duration(end)
    return _Precision(end)
