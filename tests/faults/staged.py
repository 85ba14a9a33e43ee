"""A whole run of the program in processes of its own, that can be struck in a phase that was asked for."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from faults.evidence import Evidence
from faults.files import journal
from faults.inputs import Experiment
from faults.lateness import Lateness

MARK = "ANNEALSCOPE_STAGED"
"""In the environment of everything that a staged run starts: nothing hides by being orphaned."""
ROLES = {
    "recorder": "annealscope.controller.stream.recorder",
    "analyst": "annealscope.controller.stream.analyst",
    "guard": "annealscope.drivers.guard",
    "controller": "annealscope.controller.cli",
}
PROGRAM = ("-m", ROLES["controller"])
PHASES = ("ramp", "wait", "first frames", "mid-acquisition", "closing", "cool-down")


@dataclass(frozen=True)
class Blow:
    """A signal that was sent."""

    role: str
    signal: str
    t_s: float
    """By `time.monotonic`."""
    pid: int
    took_s: float
    """Until the signal was sent; for a controller that is killed, until the system has ended it."""


class StageError(Exception):
    """The run has not done what the cell is about: the cell says nothing."""


class StagedRun:
    """One run folder and the programs that work on it, one after the other.

    Parameters
    ----------
    folder
        The run folder is ``folder/run``; evidence and terminal output lie beside it.
    experiment
        What is run.
    """

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        self.run = folder / "run"
        self.experiment = experiment
        self.blows: list[Blow] = []
        self.deaths = 0
        """How often the program was struck down, or may have been."""
        self.evidence = Evidence(self.run, folder / "evidence")
        self.lateness = Lateness()
        self.folder = folder
        self._mark = uuid.uuid4().hex
        self._program: subprocess.Popen[bytes] | None = None
        self._viewer: subprocess.Popen[bytes] | None = None
        self._since = 0
        """Records of the journal that were there when the program was started."""

    # ------------------------------------------------------------------ the program

    def start(self, program: Sequence[str] = PROGRAM) -> None:
        """Begin the run, by another way to call Python where one is given."""
        what = self.experiment
        where = ("--rig", what.rig, "--out", self.run, "--speed", what.speed, "--no-report")
        self._launch(program, "run", what.protocol, *where)

    def carry_on(self) -> None:
        """Go on with a run whose program is gone."""
        self._launch(PROGRAM, "continue", self.run, "--no-report")

    def repair(self) -> None:
        """Complete the record of a run that was being ended."""
        self._launch(PROGRAM, "repair", self.run)

    def add_viewer(self) -> None:
        """Start somebody who looks on."""
        script = Path(__file__).with_name("viewer.py")
        self._viewer = subprocess.Popen([sys.executable, script, self.run], env=self._env())

    def _launch(self, program: Sequence[str], *arguments: object) -> None:
        self._since = len(self.records())
        with (self.folder / "terminal.txt").open("ab") as terminal:
            self._program = subprocess.Popen(
                [sys.executable, *program, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=terminal,
                start_new_session=os.name == "posix",
                env=self._env(),
            )

    def _env(self) -> dict[str, str]:
        ours = {
            MARK: self._mark,
            "ANNEALSCOPE_STATE": str(self.folder / "state"),
            "PYTHONIOENCODING": "utf-8",
        }
        return {**os.environ, **ours}

    @property
    def exit_code(self) -> int | None:
        """Of the newest program; None while it runs."""
        assert self._program is not None
        return self._program.poll()

    def finish(self, within_s: float) -> int:
        """Wait for the end of the program; return its exit code."""
        assert self._program is not None
        try:
            return self._program.wait(within_s)
        except subprocess.TimeoutExpired:
            raise StageError(f"no end within {within_s} s: {self.last_words()}") from None

    def last_words(self) -> str:
        """Return the end of what was said on the terminal."""
        return (self.folder / "terminal.txt").read_text(encoding="utf-8", errors="replace")[-600:]

    def records(self) -> list[dict[str, Any]]:
        """Return the journal so far."""
        return journal(self.run / "journal.jsonl")

    # ------------------------------------------------------------------ processes

    def processes(self) -> list[psutil.Process]:
        """Return everything alive that was started for this run, by whomever."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and process.environ().get(MARK) == self._mark
        except psutil.Error:
            return False

    def find(self, role: str) -> psutil.Process | None:
        """Return the process that has a role at the moment."""
        if role == "controller":
            return None if self.exit_code is not None else psutil.Process(self._program.pid)
        if role == "viewer":
            return self._find_viewer()
        children = psutil.Process(self._program.pid).children() if self.exit_code is None else []
        return next((child for child in children if _does(child, ROLES[role])), None)

    def _find_viewer(self) -> psutil.Process:
        """Return the viewer, another one where it was struck down."""
        if self._viewer is None or self._viewer.poll() is not None:
            self.add_viewer()
        assert self._viewer is not None
        return psutil.Process(self._viewer.pid)

    def strike(self, role: str, blow: str, stopped_s: float = 2.0) -> None:
        """Send a signal to whoever has a role, as soon as somebody has; ``STOP`` ends after a while."""
        process = self.until(lambda: self.find(role), f"a process that is the {role}", 15.0)
        if role == "controller":
            self.deaths += blow == "KILL"
        struck_s = time.monotonic()
        process.send_signal(getattr(signal, f"SIG{blow}"))
        if blow == "KILL" and role == "controller":
            self._see_it_die()
        self.blows.append(Blow(role, blow, struck_s, process.pid, time.monotonic() - struck_s))
        if blow == "STOP":
            time.sleep(stopped_s)
            process.send_signal(signal.SIGCONT)

    def _see_it_die(self) -> None:
        while self.exit_code is None:
            time.sleep(0.001)

    def alone(self, within_s: float = 30.0) -> list[str]:
        """Wait until nothing of this run is alive; return what still is."""
        end_s = time.monotonic() + within_s
        while (left := self.processes()) and time.monotonic() < end_s:
            time.sleep(0.05)
        return [" ".join(_command_of(process)) for process in left]

    def clear(self) -> None:
        """End everything that is left of this run."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        for child in (self._program, self._viewer):
            if child is not None:
                child.wait(10.0)
        self.evidence.end()
        self.lateness.end()

    # ------------------------------------------------------------------ phases

    def reach(self, phase: str, within_s: float = 60.0) -> None:
        """Wait until the program is in a phase. Raises StageError when it ends before."""
        self.until(lambda: self._is_in(phase), f"the phase {phase}", within_s)

    def until(self, condition: Callable[[], Any], what: str, within_s: float) -> Any:
        """Wait for something true, and return it."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            found = condition()
            if found:
                return found
            if self.exit_code is not None:
                raise StageError(f"ended with {self.exit_code} before {what}: {self.last_words()}")
            time.sleep(0.005)
        raise StageError(f"not within {within_s} s: {what}; {self.last_words()}")

    @property
    def is_running(self) -> bool:
        """Whether the newest program has come to the protocol."""
        return any(record.get("state") == "running" for record in self.records()[self._since :])

    def _is_in(self, phase: str) -> bool:
        records = self.records()[self._since :]
        steps = [record for record in records if record["kind"] == "step"]
        step = steps[-1] if steps else None
        if phase in ("ramp", "cool-down"):
            return _has_begun(records, step, "ramp" if phase == "ramp" else "cool")
        if phase == "wait":
            return step is not None and step["step"] == "wait"
        opened = [record for record in self.records() if record["kind"] == "hold_opened"]
        taking = any(record["kind"] == "phase" and record["phase"] == "acquiring" for record in records)
        if not opened or not taking:
            return False
        planned = opened[-1]["frames_planned"]
        wanted = {"first frames": 1, "mid-acquisition": planned // 2, "closing": planned - 1}[phase]
        return self.evidence.frames_in_log() >= wanted


def _has_begun(records: list[dict[str, Any]], step: Mapping[str, Any] | None, kind: str) -> bool:
    if step is None or step["step"] != kind:
        return False
    return any(record["kind"] == "reading" for record in records[records.index(step) :])


def _does(process: psutil.Process, module: str) -> bool:
    return module in _command_of(process)


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
