"""The processes beside the engine: started by command line, told by JSON on stdin, restarted when dead."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

_NO_CTRL_C = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""A child has a group (Windows) or session (elsewhere) of its own: signals of the terminal spare it."""
LONGEST_DELAY_S = 10.0
"""Between two restarts."""
DYING_S = 1.0
"""A killed process is waited for no longer: one that the disk does not let go dies later."""

Settings = dict[str, str]


class Child:
    """One child process; the end of its stdin tells it that the parent is gone.

    Parameters
    ----------
    role, module
        What it is called, and the module that it runs.
    settings
        Returns what the process is told on stdin; asked at each start.
    log_path
        What it writes to stderr, all processes one after the other.
    """

    def __init__(self, role: str, module: str, settings: Callable[[], Settings], log_path: Path) -> None:
        self.role = role
        self.restarts = 0
        self._module = module
        self._settings = settings
        self._log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._log_from = 0
        """Where the words of the newest process begin."""
        self._not_before_s = 0.0

    @property
    def pid(self) -> int:
        """Process id; 0 before the first start."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process, in place of one that has died, and hand it its settings."""
        self._close_stdin()
        self._close_log()
        settings = json.dumps(self._settings()).encode()
        self._log = self._log_path.open("ab")
        self._log_from = self._log.tell()
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            creationflags=_NO_CTRL_C,
            start_new_session=os.name == "posix",
        )
        assert self._process.stdin is not None  # noqa: S101 - PIPE was asked for
        self._process.stdin.write(settings + b"\n")
        self._process.stdin.flush()

    def alive(self) -> bool:
        """Say whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def restart_when_due(self) -> bool:
        """Start a dead child again, later and later; return True when it was started now."""
        now_s = time.monotonic()
        if self.restarts > 0 and now_s < self._not_before_s:
            return False
        self.restarts += 1
        self._not_before_s = now_s + min(LONGEST_DELAY_S, 0.2 * 2.0**self.restarts)
        try:
            self.start()
        except OSError:  # no memory or no process to be had: perhaps later
            return False
        return True

    def kill(self) -> None:
        """End the process at once, as far as it lets itself be ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(DYING_S)

    def stop(self, timeout_s: float) -> None:
        """Let the process end by itself; kill it when it does not within the timeout."""
        if self._process is not None:
            self._close_stdin()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._close_log()
        if self._log_path.exists() and self._log_path.stat().st_size == 0:
            self._log_path.unlink()

    def last_words(self) -> str:
        """Return the last line that the newest process wrote to its log."""
        if not self._log_path.exists():
            return ""
        words = self._log_path.read_bytes()[self._log_from :].decode(errors="replace")
        lines = words.strip().splitlines()
        return lines[-1] if lines else ""

    def _close_stdin(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except OSError:  # the process was gone before its settings were read
                return

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
