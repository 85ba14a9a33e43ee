"""The engine on virtual time: whatever happens, it ends with the heater off and the beam blanked."""

import dataclasses
import math
import time

import pytest
from engine_bench import ECM, PER_MIN, PLAN, RAMP, ROOM_K, BenchRun, MemoryStream, make_plan

from annealscope.controller.engine.commands import Command
from annealscope.controller.engine.runner import Engine
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.values import CoolStep, SafeRule
from annealscope.drivers.interfaces import DeviceError, Reading


def test_a_protocol_is_carried_out_in_order(tmp_path):
    run = BenchRun(tmp_path)

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("success", ExitCode.OK)
    assert [record["step"] for record in run.records("step")] == ["ramp", "wait", "acquire", "cool"]
    assert run.stream.sent == list(range(40))
    assert run.stream.reasons == ["complete"]
    assert [record["state"] for record in run.records("state")] == ["arming", "running", "finishing", "ended"]
    assert run.is_safe


def test_frames_keep_their_period_and_age_counts_from_settling(tmp_path):
    run = BenchRun(tmp_path)

    run.run()

    (opened,) = run.records("hold_opened")
    settled = [record["t_s"] for record in run.records("settled")]
    assert opened["t_settled_s"] == pytest.approx(settled[0], abs=1e-3)
    assert opened["t_s"] == pytest.approx(settled[0] + 10.0, abs=0.2)
    closing = next(r for r in run.records("phase") if r["phase"] == "closing")
    assert closing["t_s"] == pytest.approx(opened["t_s"] + 39 * 2.0 + 1.0, abs=0.01)


def test_an_abort_during_the_stop_takes_over(tmp_path):
    run = BenchRun(tmp_path)

    outcome = run.run(300, Command.STOP, Command.ABORT)

    assert (outcome.outcome, outcome.exit_code) == ("aborted", ExitCode.OPERATOR)
    assert [record["command"] for record in run.records("command")] == ["stop", "abort"]


def test_a_recorder_that_fails_ends_the_run_by_the_planned_way_down(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(fail_after=5))

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("stopped", ExitCode.INCOMPLETE)
    assert "the disk is full" in outcome.why
    assert [record["action"] for record in run.records("guard")] == ["stopped"]
    assert run.records("step")[-1]["path"] == "safe"
    assert run.is_safe


def _bad_sensor(run, reading_of):
    holder = run.rig.holder
    honest = holder.read

    def read():
        now = run.clock.monotonic()
        return {**honest(), "temperature": reading_of(now)} if now > 8 else honest()

    holder.read = read


@pytest.mark.parametrize(
    ("reading_of", "message"),
    [
        (lambda now: Reading(math.nan, now), "unusable"),
        (lambda now: Reading(300.0, now, "bad"), "unusable"),
        (lambda now: Reading(300.0, 0.0), "s old"),
        (lambda now: Reading(600.0, now), "limit 300.0 °C"),
        (lambda now: Reading(math.inf, now), "limit"),
    ],
)
def test_a_sensor_nobody_can_trust_ends_the_run(tmp_path, reading_of, message):
    run = BenchRun(tmp_path)
    _bad_sensor(run, reading_of)

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.SAFETY)
    assert (run.statuses[-1].state, run.statuses[-1].why) == ("faulted", outcome.why)
    assert message in outcome.why
    assert run.is_safe


def test_a_temperature_that_never_settles_is_a_device_fault(tmp_path):
    run = BenchRun(tmp_path)
    _bad_sensor(run, lambda now: Reading(305.0, now))

    outcome = run.run()

    assert outcome.exit_code == ExitCode.DEVICE
    assert "not settled after 300 s" in outcome.why


def test_a_driver_that_raises_makes_everything_safe(tmp_path):
    run = BenchRun(tmp_path)

    def broken(target_K, rate_K_per_s):
        raise DeviceError("holder: link lost")

    run.rig.holder.ramp = broken
    outcome = run.run()

    assert (outcome.exit_code, outcome.why) == (ExitCode.DEVICE, "holder: link lost")
    assert run.is_safe


def test_a_bug_makes_everything_safe_and_is_not_swallowed(tmp_path):
    run = BenchRun(tmp_path)

    def bug(frame, shift_applied_nm, beam_on):
        raise ZeroDivisionError("bug")

    run.stream.send = bug
    with pytest.raises(ZeroDivisionError):
        run.run()

    assert run.is_safe
    assert run.records("run_ended")[0]["exit_code"] == ExitCode.INTERNAL


def test_a_camera_that_stays_frozen_ends_the_run_as_planned(tmp_path):
    run = BenchRun(tmp_path)
    next_frame = run.camera.next_frame
    run.camera.next_frame = lambda timeout_s: None if len(run.stream.sent) >= 5 else next_frame(timeout_s)

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("stopped", ExitCode.DEVICE)
    assert "started again 3 times, in vain" in outcome.why
    assert run.states.count("suspended") == 3
    assert run.is_safe
    assert run.stream.reasons == ["stopped"]


def test_an_interrupt_from_the_keyboard_makes_everything_safe_first(tmp_path):
    run = BenchRun(tmp_path)
    read = run.rig.holder.read

    def interrupted():
        if run.stream.sent:
            raise KeyboardInterrupt
        return read()

    run.rig.holder.read = interrupted
    with pytest.raises(KeyboardInterrupt):
        run.run()

    assert run.is_safe
    assert len(run.records("run_ended")) == 1


def test_a_display_that_breaks_costs_nothing_but_the_display(tmp_path):
    run, seen = BenchRun(tmp_path), []

    def broken(status):
        raise BrokenPipeError("head has seen enough")

    outcome = Engine(run.bench, run.commands, [broken, seen.append]).run()
    run.journal.close()

    assert outcome.outcome == "success"
    assert [record["guard"] for record in run.records("guard")] == ["display"]
    assert seen[-1].state == "ended"  # the others are not silenced


def test_a_journal_that_cannot_be_written_ends_the_run_safely(tmp_path):
    run = BenchRun(tmp_path)
    append, highest_K = run.journal._append, []

    def full(kind, fields):
        if run.stream.sent:
            highest_K.append(run.bench.setpoint_K)
            raise OSError(28, "No space left on device")
        append(kind, fields)

    run.journal._append = full
    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("stopped", ExitCode.INCOMPLETE)
    assert "No space left" in outcome.why
    assert run.stream.reasons == ["stopped"]
    assert highest_K[-1] < highest_K[0] - 5.0  # it was cooled, not quenched
    assert run.is_safe


def test_devices_are_closed_at_the_end(tmp_path):
    run = BenchRun(tmp_path)
    closed = []
    for device in run.bench.devices:
        device.close = lambda name=device.name: closed.append(name)
    run.run()
    assert closed == ["holder", "microscope", "imaging", "diffraction"]


def test_a_ramp_that_never_arrives_is_a_device_fault(tmp_path):
    run = BenchRun(tmp_path)
    ramp = run.rig.holder.ramp

    class Never:
        poll = staticmethod(lambda: "running")
        cancel = staticmethod(lambda: None)

    run.rig.holder.ramp = lambda target_K, rate: (ramp(target_K, rate), Never)[1]
    outcome = run.run()

    assert outcome.exit_code == ExitCode.DEVICE
    assert "has not arrived in time" in outcome.why
    assert run.is_safe


def test_a_warm_room_is_worth_a_note_not_a_fault(tmp_path):
    run = BenchRun(tmp_path)
    read = run.rig.holder.read

    def warm():
        reading = read()["temperature"]
        return {**read(), "temperature": Reading(max(reading.value, 300.15), reading.t_s)}

    run.rig.holder.read = warm
    outcome = run.run()

    assert outcome.outcome == "success"
    assert "settle" in [record["guard"] for record in run.records("guard")]


def test_a_safe_temperature_below_the_room_switches_off_and_keeps_the_outcome(tmp_path):
    run = BenchRun(tmp_path, plan=dataclasses.replace(PLAN, safe=SafeRule(ROOM_K - 15, 50 * PER_MIN, 30.0)))

    outcome = run.run(300, Command.ABORT)

    assert outcome.outcome == "aborted"
    assert run.is_safe


def test_stop_takes_the_planned_way_down_and_abort_the_safe_one(tmp_path):
    rates = {}
    for command in (Command.STOP, Command.ABORT):
        folder = tmp_path / command.value
        folder.mkdir()
        run = BenchRun(folder, plan=make_plan(RAMP, ECM, CoolStep(ROOM_K, 20 * PER_MIN)))
        run.run(300, command)
        since_s = run.records("command")[0]["t_s"] + 1
        after = [r for r in run.records("reading") if since_s < r["t_s"] < since_s + 10]
        first, last = after[0], after[-1]
        rates[command] = (last["setpoint_K"] - first["setpoint_K"]) / (last["t_s"] - first["t_s"])
    assert rates[Command.STOP] == pytest.approx(-20 / 60, rel=0.05)
    assert rates[Command.ABORT] == pytest.approx(-50 / 60, rel=0.05)


def test_lost_frames_make_the_run_incomplete(tmp_path):
    run = BenchRun(tmp_path)
    close = run.stream.close_hold

    def lossy(reason, end_seq):
        close(reason, end_seq)
        run.stream.closed[1] = run.stream.closed[1].model_copy(update={"lost": 3})

    run.stream.close_hold = lossy
    outcome = run.run()

    assert outcome.exit_code == ExitCode.INCOMPLETE
    assert "lost: 3 frames" in outcome.why
    assert run.records("run_ended")[0]["exit_code"] == ExitCode.INCOMPLETE
    assert run.records("hold_closed")[0]["lost"] == 3


def test_a_camera_that_cannot_be_armed_leaves_no_hold_to_wait_for(tmp_path):
    run = BenchRun(tmp_path)
    started = time.monotonic()

    def refuses(spec):
        raise DeviceError("camera: no such exposure")

    run.camera.arm = refuses
    outcome = run.run()

    assert (outcome.exit_code, outcome.why) == (ExitCode.DEVICE, "camera: no such exposure")
    assert time.monotonic() - started < 20
    assert run.stream.opened == []
    assert run.is_safe
