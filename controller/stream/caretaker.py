"""Looks after the child processes: notices one that died or hangs, and starts another one in its place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from annealscope.controller.journal import Journal
from annealscope.controller.stream.children import Child, Settings
from annealscope.controller.stream.links import AnalystLink, RecorderLink
from annealscope.controller.stream.watchdog import Watchdog

MAX_ANALYST_RESTARTS = 5
"""In one hold."""
HANGS = "the recorder process hangs: it has not answered for too long"


@dataclass(frozen=True)
class Patience:
    """Real time after which a child that owes an answer is taken for dead; when a recorder is given up."""

    start_s: float = 60.0
    acknowledge_s: float = 20.0
    """A disk may take its time for a write; nothing is lost before the credit is used up."""
    close_s: float = 900.0
    """A long hold is read back before it is called closed, and before a fresh recorder goes on with it."""
    analyse_s: float = 120.0
    """The first frame of a first run waits for the compiler."""
    restarts: int = 5
    """Of a recorder that dies again and again, without anything coming onto the disk in between."""
    restarts_for_disk: int = 180
    """Of one that says what is wrong, as of a full disk: one every 10 s, half an hour to make room."""


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
        self._starting = Watchdog(patience.start_s)
        self._analysing = Watchdog(patience.analyse_s)
        self._patience = patience
        self._why_killed = ""
        self._mourned_pid = 0
        """The recorder whose death was noticed last."""
        to_analyst = {"endpoint": analyst.endpoint, "frames_endpoint": frames_endpoint}
        logs.mkdir(exist_ok=True)
        self._children = {
            "recorder": _child(
                "recorder", lambda: {"endpoint": recorder.renew(), "compression": compression}, logs
            ),
            "analyst": _child("analyst", lambda: to_analyst, logs),
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

    def look_after_recorder(self) -> None:
        """Kill a recorder that hangs; start another one for one that is dead, until that is in vain."""
        link, child = self._recorder, self._children["recorder"]
        if not child.pid or link.failure is not None:
            return
        if self._recorder_hangs(child):
            self._kill_recorder(link, child)
        link.heard = False
        if link.progress:
            child.restarts, link.progress = 0, False
        if not child.alive():
            self._replace_recorder(link, child)

    def _kill_recorder(self, link: RecorderLink, child: Child) -> None:
        """Kill it; one that the disk does not let go is given up when that was tried often enough."""
        child.kill()
        self._note(child, "killed")
        self._why_killed = HANGS
        link.lost(HANGS)
        if child.alive():
            child.restarts += 1
            if child.restarts >= self._patience.restarts:
                link.failure = f"{HANGS}, and cannot be killed"

    def _recorder_hangs(self, child: Child) -> bool:
        """Frames are acknowledged before their hold is closed, so that has no part in how long they take."""
        link = self._recorder
        owes_ack = link.ready and not link.reading_back and link.unacknowledged > 0
        owes_file = link.ready and (link.reading_back or link.storing)
        hangs = (
            self._starting.watch(owes=not link.ready and child.alive(), heard=False),
            self._acknowledging.watch(owes=owes_ack, heard=link.heard),
            self._storing.watch(owes=owes_file, heard=link.heard),
        )
        return any(hangs)

    def _replace_recorder(self, link: RecorderLink, child: Child) -> None:
        if child.pid != self._mourned_pid:
            self._mourned_pid = child.pid
            self._note(child, "died")
            link.lost(self._why_killed or f"the recorder process died: {child.last_words() or 'no message'}")
            self._why_killed = ""
        limit = self._patience.restarts_for_disk if link.gave_up else self._patience.restarts
        if child.restarts >= limit:
            link.failure = f"{link.trouble}; it was started again {limit} times in vain"
        elif child.restart_when_due():
            self._note(child, "restarted")

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


def _child(role: str, settings: Callable[[], Settings], logs: Path) -> Child:
    return Child(role, f"annealscope.controller.stream.{role}", settings, logs / f"{role}.log")
