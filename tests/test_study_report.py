"""The report of a study: its page, its files, and what it says of runs that are not there."""

import csv
import html
import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from run_folder import FakeHold, FakeRun
from run_patterns import FakePatterns

from annealscope.controller.config.study import load_study
from annealscope.controller.errors import RunError
from annealscope.controller.report.study import figures, page
from annealscope.controller.report.study.load import load_study_runs
from annealscope.controller.report.study.page import check_place, write_study

ROOM = FakeHold(1, 25, 734, 0.73, frames=500, period_s=50.0, side=32, lost=(40,))
HEATED = (
    FakePatterns(1, 25, side=64, age_s=0.0, V_max=0.125),
    FakeHold(2, 100, 485, 0.68, frames=280, period_s=50.0, side=32, lost=()),
    FakePatterns(3, 100, side=64, V_max=0.1375),
)
STUDY = """
study: Small <study>
roles:
  as_cast_ecm: {run: room}
  annealed_fem: {run: nowhere, protocol: vr_fem_annealed, seed: 4}
  in_situ: {run: hot, protocol: amz4_in_situ}
"""
DRAWN = ("4 b", "7 a")
"""Figures that are written as files here; drawing is what takes the time."""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    FakeRun(folder / "room", holds=(ROOM,)).write()
    FakeRun(folder / "hot", holds=HEATED).write()
    (folder / "small.yaml").write_text(STUDY, encoding="utf-8")
    return load_study(str(folder / "small.yaml"))


@pytest.fixture(scope="module")
def study(given):
    return load_study_runs(given, {})


@pytest.fixture(scope="module")
def report(given, study):
    """Return the folder of a report with two of the figures."""
    folder = given.folder / "report"
    with pytest.MonkeyPatch.context() as patch:
        chosen = tuple(m for m in figures.MAKERS if m.number in DRAWN or not m.need.met(study))
        patch.setattr(figures, "MAKERS", chosen)
        write_study(given, folder, {})
    return folder


def test_the_page_is_one_offline_file(report):
    text = (report / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img[^>]*src="data:image/png;base64,([^"]*)"', text)
    assert len(sources) == len(DRAWN)
    assert all(b64decode(source, validate=True).startswith(b"\x89PNG") for source in sources)
    assert not re.search(r"https?://|<script|<link|<iframe|@import|url\(", text)
    assert html.escape("Small <study>") in text
    links = re.findall(r'href="([^"#][^"]*)"', text)
    assert len(links) == 3 * len(DRAWN) + 3
    assert all((report / link).is_file() for link in links)
    assert {link[1:] for link in re.findall(r'href="(#[^"]*)"', text)} <= set(
        re.findall(r'id="([^"]*)"', text)
    )
    assert sorted(path.name for path in report.iterdir()) == [
        "figures", "index.html", "study.json", "study.pdf",
    ]  # fmt: skip


def test_numbers_of_the_first_table_are_those_of_the_files(report):
    with (report / "figures" / "table_1.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["set temperature / degC"]) for row in rows] == [25, 100]
    assert float(rows[0]["tau corrected / s"]) == pytest.approx(ROOM.estimate_s)
    assert float(rows[0]["tau published / s"]) == 734
    assert float(rows[0]["beta published / 1"]) == 0.73
    assert float(rows[1]["tau published / s"]) == 485
    assert float(rows[0]["tau pixel expected of the truth / s"]) < 734
    assert {row["verdict on tau"] for row in rows} <= {"pass", "fail"}
    numbers = json.loads((report / "study.json").read_text(encoding="utf-8"))
    assert numbers["table_1"][0]["tau corrected / s"] == pytest.approx(ROOM.estimate_s)
    assert numbers["roles"]["annealed_fem"]["outcome"] is None
    assert {check["role"] for check in numbers["checks"]} == {"as_cast_ecm", "in_situ"}


def test_what_is_missing_is_said_with_the_command_that_makes_it(report, given):
    text = html.unescape((report / "index.html").read_text(encoding="utf-8"))
    how = f"annealscope run vr_fem_annealed --rig simulated_128 --seed 4 --out {given.folder / 'nowhere'}"
    assert f"annealed_fem: there is no run in {given.folder / 'nowhere'}; `{how}` makes it." in text
    assert "The study has no as_cast_fem." in text
    assert "in_situ: " in text
    assert "has no ring profile" in text
    assert text.count('id="fig_') == len(DRAWN) + 4  # 3 a to d and A.10 are not drawn


def test_every_figure_that_there_are_data_for_can_be_drawn_and_has_a_table(study):
    shown = list(figures.study_figures(study))
    assert [each.number for each in shown if each.plate is None] == ["3 a, b", "3 c", "3 d", "A.10"]
    for each in shown:
        if each.plate is None:
            assert each.missing
            continue
        header, rows = each.plate.table()
        assert {len(row) for row in rows} == {len(header)}, each.number
        assert each.plate.draw().axes
        assert len(each.plate.caption) > 80


def test_files_of_before_have_no_null_and_fewer_figures(tmp_path):
    old = FakeHold(1, 25, 734, 0.73, frames=280, period_s=50.0, side=32, lost=(), whole=False)
    FakeRun(tmp_path / "room", holds=(old,)).write()
    (tmp_path / "old.yaml").write_text("study: old\nroles:\n  as_cast_ecm: {run: room, extract: 5000 s}\n")
    before = load_study_runs(load_study(str(tmp_path / "old.yaml")), {})
    drawn = {each.number: each.plate for each in figures.study_figures(before) if each.plate}
    assert list(drawn) == ["7 a", "7 b", "8", "A.11"]
    assert all(plate.draw().axes for plate in drawn.values())
    assert "no map of a uniform glass" in drawn["7 b"].caption
    assert "first 5000 s of its movie were not analysed" in before.roles["as_cast_ecm"].missing


def test_a_variance_at_one_temperature_is_drawn_alone(tmp_path):
    FakeRun(tmp_path / "hot", holds=(HEATED[0],)).write()
    (tmp_path / "one.yaml").write_text("study: one\nroles:\n  in_situ: {run: hot}\n")
    one = load_study_runs(load_study(str(tmp_path / "one.yaml")), {})
    shown = {each.number: each for each in figures.study_figures(one)}
    plate = shown["4 a"].plate
    assert len(plate.draw().axes[0].lines) == 1
    assert {row[0] for row in plate.table()[1]} == {HEATED[0].name}
    assert shown["4 b"].plate is None
    (why,) = shown["4 b"].missing
    assert why == "in_situ: the figure needs first peaks at two temperatures, with one probe size."


def test_a_variance_without_a_peak_is_said_to_have_none(tmp_path):
    FakeRun(tmp_path / "hot", holds=(HEATED[0],)).write()
    with h5py.File(tmp_path / "hot" / "holds" / f"{HEATED[0].name}.nxs", "r+") as file:
        del file["entry/fem/peaks"]
    (tmp_path / "none.yaml").write_text("study: none\nroles:\n  in_situ: {run: hot}\n")
    none = load_study_runs(load_study(str(tmp_path / "none.yaml")), {})
    shown = {each.number: each for each in figures.study_figures(none)}
    for number in ("4 a", "4 b"):
        assert shown[number].plate is None
        assert "has no first peak of V(k)" in shown[number].missing[0]


def test_a_beginning_stands_in_for_the_movie(study):
    room = study.role("as_cast_ecm")
    assert study.compared()[0] is room.movie
    extract = replace(room.movie, frames=280)
    roles = dict(study.roles) | {"as_cast_ecm": replace(room, extract=extract)}
    assert replace(study, roles=roles).compared()[0] is extract


def test_the_report_is_there_on_paper(report):
    pdf = (report / "study.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    pages = int(re.search(rb"/Count (\d+)", pdf)[1])
    assert 2 <= pages <= 6


def test_only_the_alloy_of_the_paper_is_compared_with_it(study):
    assert study.paper is not None
    other = {
        name: replace(role, run=role.run and replace(
            role.run, holds=tuple(replace(hold, material="Pd40Ni40P20") for hold in role.run.holds)
        ))
        for name, role in study.roles.items()
    }  # fmt: skip
    elsewhere = replace(study, roles=other)
    assert elsewhere.paper is None
    for each in figures.study_figures(elsewhere):
        assert each.plate is None or "ublished" not in each.plate.caption


def test_a_folder_of_something_else_is_left_alone(tmp_path, given):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(RunError, match="has other files in it"):
        write_study(given, tmp_path, {})
    with pytest.raises(RunError, match="is a file"):
        check_place(tmp_path / "precious.txt")
    (tmp_path / "new" / "extracts").mkdir(parents=True)
    check_place(tmp_path / "new")
    check_place(tmp_path / "none")


def test_a_failed_report_leaves_the_one_before(report, given, monkeypatch):
    def full_disk(*_: object) -> bytes:
        raise OSError("no space left on device")

    before = (report / "index.html").read_bytes()
    monkeypatch.setattr(page, "_drawn", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_study(given, report, {})
    assert (report / "index.html").read_bytes() == before
    assert not list(Path(report).glob(".report-*"))
