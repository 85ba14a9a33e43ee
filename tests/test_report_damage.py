"""Reports of run folders in which something is missing or damaged."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from run_folder import SMALL, FakeRun

from annealscope.controller.report.load import load_run
from annealscope.controller.report.page import write_report
from annealscope.controller.report.plates import Plate
from annealscope.controller.report.save import DrawnPlate
from annealscope.controller.report.style import new_figure


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a finished run without a report."""
    return FakeRun(tmp_path_factory.mktemp("runs") / "run", holds=(SMALL,)).write()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let figures and tables be made but not drawn: that is most of the time of a report."""

    def make(plate: Plate, folder: Path) -> DrawnPlate:
        assert plate.draw().axes
        header, rows = plate.table()
        assert all(len(row) == len(header) for row in rows)
        return DrawnPlate(plate, new_figure(10, 10), b"")

    monkeypatch.setattr("annealscope.controller.report.page.save_plate", make)
    monkeypatch.setattr("annealscope.controller.report.page.write_run_pdf", lambda path, *_: path.touch())


@pytest.mark.usefixtures("undrawn")
def test_the_badge_is_good_only_when_results_are_there(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    assert '<span class="badge good">Finished as planned.' in write_report(folder).read_text("utf-8")
    with h5py.File(folder / "holds" / f"{SMALL.name}.nxs", "a") as file:
        del file["entry/kww"]
    assert '<span class="badge">Finished, but results are missing.' in write_report(folder).read_text("utf-8")


@pytest.mark.parametrize("outcome", [None, "aborted"])
@pytest.mark.usefixtures("undrawn")
def test_a_run_without_results_still_has_a_report(tmp_path: Path, outcome: str | None) -> None:
    hold = replace(SMALL, results=False, simulated=False)
    folder = FakeRun(tmp_path / "run", holds=(hold,), outcome=outcome).write()
    page = write_report(folder).read_text(encoding="utf-8")
    assert ("The journal has no end" in page) == (outcome is None)
    assert "no KWW fits" in page
    assert "annealscope analyze" in page
    assert "Closed without results" in page
    assert "Against the truth" not in page


def test_an_empty_folder_has_a_report_that_says_what_is_missing(tmp_path: Path) -> None:
    page = write_report(tmp_path).read_text(encoding="utf-8")
    for text in ("no readable journal", "protocol.yaml is not in the run folder", "No hold was opened"):
        assert text in page


@pytest.mark.usefixtures("undrawn")
def test_missing_and_unreadable_hold_files_are_named(tmp_path: Path) -> None:
    holds = (SMALL, replace(SMALL, ordinal=5, degC=200))
    folder = FakeRun(tmp_path / "run", holds=holds).write()
    (folder / "holds" / f"{holds[0].name}.nxs").unlink()
    (folder / "holds" / f"{holds[1].name}.nxs").write_bytes(b"not HDF5")
    (folder / "holds" / "02_ecm_100C.000.frames").touch()
    page = write_report(folder).read_text(encoding="utf-8")
    assert f"holds/{holds[0].name}.nxs is not there" in page
    assert f"holds/{holds[1].name}.nxs cannot be read" in page
    assert "annealscope analyze" in page


@pytest.mark.parametrize(
    "part",
    ["g2", "g2/pairs", "kww", "kww/corrected", "ttcf", "ttcf/segment", "map", "map/flags", "map/x_nm",
     "drift/residual_nm", "drift/t", "drift", "instrument/detector/data", "instrument/detector",
     "instrument/open_hold", "sample"],
)  # fmt: skip
@pytest.mark.usefixtures("undrawn")
def test_any_part_of_a_hold_may_be_missing(finished: Path, tmp_path: Path, part: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    with h5py.File(folder / "holds" / f"{SMALL.name}.nxs", "a") as file:
        del file["entry"][part]
    assert write_report(folder).is_file()


def test_holds_that_were_planned_but_not_reached_are_named(tmp_path: Path) -> None:
    folder = FakeRun(tmp_path / "run", holds=()).write()
    plan = {"steps": [{"step": {"kind": "ramp"}}, {"step": {"kind": "acquire", "name": "05_ecm_200C"}}]}
    (folder / "plan.json").write_text(json.dumps(plan))
    assert "05_ecm_200C was planned, but not reached." in load_run(folder).missing


def test_a_damaged_journal_is_used_as_far_as_it_goes(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:30]) + b'{"n": 30, torn\n' + b"".join(lines[31:]))
    run = load_run(folder)
    assert run.outcome == "unfinished"
    assert any("damaged after record 30" in text for text in run.missing)
    assert run.trace is not None
    assert len(run.holds) == 1


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda journal: b"", "journal.jsonl is empty"),
        (lambda journal: b"\x00\xff no journal", "damaged after record 0"),
        (lambda journal: journal[:40], "damaged after record 0"),
        (lambda journal: journal[:-1], "damaged after record"),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_the_page_says_that_the_journal_is_damaged(
    finished: Path, tmp_path: Path, keep: Callable[[bytes], bytes], message: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    journal = folder / "journal.jsonl"
    journal.write_bytes(keep(journal.read_bytes()))
    assert message in write_report(folder).read_text("utf-8")


def test_the_page_of_a_whole_journal_does_not_speak_of_damage(finished: Path) -> None:
    assert not any("journal" in text for text in load_run(finished).missing)
