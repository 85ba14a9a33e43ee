"""Commands one after another, at any distance: while paused, while parking, while a prompt is open."""

import dataclasses
import itertools

import pytest
from engine_bench import (
    COOL,
    ECM,
    PER_MIN,
    SHORT,
    ZERO_K,
    BenchRun,
    QuickOperator,
    follows_the_table,
    make_plan,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from annealscope.controller.engine.commands import Answer, Command
from annealscope.controller.engine.operator import AbsentOperator
from annealscope.controller.engine.ramps import WayBack
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.values import PromptStep, RampStep, WaitStep

PATIENCE_TURNS = 30
"""A run that rests this long is resumed."""

PAUSE, RESUME, SKIP, PARK = Command.PAUSE, Command.RESUME, Command.SKIP, Command.PARK
STOP, ABORT, EMERGENCY = Command.STOP, Command.ABORT, Command.EMERGENCY

stories = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(list(Command))), min_size=2, max_size=4)


def _tell(run, story):
    """Give commands at distances in turns; a run that waits for somebody is resumed in the end."""
    at, turn = {}, 0
    for gap, command in story:
        turn += gap
        at.setdefault(turn, []).append(command)
    resting = 0

    def look(status):
        nonlocal resting
        resting = resting + 1 if status.state == "paused" else 0
        if resting > PATIENCE_TURNS:
            run.commands.put(RESUME, "test")

    return run.run_with(at, look)


def _expected(run):
    """What the accepted commands make of a run."""
    accepted = {record["command"] for record in run.records("command") if record["accepted"]}
    ends = (("emergency", "failed"), ("abort", "aborted"), ("stop", "stopped"))
    return next((outcome for command, outcome in ends if command in accepted), "success")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories)
@example(story=[(50, PAUSE), (10, STOP)])
@example(story=[(50, PAUSE), (1, RESUME), (1, PAUSE)])
@example(story=[(50, PAUSE), (10, SKIP)])
@example(story=[(75, PARK), (3, PARK)])
@example(story=[(50, PARK), (3, PAUSE), (5, PARK), (5, ABORT)])
@example(story=[(48, PAUSE), (0, PAUSE), (0, RESUME), (0, SKIP)])
def test_any_story_of_commands_ends_once_and_safely(tmp_path_factory, story):
    run = BenchRun(tmp_path_factory.mktemp("story"), plan=SHORT, operator=QuickOperator())

    outcome = _tell(run, story)

    assert outcome.outcome == _expected(run)
    assert len(run.records("run_ended")) == 1
    assert follows_the_table(run.states)
    assert len(run.records("hold_opened")) == len(run.records("hold_closed"))
    assert run.is_safe
    for record in run.records("command"):
        assert record["accepted"] or record["why"]


def _acquiring(tmp_path, story, plan=None):
    """A run that is told a story in the middle of its acquisition."""
    run = BenchRun(tmp_path, plan=plan or make_plan(RampStep(40 + ZERO_K, 10.0), ECM, COOL))
    turns = 0

    def look(status):
        nonlocal turns
        turns += status.phase == "acquiring" or status.state in ("pausing", "paused")
        if status.phase == "acquiring" or status.state in ("pausing", "paused"):
            for at, command in story:
                if at == turns:
                    run.commands.put(command, "test")

    outcome = run.run_with({}, look)
    return run, outcome


def test_a_pause_that_is_taken_back_at_once_breaks_nothing(tmp_path):
    run, outcome = _acquiring(tmp_path, [(12, PAUSE), (12, RESUME)])
    assert outcome.outcome == "success"
    assert run.stream.segments == []
    assert run.stream.sent == list(range(40))


def test_a_pause_of_a_movie_keeps_its_frames_and_begins_a_segment(tmp_path):
    run, outcome = _acquiring(tmp_path, [(12, PAUSE), (40, RESUME)])

    assert outcome.outcome == "success"
    assert run.states == ["arming", "running", "pausing", "paused", "running", "finishing", "ended"]
    ((number, why, first),) = run.stream.segments
    assert (number, why) == (1, "paused by the operator (test)")
    assert run.stream.sent == list(range(40))
    starts = [frame.t_start_s for frame in run.stream.frames]
    resumed = next(r["t_s"] for r in run.records("command") if r["command"] == "resume")
    assert starts[first] == pytest.approx(resumed)
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    assert sum(gap > 2.001 for gap in gaps) == 1


@pytest.mark.parametrize(("end", "reason"), [(STOP, "stopped"), (ABORT, "aborted"), (PARK, "parked")])
def test_a_paused_movie_can_be_ended_and_is_written(tmp_path, end, reason):
    run, outcome = _acquiring(tmp_path, [(12, PAUSE), (30, end)])
    assert [record["reason"] for record in run.records("hold_closed")] == [reason]
    assert outcome.outcome == ("success" if end is PARK else reason)


def _noted(name, call, asked, clock):
    """Write down when a device is asked for something."""

    def noted(*args):
        asked.append((name, clock.monotonic()))
        return call(*args)

    return noted


def test_ten_minutes_at_275_degrees_leave_the_setpoint_as_it_is(tmp_path):
    """Ten simulated minutes: nobody else but the run may touch the holder, and it does not."""
    plan = make_plan(RampStep(275 + ZERO_K, 10.0), ECM, COOL, settle=(0.5, 30.0, 300.0))
    run = BenchRun(tmp_path, plan=plan)
    holder, asked, seen = run.rig.holder, [], []
    for name in ("ramp", "hold_here", "switch_off", "safe"):
        call = getattr(holder, name)
        setattr(
            holder,
            name,
            lambda *args, n=name, c=call: (asked.append((n, run.clock.monotonic())), c(*args))[1],
        )

    def look(status):
        if status.frames == 10 and status.state == "running" and not seen:
            run.commands.put(PAUSE, "test")
        if status.state == "paused":
            seen.append((run.clock.monotonic(), holder.locate(), run.rig.world.blanked))
            if run.clock.monotonic() - seen[0][0] >= 600.0:
                run.commands.put(RESUME, "test")

    outcome = run.run_with({}, look)

    assert outcome.outcome == "success"
    assert seen[-1][0] - seen[0][0] >= 600.0
    assert {location.setpoint_K for _, location, _ in seen} == {275 + ZERO_K}
    assert all(abs(location.measured_K - 275 - ZERO_K) < 0.5 for _, location, _ in seen[5:])
    assert all(blanked for *_, blanked in seen)
    assert [name for name, t_s in asked if seen[0][0] - 3.0 <= t_s <= seen[-1][0] + 1.0] == []


def test_a_ramp_that_is_paused_stands_still_and_then_goes_on_to_its_target(tmp_path):
    run = BenchRun(tmp_path)
    seen = []

    def look(status):
        if status.state == "paused":
            seen.append(run.rig.holder.locate().setpoint_K)

    outcome = run.run_with({40: [PAUSE], 200: [RESUME]}, look)

    assert outcome.outcome == "success"
    assert len(set(seen)) == 1
    assert 26 + ZERO_K < seen[0] < 39 + ZERO_K
    assert run.records("settled")[0]["setpoint_K"] == 40 + ZERO_K
    assert run.stream.sent == list(range(40))


def test_an_age_runs_through_a_pause(tmp_path):
    plan = make_plan(RampStep(40 + ZERO_K, 10.0), WaitStep(until_age_s=120.0), ECM, COOL)
    run = BenchRun(tmp_path, plan=plan)

    run.run_with({90: [PAUSE], 150: [RESUME]})

    paused = [record["t_s"] for record in run.records("state") if record["state"] in ("paused", "running")]
    (opened,) = run.records("hold_opened")
    assert paused[-1] - paused[-2] > 30.0
    assert opened["t_s"] - opened["t_settled_s"] == pytest.approx(120.0, abs=1.01)


def test_a_skipped_ramp_leaves_the_temperature_that_it_has_reached(tmp_path):
    run = BenchRun(tmp_path)

    outcome = run.run(40, SKIP)

    assert outcome.outcome == "success"
    assert 26 + ZERO_K < run.stream.opened[0].setpoint_K < 39 + ZERO_K


def test_a_run_that_is_parked_in_a_hold_comes_back_to_it(tmp_path):
    plan = make_plan(RampStep(40 + ZERO_K, 20 * PER_MIN), WaitStep(for_s=60.0), ECM, COOL)
    run = BenchRun(tmp_path, plan=plan, operator=QuickOperator())

    def look(status):
        if status.phase == "waiting" and not run.records("command") and status.t_s % 7 > 5:
            run.commands.put(PARK, "test")

    outcome = run.run_with({}, look)

    (parked,) = run.records("parked")
    assert outcome.outcome == "success"
    assert (parked["next"], parked["return_to_K"]) == (1, 40 + ZERO_K)
    assert parked["rate_K_per_s"] == pytest.approx(20 * PER_MIN)
    assert [record["step"] for record in run.records("step")] == [
        "ramp", "wait", "park", "ramp", "wait", "acquire", "cool",
    ]  # fmt: skip
    assert run.stream.opened[0].setpoint_K == 40 + ZERO_K
    settled = [record["t_s"] for record in run.records("settled") if record["setpoint_K"] > 300]
    assert run.stream.opened[0].t_settled_s == pytest.approx(settled[1] - parked["age_s"], abs=0.01)


def test_a_parked_run_ends_and_is_continued_by_another_engine(tmp_path):
    plan = make_plan(RampStep(40 + ZERO_K, 10.0), ECM, dataclasses.replace(ECM, hold=2), COOL)
    (tmp_path / "first").mkdir()
    first = BenchRun(tmp_path / "first", plan=plan, operator=AbsentOperator())

    def look(status):
        if status.frames == 10 and not first.records("command"):
            first.commands.put(PARK, "test")

    outcome = first.run_with({}, look)
    (parked,) = first.records("parked")
    assert (outcome.outcome, outcome.exit_code) == ("parked", ExitCode.OK)
    assert (first.states[-2:], parked["next"], first.is_safe) == (["parked", "ended"], 2, True)
    assert first.records("hold_closed")[0]["reason"] == "parked"

    second = BenchRun(tmp_path, plan=plan)
    back = WayBack(parked["return_to_K"], parked["rate_K_per_s"], parked["age_s"])
    outcome = second.run(start_at=parked["next"], back=back)

    assert outcome.outcome == "success"
    assert [record["step"] for record in second.records("step")] == ["ramp", "acquire", "cool"]
    assert [opened.hold for opened in second.stream.opened] == [2]
    assert second.stream.opened[0].setpoint_K == 40 + ZERO_K


def test_a_prompt_waits_for_resume(tmp_path):
    run = BenchRun(tmp_path, plan=make_plan(PromptStep("Insert the aperture.")), operator=AbsentOperator())
    shown = []

    def look(status):
        shown.append(status.prompt)
        if len(shown) == 100:
            run.commands.put(RESUME, "test")

    outcome = run.run_with({}, look)

    assert outcome.outcome == "success"
    assert shown[1] == "Insert the aperture."
    assert run.records("prompt")[0]["timeout_s"] is None
    assert [record["by"] for record in run.records("answered")] == ["test"]


@pytest.mark.parametrize(
    ("command", "turn", "words"),
    [
        (RESUME, 30, "not paused"),
        (PAUSE, 5000, "finishing"),
        (SKIP, 5000, "finishing"),
        (STOP, 5000, "finishing"),
    ],
)
def test_a_command_that_makes_no_sense_is_answered_with_a_reason(tmp_path, command, turn, words):
    run = BenchRun(tmp_path, plan=make_plan(RampStep(40 + ZERO_K, 10.0), WaitStep(for_s=3.0)))
    answers, turns = [], 0

    def look(status):
        nonlocal turns
        turns += 1
        if turns == turn or (turn == 5000 and status.state == "finishing" and not answers):
            run.commands.put(command, "test", answers.append)

    outcome = run.run_with({}, look)

    assert outcome.outcome == "success"
    (answer,) = {*answers}
    assert answer == Answer(False, run.records("command")[0]["why"])
    assert words in answer.why
