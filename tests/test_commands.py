"""Each command at each turn of a run: the run goes on or ends as the table of commands says."""

import numpy as np
import pytest
from engine_bench import SHORT, BenchRun, QuickOperator, follows_the_table

from annealscope.controller.engine.commands import Command
from annealscope.controller.errors import ExitCode

TURNS = 120
"""About as many as the plan takes."""
REST_TURNS = 12
"""From a command to the one that ends its effect: longer than any boundary takes."""

ENDS = {
    Command.STOP: ("stopped", "ended", ExitCode.OPERATOR),
    Command.ABORT: ("aborted", "ended", ExitCode.OPERATOR),
    Command.EMERGENCY: ("failed", "faulted", ExitCode.OPERATOR),
}


def _turns(seed):
    """A third of all turns, or all of them among the slow tests."""
    rng = np.random.Generator(np.random.Philox(seed))
    chosen = set(rng.choice(TURNS, TURNS // 3, replace=False).tolist())
    return [turn if turn in chosen else pytest.param(turn, marks=pytest.mark.slow) for turn in range(TURNS)]


def _run(tmp_path):
    return BenchRun(tmp_path, plan=SHORT, operator=QuickOperator())


def _check_end(run, outcome):
    """What holds of every run that has ended, whatever it was told."""
    assert len(run.records("run_ended")) == 1
    assert run.records("run_ended")[0]["outcome"] == outcome.outcome
    assert follows_the_table(run.states)
    assert len(run.records("hold_opened")) == len(run.records("hold_closed"))
    assert not run.stream.is_open
    assert run.is_safe


def test_the_plan_of_these_tests_has_as_many_turns_as_they_think(tmp_path):
    run = _run(tmp_path)

    outcome = run.run()

    assert outcome.outcome == "success"
    assert TURNS - 20 < len(run.statuses) < TURNS + 20
    _check_end(run, outcome)


@pytest.mark.parametrize("command", ENDS)
@pytest.mark.parametrize("turn", _turns(1))
def test_a_command_that_ends_the_run_does_so_at_every_turn(tmp_path, turn, command):
    run = _run(tmp_path)

    outcome = run.run(turn, command)

    _check_end(run, outcome)
    answers = run.records("command")
    if answers and answers[0]["accepted"]:
        name, final, code = ENDS[command]
        assert (outcome.outcome, run.states[-1], outcome.exit_code) == (name, final, code)
    else:  # the run was ending already
        assert outcome.outcome == "success"


@pytest.mark.parametrize("turn", _turns(2))
def test_a_pause_at_every_turn_holds_and_blanks_until_the_run_is_resumed(tmp_path, turn):
    run = _run(tmp_path)
    setpoints_K, blanked, heater = [], [], run.rig.holder

    def look(status):
        if status.state == "paused":
            setpoints_K.append(heater.locate().setpoint_K)
            blanked.append(run.rig.world.blanked)

    outcome = run.run_with({turn: [Command.PAUSE], turn + REST_TURNS: [Command.RESUME]}, look)

    assert outcome.outcome == "success"
    _check_end(run, outcome)
    if run.records("command") and run.records("command")[0]["accepted"]:
        assert "paused" in run.states
        assert len(set(setpoints_K)) == 1
        assert all(blanked)
        assert run.states[-3:] == ["running", "finishing", "ended"]
    assert [r["frames"] for r in run.records("hold_closed")] == [6, 6]


@pytest.mark.parametrize("turn", _turns(3))
def test_a_skip_at_every_turn_goes_on_with_the_next_step(tmp_path, turn):
    run = _run(tmp_path)

    outcome = run.run(turn, Command.SKIP)

    assert outcome.outcome == "success"
    _check_end(run, outcome)
    assert [record["index"] for record in run.records("step")][:7] == list(range(7))
    reasons = [record["reason"] for record in run.records("hold_closed")]
    assert set(reasons) <= {"complete", "truncated"}
    assert reasons.count("truncated") <= 1


@pytest.mark.parametrize("turn", _turns(4))
def test_a_park_at_every_turn_cools_and_the_next_day_goes_on(tmp_path, turn):
    run = _run(tmp_path)
    nights = []

    def look(status):
        if status.state == "parked":
            nights.append((run.rig.world.blanked, run.rig.holder.locate().setpoint_K < 299.0))

    outcome = run.run_with({turn: [Command.PARK]}, look)

    assert outcome.outcome == "success"
    _check_end(run, outcome)
    if run.records("command") and run.records("command")[0]["accepted"]:
        assert len(run.records("parked")) == 1
        assert len(nights) > 1
        assert all(dark and cold for dark, cold in nights[1:])
        done = {record["index"] for record in run.records("step")}
        assert done >= set(range(7))


@pytest.mark.parametrize("turn", _turns(5))
def test_a_resume_at_every_turn_answers_a_prompt_or_is_refused(tmp_path, turn):
    run = _run(tmp_path)

    outcome = run.run(turn, Command.RESUME)

    assert outcome.outcome == "success"
    _check_end(run, outcome)
    answered = [record["by"] for record in run.records("answered")]
    for record in run.records("command"):
        assert record["accepted"] is ("test" in answered)
        assert record["accepted"] or record["why"]
    assert len(answered) == 2
