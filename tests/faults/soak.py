"""A long experiment in which something goes wrong every ten minutes, and what has become of it in the end."""

import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from faults.cells import check
from faults.checker import frames_missing
from faults.inputs import Experiment, soaked
from faults.staged import ROLES, StagedRun, StageError
from faults.verdict import Verdict

EVERY_S = 600.0
PROCESS_FAULTS = {
    ("recorder", "KILL"): 0.35,
    ("recorder", "STOP"): 0.1,
    ("analyst", "KILL"): 0.15,
    ("analyst", "STOP"): 0.1,
    ("operator", "pause"): 0.23,
    ("controller", "KILL"): 0.07,
}
"""How likely each is the next; beam, valves and camera fail at times that the rig file says."""
DEVICE_SHARE = 0.15
"""Of all faults."""
STOPPED_S = 0.5
WARM_S = 7200.0
"""On the run's clock: in this time a program loads and compiles what it needs."""


@dataclass(frozen=True)
class Sample:
    """The controller at a moment of the run."""

    pid: int
    t_s: float
    rss_MiB: float
    descriptors: int


@dataclass
class Soak(Verdict):
    """What happened, and what is wrong with it."""

    hours: float
    faults: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    missing: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)

    def line(self) -> dict[str, object]:
        """Return what is printed of it."""
        slope, over_h = self.slope_MiB_per_h()
        return {
            "case": f"soak {self.hours:g} h", "passed": self.passed, "faults": sum(self.faults.values()),
            **dict(sorted(self.faults.items())), "frames": self.frames, "lost": self.missing,
            "rss_MiB_per_h": round(slope, 3), "over_h": round(over_h, 1), "descriptors": self.descriptors(),
            **self.why(),
        }  # fmt: skip

    def slope_MiB_per_h(self) -> tuple[float, float]:
        """Return how fast the longest-lived controller grew, and over which time; (NaN, 0) for none."""
        life = self._longest_life()
        if len(life) < 10:
            return float("nan"), 0.0
        hours = np.array([sample.t_s for sample in life]) / 3600
        return float(np.polyfit(hours, [sample.rss_MiB for sample in life], 1)[0]), float(np.ptp(hours))

    def descriptors(self) -> tuple[int, int]:
        """Return the fewest and the most open files of that controller."""
        counts = [sample.descriptors for sample in self._longest_life()]
        return (min(counts), max(counts)) if counts else (0, 0)

    def _longest_life(self) -> list[Sample]:
        lives = [[one for one in self.samples if one.pid == pid] for pid in {one.pid for one in self.samples}]
        warm = [[one for one in life if one.t_s > life[0].t_s + WARM_S] for life in lives]
        return max(warm, key=len, default=[])


def run_soak(folder: Path, hours: float, seed: int) -> Soak:
    """Run the experiment to its end, with a fault every ten minutes of its own clock."""
    rng = np.random.Generator(np.random.Philox(key=(seed, 72)))
    soak = Soak(hours)
    stage = StagedRun(folder, _experiment(folder, hours, rng, soak))
    try:
        stage.start()
        _live(soak, stage, rng)
        soak.outcomes.update(record["outcome"] for record in stage.records() if record["kind"] == "run_ended")
        soak.violations = check(stage)
        seen = stage.evidence.look()
        soak.frames, soak.missing = len(seen), frames_missing(stage.run, seen)
    except StageError as error:
        soak.trouble = str(error)
    finally:
        stage.clear()
    if soak.passed:
        shutil.rmtree(folder)
    return soak


def _experiment(folder: Path, hours: float, rng: np.random.Generator, soak: Soak) -> Experiment:
    """Write the experiment, with the faults of its devices drawn."""
    moments_s = np.arange(2 * EVERY_S, hours * 3600, EVERY_S)
    chosen_s = moments_s[rng.random(len(moments_s)) < DEVICE_SHARE]
    kinds = rng.choice(["beam", "valves"], len(chosen_s))
    soak.faults.update(map(str, kinds))
    return soaked(
        folder, hours, [(str(kind), float(at_s)) for kind, at_s in zip(kinds, chosen_s, strict=True)]
    )


def _live(soak: Soak, stage: StagedRun, rng: np.random.Generator) -> None:
    """Strike, each time that ten minutes are over; when the hours are, stop the run as an operator does."""
    due_s = 2 * EVERY_S
    while True:
        now_s = _now_s(stage)
        if stage.exit_code is not None:
            if not _goes_on(soak, stage):
                return
        elif now_s >= 3600 * soak.hours and stage.is_running:
            _command(stage, "stop")
            stage.finish(180.0)
        elif now_s >= due_s and stage.is_running:
            due_s = max(due_s + EVERY_S, now_s)
            _sample(soak, stage, now_s)
            _strike(soak, stage, rng)
        time.sleep(0.02)


def _now_s(stage: StagedRun) -> float:
    records = stage.records()
    return float(records[-1]["t_s"]) if records else 0.0


def _goes_on(soak: Soak, stage: StagedRun) -> bool:
    """Continue a run that ended before its end; return whether it goes on."""
    ended = stage.records()[-1]
    if ended["kind"] == "run_ended" and ended["outcome"] in ("success", "stopped"):
        return False
    if stage.exit_code in (2, 3):
        soak.trouble = f"cannot be continued: {stage.last_words()}"
        return False
    stage.alone()
    stage.evidence.look()
    stage.carry_on()
    return True


def _strike(soak: Soak, stage: StagedRun, rng: np.random.Generator) -> None:
    chances = list(PROCESS_FAULTS.values())
    role, blow = list(PROCESS_FAULTS)[rng.choice(len(chances), p=np.array(chances) / sum(chances))]
    if role == "operator":
        _command(stage, "pause")
        _command(stage, "resume")
    elif stage.find(role) is None:
        return
    else:
        stage.strike(role, blow, STOPPED_S)
    soak.faults[f"{role} {blow}"] += 1


def _command(stage: StagedRun, verb: str) -> None:
    """Give a command as from another terminal; a run that is just ending may refuse it."""
    subprocess.run(
        [sys.executable, "-m", ROLES["controller"], verb, str(stage.run)], capture_output=True, timeout=60.0
    )


def _sample(soak: Soak, stage: StagedRun, now_s: float) -> None:
    controller = stage.find("controller")
    if controller is None:
        return
    try:
        with controller.oneshot():
            rss_MiB, descriptors = controller.memory_info().rss / 2**20, controller.num_fds()
    except (psutil.Error, AttributeError):  # it has just ended; Windows has handles instead
        return
    if descriptors:  # one that is just ending has none
        soak.samples.append(Sample(controller.pid, now_s, rss_MiB, descriptors))
