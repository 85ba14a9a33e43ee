"""The engine on virtual time: whatever happens, it ends with the heater off and the beam blanked."""

import math

import pytest
from engine_bench import PROTOCOL, BenchRun, MemoryStream

from annealscope.controller.engine.commands import Command
from annealscope.controller.errors import ExitCode
from annealscope.drivers.interfaces import DeviceError, Reading

TICKS = 900
"""About as many turns as the whole protocol takes."""


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


@pytest.mark.parametrize(
    ("command", "outcome", "final"),
    [
        (Command.STOP, "stopped", "ended"),
        (Command.ABORT, "aborted", "ended"),
        (Command.EMERGENCY, "failed", "faulted"),
    ],
)
@pytest.mark.parametrize("tick", [*range(0, TICKS, 97)])
def test_a_command_at_any_tick_ends_the_run_once_and_safely(tmp_path, tick, command, outcome, final):
    run = BenchRun(tmp_path)

    ended = run.run(tick, command)

    assert ended.outcome in (outcome, "success")
    assert len(run.records("run_ended")) == 1
    assert run.records("state")[-1]["state"] == (final if ended.outcome == outcome else "ended")
    assert run.is_safe
    assert len(run.records("hold_opened")) == len(run.records("hold_closed"))


def test_an_abort_during_the_stop_takes_over(tmp_path):
    run = BenchRun(tmp_path)

    outcome = run.run(300, Command.STOP, Command.ABORT)

    assert (outcome.outcome, outcome.exit_code) == ("aborted", ExitCode.OPERATOR)
    assert [record["command"] for record in run.records("command")] == ["stop", "abort"]


def test_stop_cools_down_at_the_safe_rate_before_it_switches_off(tmp_path):
    run = BenchRun(tmp_path)

    run.run(300, Command.STOP)

    stopped_s = run.records("command")[0]["t_s"]
    after = [r for r in run.records("reading") if stopped_s < r["t_s"] < stopped_s + 10]
    slope = (after[-1]["setpoint_K"] - after[0]["setpoint_K"]) / (after[-1]["t_s"] - after[0]["t_s"])
    assert slope == pytest.approx(-50 / 60, rel=0.15)


def test_a_recorder_that_fails_ends_the_run(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(fail_after=5))

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.INCOMPLETE)
    assert "the disk is full" in outcome.why
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
        (lambda now: Reading(600.0, now), "limit 300.0 degC"),
        (lambda now: Reading(math.inf, now), "limit"),
    ],
)
def test_a_sensor_nobody_can_trust_ends_the_run(tmp_path, reading_of, message):
    run = BenchRun(tmp_path)
    _bad_sensor(run, reading_of)

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.SAFETY)
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


def test_the_image_shift_moves_only_between_exposures_and_against_the_drift(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(1.0, 0.0)))
    moves = []
    shift = run.rig.microscope.shift_image

    def watched(shift_nm):
        moves.append((run.clock.monotonic(), shift_nm))
        shift(shift_nm)

    run.rig.microscope.shift_image = watched
    run.run()

    (opened,) = run.records("hold_opened")
    phases = [(t - opened["t_s"]) % 2.0 for t, _ in moves]
    assert moves
    assert all(0.999 <= phase <= 2.0 for phase in phases)
    matrix = run.bench.feedback.matrix
    pushed = matrix[0][0] * moves[0][1][0] + matrix[0][1] * moves[0][1][1]
    assert pushed == pytest.approx(-0.5, abs=0.05)


def test_drift_beyond_the_limit_is_flagged_once(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(6.0, 0.0)))

    run.run()

    flags = [record for record in run.records("guard") if record["guard"] == "drift"]
    assert len(flags) == 1
    assert "6.00 nm" in flags[0]["message"]


def test_without_drift_correction_nothing_is_steered(tmp_path):
    protocol = "\n".join(line for line in PROTOCOL.splitlines() if "drift:" not in line)
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(6.0, 0.0)), protocol)

    run.run()

    assert set(run.stream.shifts_nm) == {(0.0, 0.0)}


def test_a_frame_that_is_fetched_late_carries_the_shift_of_its_own_time(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(1.0, 0.0)))
    next_frame, moves = run.rig.camera.next_frame, []
    shift = run.rig.microscope.shift_image

    def sometimes_late(timeout_s):
        return None if int(run.clock.monotonic() / 4) % 2 else next_frame(timeout_s)

    def watched(shift_nm):
        shift(shift_nm)
        moves.append((run.clock.monotonic(), run.rig.microscope.image_shift_nm()))

    run.rig.camera.next_frame, run.rig.microscope.shift_image = sometimes_late, watched
    run.run()

    (opened,) = run.records("hold_opened")
    assert moves
    for seq, shift_nm in zip(run.stream.sent, run.stream.shifts_nm, strict=True):
        start_s = opened["t_s"] + 2.0 * seq
        expected = [to for since_s, to in moves if since_s <= start_s + 1e-3]
        assert shift_nm == (expected[-1] if expected else (0.0, 0.0))


def test_a_frozen_camera_is_a_device_fault(tmp_path):
    run = BenchRun(tmp_path)
    next_frame = run.rig.camera.next_frame
    run.rig.camera.next_frame = lambda timeout_s: None if len(run.stream.sent) >= 5 else next_frame(timeout_s)

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.DEVICE)
    assert "no frame 5" in outcome.why
    assert run.is_safe
    assert run.stream.reasons == ["failed"]
