"""Guards that suspend: out of band, too much drift. They trip late and clear late; the operator overrules."""

import dataclasses
import math

import pytest
from engine_bench import COOL, ECM, ZERO_K, BenchRun, MemoryStream, follows_the_table, make_plan

from annealscope.controller.engine.commands import Command
from annealscope.controller.engine.suspension import OutOfBand
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.values import DriftPlan, RampStep
from annealscope.drivers.interfaces import Reading

PLAN = make_plan(RampStep(40 + ZERO_K, 10.0), ECM, COOL, settle=(0.5, 5.0, 100.0))


def _excursion(run, off_K, last_s, after_frames=10):
    """Make the sensor read too much for a while once some frames are taken."""
    holder, honest = run.rig.holder, run.rig.holder.read
    since = []

    def read():
        readings, now_s = honest(), run.clock.monotonic()
        if len(run.stream.sent) >= after_frames and not since:
            since.append(now_s)
        if since and now_s - since[0] < last_s:
            true = readings["temperature"]
            readings = {**readings, "temperature": Reading(true.value + off_K, true.t_s)}
        return readings

    holder.read = read


def _blanked(run):
    """Collect whether the beam is blanked, by the state of the run."""
    seen = {}

    def look(status):
        seen.setdefault(status.state, []).append(run.rig.world.blanked)

    return seen, look


def test_an_excursion_suspends_until_the_temperature_has_settled_again(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    _excursion(run, 3.0, 40.0)
    seen, look = _blanked(run)

    outcome = run.run_with({}, look)

    assert outcome.outcome == "success"
    assert run.states == ["arming", "running", "pausing", "suspended", "running", "finishing", "ended"]
    assert follows_the_table(run.states)
    assert all(seen["suspended"])
    (guard,) = [record for record in run.records("guard") if record["guard"] == "band"]
    assert "43.0" in guard["message"] or "42.9" in guard["message"]
    at = {record["state"]: record["t_s"] for record in run.records("state")}
    assert at["running"] - at["suspended"] > 5.0
    assert len(run.stream.segments) == 1
    assert run.stream.sent == list(range(40))


@pytest.mark.parametrize(("off_K", "last_s"), [(0.7, 1000.0), (30.0, 3.0)])
def test_a_small_excursion_or_a_few_outliers_change_nothing(tmp_path, off_K, last_s):
    run = BenchRun(tmp_path, plan=PLAN)
    _excursion(run, off_K, last_s)
    assert run.run().outcome == "success"
    assert run.stream.segments == []


def test_a_temperature_that_does_not_come_back_ends_the_run(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    _excursion(run, 3.0, math.inf)

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.DEVICE)
    assert "not settled after 100 s" in outcome.why
    assert run.stream.reasons == ["failed"]
    assert run.is_safe


def test_the_operator_ends_a_suspension_and_is_not_asked_again(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    _excursion(run, 3.0, math.inf)

    def look(status):
        if status.state == "suspended":
            run.commands.put(Command.RESUME, "test")

    outcome = run.run_with({}, look)

    assert run.states.count("suspended") == 1
    assert run.stream.sent == list(range(40))
    assert outcome.outcome == "success"


def test_the_operator_may_keep_a_suspended_run_paused(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    _excursion(run, 3.0, 20.0)
    turns = []

    def look(status):
        if status.state == "suspended" and "paused" not in run.states:
            run.commands.put(Command.PAUSE, "test")
        if status.state == "paused":
            turns.append(status.t_s)
            if len(turns) == 100:
                run.commands.put(Command.RESUME, "test")

    assert run.run_with({}, look).outcome == "success"
    assert turns[-1] - turns[0] > 90.0
    assert run.stream.sent == list(range(40))


def test_a_paused_movie_that_has_left_its_band_settles_before_it_goes_on(tmp_path):
    run = BenchRun(tmp_path, plan=PLAN)
    _excursion(run, 3.0, 50.0)
    turns = []

    def look(status):
        if status.frames == 10 and status.state == "running":
            run.commands.put(Command.PAUSE, "test")
        if status.state == "paused":
            turns.append(status.t_s)
            if len(turns) == 20:
                run.commands.put(Command.RESUME, "test")

    assert run.run_with({}, look).outcome == "success"

    assert run.states[2:6] == ["pausing", "paused", "suspended", "running"]
    at = {record["state"]: record["t_s"] for record in run.records("state")}
    assert at["running"] - at["suspended"] > 20.0
    assert run.stream.sent == list(range(40))


def test_what_is_no_number_counts_as_out_of_band(tmp_path):
    run, guard = BenchRun(tmp_path), OutOfBand()
    run.journal.close()
    bench = run.bench
    bench.target_K = 313.15
    said = []
    for t_s in range(5):
        bench.temperature = Reading(math.nan, float(t_s))
        said.append(guard.check(bench) is not None)
    bench.temperature = Reading(313.2, 9.0)
    assert [*said, guard.check(bench)] == [False, False, False, True, True, None]


def _movie(on_limit):
    step = dataclasses.replace(ECM, drift=DriftPlan(1.0, 5.0, on_limit=on_limit))
    return dataclasses.replace(PLAN, steps=make_plan(RampStep(40 + ZERO_K, 10.0), step, COOL).steps)


def test_drift_beyond_the_limit_suspends_three_times_and_is_flagged_then(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(6.0, 0.0)), _movie("suspend"))

    outcome = run.run()

    assert outcome.outcome == "success"
    assert run.states.count("suspended") == 3
    actions = [record["action"] for record in run.records("guard") if record["guard"] == "drift"]
    assert actions == ["suspended"] * 3 + ["flag"]
    assert [why for _, why, _ in run.stream.segments] == [
        record["why"] for record in run.records("state") if record["state"] == "suspended"
    ]
    assert run.stream.sent == list(range(40))


def test_drift_beyond_the_limit_can_end_the_run_as_planned(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(6.0, 0.0)), _movie("stop"))

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("stopped", ExitCode.SAFETY)
    assert "6.00 nm" in outcome.why
    assert run.stream.reasons == ["stopped"]
    assert run.is_safe


def test_an_image_that_the_microscope_itself_keeps_in_place_is_not_steered(tmp_path):
    step = dataclasses.replace(ECM, drift=DriftPlan(1.0, 5.0, owner="microscope"))
    plan = make_plan(RampStep(40 + ZERO_K, 10.0), step, COOL)
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(2.0, 0.0)), plan)
    run.run()
    assert set(run.stream.shifts_nm) == {(0.0, 0.0)}
    assert [record["action"] for record in run.records("guard")] == ["warn"]
