"""Guards that look at clocks: services fall due where planned, time that went missing is noticed."""

import dataclasses
import sys
import time

import pytest
from engine_bench import COOL, ECM, ZERO_K, BenchRun, make_plan

from annealscope.controller.planning.house_values import HouseRules, ServiceRule
from annealscope.controller.planning.services import service_problems, with_services
from annealscope.controller.planning.values import ParkStep, RampStep, WaitStep
from annealscope.drivers.clock import VirtualClock, WallClock

QUICK = {"settle": (0.5, 1.0, 300.0)}
RAMP = RampStep(40 + ZERO_K, 10.0)


def _plan(*rules, steps=(RAMP, ECM, COOL)):
    """Make a plan with what falls due in it."""
    plan = make_plan(*steps, **QUICK)
    steps, services = with_services(plan.steps, rules)
    return dataclasses.replace(plan, steps=steps, services=services, house=HouseRules(services=rules))


def _rests(run):
    states = run.records("state")
    begins = [one["t_s"] for one in states if one["state"] == "suspended"]
    return [(begin, next(e["t_s"] for e in states if e["t_s"] > begin)) for begin in begins]


PUMP = ServiceRule("pump", every_s=50.0, takes_s=10.0, message="the pump runs")


def test_a_service_interrupts_a_movie_where_the_plan_says(tmp_path):
    plan = _plan(PUMP)
    run = BenchRun(tmp_path, plan=plan)

    assert run.run().outcome == "success"

    (due,) = plan.services
    (rest,) = _rests(run)
    assert rest[0] == pytest.approx(due.t_s, abs=ECM.period_s + 1.5)
    assert rest[1] - rest[0] == pytest.approx(10.0, abs=1.1)
    assert [(g["guard"], g["action"]) for g in run.records("guard")] == [("pump", "suspended")]
    assert len(run.stream.segments) == 1
    assert run.stream.sent == list(range(40))
    assert run.records("run_ended")[0]["t_s"] == pytest.approx(plan.duration_s, rel=0.1)


def test_what_is_nearly_due_is_done_before_a_movie_begins(tmp_path):
    wait = WaitStep(for_s=39.0)
    plan = _plan(PUMP, steps=(RAMP, wait, ECM, COOL))
    run = BenchRun(tmp_path, plan=plan)

    assert run.run().outcome == "success"

    first = plan.services[0]
    assert (first.step, first.into_s) == (2, 0.0)
    assert _rests(run)[0][0] < run.stream.frames[0].t_start_s
    assert all(first_seq > 0 for _, _, first_seq in run.stream.segments)
    inside = [due for due in plan.services if due.into_s > 0]
    assert [problem.path for problem in service_problems(plan)] == ["steps.2.acquire"] * len(inside)


def test_what_falls_due_on_a_ramp_waits_for_its_end(tmp_path):
    rule = dataclasses.replace(PUMP, every_s=30.0, takes_s=5.0)
    plan = _plan(rule, steps=(RampStep(60 + ZERO_K, 0.5), WaitStep(for_s=20.0), COOL))
    run = BenchRun(tmp_path, plan=plan)

    assert run.run().outcome == "success"

    settled_s = run.records("settled")[0]["t_s"]
    ((begin_s, _),) = _rests(run)[:1]
    assert begin_s == pytest.approx(settled_s, abs=1.5)
    assert plan.services[0].step == 1
    assert plan.services[0].into_s == 0.0


def test_a_service_of_the_operator_waits_for_them(tmp_path):
    rule = dataclasses.replace(PUMP, takes_s=1.0, by_operator=True)
    run = BenchRun(tmp_path, plan=_plan(rule))
    assert run.run().outcome == "success"
    ((begin_s, end_s),) = _rests(run)
    assert end_s - begin_s == pytest.approx(60.0, abs=1.1)  # the simulated operator takes a minute


def test_a_service_that_needs_no_rest_is_noted(tmp_path):
    run = BenchRun(tmp_path, plan=_plan(dataclasses.replace(PUMP, action="note", every_s=20.0)))
    assert run.run().outcome == "success"
    assert {(g["guard"], g["action"]) for g in run.records("guard")} == {("pump", "noted")}
    assert len(run.records("guard")) >= 4
    assert run.stream.segments == []


def test_a_plan_counts_the_time_of_services_but_waits_go_on_meanwhile():
    movie, wait = _plan(PUMP), _plan(PUMP, steps=(RAMP, WaitStep(for_s=90.0), COOL))
    assert movie.steps[1].duration_s == ECM.frames * ECM.period_s + 10.0
    assert wait.steps[1].duration_s == 90.0
    assert len(wait.services) == 1
    for plan in (movie, wait):
        ends = [one.t_start_s + one.duration_s for one in plan.steps]
        assert [one.t_start_s for one in plan.steps[1:]] == ends[:-1]


def test_the_clocks_start_anew_after_a_park(tmp_path):
    park = ParkStep("good night", 25 + ZERO_K, 10.0)
    plan = _plan(PUMP, steps=(RAMP, WaitStep(for_s=30.0), park, RAMP, WaitStep(for_s=30.0), COOL))
    run = BenchRun(tmp_path, plan=plan)
    assert run.run().outcome == "success"
    assert plan.services == ()
    assert run.records("guard") == []


# ---------------------------------------------------------------------- time that went missing


class Sleepy(VirtualClock):
    """A clock of a machine that is suspended, whose time of day is set, or that stands still."""

    asleep = error = 0.0
    real = False

    def asleep_s(self):
        return self.asleep

    def wall_error_s(self):
        return self.error

    def real_delay_s(self, t_s):
        return max(0.0, t_s - self.monotonic()) if self.real else 0.0


def _upset(tmp_path, upset, at_s=40.0, plan=None):
    run = BenchRun(tmp_path, plan=plan or _plan())
    clock = run.clock
    clock.__class__ = Sleepy
    done = []

    def look(status):
        if status.t_s >= at_s and not done:
            done.append(status.t_s)
            upset(clock)

    assert run.run_with({}, look).outcome == "success"
    return run, [(g["guard"], g["action"]) for g in run.records("guard")]


def test_a_machine_that_was_suspended_begins_a_new_segment(tmp_path):
    run, notes = _upset(tmp_path, lambda clock: setattr(clock, "asleep", 300.0))
    assert notes == [("machine", "suspended")]
    assert "300 s" in run.records("guard")[0]["message"]
    assert len(run.stream.segments) == 1
    assert run.stream.sent == list(range(40))


def test_a_turn_of_ten_seconds_is_noticed(tmp_path):
    def stand_still(clock):
        clock.real = True
        clock.sleep_until(clock.monotonic() + 30.0)

    run, notes = _upset(tmp_path, stand_still)
    assert notes == [("machine", "suspended")]
    assert len(run.stream.segments) == 1


def test_a_ramp_goes_on_after_a_suspension_of_the_machine(tmp_path):
    plan = _plan(steps=(RampStep(60 + ZERO_K, 0.5), ECM, COOL))
    run, notes = _upset(tmp_path, lambda clock: setattr(clock, "asleep", 300.0), 10.0, plan)
    assert notes == [("machine", "noted")]
    assert "suspended" not in run.states


@pytest.mark.parametrize("jump_s", [3600.0, -86400.0])
def test_a_time_of_day_that_jumps_changes_nothing(tmp_path, jump_s):
    run, notes = _upset(tmp_path, lambda clock: setattr(clock, "error", jump_s))
    assert notes == [("clock", "noted")]
    assert run.stream.segments == []


def test_a_time_of_day_that_is_set_right_by_a_second_is_nothing(tmp_path):
    _, notes = _upset(tmp_path, lambda clock: setattr(clock, "error", 1.0))
    assert notes == []


def test_a_real_clock_tells_when_its_time_of_day_was_set(monkeypatch):
    clock, honest = WallClock(speed=100.0), time.time
    assert abs(clock.wall_error_s()) < 0.5
    monkeypatch.setattr(time, "time", lambda: honest() + 3600.0)
    assert clock.wall_error_s() == pytest.approx(3600.0, abs=0.5)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has a clock that counts sleep beside one that does not"
)
def test_a_suspension_is_no_jump_of_the_time_of_day(monkeypatch):
    clock, before_s = WallClock(), WallClock().asleep_s()
    gettime, honest = time.clock_gettime, time.time
    monkeypatch.setattr(time, "clock_gettime", lambda which: gettime(which) + 300.0)
    monkeypatch.setattr(time, "time", lambda: honest() + 300.0)
    assert clock.asleep_s() - before_s == pytest.approx(300.0, abs=0.5)
    assert abs(clock.wall_error_s()) < 0.5
