"""How fast a run gets on: frames per second, how far the plan has come, and the time to go."""

import time

from annealscope.controller.engine.ports import Status

KNOWN_FROM = 0.01
"""Share of the plan that has to be seen before a time to go is told."""
RATE_OVER_S = 1.0


class Pace:
    """Progress along the plan, from what has been seen of it.

    Nights, pauses, suspensions, questions and the compilation of a first run are no progress, and the time
    they take says nothing about the time to go.
    """

    def __init__(self) -> None:
        self.done_s = 0.0
        """Planned time that is over."""
        self.frames_per_s = 0.0
        """Mean of the last second or so."""
        self.to_go_s: float | None = None
        """Real seconds that the rest of the plan takes at the mean speed so far; None: not known yet."""
        self._newest: Status | None = None
        self._real_s = time.monotonic()
        self._busy_s = 0.0
        """Real time spent on what the plan counts."""
        self._in_step_s = 0.0
        self._begun_s: float | None = None
        """Where in the plan the first snapshot was."""
        self._frames = 0
        self._since_s = self._real_s

    def update(self, status: Status) -> None:
        """Take a snapshot into account."""
        now_s = time.monotonic()
        self._count_frames(status, now_s)
        self._count_time(status, now_s)
        self.to_go_s = self._to_go(status)

    def _count_frames(self, status: Status, now_s: float) -> None:
        frames = status.frames_before + status.frames
        if status.phase != "acquiring":
            self._since_s, self._frames = now_s, frames
        elif now_s - self._since_s >= RATE_OVER_S:
            self.frames_per_s = (frames - self._frames) / (now_s - self._since_s)
            self._since_s, self._frames = now_s, frames

    def _count_time(self, status: Status, now_s: float) -> None:
        before, self._newest = self._newest, status
        if before is not None and _gets_on(before):
            self._busy_s += now_s - self._real_s
            self._in_step_s += status.t_s - before.t_s
        if before is None or (before.step_number, before.step) != (status.step_number, status.step):
            self._in_step_s = 0.0
        self._real_s = now_s
        self.done_s = min(status.step_from_s + self._in_step_s, status.step_to_s)
        if self._begun_s is None:
            self._begun_s = self.done_s

    def _to_go(self, status: Status) -> float | None:
        seen_s = self.done_s - (self._begun_s or 0.0)
        if seen_s < KNOWN_FROM * status.total_s or seen_s <= 0:
            return None
        return self._busy_s / seen_s * max(0.0, status.total_s - self.done_s)


def _gets_on(status: Status) -> bool:
    """Say whether the run does what the plan counts the time of."""
    return status.state == "running" and not status.prompt and not status.compiling
