"""Reports of files and records that can be opened, but are not as this version writes them."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from run_folder import SMALL, FakeRun
from run_patterns import FakePatterns

from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.report.digest import digest
from annealscope.controller.report.load import load_run
from annealscope.controller.report.load_hold import load_hold
from annealscope.controller.report.logbook import logbook, markdown, table_logbook
from annealscope.controller.report.manuscript import methods_text
from annealscope.controller.report.provenance import fingerprints
from annealscope.controller.report.study.load import load_extract
from annealscope.controller.report.summary_run import RunSummary
from annealscope.drivers.clock import VirtualClock

MOVIE = replace(SMALL, ordinal=1, frames=60, side=24, lost=())
GRID = FakePatterns(2, 100, side=32)

Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a movie and a grid."""
    return FakeRun(tmp_path_factory.mktemp("runs") / "run", holds=(MOVIE, GRID)).write()


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """Return a run folder that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def told(folder: Path) -> RunSummary:
    """Read a run, and write its texts and numbers."""
    run = load_run(folder)
    json.dumps(digest(run))
    book = logbook(run)
    markdown(book)
    table_logbook(book)
    methods_text(run)
    return run


def attribute(path: str, name: str, value: object) -> Change:
    return lambda entry: entry[path].attrs.__setitem__(name, value)


def group(path: str) -> Change:
    def change(entry: Any) -> None:
        del entry[path]
        entry.create_group(path)

    return change


def dataset(path: str, value: object) -> Change:
    def change(entry: Any) -> None:
        del entry[path]
        entry[path] = value

    return change


ODD = (
    attribute("g2", "n_speckles", np.arange(3.0)),
    attribute("kww/corrected", "tau_s", np.arange(3.0)),
    attribute("kww/corrected", "flags", np.inf),
    dataset("kww", 1.0),
    dataset("instrument/open_hold", "[]]"),
    dataset("instrument/detector/slot", 1.0),
    group("instrument/detector/frame_time"),
    group("ttcf/value"),
)


@pytest.mark.parametrize("change", ODD, ids=range(len(ODD)))
def test_a_hold_of_another_version_is_said_to_be_unreadable(folder: Path, change: Change) -> None:
    with h5py.File(folder / "holds" / f"{MOVIE.name}.nxs", "r+") as file:
        change(file["entry"])
    movie, grid = told(folder).holds
    assert "cannot be read" in movie.missing[0]
    assert (movie.setpoint_K, movie.frames) == (373.15, MOVIE.frames)
    assert grid.variance is not None


@pytest.mark.parametrize("path", ["g2/lag", "ttcf/t", "ttcf/value"])
@pytest.mark.parametrize("value", [1.5, np.zeros(0), np.zeros(3)], ids=["number", "empty", "short"])
def test_an_array_of_another_shape_is_not_there(folder: Path, path: str, value: object) -> None:
    with h5py.File(folder / "holds" / f"{MOVIE.name}.nxs", "r+") as file:
        dataset(path, value)(file["entry"])
    movie, _ = told(folder).holds
    assert (movie.correlation is None) == path.startswith("g2")
    assert (movie.two_time is None) == path.startswith("ttcf")
    assert movie.fits


@pytest.mark.parametrize("value", [1.5, np.zeros(3)], ids=["number", "short"])
def test_a_column_of_another_shape_is_not_there(folder: Path, value: object) -> None:
    with h5py.File(folder / "holds" / f"{GRID.name}.nxs", "r+") as file:
        dataset("fem/V", value)(file["entry"])
    _, grid = told(folder).holds
    assert grid.variance is not None
    assert grid.variance.naive is None


def test_an_extract_of_another_version_is_none(folder: Path) -> None:
    path = folder / "holds" / f"{MOVIE.name}.nxs"
    movie = load_hold(path, {}, {})
    known = {"hold": movie.name, "frames": 30, "lost": 0, "span_s": 300.0}
    with h5py.File(path, "r+") as file:
        extract = file["entry"].create_group("extract")
        extract.attrs.update(known | {"segment_slots": np.array([30]), "segment_starts": np.array([0])})
    assert load_extract([movie], path) is not None
    with h5py.File(path, "r+") as file:
        file["entry/extract"].attrs["segment_slots"] = "30"
    assert load_extract([movie], path) is None


def test_a_hold_file_that_cannot_be_opened_has_no_fingerprint(folder: Path) -> None:
    path = folder / "holds" / f"{MOVIE.name}.nxs"
    path.unlink()
    path.mkdir()
    prints = fingerprints(folder)
    assert prints[path.name].startswith("cannot be read: ")
    assert len(prints[f"{GRID.name}.nxs"]) == 64
    assert "is not there" in told(folder).holds[0].missing[0]


def rewrite(journal: Path, kind: str, **changes: object) -> None:
    """Write a journal again with other values in the records of a kind, all checksums intact."""
    records = list(read_journal(journal))
    journal.unlink()
    again = Journal(journal, VirtualClock(0.0))
    for record in records:
        fields = {key: value for key, value in record.items() if key not in ("n", "crc", "kind")}
        again.write(record["kind"], **fields | (changes if record["kind"] == kind else {}))
    again.close()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("hold_opened", {"hold": None, "t_settled_s": None, "setpoint_K": None, "frames_planned": None}),
        ("hold_opened", {"hold": "x", "t_settled_s": "x", "setpoint_K": "x", "frames_planned": "x"}),
        ("hold_opened", {"hold": [], "t_settled_s": {}, "setpoint_K": [], "frames_planned": []}),
        ("hold_opened", {"hold": float("inf"), "t_settled_s": float("inf")}),
        ("hold_opened", {"t_s": None}),
        ("hold_closed", {"frames": "x", "lost": "x", "reason": []}),
        ("hold_closed", {"frames": float("inf"), "lost": float("inf"), "reason": None}),
        ("hold_closed", {"hold": [], "t_s": "x"}),
        ("run_started", {"t_s": None}),
        ("run_started", {"t_s": float("inf")}),
        ("run_started", {"utc": "x"}),
        ("run_started", {"utc": None}),
        ("reading", {"temperature_K": [], "setpoint_K": "x"}),
    ],
)
def test_a_record_with_an_odd_value_does_not_end_the_report(
    folder: Path, kind: str, changes: dict[str, Any]
) -> None:
    rewrite(folder / "journal.jsonl", kind, **changes)
    movie, grid = told(folder).holds
    assert (movie.name, grid.name) == (MOVIE.name, GRID.name)
    assert movie.fits
    assert grid.variance is not None


def test_a_hold_whose_record_says_no_temperature_has_that_of_its_file(folder: Path) -> None:
    rewrite(folder / "journal.jsonl", "hold_opened", setpoint_K=None)
    assert [hold.setpoint_K for hold in told(folder).holds] == [373.15, 373.15]


@pytest.mark.parametrize("place", [None, "x", -1, [1.0], [1.0, None], {}])
def test_a_region_at_an_odd_place_is_at_none(folder: Path, place: object) -> None:
    journal = Journal(folder / "journal.jsonl", VirtualClock(0.0))
    journal.write("region", number=1, position_nm=place, thickness="thin")
    journal.close()
    (region,) = told(folder).dose.regions
    assert region.position_nm is None


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("optics", {"name": "dark_field", "by_hand": -1}),
        ("step", {"index": [], "step": "ramp", "label": "ramp"}),
        ("step", {"index": 1, "step": {}, "label": "ramp"}),
        ("state", {"state": []}),
        ("closing", {"hold": {}}),
        ("lost", {"hold": 1, "first_seq": [], "frames": None}),
        ("dose", {"region": {}, "hold": []}),
    ],
)
def test_an_odd_record_is_used_as_far_as_it_goes(folder: Path, kind: str, changes: dict[str, Any]) -> None:
    journal = Journal(folder / "journal.jsonl", VirtualClock(0.0))
    journal.write(kind, **changes)
    journal.close()
    assert len(told(folder).holds) == 2


def test_records_without_a_time_are_counted_and_left_out(folder: Path) -> None:
    whole = load_run(folder)
    rewrite(folder / "journal.jsonl", "run_ended", t_s=None)
    run = told(folder)
    assert len(run.records) == len(whole.records) - 1
    assert "journal.jsonl has 1 record without a time on the run's clock, not used." in run.missing
    assert not any("damaged" in text for text in run.missing)
