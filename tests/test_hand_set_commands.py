"""Each command at many turns of a run whose holder only the operator can set."""

import numpy as np
import pytest
from engine_bench import follows_the_table
from hand_set_bench import HandSetRun

from annealscope.controller.engine.commands import Command
from annealscope.controller.errors import ExitCode

TURNS = 136
"""What the plan takes."""
REST_TURNS = 12
"""From a pause to the command that ends it: longer than any boundary, and than the operator needs to hold."""
OFF = "switch the heater off at the holder's controller"


def _turns(seed, fast=5):
    """A few turns, or all of them among the slow tests."""
    rng = np.random.Generator(np.random.Philox(seed))
    chosen = set(rng.choice(TURNS, fast, replace=False).tolist())
    return [turn if turn in chosen else pytest.param(turn, marks=pytest.mark.slow) for turn in range(TURNS)]


def _accepted(run):
    return [record["command"] for record in run.records("command") if record["accepted"]]


def _check_end(run, outcome):
    assert follows_the_table(run.states)
    assert len(run.records("hold_opened")) == len(run.records("hold_closed"))
    assert not run.stream.is_open
    assert run.rig.world.blanked
    assert run.records("run_ended")[0]["exit_code"] == outcome.exit_code


def _check_cold(run, outcome):
    """The operator has confirmed everything, and the chip has done it."""
    _check_end(run, outcome)
    assert run.is_safe
    assert run.holder.order == ""
    assert len(run.records("prompt")) == len(run.records("answered"))
    assert run.orders[-1] == OFF.split(" at ")[0]


def test_a_run_asks_for_every_change_of_temperature_and_for_the_switch(tmp_path):
    run = HandSetRun(tmp_path)

    outcome = run.run()

    assert outcome.exit_code is ExitCode.OK
    assert run.orders == ["ramp to 40.0 °C", "ramp to 25.0 °C", "switch the heater off"]
    assert run.alarms == []
    assert abs(len(run.statuses) - TURNS) < 5
    _check_cold(run, outcome)


@pytest.mark.parametrize("command", [Command.STOP, Command.ABORT])
@pytest.mark.parametrize("turn", _turns(1))
def test_a_command_that_ends_the_run_alarms_at_once_and_waits_until_the_heater_is_off(
    tmp_path, turn, command
):
    run = HandSetRun(tmp_path)

    outcome = run.run(turn, command)

    _check_cold(run, outcome)
    if _accepted(run):
        assert outcome.outcome == {"stop": "stopped", "abort": "aborted"}[command]
        assert outcome.exit_code is ExitCode.OPERATOR
        given_s = run.records("command")[0]["t_s"]
        last_asked_s = run.records("prompt")[-1]["t_s"]
        assert max(given_s, last_asked_s) <= run.alarms[-1]["t_s"] <= max(given_s, last_asked_s) + 1.0


@pytest.mark.parametrize("turn", _turns(2))
def test_an_emergency_blanks_and_says_that_the_heater_may_be_on(tmp_path, turn):
    run = HandSetRun(tmp_path)

    outcome = run.run(turn, Command.EMERGENCY)

    _check_end(run, outcome)
    if run.holder.order:
        assert run.holder.order == OFF
        assert outcome.outcome == "failed"
        assert outcome.exit_code is ExitCode.SAFETY
        assert f"the heater was not confirmed off: {OFF}" in outcome.why
        assert OFF in run.alarms[-1]["message"]


@pytest.mark.parametrize("turn", _turns(3))
def test_a_pause_asks_to_hold_where_a_ramp_was_asked_for_and_goes_on_after(tmp_path, turn):
    run = HandSetRun(tmp_path)
    resting, setpoints_K = [], []

    def look(status):
        if status.state == "paused":
            resting.append(status.order)
            assert run.rig.world.blanked
            if not status.order:
                setpoints_K.append(run.rig.world.chip.setpoint_K(run.clock.monotonic()))

    outcome = run.run_with({turn: [Command.PAUSE], turn + REST_TURNS: [Command.RESUME]}, look)

    assert outcome.outcome == "success"
    _check_cold(run, outcome)
    assert set(resting) <= {"", *(order for order in resting if order.startswith("hold the present"))}
    assert len(set(setpoints_K)) <= 1
    assert [record["frames"] for record in run.records("hold_closed")] == [6, 6]


@pytest.mark.parametrize("turn", _turns(4))
def test_a_skip_in_a_ramp_waits_until_the_operator_holds(tmp_path, turn):
    run = HandSetRun(tmp_path)

    outcome = run.run(turn, Command.SKIP)

    assert outcome.outcome == "success"
    _check_cold(run, outcome)
    assert [record["index"] for record in run.records("step")][:7] == list(range(7))


@pytest.mark.parametrize("turn", _turns(5))
def test_a_park_ends_when_the_heater_is_confirmed_off(tmp_path, turn):
    run = HandSetRun(tmp_path)

    def look(status):
        if status.state == "parked":
            assert status.order == ""
            assert run.rig.holder.locate().setpoint_K < 299.0

    outcome = run.run_with({turn: [Command.PARK]}, look)

    assert outcome.outcome == "success"
    _check_cold(run, outcome)
    if _accepted(run):
        parked_s = run.records("parked")[0]["t_s"]
        asked = [r["message"] for r in run.records("prompt") if r["t_s"] <= parked_s]
        assert asked[-1] == OFF


@pytest.mark.parametrize("turn", _turns(6))
def test_a_resume_confirms_the_order_that_stands(tmp_path, turn):
    run = HandSetRun(tmp_path)

    outcome = run.run(turn, Command.RESUME)

    assert outcome.outcome == "success"
    _check_cold(run, outcome)
    assert bool(_accepted(run)) is ("test" in [record["by"] for record in run.records("answered")])
