"""Starting a guard, and finding the one that a crashed controller has left."""

import json
import os
import secrets
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import psutil

from annealscope.drivers.clock import Clock
from annealscope.drivers.guard_files import read_epoch_file
from annealscope.drivers.guard_link import GuardLink, link_from_epoch_file
from annealscope.drivers.guard_messages import GuardSettings, settings_to_json
from annealscope.drivers.guarded_holder import GuardedHolder
from annealscope.drivers.interfaces import DeviceError

READY_S = 20.0
"""How long a guard may take to find its holder."""
LOOK_EVERY_S = 0.02

_OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""A guard has a group (Windows) or session (elsewhere) of its own: signals of the terminal spare it."""


class GuardChild:
    """The process of a guard that we have started; the end of its stdin tells it that we are gone."""

    def __init__(self, settings: GuardSettings) -> None:
        self._log_path = Path(settings.log_path)
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            self._process = self._started(log)
        self._stdin.write(settings_to_json(settings))
        self._stdin.flush()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def why_ended(self) -> str | None:
        """Return what the last line of the log of a process says that has ended; None while it lives."""
        if self._process.poll() is None:
            return None
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if not lines:
            return f"exit code {self._process.returncode}"
        with suppress(ValueError, TypeError, KeyError):  # of another kind: as it stands
            return str(json.loads(lines[-1])["why"]).removeprefix("guard: ")
        return lines[-1]

    def dismiss(self, timeout_s: float) -> bool:
        """Let the guard end, which it does once the heater is off; return whether it did within the timeout.

        It is never killed: without it nobody would take the heater down.
        """
        with suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - PIPE was asked for
        return self._process.stdin

    @staticmethod
    def _started(log: IO[bytes]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "annealscope.drivers.guard"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            creationflags=_OWN_GROUP,
            start_new_session=os.name == "posix",
        )


def start_guard(settings: GuardSettings, clock: Clock) -> tuple[GuardedHolder, GuardChild]:
    """Start a guard, wait until it has its holder, and return the holder as seen through it, unopened.

    Parameters
    ----------
    settings
        Its ``token`` is replaced by a fresh one.
    clock
        The run's clock.

    Returns
    -------
    The holder, and the process to `GuardChild.dismiss` when the run is over.

    Raises
    ------
    DeviceError
        It has not come up within 20 s: the message has the reason from its log.
    """
    settings = replace(settings, token=secrets.token_hex(16))
    child = GuardChild(settings)
    deadline_s = time.monotonic() + READY_S
    while (endpoint := _endpoint(settings)) is None:
        ended = child.why_ended()
        if ended is not None or time.monotonic() > deadline_s:
            child.dismiss(0.0)
            raise DeviceError(f"guard: it did not come up: {ended or f'no sign of it for {READY_S:g} s'}")
        time.sleep(LOOK_EVERY_S)
    link = GuardLink(endpoint, settings.token, child)
    return GuardedHolder(link, clock, settings.ladder.lease_s, from_parent=True), child


def find_guard(epoch_path: Path, clock: Clock, lease_s: float) -> GuardedHolder | None:
    """Return the holder, unopened, of a guard that is still alive; None when there is none.

    Raises
    ------
    DeviceError
        The file is there but not an epoch file.
    """
    if not epoch_path.exists() or not _is_alive(read_epoch_file(epoch_path).get("pid")):
        return None
    link = link_from_epoch_file(epoch_path)
    try:
        link.tell("look")
    except DeviceError:
        return None
    finally:
        link.close()
    return GuardedHolder(link, clock, lease_s)


def _is_alive(pid: object) -> bool:
    """Say whether there is a process of this number: without it, nobody has to be waited for."""
    return isinstance(pid, int) and psutil.pid_exists(pid)


def _endpoint(settings: GuardSettings) -> str | None:
    """Return where our guard listens, as soon as it has published it."""
    try:
        content = read_epoch_file(Path(settings.epoch_path))
    except DeviceError:
        return None
    return str(content["endpoint"]) if content.get("token") == settings.token else None
