"""Kills at random moments, as many as are asked for, and how many frames they have cost."""

import contextlib
import itertools
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from faults.cells import SPEED, check
from faults.checker import frames_missing
from faults.inputs import simulated
from faults.staged import StagedRun, StageError
from faults.verdict import Verdict

VICTIMS = {"recorder": 0.7, "analyst": 0.15, "controller": 0.15}
"""How likely each is the next."""
LONGEST_DELAY_S = 1.5
MOST_KILLS = 25
"""In one run; then it may come to its end."""
MOST_OF_ANALYST = 4
"""In one run: an analyst that dies for the sixth time in a hold is given up, as it should be."""
MOST_IN_VAIN = 3
"""Of a recorder, before another frame is on the disk: the sixth time it is given up, as it should be."""
FRAMES = 300
USAGE = 2
"""What `continue` says of a run that was being ended when its program died."""


@dataclass
class Case(Verdict):
    """One run, and the kills that fell on it."""

    name: str
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VICTIMS, 0))
    frames: int = 0
    """Frames that were on the disk when something was killed, or later."""
    missing: int = 0
    in_vain: int = 0
    """Recorders killed since a frame came onto the disk."""

    def line(self) -> dict[str, object]:
        """Return what is printed of it."""
        counts = {
            "kills": sum(self.kills.values()),
            **self.kills,
            "frames": self.frames,
            "lost": self.missing,
        }
        return {"case": self.name, "passed": self.passed, **counts} | self.why()


def cases(folder: Path, seed: int) -> Iterator[Case]:
    """Yield one run after another, each struck until it has ended; the seed says when and whom."""
    for number in itertools.count():
        rng = np.random.Generator(np.random.Philox(key=(seed, number)))
        yield run_case(Case(f"kills {seed}.{number}"), folder / f"{seed}.{number}", rng)


def run_case(case: Case, folder: Path, rng: np.random.Generator) -> Case:
    """Strike a run at random moments until it has ended, and check it."""
    stage = StagedRun(folder, simulated(folder, FRAMES, SPEED))
    try:
        stage.start()
        stage.until(stage.records, "the beginning of the run", 30.0)
        while sum(case.kills.values()) < MOST_KILLS and _wait(stage, rng.uniform(0.0, LONGEST_DELAY_S)):
            _strike(case, stage, rng)
        stage.finish(180.0)
        _check(case, stage)
    except StageError as error:
        case.trouble = str(error)
    finally:
        stage.clear()
    if case.passed:
        shutil.rmtree(folder)
    return case


def _wait(stage: StagedRun, delay_s: float) -> bool:
    """Wait; return whether the run still goes on."""
    end_s = time.monotonic() + delay_s
    while time.monotonic() < end_s and stage.exit_code is None:
        time.sleep(0.002)
    return stage.exit_code is None


def _strike(case: Case, stage: StagedRun, rng: np.random.Generator) -> None:
    victim = str(rng.choice(list(VICTIMS), p=list(VICTIMS.values())))
    waits, lets_it_arm = rng.random() < 0.5, rng.random() < 0.8
    if stage.find(victim) is None or _would_be_given_up(case, stage, victim):
        return
    stage.strike(victim, "KILL")
    case.kills[victim] += 1
    case.in_vain += victim == "recorder"
    if victim == "controller":
        stage.finish(10.0)
        if waits:
            stage.alone()
        stage.evidence.look()
        _go_on(stage, lets_it_arm)


def _would_be_given_up(case: Case, stage: StagedRun, victim: str) -> bool:
    frames = len(stage.evidence.look())
    if frames > case.frames:
        case.frames, case.in_vain = frames, 0
    return (victim == "analyst" and case.kills[victim] >= MOST_OF_ANALYST) or (
        victim == "recorder" and case.in_vain >= MOST_IN_VAIN
    )


def _go_on(stage: StagedRun, lets_it_arm: bool) -> None:
    """Continue a run, unless it had ended already; one that was being ended is completed by `repair`."""
    last = stage.records()[-1]
    if last["kind"] == "run_ended" and last["outcome"] == "success":
        return
    stage.carry_on()
    with contextlib.suppress(StageError):
        if lets_it_arm:
            stage.until(lambda: stage.is_running, "a run that goes on", 60.0)


def _check(case: Case, stage: StagedRun) -> None:
    if stage.exit_code == USAGE and "annealscope repair" in stage.last_words():
        stage.repair()
        stage.finish(60.0)
    last = stage.records()[-1]
    if last["kind"] == "run_ended" and last["outcome"] not in ("success", "crashed"):
        case.trouble = f"{last['outcome']}: {last['why']}"
    case.violations = check(stage)
    seen = stage.evidence.look()
    case.frames, case.missing = len(seen), frames_missing(stage.run, seen)
