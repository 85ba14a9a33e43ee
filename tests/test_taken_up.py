"""An acquisition that is gone on with: its frames that are left, in its region, into the same hold."""

import dataclasses

import pytest
from engine_bench import COOL, ECM, FEM, RAMP, ZERO_K, BenchRun, _announce, make_plan

from annealscope.controller.engine.commands import Command
from annealscope.controller.engine.interrupted import WHY_A_SEGMENT, Interrupted
from annealscope.controller.engine.ramps import WayBack
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.values import DurationEnd, UntilPlan
from annealscope.drivers.clock import VirtualClock

LEFT_S = 1000.0
BACK = WayBack(40 + ZERO_K, 1.0, age_s=500.0, left_s=LEFT_S)
PLAN = make_plan(RAMP, ECM, COOL, settle=(0.5, 5.0, 300.0))


def _earlier(step=ECM, first_seq=25, **changes):
    opening = _announce(step, LEFT_S - 500.0, LEFT_S)
    opening = opening.model_copy(update={"segment": 3, "first_seq": first_seq})
    told = {"region": 1, "lost": 0, "ran_s": first_seq * step.period_s}
    return Interrupted(opening, **{**told, **changes})


def _bench(tmp_path, plan=PLAN, **options):
    return BenchRun(tmp_path, plan=plan, clock=VirtualClock(start_s=LEFT_S + 3600.0), **options)


def _go_on(run, earlier, commands_at=None, **engine):
    return run.run_with(commands_at or {}, **{"start_at": 1, "back": BACK, "earlier": earlier, **engine})


def test_only_the_frames_that_are_left_are_taken_in_a_new_segment(tmp_path):
    run, earlier = _bench(tmp_path), _earlier()
    assert _go_on(run, earlier).outcome == "success"
    assert run.stream.opened == [earlier.opening]
    assert run.stream.sent == list(range(25, 40))
    (segment,) = run.records("segment")
    assert (segment["segment"], segment["first_seq"], segment["why"]) == (3, 25, WHY_A_SEGMENT)
    (closing,) = run.records("closing")
    assert (closing["frames"], closing["reason"]) == (40, "complete")
    assert run.records("dose")[0]["frames"] == 40


def test_a_heater_that_went_cold_comes_back_and_the_age_goes_on_where_the_record_ends(tmp_path):
    run = _bench(tmp_path)
    _go_on(run, _earlier())
    settled = run.records("settled")[0]
    assert (settled["setpoint_K"], settled["age_s"]) == (BACK.target_K, 500.0)


def test_a_heater_that_was_kept_settles_and_has_aged_the_specimen_all_the_while(tmp_path):
    run = _bench(tmp_path)
    run.rig.world.chip.ramp(run.clock.monotonic(), BACK.target_K, 10.0)
    run.clock.sleep_until(run.clock.monotonic() + 30.0)
    _go_on(run, _earlier())
    settled = run.records("settled")[0]
    assert settled["t_s"] - settled["age_s"] == pytest.approx(LEFT_S - BACK.age_s, abs=0.01)
    assert settled["t_s"] >= LEFT_S + 3630.0 + 5.0


def test_it_is_not_moved_to_a_fresh_region(tmp_path):
    grid = dataclasses.replace(FEM, hold=1)
    run = _bench(tmp_path, make_plan(RAMP, grid, COOL, settle=(0.5, 5.0, 300.0)))
    _go_on(run, _earlier(grid, first_seq=4))
    assert run.records("region") == []
    assert run.records("optics")
    assert [frame.scan_yx_nm for frame in run.stream.frames] == [(2.5, 0.0), (2.5, 5.0)]


def test_another_region_under_the_beam_is_a_fault_and_the_hold_stays_as_it_was(tmp_path):
    run = _bench(tmp_path)
    outcome = _go_on(run, _earlier(region=4))
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.DEVICE)
    assert "was begun in region 4, the stage is at region 1: move it back" in outcome.why
    assert run.stream.opened == []


@pytest.mark.parametrize(
    ("step", "earlier", "reason"),
    [
        (ECM, {"first_seq": 40}, "complete"),
        (ECM, {"first_seq": 30, "reason": "truncated"}, "truncated"),
        (
            dataclasses.replace(ECM, until=UntilPlan("any", (DurationEnd(40.0),))),
            {"first_seq": 20},
            "complete",
        ),
    ],
)
def test_what_had_all_its_frames_is_only_closed(tmp_path, step, earlier, reason):
    run = _bench(tmp_path, make_plan(RAMP, step, COOL, settle=(0.5, 5.0, 300.0)))
    assert _go_on(run, _earlier(step, **earlier)).outcome == "success"
    assert (len(run.stream.opened), run.stream.sent, run.stream.reasons) == (1, [], [reason])
    assert run.records("hold_closed")[0]["reason"] == reason


def test_the_running_time_goes_on(tmp_path):
    step = dataclasses.replace(ECM, until=UntilPlan("any", (DurationEnd(60.0),)))
    run = _bench(tmp_path, make_plan(RAMP, step, COOL, settle=(0.5, 5.0, 300.0)))
    _go_on(run, _earlier(step, first_seq=20))
    assert run.stream.sent == list(range(20, 30))


def test_a_dose_that_is_full_takes_no_more(tmp_path):
    limit = ECM.dose_rate_per_nm2_s * ECM.period_s * 25
    run = _bench(tmp_path, dataclasses.replace(PLAN, max_dose_per_region_per_nm2=limit))
    run.bench.doses.beam(1, ECM.dose_rate_per_nm2_s, 0.0, 25 * ECM.period_s)
    _go_on(run, _earlier())
    assert (run.stream.sent, run.stream.reasons) == ([], ["dose limit"])


def test_lost_patterns_of_an_area_are_still_taken_again(tmp_path):
    area = dataclasses.replace(ECM, method="diffraction", drift=None, frames=10)
    run = _bench(tmp_path, make_plan(RAMP, area, COOL, settle=(0.5, 5.0, 300.0)))
    _go_on(run, _earlier(area, first_seq=8, lost=3))
    assert run.stream.sent == [8, 9, 10, 11, 12]


def test_skipping_it_before_it_has_begun_gives_it_its_file(tmp_path):
    plan = dataclasses.replace(ECM, setup=dataclasses.replace(FEM.setup, checklist=("insert",)))
    run = _bench(tmp_path, make_plan(RAMP, plan, COOL, settle=(0.5, 5.0, 300.0)))

    def look(status):
        if status.prompt and not run.records("command"):
            run.commands.put(Command.SKIP, "test")

    assert run.run_with({}, look, start_at=1, back=BACK, earlier=_earlier(plan)).outcome == "success"
    assert (run.stream.sent, run.stream.reasons) == ([], ["truncated"])


def test_a_park_before_it_has_begun_leaves_it_for_another_day(tmp_path):
    run = _bench(tmp_path)
    _go_on(run, _earlier(), {3: [Command.PARK]})
    assert run.records("parked")[0]["next"] == 1
    assert run.stream.sent == list(range(25, 40))
    assert len(run.stream.opened) == 1
