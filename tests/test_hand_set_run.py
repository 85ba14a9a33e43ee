"""Runs whose holder only the operator can set: alarms, deadlines, answers by the thermometer, ends."""

from dataclasses import replace
from pathlib import Path

import pytest
from engine_bench import COOL, PER_MIN, ROOM_K, ZERO_K, QuickOperator, make_plan
from hand_set_bench import HandSetRun

from annealscope.controller.cli.told import notices
from annealscope.controller.engine.commands import Command
from annealscope.controller.engine.operator import AbsentOperator
from annealscope.controller.engine.orders import ALARM_EVERY_S, ORDER_WITHIN_S, Orders
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.values import CoolStep, ParkStep, RampStep, WaitStep

RAMP = RampStep(40 + ZERO_K, 10.0)
WAIT = WaitStep(for_s=20.0)
SETTLE_TIMEOUT_S = 60.0
QUICK = {"settle": (0.5, 1.0, SETTLE_TIMEOUT_S)}
OFF = "switch the heater off at the holder's controller"


def _run(tmp_path, *steps, operator=None):
    return HandSetRun(tmp_path, make_plan(*steps, **QUICK), operator or AbsentOperator())


class Late(QuickOperator):
    """Comes after a quarter of an hour."""

    def answers(self, asked_s, now_s):
        return now_s - asked_s >= 900.0


def test_an_order_that_nobody_confirms_is_an_alarm_again_and_again(tmp_path):
    run = _run(tmp_path, RAMP, WAIT, operator=Late())
    alarmed = []

    def look(status):
        if status.alarm:
            alarmed.append(status.t_s)
            assert status.order in status.alarm

    assert run.run_with({}, look).outcome == "success"

    asked_s, answered_s = (run.records(kind)[0]["t_s"] for kind in ("prompt", "answered"))
    in_time = [alarm["t_s"] for alarm in run.alarms if alarm["t_s"] < answered_s]
    due = [asked_s + ORDER_WITHIN_S + number * ALARM_EVERY_S for number in range(6)]
    assert in_time == pytest.approx([t_s for t_s in due if t_s < answered_s], abs=1.5)
    assert len(in_time) == 4
    assert alarmed[0] == pytest.approx(in_time[0], abs=1.2)
    assert not any(answered_s < t_s < answered_s + ORDER_WITHIN_S for t_s in alarmed)


def test_the_time_to_settle_counts_from_the_confirmation(tmp_path):
    """The operator needs longer than the ramp and its settling may take."""
    run = _run(tmp_path, RAMP, WAIT, operator=Late())
    assert Late().answers(0.0, 3 * SETTLE_TIMEOUT_S) is False
    assert run.run().outcome == "success"
    answered_s, settled_s = run.records("answered")[0]["t_s"], run.records("settled")[0]["t_s"]
    assert answered_s < settled_s < answered_s + SETTLE_TIMEOUT_S


def test_a_confirmed_ramp_that_does_not_happen_fails_loudly(tmp_path):
    run = _run(tmp_path, RAMP, WAIT)
    run.holder.hands = lambda order: None  # confirmed, and not done

    outcome = run.told((Command.RESUME, lambda status: status.order))

    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.SAFETY)
    assert "not settled after 60 s" in outcome.why
    assert outcome.why.endswith(f"the heater was not confirmed off: {OFF}")
    assert run.rig.world.blanked
    assert run.records("run_ended")[0]["why"] == outcome.why


def test_a_way_down_that_shows_in_the_temperature_needs_no_answer_but_the_switch_does(tmp_path):
    run = _run(tmp_path, RAMP, WAIT, CoolStep(ROOM_K, 10.0))
    waited = []

    def look(status):
        if status.order.startswith("ramp to 25"):
            run.rig.holder.switch_off()  # done without a word
        if status.order == OFF:
            waited.append(status.state)

    def answer(status):
        look(status)
        if (status.order.startswith("ramp to 40") and status.t_s < 60) or len(waited) == 200:
            run.commands.put(Command.RESUME, "test")

    assert run.run_with({}, answer).outcome == "success"
    assert [record["by"] for record in run.records("answered")] == ["test", "temperature", "test"]
    assert len(waited) >= 200
    assert set(waited) <= {"running", "finishing"}


def test_a_hot_specimen_answers_nothing(tmp_path):
    run = _run(tmp_path, RAMP, WAIT, CoolStep(ROOM_K, 10.0))
    hot = []

    def look(status):
        if status.order.startswith("ramp to 25"):
            hot.append(status.alarm)
        if status.order and (not hot or len(hot) > 400):
            run.commands.put(Command.RESUME, "test")

    assert run.run_with({}, look).outcome == "success"
    assert any(hot)
    assert "temperature" not in [record["by"] for record in run.records("answered")]


def test_a_pause_in_a_ramp_takes_two_answers(tmp_path):
    run = _run(tmp_path, RampStep(100 + ZERO_K, 4.0), WAIT, CoolStep(ROOM_K, 10.0))
    states = []

    def look(status):
        states.append(status.state)
        asked = status.order
        if asked.startswith("ramp to 100") and states.count("paused") == 0:
            run.commands.put(Command.RESUME, "confirms the ramp")
        elif status.phase == "ramping" and status.setpoint_K > 330 and states.count("paused") == 0:
            run.commands.put(Command.PAUSE, "test")
        elif asked.startswith("hold") and states.count("paused") == 5:
            run.commands.put(Command.RESUME, "confirms the hold")
        elif states.count("paused") == 20 or (asked and states.count("paused") > 20):
            run.commands.put(Command.RESUME, "goes on")

    assert run.run_with({}, look).outcome == "success"
    first, hold, second = run.orders[:3]
    assert (first, second) == ("ramp to 100.0 °C", "ramp to 100.0 °C")
    assert hold.startswith("hold the present temperature")
    assert states.count("paused") >= 20


def test_a_skipped_ramp_leaves_the_temperature_that_was_held(tmp_path):
    run = HandSetRun(tmp_path, make_plan(RampStep(100 + ZERO_K, 1.0), WAIT, **QUICK))
    outcome = run.told((Command.SKIP, lambda status: status.setpoint_K > 330))
    assert outcome.outcome == "success"
    held = [record for record in run.records("prompt") if record["message"].startswith("hold")]
    assert len(held) == 1
    begun = next(record for record in run.records("step") if record["step"] == "wait")
    confirmed = next(record for record in run.records("answered") if record["t_s"] > held[0]["t_s"])
    assert begun["t_s"] >= confirmed["t_s"]


def test_a_run_is_parked_only_when_the_heater_is_confirmed_off(tmp_path):
    run = _run(tmp_path, RAMP, ParkStep("Good night.", ROOM_K, 10.0), RAMP)
    parked = []

    def look(status):
        if status.order == OFF:
            parked.append(status.state)
        if status.order and (status.order != OFF or len(parked) == 50):
            run.commands.put(Command.RESUME, "test")

    assert run.run_with({}, look).outcome == "parked"
    assert set(parked) == {"running"}
    assert run.orders == ["ramp to 40.0 °C", "ramp to 25.0 °C", "switch the heater off"]


def test_skip_while_a_park_waits_for_the_switch_does_not_take_the_order_back(tmp_path):
    run = _run(tmp_path, ParkStep("Good night.", ROOM_K, 10.0), WAIT, operator=Late())
    outcome = run.told((Command.SKIP, lambda status: status.order == OFF))
    assert outcome.outcome == "success"
    assert set(run.orders) == {"switch the heater off"}
    assert run.records("step")[1]["t_s"] >= 900.0


def test_a_fault_says_that_the_heater_may_be_on(tmp_path):
    hot = replace(make_plan(RAMP, WAIT, COOL, **QUICK), max_temperature_K=30 + ZERO_K)
    run = HandSetRun(tmp_path, hot)
    outcome = run.run()
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.SAFETY)
    assert "limit 30.0 °C" in outcome.why
    assert OFF in outcome.why
    assert OFF in run.alarms[-1]["message"]


def test_a_fast_cool_down_the_holder_refuses_becomes_an_order_to_switch_off(tmp_path):
    plan = make_plan(RAMP, WAIT, **QUICK)
    run = HandSetRun(tmp_path, replace(plan, safe=replace(plan.safe, rate_K_per_s=1000 * PER_MIN * 60)))
    assert run.run().outcome == "success"
    assert run.orders == ["ramp to 40.0 °C", "switch the heater off"]
    assert run.is_safe


def test_the_terminal_says_what_to_do_in_every_state(tmp_path):
    run = HandSetRun(tmp_path, make_plan(RAMP, WaitStep(for_s=5.0), **QUICK))
    run.run_with({2: [Command.PAUSE], 20: [Command.RESUME]})
    asked = [status for status in run.statuses if status.order]
    assert {status.state for status in asked} >= {"running", "paused", "finishing"}
    for status in asked:
        told = [*notices(replace(status, alarm="come"), Path("day1"))]
        assert told[0] == "ALARM: come"
        assert told[-2:] == [f"asked of you: {status.order}", "confirm with: annealscope resume day1"]


def test_a_new_order_blanks_a_beam_that_is_on(tmp_path):
    run = HandSetRun(tmp_path, make_plan(RAMP, **QUICK))
    run.holder.open()
    orders = Orders(run.bench)
    run.holder.ramp(RAMP.target_K, RAMP.rate_K_per_s)
    run.rig.microscope.blank(False)
    orders.watch(None)
    assert run.rig.world.blanked
    run.clock.sleep_until(ORDER_WITHIN_S)
    run.rig.microscope.blank(False)
    run.bench.operator = AbsentOperator()
    orders.watch(None)
    assert orders.alarm
    assert run.rig.world.blanked
    run.journal.close()
