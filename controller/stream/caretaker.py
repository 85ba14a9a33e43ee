"""Looks after the child processes: notices one that died or hangs, and starts the analyst again."""

from dataclasses import dataclass
from pathlib import Path

from annealscope.controller.journal import Journal
from annealscope.controller.stream.children import Child
from annealscope.controller.stream.links import AnalystLink, RecorderLink
from annealscope.controller.stream.watchdog import Watchdog

MAX_ANALYST_RESTARTS = 5
"""In one hold."""


@dataclass(frozen=True)
class Patience:
    """Real time after which a child that owes an answer is taken for dead."""

    start_s: float = 60.0
    acknowledge_s: float = 60.0
    close_s: float = 900.0
    """A long hold is read back before it is called closed."""
    analyse_s: float = 120.0
    """The first frame of a first run waits for the compiler."""


class Caretaker:
    """Has the recorder and the analyst of a run.

    Parameters
    ----------
    recorder, analyst
        The controller's ends of their sockets.
    frames_endpoint
        Where frames are published.
    compression
        Of the hold files.
    logs
        Folder for what the children write to stderr.
    """

    def __init__(
        self,
        recorder: RecorderLink,
        analyst: AnalystLink,
        *,
        frames_endpoint: str,
        compression: str,
        logs: Path,
        journal: Journal,
        patience: Patience,
    ) -> None:
        self._links = {"recorder": recorder, "analyst": analyst}
        self._recorder, self._analyst = recorder, analyst
        self._logs, self._journal = logs, journal
        self._acknowledging = Watchdog(patience.acknowledge_s)
        self._storing = Watchdog(patience.close_s)
        self._analysing = Watchdog(patience.analyse_s)
        to_recorder = {"endpoint": recorder.endpoint, "compression": compression}
        to_analyst = {"endpoint": analyst.endpoint, "frames_endpoint": frames_endpoint}
        logs.mkdir(exist_ok=True)
        self._children = {
            "recorder": _child("recorder", to_recorder, logs),
            "analyst": _child("analyst", to_analyst, logs),
        }

    def start(self) -> None:
        """Start both; they say hello when they listen."""
        for child in self._children.values():
            child.start()
            self._note(child, "started")

    def stop(self) -> None:
        """Let both end, and remove their folder when they had nothing to say."""
        for child in self._children.values():
            child.stop(timeout_s=10.0)
        if self._logs.exists() and not any(self._logs.iterdir()):
            self._logs.rmdir()

    def why_no_start(self) -> str:
        """Say who has not said hello, and what its last words were."""
        silent = [name for name, link in self._links.items() if not link.ready]
        words = "; ".join(f"{name}: {self._children[name].last_words() or 'no message'}" for name in silent)
        return f"no answer from {' and '.join(silent)} ({words}); see {self._logs}"

    def new_hold(self) -> None:
        """Allow the analyst its restarts anew."""
        self._children["analyst"].restarts = 0

    @property
    def analyst_given_up(self) -> bool:
        """Whether the analyst died too often to be started again."""
        child = self._children["analyst"]
        return child.restarts >= MAX_ANALYST_RESTARTS and not child.alive()

    @property
    def analyst_last_words(self) -> str:
        """What the analyst said before it died."""
        return self._children["analyst"].last_words() or "the analyst died again and again"

    def look_after_recorder(self, *, storing: bool) -> None:
        """Notice that the recorder died or hangs; ``storing``: it is closing a hold file."""
        link, child = self._recorder, self._children["recorder"]
        stuck = self._acknowledging.watch(owes=link.unacknowledged > 0, heard=link.heard)
        stuck |= self._storing.watch(owes=storing, heard=link.heard)
        link.heard = False
        if link.failure is None and stuck:
            link.failure = "the recorder process hangs: it has not answered for too long"
            child.kill()
            self._note(child, "killed")
        elif link.failure is None and child.pid and not child.alive():
            link.failure = f"the recorder process died: {child.last_words() or 'no message'}"
            self._note(child, "died")

    def look_after_analyst(self, *, owes: bool) -> None:
        """Kill an analyst that hangs while it owes an answer; restart one that is dead."""
        link, child = self._analyst, self._children["analyst"]
        if self._analysing.watch(owes=link.ready and owes, heard=link.heard):
            child.kill()
            self._note(child, "killed")
        link.heard = False
        if not child.pid or child.alive():
            return
        if link.ready:
            link.lost()
            self._note(child, "died")
        if child.restarts < MAX_ANALYST_RESTARTS and child.restart_when_due():
            self._note(child, "restarted")

    def _note(self, child: Child, event: str) -> None:
        detail = "" if event == "started" else child.last_words()
        self._journal.write("child", role=child.role, event=event, pid=child.pid, detail=detail)


def _child(role: str, settings: dict[str, str], logs: Path) -> Child:
    return Child(role, f"annealscope.controller.stream.{role}", settings, logs / f"{role}.log")
