"""What the terminal says while a run is on."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from annealscope.controller.cli import pace as pace_module
from annealscope.controller.cli.pace import Pace
from annealscope.controller.cli.progress import PlainView, TerminalView
from annealscope.controller.cli.told import describe, next_task, notices, record, where, with_reason
from annealscope.controller.engine.ports import NextTask, Status

RUN = Path("day1")
MOVIE = Status(
    state="running", step="acquire ecm at 100 °C", phase="acquiring", step_number=6, steps=11, t_s=1000.0,
    total_s=4000.0, temperature_K=373.15, setpoint_K=373.15, frames=50, frames_planned=500,
    step_from_s=1000.0, step_to_s=2000.0,
)  # fmt: skip


@pytest.fixture
def real_time(monkeypatch):
    """A real clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: now[0])
    return now


def test_the_time_to_go_follows_the_plan(real_time):
    pace = Pace()
    pace.update(MOVIE)
    assert pace.to_go_s is None
    real_time[0] = 10.0
    pace.update(replace(MOVIE, t_s=1500.0))
    assert pace.done_s == 1500.0
    assert pace.to_go_s == pytest.approx(10.0 / 500.0 * 2500.0)


@pytest.mark.parametrize("rest", [{"state": "parked"}, {"state": "paused"}, {"prompt": "Is it there?"}])
def test_nights_pauses_and_questions_are_no_progress(rest, real_time):
    pace = Pace()
    pace.update(MOVIE)
    real_time[0] = 10.0
    pace.update(replace(MOVIE, t_s=1500.0, **rest))
    before_s = pace.to_go_s
    real_time[0] = 500.0
    pace.update(replace(MOVIE, t_s=44_700.0))
    assert pace.done_s == 1500.0
    assert pace.to_go_s == before_s


def test_a_continued_run_does_not_count_the_days_before(real_time):
    pace = Pace()
    pace.update(replace(MOVIE, t_s=90_000.0, step_from_s=3000.0, step_to_s=3500.0))
    real_time[0] = 10.0
    pace.update(replace(MOVIE, t_s=90_250.0, step_from_s=3000.0, step_to_s=3500.0))
    assert pace.to_go_s == pytest.approx(10.0 / 250.0 * 750.0)


def test_a_step_that_is_late_is_not_more_than_done(real_time):
    pace = Pace()
    pace.update(MOVIE)
    pace.update(replace(MOVIE, t_s=9000.0))
    assert pace.done_s == MOVIE.step_to_s


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({}, []),
        ({"prompt": "Fill."}, ["asked of you: Fill.", "answer with: annealscope resume day1"]),
        (
            {"state": "paused", "why": "paused by the operator", "prompt": "Fill."},
            ["paused by the operator", "go on with: annealscope resume day1"],
        ),
        (
            {"state": "suspended", "why": "too warm"},
            ["suspended: too warm", "goes on by itself; to go on all the same: annealscope resume day1"],
        ),
        (
            {"state": "suspended", "why": "refill the cold trap; then `resume`"},
            [
                "suspended: refill the cold trap; then `resume`",
                "when that is done: annealscope resume day1",
            ],
        ),
        ({"state": "finishing", "why": "all steps are done"}, ["finishing: all steps are done"]),
        (
            {"compiling": True},
            ["first run: the analysis is compiled, later runs start at once; no frame is lost meanwhile"],
        ),
    ],
)
def test_why_a_run_rests_and_what_to_do(change, lines):
    assert [*notices(replace(MOVIE, **change), RUN)] == lines


def test_when_the_operator_is_needed():
    task = NextTask("Fill the nitrogen.", 1090.0)
    status = replace(MOVIE, next_task=task)
    assert next_task(status) == "you are needed next in 0:01:30 for: Fill the nitrogen."
    assert next_task(replace(status, t_s=2000.0)).startswith("you are needed next after this step for: Fill")
    assert next_task(MOVIE) == ""
    assert next_task(replace(status, state="finishing")) == ""


def test_what_is_under_way_is_said_in_one_line():
    status = replace(MOVIE, drift_nm=0.126, tau_s=380.4, sigma_tau_s=12.2)
    assert where(status) == "[7/11] acquire ecm at 100 °C"
    assert describe(status, 9.0) == " 100.0 °C  acquiring  50/500 frames  9/s  drift 0.13 nm  τ 380 ± 12 s"
    assert "paused" in describe(replace(status, state="paused"))
    assert where(replace(status, step="", state="arming")) == "arming"


def test_what_the_frames_have_cost_and_what_is_missing():
    assert record(MOVIE) == ""
    status = replace(MOVIE, region=3, region_dose_per_nm2=8.11e7, segment=1, frames_lost=2)
    assert record(status) == "region 3: 8.11e+07 e/nm^2; segment 1; 2 frames lost by the camera"


def test_a_reason_that_names_its_state_is_not_said_twice():
    assert with_reason("stopped", "stopped by the operator") == "stopped by the operator"
    assert with_reason("failed", "too hot") == "failed: too hot"


def test_plain_lines_say_a_question_once():
    out = io.StringIO()
    view = PlainView(out, RUN)
    view.show(MOVIE)
    for _ in range(3):
        view.show(replace(MOVIE, phase="prompting", prompt="Is it there?"))
    assert out.getvalue().count("asked of you: Is it there?") == 1
    assert out.getvalue().count("answer with: annealscope resume day1") == 1
    view.show(replace(MOVIE, phase="prompting", prompt="And now?"))
    assert "asked of you: And now?" in out.getvalue()


def test_the_terminal_shows_the_question_and_rings_once():
    out = io.StringIO()
    view = TerminalView(RUN, Console(file=out, force_terminal=True, width=80))
    asking = replace(MOVIE, phase="prompting", prompt="Is it there?")
    for status in (asking, asking):
        view._shown_s = 0.0
        view.show(status)
    view.close()
    assert "asked of you: Is it there?" in out.getvalue()
    assert "annealscope resume day1" in out.getvalue()
    assert out.getvalue().count("\a") == 1
