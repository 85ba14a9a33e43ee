"""A word to somebody who is not at the terminal: a command or a webhook on alarm, question, and end."""

import json
import os
import queue
import shlex
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from annealscope.controller.cli.told import where
from annealscope.controller.config.wording import with_reason
from annealscope.controller.engine.outcome import Outcome
from annealscope.controller.engine.ports import Status
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.units import to_celsius

WITHIN_S = 20.0
"""A hook that takes longer is given up."""
WAITING = 32
"""News that wait for a slow hook; what comes beyond is dropped."""
ALARMING = frozenset({"suspended", "faulted", "aborting"})
"""States that nobody has asked for."""

Event = Literal["alarm", "prompt", "end"]

TITLES: dict[Event, str] = {"alarm": "ALARM", "prompt": "asked of you", "end": "the run has ended"}


@dataclass(frozen=True)
class News:
    """What a hook is told, as JSON."""

    event: Event
    title: str
    text: str
    run: str
    folder: str
    state: str
    step: str
    temperature_degC: float | None
    utc: str


Hook = Callable[[News], None]
"""Tells somebody. Raises whatever it likes when that fails."""


class Notifier(Protocol):
    """Takes what a run says of itself."""

    def show(self, status: Status) -> None:
        """Take a snapshot; called on every turn of the loop."""

    def end(self, outcome: Outcome) -> None:
        """Tell how the run ended, and wait a while until everything is told."""


class Silence:
    """Tells nobody."""

    def show(self, status: Status) -> None:
        """Take a snapshot."""

    def end(self, outcome: Outcome) -> None:
        """Take the outcome."""


class HookNotifier:
    """Tells a hook what is new, from a thread of its own: the run never waits for it.

    Parameters
    ----------
    hook
        Whom to tell.
    folder
        The run folder.
    complain
        Takes a line about a hook that failed.
    """

    def __init__(self, hook: Hook, folder: Path, complain: Callable[[str], None]) -> None:
        self._hook = hook
        self._folder = folder
        self._complain = complain
        self._standing: dict[Event, str] = {}
        """What stands at the moment and has been told, by event."""
        self._newest: Status | None = None
        self._news: queue.Queue[News | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._tell_all, name="notify", daemon=True)
        self._thread.start()

    def show(self, status: Status) -> None:
        """Tell an alarm or a question when it comes, not while it stands."""
        self._newest = status
        standing = dict(_standing(status))
        for event, text in standing.items():
            if text != self._standing.get(event):
                self._put(event, text)
        self._standing = standing

    def end(self, outcome: Outcome) -> None:
        """Tell the outcome; wait until the hook has it, or has had time enough."""
        self._put("end", with_reason(outcome.outcome, outcome.why))
        try:
            self._news.put(None, timeout=WITHIN_S)
        except queue.Full:
            return
        self._thread.join(WITHIN_S)

    def _put(self, event: Event, text: str) -> None:
        try:
            self._news.put_nowait(_news(event, text, self._folder, self._newest))
        except queue.Full:
            self._complain(f"notify: {event} was not told, {WAITING} others wait: {text}")

    def _tell_all(self) -> None:
        while (news := self._news.get()) is not None:
            try:
                self._hook(news)
            except Exception as error:  # whatever a hook does, the next news are told
                self._complain(f"notify: {news.event} was not told: {error}")


def notifier_for(target: str, folder: Path, complain: Callable[[str], None]) -> Notifier:
    """Return what tells a target: an ``http(s)://`` address or a command; nobody, when it is empty.

    Raises RunError when the target is neither.
    """
    return HookNotifier(hook_for(target), folder, complain) if target else Silence()


def hook_for(target: str) -> Hook:
    """Return the hook behind an address or a command, see `notifier_for`."""
    if target.startswith(("http://", "https://")):
        return lambda news: _post(target, news)
    try:
        command = shlex.split(target)
    except ValueError as error:
        raise RunError(f"--notify: {target!r} is no command: {error}", ExitCode.USAGE) from None
    if not command or "://" in command[0]:
        message = f"--notify: a command or an http(s):// address is needed, got {target!r}"
        raise RunError(message, ExitCode.USAGE)
    return lambda news: _run(target if os.name == "nt" else command, news)  # Windows splits by itself


def _standing(status: Status) -> Iterator[tuple[Event, str]]:
    """Yield what somebody should come for."""
    if status.alarm:
        yield "alarm", status.alarm
    elif status.state in ALARMING:
        yield "alarm", with_reason(status.state, status.why)
    if status.order or status.prompt:
        yield "prompt", status.order or status.prompt


def _news(event: Event, text: str, folder: Path, status: Status | None) -> News:
    return News(
        event=event,
        title=f"annealscope {folder.name}: {TITLES[event]}",
        text=text,
        run=folder.name,
        folder=str(folder.resolve()),
        state=status.state if status else "",
        step=where(status) if status else "",
        temperature_degC=round(to_celsius(status.temperature_K), 2) if status else None,
        utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _body(news: News) -> bytes:
    return json.dumps(asdict(news), ensure_ascii=False).encode()


def _post(address: str, news: News) -> None:
    request = urllib.request.Request(  # noqa: S310 - `hook_for` has looked at the scheme
        address, _body(news), {"Content-Type": "application/json; charset=utf-8"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=WITHIN_S):  # noqa: S310
        pass


def _run(command: str | list[str], news: News) -> None:
    done = subprocess.run(command, input=_body(news), capture_output=True, timeout=WITHIN_S, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or "it said nothing"
        raise OSError(f"the command ended with {done.returncode}: {said}")
