"""What a report says of the journal: the times in which the plan stood still, and whether a run goes on."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from run_folder import FakeRun

from annealscope.controller.config.study import load_study
from annealscope.controller.errors import ExitCode
from annealscope.controller.monitor.story import Story
from annealscope.controller.report.load_arrays import number
from annealscope.controller.report.load_journal import goes_on, interruptions
from annealscope.controller.report.page import write_report
from annealscope.controller.report.study.load import load_study_runs

KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("state", {"state": state, "why": state}) for state in ("running", "paused", "suspended", "parked")),
    *(("state", {"state": state}) for state in ("arming", "aborting")),
    *(("run_ended", {"outcome": outcome, "exit_code": 1}) for outcome in ("failed", "parked")),
    ("run_continued", {}),
    ("prompt", {"message": "Insert the aperture."}),
    ("answered", {"by": "operator"}),
    ("step", {"step": "wait", "index": 1}),
)


def records(*told: tuple[float, str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"t_s": t_s, "kind": kind, **fields} for t_s, kind, fields in told]


def test_a_run_that_failed_stands_still_no_more_and_each_prompt_is_one() -> None:
    told = records(
        (100.0, "state", {"state": "suspended", "why": "drift"}),
        (200.0, "run_ended", {"outcome": "failed"}),
        (50000.0, "run_continued", {}),
        (60000.0, "prompt", {"message": "A"}),
        (60100.0, "prompt", {"message": "B"}),
        (60200.0, "answered", {"by": "operator"}),
    )
    assert [(s.state, s.start_s, s.end_s, s.why) for s in interruptions(told)] == [
        ("suspended", 100.0, 200.0, "drift"),
        ("prompt", 60000.0, 60100.0, "A"),
        ("prompt", 60100.0, 60200.0, "B"),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_report_has_the_interruptions_of_the_page(seed: int) -> None:
    chosen = np.random.default_rng(seed).integers(len(KINDS), size=60)
    told = records(*((float(t_s), *KINDS[place]) for t_s, place in enumerate(chosen)))
    story = Story()
    story.take(told)
    on_page = [
        (stretch.what, stretch.t_from_s, story.t_s if stretch.t_to_s is None else stretch.t_to_s, stretch.why)
        for stretch in [*story.standing, *story.asked]
    ]
    assert [(s.state, s.start_s, s.end_s, s.why) for s in interruptions(told)] == on_page


@pytest.mark.parametrize(
    ("outcome", "exit_code", "expected"),
    [
        ("success", ExitCode.OK, False),
        ("success", ExitCode.INCOMPLETE, False),
        ("aborted", ExitCode.OPERATOR, False),
        ("stopped", ExitCode.OPERATOR, False),
        ("stopped", ExitCode.SAFETY, True),
        ("failed", ExitCode.DEVICE, True),
        ("crashed", ExitCode.INCOMPLETE, True),
        ("parked", ExitCode.OK, True),
    ],
)
def test_a_run_goes_on_after_some_ends(outcome: str, exit_code: int, expected: bool) -> None:
    told = records((1.0, "run_ended", {"outcome": outcome, "exit_code": exit_code}))
    assert goes_on(told) is expected
    assert not goes_on([*told, *records((2.0, "run_continued", {}))])


@pytest.mark.parametrize(
    ("outcome", "exit_code", "badge"),
    [
        ("crashed", ExitCode.INCOMPLETE, "Crashed: `annealscope continue` goes on."),
        ("failed", ExitCode.DEVICE, "Failed: `annealscope continue` goes on."),
        ("parked", ExitCode.OK, "Parked: `annealscope continue` goes on."),
        ("stopped", ExitCode.SAFETY, "Stopped before the plan was through: `annealscope continue` goes on."),
        ("stopped", ExitCode.OPERATOR, "Stopped before the plan was through."),
    ],
)
def test_page_and_study_say_what_goes_on(tmp_path: Path, outcome: str, exit_code: int, badge: str) -> None:
    folder = FakeRun(tmp_path / "run", holds=(), outcome=outcome, exit_code=exit_code).write()
    assert f">{badge}<" in write_report(folder).read_text(encoding="utf-8")
    (tmp_path / "small.yaml").write_text("study: small\nroles: {in_situ: {run: run}}\n", encoding="utf-8")
    missing = load_study_runs(load_study(str(tmp_path / "small.yaml")), {}).roles["in_situ"].missing
    assert ("annealscope continue" in missing) == ("annealscope continue" in badge)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, 2.0), (2.5, 2.5), (np.float32(2.5), 2.5), (np.int64(2), 2.0), (np.array(2.5), 2.5)],
)
def test_every_kind_of_number_is_one(value: object, expected: float) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    "value", [None, "2.5", np.array([2.5]), [2.5], 2 + 1j, h5py.Empty("f8"), np.str_("2")]
)
def test_what_is_no_number_is_nan(value: object) -> None:
    assert np.isnan(number(value))
