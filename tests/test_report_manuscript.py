"""The methods of a run in prose: facts of the record, and nothing else."""

import json
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from report_record import PLAN, announcement, grid, movie, run

from annealscope.controller.report.manuscript import REFERENCE, methods_text
from annealscope.controller.report.numbers import listed, span
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import RunSummary

FACTS = (
    "AMZ4 (Zr59.3Cu40.7, at.%; as-cast; glass transition 401 °C)",
    "heated to 100 °C at a set rate of 20 K/min",
    "within 0.5 K of the set one for 30 s",
    "to an age of 33 min 20 s and until the drift was below 1 nm/min",
    "with a standard deviation of 0.11 K at most.",
    "parked 1 time, for 10 s.",
    "TEM dark field mode, 300 kV.",
    "128 × 96 pixels of 0.1647 nm.",
    "Each movie has 99 frames with an exposure of 1 s every 2.0001 s as measured, 3 min 20 s in all.",
    "dose rate was 4.40 × 10⁵ e/nm²/s, with the beam on between exposures; 1 region of 0.79",
    "Each acquisition has 80 frames on a grid of 10 × 8 positions 5 nm apart with an exposure of 4 s every",
    "began at an age of 33 min 20 s.",
    "received 8.00 × 10⁷ e/nm² with the beam on; the limit was 7.00 × 10⁹ e/nm².",
    "in the corrected frames at most 0.04 nm of it were left.",
    "A exp[−2(t/τ)^β], its expectation in a record of that length, fitted to the ratio",
    "(563 independent speckles) up to half the length of the record.",
    "a jackknife over blocks of the image.",
    "jackknife over the rows of the grid.",
    "Of 180 frames 1 was lost; ",
    "annealscope 0.1.0 (numpy 2.1.0): run test of 2026-11-23",
    REFERENCE,
)
"""Of the run of `report_record`, one movie and one grid."""


@pytest.fixture
def whole(tmp_path: Path) -> str:
    return methods_text(run(tmp_path, movie(), grid()))


@pytest.mark.parametrize("fact", FACTS)
def test_the_facts_of_the_record_are_told(whole: str, fact: str) -> None:
    assert fact in whole


def test_a_step_that_was_not_begun_is_not_told(whole: str) -> None:
    assert "cooled" not in whole
    assert PLAN["steps"][3]["step"]["kind"] == "cool"


def test_the_first_sentence_says_that_a_specimen_was_simulated(tmp_path: Path, whole: str) -> None:
    assert "simulated" not in whole
    first = methods_text(run(tmp_path, movie(), simulated=True)).split(": ")[0]
    assert first == "The specimen, the heating holder and the microscope were simulated (rig hand)"


def test_a_rig_tells_of_a_simulation_without_results(tmp_path: Path) -> None:
    shutil.copy(str(files("annealscope.protocols") / "rigs" / "simulated.yaml"), tmp_path / "rig.yaml")
    text = methods_text(run(tmp_path, movie(fits={})))
    assert text.startswith("The specimen, the heating holder and the microscope were simulated")
    assert "model amz4_paper" in text


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    nothing = HoldSummary(1, "01_ecm_100C")
    text = methods_text(RunSummary(tmp_path, "test", "unfinished", holds=(nothing,)))
    assert text.split("\n\n") == [
        "Dark-field movies for electron correlation microscopy (ECM) were taken.",
        "The outcome of the run is: unfinished.",
        f"{REFERENCE}\n",
    ]
    assert not any(word in text for word in ("nan", "None", "–"))


def test_a_period_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    text = methods_text(run(tmp_path, movie(period_s=float("nan"))))
    assert "99 frames with an exposure of 1 s." in text


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"steps": 3}', '{"steps": [{"index": 0, "step": 1}]}'])
def test_a_damaged_plan_is_left_out(tmp_path: Path, damage: str) -> None:
    summary = run(tmp_path, movie())
    (tmp_path / "plan.json").write_text(damage)
    text = methods_text(summary)
    assert "heated" not in text
    assert "100 °C" in text


def test_a_plan_with_wrong_values_is_left_out(tmp_path: Path) -> None:
    summary = run(tmp_path, movie())
    steps = [
        {"index": 0, "step": {"kind": "ramp", "target_K": "hot"}},
        {"index": 1, "step": {"kind": "wait"}},
    ]
    (tmp_path / "plan.json").write_text(json.dumps({"settle": "soon", "steps": steps}))
    assert not any(word in methods_text(summary) for word in ("heated", "waits", "counted as reached"))


def test_acquisitions_that_differ_in_a_setting_are_told_together(tmp_path: Path) -> None:
    known = announcement()
    known["settings"] = known["settings"] | {"beam_in_pause": False}
    weak = replace(movie(), ordinal=3, dose_rate_per_nm2_s=1.1e5, setpoint_K=423.15, announcement=known)
    text = methods_text(run(tmp_path, movie(), weak))
    assert text.count("Dark-field movies") == 1
    assert "taken at 100 and 150 °C." in text
    assert "dose rate was 4.40 × 10⁵ and 1.10 × 10⁵ e/nm²/s; " in text


def test_the_dose_rate_of_a_grid_is_that_over_its_area(tmp_path: Path) -> None:
    text = methods_text(run(tmp_path, movie(), replace(grid(), dose_rate_per_nm2_s=3.74e4)))
    assert "The dose rate was 4.40 × 10⁵ e/nm²/s" in text
    assert "The dose rate over the area of a grid was 3.74 × 10⁴ e/nm²/s" in text


def test_nights_are_told_one_by_one(tmp_path: Path) -> None:
    summary = run(tmp_path, movie())
    twice = replace(summary, interruptions=summary.interruptions * 2)
    assert "parked 2 times, for 10 s each." in methods_text(twice)


def test_errors_are_told_by_their_method(tmp_path: Path) -> None:
    fit = replace(movie().fits["corrected"], errors="error scale")
    text = methods_text(run(tmp_path, movie(), movie(fits={"corrected": fit})))
    assert "a jackknife over blocks of the image (1 movie) and the number of speckles" in text


def test_lists_and_spans() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert span([3, 1, 2], str) == "1 to 3"
    assert span([1.01, 1.02], "{:.1f}".format) == "1.0"
