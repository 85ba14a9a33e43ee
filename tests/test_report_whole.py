"""The report of a whole experiment: both methods, all temperatures, nights, pauses and losses."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from run_folder import DOSE_LIMIT_PER_NM2, NIGHT_S, PAUSE_S, FakeRun, whole_experiment

from annealscope.controller.report.apart import told_apart
from annealscope.controller.report.digest import digest
from annealscope.controller.report.load import load_run
from annealscope.controller.report.overview import columns, rows, stays
from annealscope.controller.report.page import write_report
from annealscope.controller.report.plates import Plate, hold_plates, run_plates
from annealscope.controller.report.save import DrawnPlate
from annealscope.controller.report.style import new_figure
from annealscope.controller.report.summary_run import RunSummary
from annealscope.controller.report.verdicts import checks

HOLDS = whole_experiment(side=24, pattern_side=32)
PARKS = (5, 11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of the whole experiment."""
    return FakeRun(tmp_path_factory.mktemp("runs") / "run", holds=HOLDS, parks=PARKS).write()


@pytest.fixture(scope="module")
def run(folder: Path) -> RunSummary:
    """Return what was read of it."""
    return load_run(folder)


def page_without_drawing(folder: Path) -> str:
    """Write the report of a run with figures that are not drawn: that is most of its time."""

    def make(plate: Plate, figures: Path) -> DrawnPlate:
        header, table = plate.table()
        assert all(len(row) == len(header) for row in table)
        return DrawnPlate(plate, new_figure(10, 10), b"")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annealscope.controller.report.page.save_plate", make)
        patch.setattr("annealscope.controller.report.page.write_run_pdf", lambda path, *_: path.touch())
        return write_report(folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    """Return its page."""
    return page_without_drawing(folder)


def test_every_acquisition_has_its_plates(page: str) -> None:
    topics = {
        "ecm": ("g2", "durations", "tau_map", "age", "two_time", "dark_field", "drift"),
        "fem": ("variance", "patterns"),
        "diffraction": ("profile", "rings"),
    }
    expected = {f"{hold.name}_{topic}" for hold in HOLDS for topic in topics[hold.method]}
    of_run = {"temperature", "tau_of_temperature", "variance_of_temperature"}
    assert set(re.findall(r'<figure class="[^"]*" id="([^"]*)"', page)) == expected | of_run


def test_every_kind_of_figure_can_be_made(run: RunSummary) -> None:
    for plate in run_plates(run):
        assert plate.draw().axes, plate.name
    for hold in run.holds[:6]:
        for plate in hold_plates(hold):
            assert plate.draw().axes, plate.name


def test_the_first_table_has_one_line_for_each_temperature(run: RunSummary) -> None:
    assert [stay.label for stay in stays(run.holds)] == [
        "25 °C", "100 °C", "150 °C", "200 °C", "250 °C", "275 °C",
    ]  # fmt: skip
    assert [row.lost.value for row in rows(run.holds, columns(run.holds))] == [0, 0, 3, 0, 0, 0]


def test_a_method_used_twice_at_a_temperature_has_two_lines(run: RunSummary) -> None:
    scan = run.holds[0]
    again = replace(scan, ordinal=2, name="02_fem_25C", probe_nm=2.0)
    both = told_apart([scan, again])
    assert [row.temperature.text for row in rows(both, columns(both))] == [
        "25 °C · probe 0.91 nm", "25 °C · probe 2 nm",
    ]  # fmt: skip


def test_nights_and_pauses_are_as_long_as_they_were(run: RunSummary) -> None:
    found = [(stretch.state, stretch.end_s - stretch.start_s) for stretch in run.interruptions]
    assert found == [
        ("parked", pytest.approx(NIGHT_S)),
        ("parked", pytest.approx(NIGHT_S)),
        ("paused", pytest.approx(PAUSE_S)),
    ]


def test_the_ledger_is_in_time_order_and_names_the_hold(run: RunSummary) -> None:
    told = [(entry.what, entry.where) for entry in run.ledger]
    assert told == [
        ("parked for 12 h", ""),
        ("run continued", ""),
        ("3 frames from no. 400", "06_ecm_150C"),
        ("parked for 12 h", ""),
        ("run continued", ""),
        ("command: pause", ""),
        ("paused for 10 min", ""),
        ("command: resume", ""),
        ("new segment 1", "12_ecm_250C"),
    ]
    assert [entry.what for entry in run.ledger if entry.weight == "lost"] == ["3 frames from no. 400"]


def test_ages_begin_when_the_temperature_has_settled(run: RunSummary) -> None:
    ages = {hold.name: hold.age_s for hold in run.holds}
    assert ages["03_ecm_100C"] == pytest.approx(2000, abs=1)
    assert ages["04_fem_100C"] == pytest.approx(16200, abs=1)


def test_all_numbers_of_a_simulated_run_are_judged(run: RunSummary) -> None:
    found = checks(run.holds)
    assert [check.quantity for check in found].count("tau") == 5
    assert [check.quantity for check in found].count("V_max") == 6
    assert {check.verdict for check in found} == {"pass"}


def test_doses_are_those_of_the_regions_and_their_users(run: RunSummary) -> None:
    regions = {region.number: region for region in run.dose.regions}
    assert regions[1].holds == ("01_fem_25C", "02_saed_25C")
    ecm = regions[2]
    assert (ecm.exposed_per_nm2, ecm.beam_on_per_nm2) == (pytest.approx(3.08e9), pytest.approx(6.16e9))
    assert run.dose.share(ecm) == pytest.approx(6.16e9 / DOSE_LIMIT_PER_NM2)
    assert (ecm.thickness, ecm.position_nm) == (0.7, (0.0, 1800.0))


def test_the_page_shows_dose_truth_and_losses(page: str) -> None:
    for text in ("6.16 × 10⁹", "88%", "28 of 28", "3 frames from no. 400", "Finished as planned."):
        assert text.lower() in page.lower()
    assert "Nothing was lost" not in page
    assert "<details" in page


def test_the_summary_for_programs_is_plain_json(folder: Path, page: str) -> None:
    written = json.loads((folder / "report" / "summary.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(digest(load_run(folder)), allow_nan=False))
    assert {check["verdict"] for check in written["checks"]} == {"pass"}
    assert [hold["crystalline"] for hold in written["holds"]].count(False) == 5
    assert written["holds"][2]["relaxation"]["corrected"]["tau_s"] == pytest.approx(1.04 * 485)


def test_truth_and_dose_are_tables_too(folder: Path, page: str) -> None:
    truth = (folder / "report" / "figures" / "truth.csv").read_text(encoding="utf-8").splitlines()
    assert len(truth) == 29
    assert truth[0].startswith("hold,set temperature / degC,age at start / s,quantity")
    assert len((folder / "report" / "figures" / "dose.csv").read_text(encoding="utf-8").splitlines()) == 12


def test_nothing_lost_is_said_with_the_counts_that_show_it(tmp_path: Path) -> None:
    holds = tuple(replace(hold, side=16, lost=()) for hold in HOLDS[:2])
    page = page_without_drawing(FakeRun(tmp_path / "run", holds=holds).write())
    assert "Nothing was lost." in page
    assert "101 frames recorded, 0 lost, 0 recorded but not used; 2 of 2 planned acquisitions" in page


@pytest.mark.slow
def test_a_report_of_the_whole_experiment_takes_half_a_minute(tmp_path: Path) -> None:
    folder = FakeRun(tmp_path / "run", holds=whole_experiment(side=128), parks=PARKS).write()
    start_s = time.process_time()
    write_report(folder)
    assert time.process_time() - start_s < 30
