"""Acquisitions: when they end, what their cameras do wrong, what their regions have seen."""

import dataclasses

import pytest
from engine_bench import AS_IT_IS, COOL, ECM, FEM, ZERO_K, BenchRun, MemoryStream, QuickOperator, make_plan

from annealscope.controller.engine.commands import Command
from annealscope.controller.engine.until import EndWatch, Progress
from annealscope.controller.planning.values import (
    DurationEnd,
    FramesEnd,
    PrecisionEnd,
    PromptStep,
    RampStep,
    UntilPlan,
    WaitStep,
)
from annealscope.controller.stream.messages import Live
from annealscope.simulators import CameraFaults

RAMP = RampStep(40 + ZERO_K, 10.0)
FEW = dataclasses.replace(ECM, frames=5)
QUICK = {"settle": (0.5, 1.0, 300.0)}


def _live(frames, tau_s, sigma_s):
    return Live(hold=1, frames=frames, tau_s=tau_s, beta=0.5, sigma_tau_s=sigma_s)


def test_precision_needs_a_long_record_and_several_new_results_in_a_row():
    end = PrecisionEnd(within=0.05, min_duration_tau=10.0, checks=3, every_s=100.0)
    watch = EndWatch(dataclasses.replace(ECM, until=UntilPlan("any", (end,)), frames=10**6))
    story = [  # (time, frames of the result, tau, sigma, ends)
        (100.0, 50, 20.0, 0.5, False),  # too short: 5 tau
        (300.0, 150, 20.0, 0.5, False),
        (350.0, 175, 20.0, 0.5, False),  # too early for another check
        (400.0, 200, 20.0, 0.5, False),
        (500.0, 200, 20.0, 0.5, False),  # nothing new
        (600.0, 300, 20.0, float("nan"), False),  # begins anew
        (700.0, 350, 20.0, 0.5, False),
        (800.0, 400, 20.0, 0.5, False),
        (900.0, 450, 20.0, 0.5, True),
    ]
    for now_s, frames, tau_s, sigma_s, ends in story:
        why = watch.ended(Progress(now_s, frames, now_s, _live(frames, tau_s, sigma_s)))
        assert (why is not None) is ends, now_s
    assert "2.50%" in why


@pytest.mark.parametrize(("combine", "frames"), [("any", 5), ("all", 10)])
def test_any_and_all(tmp_path, combine, frames):
    until = UntilPlan(combine, (FramesEnd(5), DurationEnd(20.0)))
    step = dataclasses.replace(ECM, frames=30, until=until)
    run = BenchRun(tmp_path, plan=make_plan(RAMP, step, COOL, **QUICK))

    assert run.run().outcome == "success"

    assert len(run.stream.sent) == pytest.approx(frames, abs=1)
    assert run.records("decision")[0]["why"].startswith("5 frames")
    assert run.records("hold_closed")[0]["reason"] == "complete"


def test_a_data_driven_movie_ends_after_all_its_frames_at_the_latest(tmp_path):
    step = dataclasses.replace(ECM, until=UntilPlan("any", (PrecisionEnd(0.01),)))
    run = BenchRun(tmp_path, MemoryStream(live=_live(3, 5.0, 1.0)), make_plan(RAMP, step, COOL, **QUICK))
    run.run()
    assert run.stream.sent == list(range(40))
    assert run.records("decision")[0]["why"] == "all 40 frames"


def test_a_grid_is_scanned_row_by_row_around_the_region(tmp_path):
    run = BenchRun(tmp_path, plan=make_plan(RAMP, FEM, COOL, **QUICK))

    assert run.run().outcome == "success"

    positions = [frame.scan_yx_nm for frame in run.stream.frames]
    assert positions == [(y, x) for y in (-2.5, 2.5) for x in (-5.0, 0.0, 5.0)]
    assert run.stream.opened[0].grid.points == (2, 3)


def test_a_scan_that_is_paused_goes_on_where_it_was(tmp_path):
    run = BenchRun(tmp_path, plan=make_plan(RAMP, FEM, COOL, **QUICK), operator=QuickOperator())

    def look(status):
        if status.frames == 2 and status.state == "running" and not run.stream.segments:
            run.commands.put(Command.PAUSE, "test")
        if status.state == "paused":
            run.commands.put(Command.RESUME, "test")

    assert run.run_with({}, look).outcome == "success"

    positions = [frame.scan_yx_nm for frame in run.stream.frames]
    assert positions == [(y, x) for y in (-2.5, 2.5) for x in (-5.0, 0.0, 5.0)]
    assert len(run.stream.segments) == 1


@pytest.mark.parametrize("step", [ECM, dataclasses.replace(FEM, frames=6)])
@pytest.mark.parametrize("seed", range(4))
def test_lost_frames_and_jitter_do_not_upset_the_count(tmp_path, step, seed):
    faults = CameraFaults(jitter_s=0.02, drop_rate=0.2, duplicate_rate=0.1)
    run = BenchRun(tmp_path, plan=make_plan(RAMP, step, COOL, **QUICK), faults=faults, seed=seed)

    outcome = run.run()

    assert outcome.outcome == "success"
    sent = run.stream.sent
    assert sent == sorted(set(sent))
    assert set(sent) <= set(range(step.frames))
    status = next(status for status in reversed(run.statuses) if status.frames)
    assert (status.frames, status.frames - status.frames_lost) == (step.frames, len(sent))


def test_a_frame_that_comes_again_is_dropped_and_noted(tmp_path):
    run = BenchRun(tmp_path, plan=make_plan(RAMP, FEW, COOL, **QUICK))
    next_frame, last = run.camera.next_frame, []

    def stuttering(timeout_s):
        if len(last) == 3:
            last.append(None)
            return last[2]
        frame = next_frame(timeout_s)
        if frame is not None:
            last.append(frame)
        return frame

    run.camera.next_frame = stuttering
    assert run.run().outcome == "success"

    assert run.stream.sent == list(range(5))
    (note,) = run.records("guard")
    assert (note["guard"], note["action"]) == ("camera", "dropped")
    assert "frame 2 came again, frame 3 was the next" in note["message"]


def test_a_lost_pattern_of_an_area_is_taken_again(tmp_path):
    step = dataclasses.replace(FEM, method="diffraction", grid=None, frames=8, setup=AS_IT_IS)
    faults = CameraFaults(drop_rate=0.45)
    run = BenchRun(tmp_path, plan=make_plan(RAMP, step, COOL, **QUICK), faults=faults, seed=3)

    assert run.run().outcome == "success"

    assert len(run.stream.sent) == 8
    assert run.stream.sent[-1] > 7


def test_the_dose_of_a_region_is_counted_and_journalled(tmp_path):
    second = dataclasses.replace(FEW, hold=2, beam_in_pause=False)
    run = BenchRun(tmp_path, plan=make_plan(RAMP, FEW, second, COOL, **QUICK))

    run.run()

    first, both = run.records("dose")
    assert first["exposed_per_nm2"] == pytest.approx(5 * 1.0 * 4.4e5)
    assert first["beam_on_per_nm2"] == pytest.approx(9.0 * 4.4e5, rel=0.01)
    assert both["exposed_per_nm2"] == pytest.approx(10 * 1.0 * 4.4e5)
    assert both["beam_on_per_nm2"] == pytest.approx((9.0 + 5.0) * 4.4e5, rel=0.01)
    assert (first["region"], both["region"]) == (1, 1)


def test_a_region_that_has_seen_enough_ends_the_acquisition(tmp_path):
    limit = 4.4e5 * 2.0 * 12
    second = dataclasses.replace(ECM, hold=2)
    plan = make_plan(RAMP, ECM, second, COOL, max_dose_per_region_per_nm2=limit, **QUICK)
    run = BenchRun(tmp_path, plan=plan)

    assert run.run().outcome == "success"

    assert [record["reason"] for record in run.records("hold_closed")] == ["dose limit"]
    assert len(run.stream.sent) == 12
    assert run.bench.doses.of(1).beam_on_per_nm2 <= limit
    (note,) = run.records("guard")
    assert (note["guard"], note["action"]) == ("dose", "skipped")


def test_what_a_monitor_is_told(tmp_path):
    prompt = PromptStep("Fill the nitrogen.", timeout_s=600.0)
    run = BenchRun(tmp_path, plan=make_plan(RAMP, WaitStep(for_s=30.0), prompt, FEW, COOL, **QUICK))

    run.run()

    waiting = next(status for status in run.statuses if status.phase == "waiting")
    asking = next(status for status in run.statuses if status.phase == "prompting")
    assert waiting.next_task.what == "Fill the nitrogen. (cools down after 10 min without an answer)"
    assert waiting.next_task.t_s == pytest.approx(asking.t_s, abs=1.1)
    assert asking.prompt == "Fill the nitrogen."
    last = next(status for status in reversed(run.statuses) if status.frames == 4)
    assert (last.region, last.segment, last.frames_lost) == (1, 0, 0)
    assert last.region_dose_per_nm2 == pytest.approx(7.0 * 4.4e5)
