"""What a run does when the lease of its heater has lapsed, or its guard has switched the heater off."""

import pytest
from engine_bench import COOL, ECM, ZERO_K, BenchRun, MemoryStream, follows_the_table, make_plan

from annealscope.controller.engine.commands import Command
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.values import RampStep, WaitStep
from annealscope.drivers.interfaces import DeviceError, HeaterTripped, LeaseLapsed

HOT_K = 40 + ZERO_K
PLAN = make_plan(RampStep(HOT_K, 1.0), WaitStep(for_s=10.0), ECM, COOL, settle=(0.5, 5.0, 100.0))
RESTS = ["arming", "running", "pausing", "suspended", "running", "finishing", "ended"]


class BeamStream(MemoryStream):
    """Keeps for each frame whether the beam was on."""

    def send(self, frame, shift_applied_nm, beam_on):
        super().send(frame, shift_applied_nm, beam_on)
        self.beam_on = [*getattr(self, "beam_on", []), beam_on]


class Asleep:
    """Lets the engine sleep once for some seconds, when a condition is true; a guard freezes the heater."""

    def __init__(self, run, condition, for_s=4.5, error=LeaseLapsed):
        self.holder, self.clock, self.read = run.rig.holder, run.clock, run.rig.holder.read
        self.condition, self.for_s, self.error = condition, for_s, error
        self.slept_s = None
        self.ramps = []
        ramp = self.holder.ramp
        self.holder.read = self
        self.holder.ramp = lambda target_K, rate: (self.ramps.append(target_K), ramp(target_K, rate))[1]

    def __call__(self):
        if self.slept_s is not None or not self.condition():
            return self.read()
        self.slept_s = self.clock.monotonic()
        self.holder.hold_here()
        self.clock.sleep_until(self.slept_s + self.for_s)
        raise self.error("guard: renew refused: it was not renewed in time")


def test_a_lapse_in_an_acquisition_suspends_it_and_begins_a_segment(tmp_path):
    run = BenchRun(tmp_path, BeamStream(), PLAN)
    asleep = Asleep(run, lambda: len(run.stream.sent) >= 10)
    outcome = run.run()
    assert (outcome.outcome, outcome.exit_code) == ("success", ExitCode.OK)
    assert run.states == RESTS
    assert follows_the_table(run.states)
    (guard,) = run.records("guard")
    assert (guard["guard"], guard["action"]) == ("lease", "suspended")
    assert "not renewed in time" in guard["message"]
    at = {record["state"]: record["t_s"] for record in run.records("state")}
    assert at["running"] - at["suspended"] >= 5.0
    assert len(run.stream.segments) == 1
    first_of_new = run.stream.segments[0][2]
    ended_s = [frame.t_start_s + frame.exposure_s for frame in run.stream.frames]
    dark = [number for number in range(first_of_new) if ended_s[number] > asleep.slept_s]
    assert len(dark) >= 1
    assert not any(run.stream.beam_on[number] for number in dark)
    assert all(run.stream.beam_on[: dark[0] - 1] + run.stream.beam_on[first_of_new:])
    assert asleep.ramps == [HOT_K, COOL.target_K]
    assert run.is_safe


def test_a_ramp_that_a_lapse_has_cancelled_goes_on_from_where_it_was_frozen(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    asleep = Asleep(run, lambda: run.rig.holder.locate().setpoint_K > HOT_K - 5)
    assert run.run().outcome == "success"
    assert run.states == RESTS
    assert asleep.ramps == [HOT_K, HOT_K, COOL.target_K]
    assert len(run.records("settled")) == 2


def test_a_wait_goes_on_and_keeps_its_end(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    Asleep(run, lambda: run.statuses and run.statuses[-1].phase == "waiting")
    assert run.run().outcome == "success"
    settled, opened = run.records("settled")[0], run.records("hold_opened")[0]
    assert opened["t_s"] - settled["t_s"] < 13.0


def test_a_run_that_ends_asks_for_its_way_down_again(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    cools = lambda: run.states[-1:] == ["finishing"] and run.bench.setpoint_K < HOT_K - 3  # noqa: E731
    asleep = Asleep(run, cools)
    outcome = run.run(200, Command.STOP)
    assert outcome.outcome == "stopped"
    assert "suspended" not in run.states
    (guard,) = run.records("guard")
    assert (guard["guard"], guard["action"]) == ("lease", "goes on")
    assert asleep.ramps == [HOT_K, COOL.target_K, COOL.target_K]
    assert run.is_safe


def test_a_pause_stays_a_pause_and_settles_when_it_is_over(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    Asleep(run, lambda: run.states[-1:] == ["paused"])
    paused_at = []

    def resume(status):
        paused_at.extend([run.clock.monotonic()] if status.state == "paused" else [])
        if len(paused_at) == 6:
            run.commands.put(Command.RESUME, "test")

    assert run.run_with({200: (Command.PAUSE,)}, resume).outcome == "success"
    assert run.states[2:6] == ["pausing", "paused", "suspended", "running"]


def test_a_heater_that_cannot_be_taken_over_any_more_ends_the_run(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    Asleep(run, lambda: len(run.stream.sent) >= 10, error=DeviceError)
    outcome = run.run()
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.DEVICE)


@pytest.mark.parametrize("frames", [0, 10])
def test_a_trip_of_the_guard_is_a_safety_stop(tmp_path, frames):
    run = BenchRun(tmp_path, plan=PLAN)
    hot = lambda: run.bench.setpoint_K > HOT_K - 5 and len(run.stream.sent) >= frames  # noqa: E731
    Asleep(run, hot, error=HeaterTripped)
    outcome = run.run()
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.SAFETY)
    assert run.records("guard")[0]["guard"] == "heater"
    assert run.is_safe
