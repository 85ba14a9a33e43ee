"""The kill matrix: which process gets which signal in which phase, and what has to come of it."""

import itertools
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faults.checker import Circumstances, Violation, check_run
from faults.files import hold_names
from faults.heater import Loss, check_heater, froze_after_s, lines_of
from faults.inputs import HEATER, LEASE_S, guarded, simulated
from faults.recompute import check_results
from faults.staged import PHASES, Blow, StagedRun, StageError
from faults.verdict import Verdict

PROCESSES = ("controller", "recorder", "analyst", "viewer", "heating controller", "guard")
"""The first four in a run that is 200 times faster than real time, the others in real time with a heater in a
process of its own."""
SIGNALS = ("KILL", "STOP", "TERM")
SPEED = "200"
FRAMES = 120
FRAMES_IN_REAL_TIME = 80
STOPPED_S = 2.0
STOPPED_WITH_LEASE_S = LEASE_S + 1.0

Then = Literal["goes on", "is continued", "ends"]
"""What a blow does to the run."""

EXPECTED: dict[tuple[str, str], Then] = {
    ("controller", "KILL"): "is continued",
    ("controller", "TERM"): "ends",
    ("heating controller", "KILL"): "is continued",
    ("heating controller", "TERM"): "ends",
    ("guard", "KILL"): "is continued",
    ("guard", "STOP"): "is continued",
    ("guard", "TERM"): "is continued",
}
"""Where nothing is said, the run goes on."""


@dataclass(frozen=True)
class Series:
    """A process and a signal, in all phases: as far as a run survives it, one after the other in one run."""

    process: str
    blow: str

    @property
    def name(self) -> str:
        return f"{self.process} {self.blow}"

    @property
    def role(self) -> str:
        return self.process.removeprefix("heating ")

    @property
    def in_real_time(self) -> bool:
        return self.process in ("heating controller", "guard")

    @property
    def then(self) -> Then:
        return EXPECTED.get((self.process, self.blow), "goes on")

    @property
    def why_not(self) -> str:
        """Say why this series cannot run here."""
        return "" if hasattr(signal, f"SIG{self.blow}") else f"no SIG{self.blow} on this system"

    def stage(self, folder: Path) -> StagedRun:
        """Prepare a run for it."""
        if self.in_real_time:
            return StagedRun(folder, guarded(folder, FRAMES_IN_REAL_TIME))
        return StagedRun(folder, simulated(folder, FRAMES, SPEED))


@dataclass
class Cell(Verdict):
    """One blow, and what came of it."""

    series: Series
    phase: str
    frames: int = 0
    """Frames that had been in a log by then: all have to be in the record."""
    froze_after_s: float | None = None

    def line(self) -> dict[str, object]:
        """Return what is printed of it."""
        line = {"cell": f"{self.series.name} {self.phase}", "passed": self.passed, "frames": self.frames}
        frozen = {} if self.froze_after_s is None else {"froze_after_s": round(self.froze_after_s, 3)}
        return line | frozen | self.why()


def all_series() -> list[Series]:
    """Return the matrix, a line for each process and signal."""
    return [Series(process, blow) for process, blow in itertools.product(PROCESSES, SIGNALS)]


def run_series(series: Series, folder: Path, phases: Sequence[str] = PHASES) -> Iterator[Cell]:
    """Strike in each phase, in their order, and yield what came of each blow.

    Blows that a run survives fall on the same run, which is checked when it is over: what is wrong then
    counts against all of them.
    """
    cells: list[Cell] = []
    stage: StagedRun | None = None
    for number, phase in enumerate(phases):
        if stage is not None and _misses(stage, phase):
            yield from _finish(stage, cells)
            stage = None
        if stage is None:
            cells, stage = [], series.stage(folder / f"{number}")
            stage.start()
        cells.append(Cell(series, phase))
        if not _strike(cells[-1], stage) or phase == phases[-1]:
            yield from _finish(stage, cells)
            stage = None


def _misses(stage: StagedRun, phase: str) -> bool:
    """Wait for a phase; say whether the run ends without it, as after an acquisition that has failed."""
    try:
        stage.reach(phase)
    except StageError:
        return stage.exit_code == 0
    return False


def _strike(cell: Cell, stage: StagedRun) -> bool:
    """Do what the cell says; return whether the run goes on."""
    series = cell.series
    try:
        stage.reach(cell.phase)
        stage.strike(series.role, series.blow, STOPPED_WITH_LEASE_S if series.in_real_time else STOPPED_S)
        if series.then == "is continued":
            stage.finish(30.0)
            stage.alone()
            stage.evidence.look()
            stage.carry_on()
        cell.frames = len(stage.evidence.look())
    except StageError as error:
        cell.trouble = str(error)
    return series.then != "ends" and not cell.trouble


def _finish(stage: StagedRun, cells: list[Cell]) -> list[Cell]:
    """Let a run end, check it, clear it away when nothing is wrong with it; return its cells."""
    violations: list[Violation] = []
    try:
        code = stage.finish(120.0)
        wanted = 130 if cells[0].series.then == "ends" else 0
        if not cells[-1].trouble and code != wanted:
            cells[-1].trouble = f"ended with {code}, not {wanted}: {stage.last_words()}"
        violations = [*check(stage), *_unnoticed(stage), *_recomputed(stage, cells[0].series)]
    except StageError as error:
        cells[-1].trouble = cells[-1].trouble or str(error)
    finally:
        stage.clear()
    for cell, frozen in itertools.zip_longest(cells, _freezes_s(stage)):
        cell.violations, cell.froze_after_s = violations, frozen
    if all(cell.passed for cell in cells):
        shutil.rmtree(stage.folder)
    return cells


def check(stage: StagedRun) -> list[Violation]:
    """Return what is wrong with a run that has ended."""
    left = stage.alone()
    known = Circumstances(stage.experiment.limits, stage.deaths, stage.evidence.look(), left)
    found = check_run(stage.run, known)
    if stage.experiment.hardware is not None:
        guard = lines_of(stage.run / "logs" / "guard.jsonl")
        found += check_heater(lines_of(stage.experiment.hardware), guard, HEATER, _losses(stage))
    return found


def _recomputed(stage: StagedRun, series: Series) -> list[Violation]:
    """Hold the results against those of `analyze`, where somebody died who had a share in them."""
    if series.blow != "KILL" or series.process not in ("controller", "recorder", "analyst"):
        return []
    names = hold_names(stage.run)
    return [wrong for name in names for wrong in check_results(stage.run, name, stage.folder)]


def _losses(stage: StagedRun) -> list[Loss]:
    """Return when the heater lost its controller: killed, or stopped for longer than its lease."""
    blows = [blow for blow in stage.blows if blow.role == "controller" and blow.signal in ("KILL", "STOP")]
    return [Loss(blow.t_s, blow.signal == "STOP", _late_s(stage, blow)) for blow in blows]


def _late_s(stage: StagedRun, blow: Blow) -> float:
    """Return how late the machine was when the heater should have been frozen; a kill takes its time."""
    due_s = blow.t_s + blow.took_s + (LEASE_S if blow.signal == "STOP" else 0.0)
    return blow.took_s + stage.lateness.worst_s(due_s, due_s + 0.2)


def _freezes_s(stage: StagedRun) -> list[float | None]:
    hardware = stage.experiment.hardware
    return [] if hardware is None else [froze_after_s(lines_of(hardware), loss) for loss in _losses(stage)]


def _unnoticed(stage: StagedRun) -> Iterator[Violation]:
    """A child that was killed is in the journal as one that has died: the blow was a blow."""
    children = [record for record in stage.records() if record["kind"] == "child"]
    for role in ("recorder", "analyst"):
        struck = {blow.pid for blow in stage.blows if blow.role == role and blow.signal != "STOP"}
        known = {record["pid"] for record in children if record["role"] == role}
        if not struck <= known or (struck and len(known) < 2):
            yield Violation("ends", role, f"{struck} were killed, the journal knows {known}")
