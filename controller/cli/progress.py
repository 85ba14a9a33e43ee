"""What the terminal shows while a run is on: one live line on a terminal, plain lines otherwise."""

import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from annealscope.controller.config.wording import clock
from annealscope.controller.engine.ports import Status
from annealscope.controller.units import to_celsius

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

REFRESH_S = 0.1
PLAIN_LINE_EVERY_S = 10.0


class View(Protocol):
    """Something that shows snapshots."""

    def show(self, status: Status) -> None:
        """Show a snapshot; called on every turn of the loop, so it decides itself how often it draws."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Pace:
    """Frames per second and time to go, from what has been seen."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._frames = 0
        self._since_s = self._start_s
        self.frames_per_s = 0.0

    def update(self, status: Status) -> None:
        """Take a snapshot into account; the frame rate is the mean of the last second or so."""
        now_s, frames = time.monotonic(), status.frames_before + status.frames
        if status.phase != "acquiring":
            self._since_s, self._frames = now_s, frames
        elif now_s - self._since_s >= 1.0:
            self.frames_per_s = (frames - self._frames) / (now_s - self._since_s)
            self._since_s, self._frames = now_s, frames

    def to_go_s(self, status: Status) -> float | None:
        """Return the real seconds that the rest of the plan takes at the mean speed so far."""
        done = status.t_s / status.total_s if status.total_s else 0.0
        if done < 0.01:
            return None
        return (time.monotonic() - self._start_s) * max(0.0, 1.0 / done - 1.0)


def describe(status: Status, pace: Pace) -> str:
    """Return the snapshot as one line of words."""
    parts = [f"{to_celsius(status.temperature_K):6.1f} °C", f"{status.phase:<9}"]
    if status.frames:
        parts.append(f"{status.frames}/{status.frames_planned} frames")
        parts.append(f"{pace.frames_per_s:.0f}/s")
    if status.drift_nm is not None:
        parts.append(f"drift {status.drift_nm:.2f} nm")
    if status.tau_s is not None:
        sigma = f" ± {status.sigma_tau_s:.0f}" if status.sigma_tau_s is not None else ""
        parts.append(f"τ {status.tau_s:.0f}{sigma} s")
    return "  ".join(parts)


def clock_text(seconds: float | None) -> str:
    """Return a duration as h:mm:ss, or dashes for one that is not known."""
    if seconds is None:
        return "-:--:--"
    return clock(seconds)


class PlainView:
    """One line when a step begins and one every few seconds: for logs and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._pace = Pace()
        self._shown_s = time.monotonic()
        self._step = ("", "")

    def show(self, status: Status) -> None:
        """Write a line when there is something to say."""
        self._pace.update(status)
        step = (status.step, status.state)
        due = time.monotonic() - self._shown_s >= PLAIN_LINE_EVERY_S
        if not status.step or (step == self._step and not due):
            return
        self._step, self._shown_s = step, time.monotonic()
        number = f"[{min(status.step_number + 1, status.steps)}/{status.steps}]"
        eta = f"  {clock_text(self._pace.to_go_s(status))} to go" if due else ""
        self._out.write(f"{number} {status.step}: {describe(status, self._pace)}{eta}\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing to restore."""


class TerminalView:
    """A progress bar over the whole plan."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._progress, self._task = _bar()
        self._shown_s = 0.0

    def show(self, status: Status) -> None:
        """Redraw at most ten times a second."""
        self._pace.update(status)
        now_s = time.monotonic()
        if now_s - self._shown_s < REFRESH_S:
            return
        self._shown_s = now_s
        self._progress.update(
            self._task,
            total=max(status.total_s, status.t_s),
            completed=status.t_s,
            step=status.step or status.state,
            state=describe(status, self._pace),
            eta=clock_text(self._pace.to_go_s(status)),
        )

    def close(self) -> None:
        """Stop drawing."""
        self._progress.stop()


def _bar() -> "tuple[Progress, TaskID]":
    from rich.progress import BarColumn, Progress, TextColumn

    progress = Progress(
        TextColumn("[bold]{task.fields[step]}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[state]}"),
        TextColumn("[dim]{task.fields[eta]} to go"),
        transient=True,
    )
    task = progress.add_task("run", total=1.0, step="starting", state="", eta="-:--:--")
    progress.start()
    return progress, task


def view_for(out: TextIO | None = None) -> View:
    """Return the view that fits where the output goes."""
    stream = out or sys.stdout
    return TerminalView() if stream.isatty() else PlainView(stream)
