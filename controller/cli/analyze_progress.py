"""How far `annealscope analyze` is: on a terminal one line that is rewritten, elsewhere nothing."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from annealscope.controller.cli.progress import REFRESH_S, to_go_text


class FrameProgress:
    """A line about the frames that are done.

    Parameters
    ----------
    title
        What is analysed.
    out
        Where the line goes: standard error, if not given; results go to standard output.
    now
        A clock in s.
    """

    def __init__(
        self, title: str, out: TextIO | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._title = title
        self._out = out or sys.stderr
        self._now = now
        self._live = self._out.isatty()
        self._begun: tuple[float, int] | None = None
        self._shown_s = float("-inf")
        self._width = 0

    def __enter__(self) -> "FrameProgress":
        return self

    def __exit__(self, *exc: object) -> None:
        self._rewrite("")

    def __call__(self, done: int, total: int) -> None:
        """Show that some frames of all are done."""
        now_s = self._now()
        if done and self._begun is None:  # before that, kernels were loaded or compiled
            self._begun = now_s, done
        if done == total:
            self._rewrite(f"{self._title}: {total} frames done, fitting")
        elif now_s - self._shown_s >= REFRESH_S:
            self._shown_s = now_s
            self._rewrite(f"{self._title}: {done} of {total} frames{self._pace(done, total, now_s)}")

    def _pace(self, done: int, total: int, now_s: float) -> str:
        since_s, before = self._begun or (now_s, done)
        if done == before or now_s == since_s:
            return ""
        frames_per_s = (done - before) / (now_s - since_s)
        return f", {frames_per_s:.0f} frames/s, {to_go_text((total - done) / frames_per_s)} to go"

    def _rewrite(self, line: str) -> None:
        if self._live:
            self._out.write(f"\r{line.ljust(self._width)}")
            self._width = len(line)
            if not line:
                self._out.write("\r")
            self._out.flush()
