"""A power cut at any moment loses no acknowledged frame and no record that has to be durable."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from power_loss_runs import RUNS, look, recover, scripted
from simulated_disk import Moment, SimulatedDisk, no_syncs, states

import annealscope.controller
from annealscope.controller.errors import RunError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the simulated disk reads folders by handle")

STATES = 500
STATES_OF_RECOVERY = 25
STATES_SLOW = 4000
STATES_OF_RECOVERY_SLOW = 500

Oracle = Callable[[Moment, Path], None]

MUTANTS = {
    "sync_data < FrameLogWriter.sync": ("undisturbed", look),
    "sync_file < move_into_place < write_bytes_atomically < _create": ("undisturbed", recover),
    "sync_folder < move_into_place < write_bytes_atomically < _create": ("undisturbed", look),
    "sync_file < HoldRecording.__init__": ("restarted", look),
    "sync_file < retire_logs": ("undisturbed", look),
    "sync_folder < retire_logs": ("undisturbed", look),
    "sync_folder < discard_logs": ("restarted", look),
    "Journal._append": ("undisturbed", look),
    "sync_folder < make_folder < create": ("undisturbed", look),
    "sync_folder < create": ("undisturbed", look),
    "sync_file < move_into_place < write_bytes_atomically < write_atomically": ("undisturbed", look),
    "sync_folder < move_into_place < write_bytes_atomically < write_atomically": ("undisturbed", look),
    "sync_file < move_into_place < _in_place_of": ("undisturbed", look),
    "sync_folder < move_into_place < _in_place_of": ("undisturbed", look),
    "sync_file < move_into_place < write_bytes_atomically < save_run_file": ("undisturbed", look),
    "sync_folder < move_into_place < write_bytes_atomically < save_run_file": ("undisturbed", look),
}
"""Every place where the program syncs; the run, and what is looked at, that fails without it."""

CALLS = frozenset(
    {
        "fsync",
        "fdatasync",
        "sync_data",
        "sync_file",
        "sync_folder",
        "move_into_place",
        "make_folder",
        "write_bytes_atomically",
    }
)


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SimulatedDisk]:
    return {name: record(name, tmp_path_factory.mktemp(name)) for name in RUNS}


def record(name: str, root: Path, without: str = "") -> SimulatedDisk:
    disk = SimulatedDisk(root, without)
    with disk.watching():
        RUNS[name](disk)
    return disk


def check(oracle: Oracle, disk: SimulatedDisk, count: int, folder: Path, seed: int = 1) -> None:
    with no_syncs():
        for number, (moment, rng) in enumerate(states(disk.moments, count, seed)):
            oracle(moment, moment.crash(folder / f"{number}", rng))


@pytest.mark.parametrize("name", RUNS)
def test_what_was_promised_survives(name: str, disks: dict[str, SimulatedDisk], tmp_path: Path) -> None:
    check(look, disks[name], STATES, tmp_path)


@pytest.mark.parametrize("name", RUNS)
def test_whatever_is_left_is_repaired(name: str, disks: dict[str, SimulatedDisk], tmp_path: Path) -> None:
    check(recover, disks[name], STATES_OF_RECOVERY, tmp_path, seed=2)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.sampled_from(["frame", "frame", "frame", "sync", "derive", "restart", "reading", "dose"]),
        max_size=30,
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_was_promised_survives_whatever_was_done(
    steps: list[str], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = SimulatedDisk(tmp_path_factory.mktemp("disk"))
    with disk.watching():
        scripted(disk, steps)
    check(look, disk, 2 * len(disk.moments), tmp_path_factory.mktemp("states"), seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize(("oracle", "count"), [(look, STATES_SLOW), (recover, STATES_OF_RECOVERY_SLOW)])
def test_more_states(
    oracle: Oracle, count: int, name: str, disks: dict[str, SimulatedDisk], tmp_path: Path
) -> None:
    check(oracle, disks[name], count, tmp_path, seed=3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files of a failed recorder
@pytest.mark.parametrize(("place", "run", "oracle"), [(place, *how) for place, how in MUTANTS.items()])
def test_without_one_sync_something_is_lost(place: str, run: str, oracle: Oracle, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "states").mkdir()
    mutant = record(run, tmp_path / "disk", without=place)
    with pytest.raises((AssertionError, OSError, RunError)):
        check(oracle, mutant, STATES, tmp_path / "states")


def test_every_sync_has_its_mutant(disks: dict[str, SimulatedDisk]) -> None:
    """A sync that is new in the program, or never reached here, is named by this test."""
    assert set.union(*(disk.places for disk in disks.values())) == set(MUTANTS)
    reached = {place.split(" < ")[-1].split(".")[-1] for place in MUTANTS} - {"write_atomically"}
    assert set(_callers()) - {"sync_times_s"} == reached  # which measures the disk, and keeps nothing


def _callers() -> Iterator[str]:
    """Yield every function of the controller, outside `durable`, that syncs."""
    for path in Path(next(iter(annealscope.controller.__path__))).rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef) or path.name == "durable.py":
                continue
            calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
            if any(getattr(call, "attr", getattr(call, "id", "")) in CALLS for call in calls):
                yield function.name
