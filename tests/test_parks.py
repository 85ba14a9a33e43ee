"""From one day to the next: when a park is over, where the run comes back to, and what it waits for."""

import dataclasses

import pytest
from engine_bench import COOL, ECM, PER_MIN, ROOM_K, ZERO_K, BenchRun, MemoryStream, QuickOperator, make_plan

from annealscope.controller.engine.agenda import Agenda
from annealscope.controller.engine.commands import Command
from annealscope.controller.engine.entries import Way
from annealscope.controller.engine.operator import AbsentOperator
from annealscope.controller.planning.values import CoolStep, ParkStep, RampStep, WaitStep, WatchPlan
from annealscope.simulators import WorldSpec, simulated_rig

RAMP = RampStep(100 + ZERO_K, 10.0)
WAIT = WaitStep(for_s=20.0)
PARK = ParkStep("End of the day.", ROOM_K, 10.0)
QUICK = {"settle": (0.5, 1.0, 300.0)}


def _told(run, *story):
    """Give each command when its condition is met for the first time, one after another."""
    left = list(story)

    def look(status):
        if left and left[0][1](status):
            run.commands.put(left.pop(0)[0], "test")

    outcome = run.run_with({}, look)
    assert not left
    return outcome


def _phase(name):
    return lambda status: status.phase == name and status.state == "running"


def test_a_park_ends_the_program_when_the_heater_is_off(tmp_path):
    run = BenchRun(tmp_path, plan=make_plan(RAMP, PARK, RAMP, **QUICK), operator=AbsentOperator())
    assert run.run().outcome == "parked"
    (parked,), (ended,) = run.records("parked"), run.records("run_ended")
    assert ended["t_s"] == parked["t_s"]


class SlowFiles(MemoryStream):
    """The files of a hold take their time; the next one must not be begun before."""

    asked = 0

    def closed_hold(self, hold):
        self.asked += hold in self.closed
        return self.closed.get(hold) if self.asked > 50 else None

    def open_hold(self, opening):
        assert self.asked > 50 or not self.opened, "a hold is opened while files of another one are open"
        super().open_hold(opening)


WATCHED = WaitStep(
    drift_below_nm_per_s=1.0, at_most_s=200.0, watch=WatchPlan("imaging", 1.0, 10.0, optics=None)
)


@pytest.mark.parametrize("following", [WATCHED, dataclasses.replace(ECM, hold=2)])
def test_a_park_that_is_skipped_at_once_does_not_overtake_the_file_of_its_movie(tmp_path, following):
    run = BenchRun(tmp_path, SlowFiles(), make_plan(RAMP, ECM, following, COOL, **QUICK))

    outcome = _told(
        run,
        (Command.PARK, lambda status: status.frames == 5),
        (Command.SKIP, lambda status: status.phase == "cooling"),
    )

    assert outcome.outcome == "success"
    assert next(record["reason"] for record in run.records("hold_closed")) == "parked"
    assert len(run.records("hold_opened")) == len(run.records("hold_closed"))


def _in_a_warm_room(tmp_path, plan):
    """A bench in a room of 28 degC: no heater cools below that."""
    run = BenchRun(tmp_path, plan=plan, operator=QuickOperator())
    world = WorldSpec(initial_temperature_K=ROOM_K + 3.0, cameras=run.rig.world.spec.cameras)
    run.rig = simulated_rig(world, clock=run.clock, seed=1)
    run.bench.holder, run.bench.microscope = run.rig.holder, run.rig.microscope
    return run


@pytest.mark.parametrize(
    ("plan", "commands"), [(make_plan(WAIT, WAIT, ECM), [Command.PARK]), (make_plan(WAIT, PARK, ECM), [])]
)
def test_what_is_done_without_the_heater_needs_no_way_back(tmp_path, plan, commands):
    run = _in_a_warm_room(tmp_path, plan)
    outcome = run.run_with({30: commands})
    assert outcome.outcome == "success", outcome.why
    assert run.records("parked")[0]["return_to_K"] is None
    assert run.stream.sent == list(range(40))


def test_a_park_comes_back_to_the_temperature_that_a_skipped_ramp_had_reached(tmp_path):
    """Nobody heats a specimen further than its operator has."""
    plan = make_plan(RampStep(100 + ZERO_K, 60 * PER_MIN), WAIT, ECM, COOL, **QUICK)
    run = BenchRun(tmp_path, plan=plan, operator=QuickOperator())

    outcome = _told(
        run,
        (Command.SKIP, lambda status: status.temperature_K > 50 + ZERO_K),
        (Command.PARK, _phase("waiting")),
    )

    assert outcome.outcome == "success"
    hottest_K = max(status.temperature_K for status in run.statuses)
    assert hottest_K < 56 + ZERO_K
    assert run.records("parked")[0]["return_to_K"] == pytest.approx(50 + ZERO_K, abs=2.0)
    assert run.stream.opened[0].setpoint_K == run.records("parked")[0]["return_to_K"]


def test_a_park_that_is_skipped_at_once_leaves_the_age_as_it_was(tmp_path):
    plan = make_plan(RAMP, WaitStep(until_age_s=60.0), ECM, COOL, **QUICK)
    run = BenchRun(tmp_path, plan=plan)

    _told(
        run,
        (Command.PARK, lambda status: status.phase == "waiting" and status.t_s > 40),
        (Command.SKIP, _phase("cooling")),
    )

    (opened,) = run.records("hold_opened")
    assert opened["t_s"] - opened["t_settled_s"] == pytest.approx(60.0, abs=1.1)
    assert opened["t_s"] < 100.0


@pytest.mark.parametrize(
    ("steps", "way"),
    [
        ((RAMP, WAIT, COOL), Way(COOL.target_K, COOL.rate_K_per_s)),
        ((RAMP, CoolStep(60 + ZERO_K, 1.0), WAIT, RAMP, WAIT), None),
        ((RAMP, COOL, PARK, RAMP, CoolStep(30 + ZERO_K, 2.0)), Way(30 + ZERO_K, 2.0)),
    ],
)
def test_the_planned_way_down_is_the_one_that_the_plan_ends_with(steps, way):
    assert Agenda(make_plan(*steps)).planned_way() == way
