"""What the terminal shows while a run is on: a live display on a terminal, plain lines otherwise."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from annealscope.controller.cli.pace import Pace
from annealscope.controller.cli.told import describe, next_task, notices, record, where
from annealscope.controller.config.wording import clock
from annealscope.controller.engine.ports import Status

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESH_S = 0.1
PLAIN_LINE_EVERY_S = 10.0
RESTING_LINE_EVERY_S = 600.0
"""While the run rests or waits for an answer, which has been said."""
BAR_WIDTH = 24
INDENT = "    "


class View(Protocol):
    """Something that shows snapshots."""

    def show(self, status: Status) -> None:
        """Show a snapshot; called on every turn of the loop, so it decides itself how often it draws."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def to_go_text(seconds: float | None) -> str:
    """Return a duration as h:mm:ss, or dashes for one that is not known."""
    return "-:--:--" if seconds is None else clock(seconds)


class PlainView:
    """A line when a step begins and every few seconds, and what the operator has to know: for logs and pipes.

    Parameters
    ----------
    out
        Where the lines go.
    folder
        The run folder, for the commands that are suggested.
    """

    def __init__(self, out: TextIO, folder: Path) -> None:
        self._out = out
        self._folder = folder
        self._pace = Pace()
        self._shown_s = time.monotonic()
        self._step = ("", "")
        self._noticed: list[str] = []
        self._task = ""

    def show(self, status: Status) -> None:
        """Write lines when there is something to say."""
        self._pace.update(status)
        self._show_step(status)
        self._show_notices(status)

    def close(self) -> None:
        """Nothing to restore."""

    def _show_step(self, status: Status) -> None:
        step = (status.step, status.state)
        every_s = RESTING_LINE_EVERY_S if self._noticed else PLAIN_LINE_EVERY_S
        due = time.monotonic() - self._shown_s >= every_s
        if not status.step or (step == self._step and not due):
            return
        self._step, self._shown_s = step, time.monotonic()
        to_go = f"  {to_go_text(self._pace.to_go_s)} to go" if due else ""
        self._write(f"{where(status)}: {describe(status, self._pace.frames_per_s)}{to_go}")
        self._show_task(status)

    def _show_task(self, status: Status) -> None:
        """Say what the operator is needed for next, once."""
        task = status.next_task.what if status.next_task is not None else ""
        if task != self._task and next_task(status):
            self._write(f"{INDENT}{next_task(status)}")
        self._task = task

    def _show_notices(self, status: Status) -> None:
        noticed = [*notices(status, self._folder)]
        for line in noticed if noticed != self._noticed else ():
            self._write(f"{INDENT}{line}")
        self._noticed = noticed

    def _write(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


class TerminalView:
    """A few lines that are redrawn: progress, step, numbers, and what the operator has to know.

    Parameters
    ----------
    folder
        The run folder, for the commands that are suggested.
    console
        Where it is drawn; default: the terminal.
    """

    def __init__(self, folder: Path, console: "Console | None" = None) -> None:
        from rich.live import Live

        self._folder = folder
        self._pace = Pace()
        self._shown_s = 0.0
        self._asked = ""
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._live.start()

    def show(self, status: Status) -> None:
        """Redraw at most ten times a second; a new question or alarm rings the bell."""
        self._pace.update(status)
        now_s = time.monotonic()
        if now_s - self._shown_s < REFRESH_S:
            return
        self._shown_s = now_s
        asked = status.alarm or status.prompt
        if asked and asked != self._asked:
            self._live.console.bell()
        self._asked = asked
        self._live.update(self._drawn(status), refresh=True)

    def close(self) -> None:
        """Stop drawing."""
        self._live.stop()

    def _drawn(self, status: Status) -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        numbers = (describe(status, self._pace.frames_per_s), record(status))
        return Group(
            self._bar(status),
            Text(where(status), style="bold"),
            *(Text(line) for line in numbers if line),
            *(Text(line, style="bold yellow") for line in notices(status, self._folder)),
            Text(next_task(status), style="dim"),
        )

    def _bar(self, status: Status) -> "RenderableType":
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        total_s = max(status.total_s, 1.0)
        row = Table.grid(padding=(0, 2))
        row.add_row(
            ProgressBar(total_s, self._pace.done_s, width=BAR_WIDTH),
            f"{100 * self._pace.done_s / total_s:3.0f} %",
            f"{to_go_text(self._pace.to_go_s)} to go",
        )
        return row


def view_for(folder: Path, out: TextIO | None = None) -> View:
    """Return the view that fits where the output goes."""
    stream = out or sys.stdout
    return TerminalView(folder) if stream.isatty() else PlainView(stream, folder)
