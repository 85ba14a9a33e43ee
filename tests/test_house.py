"""Guards of column and camera: each trips, clears, trips when true at the start, and says it once."""

import dataclasses
import math

import numpy as np
import pytest
from engine_bench import COOL, ECM, ZERO_K, BenchRun, follows_the_table, make_plan

from annealscope.controller.engine.commands import Command
from annealscope.controller.engine.house import House, RunGuard
from annealscope.controller.engine.look import FrameLook
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.house_values import HouseRules
from annealscope.controller.planning.values import RampStep, WaitStep
from annealscope.drivers.interfaces import Frame, Reading
from annealscope.simulators import TimedFault

RAMP = RampStep(40 + ZERO_K, 10.0)
PLAN = make_plan(RAMP, ECM, COOL, settle=(0.5, 1.0, 300.0))


class Scene:
    """Noise around a level of counts that may depend on time; the same frame again and again on demand."""

    def __init__(self, level=lambda t_s: 1000.0, same=lambda t_s: False):
        self._level, self._same = level, same
        self._last = None

    def expose(self, t_start_s, exposure_s, seq, scan_yx_nm):
        if self._last is None or not self._same(t_start_s):
            rng = np.random.Generator(np.random.Philox([7, seq]))
            level = np.full((16, 16), 100.0 + self._level(t_start_s))
            self._last = np.clip(np.rint(rng.normal(level, 20.0)), 0, 65535).astype(np.uint16)
        return self._last.copy(), None


def _run(tmp_path, plan=PLAN, scene=None, faults=()):
    run = BenchRun(tmp_path, plan=plan)
    run.bench.dark_counts = {"imaging": 100.0}
    run.camera._scene = scene or Scene()
    run.rig.world.spec = dataclasses.replace(run.rig.world.spec, faults=tuple(faults))
    for camera in run.cameras.values():
        camera._faults = tuple(faults)
    return run


def _without(run, *channels):
    """Let the microscope have no such channels."""
    microscope, read, describe = run.rig.microscope, run.rig.microscope.read, run.rig.microscope.describe
    microscope.read = lambda: {name: value for name, value in read().items() if name not in channels}
    microscope.describe = lambda: {name: one for name, one in describe().items() if name not in channels}
    return run


def _notes(run, *guards):
    return [(one["guard"], one["action"]) for one in run.records("guard") if one["guard"] in guards]


def _rested(run):
    """Return (since, until, why) of each rest."""
    states = run.records("state")
    rests = [one for one in states if one["state"] == "suspended"]
    ends = [next(e["t_s"] for e in states if e["t_s"] > r["t_s"]) for r in rests]
    return [(one["t_s"], end, one["why"]) for one, end in zip(rests, ends, strict=True)]


def test_a_run_in_which_nothing_happens_has_no_notes(tmp_path):
    run = _run(tmp_path)
    assert run.run().outcome == "success"
    assert run.records("guard") == []
    assert run.stream.segments == []


# ---------------------------------------------------------------------- column


@pytest.mark.parametrize("at_s", [0.0, 30.0])
def test_closed_valves_suspend_until_they_are_open(tmp_path, at_s):
    run = _run(tmp_path, faults=[TimedFault("valves", at_s, 60.0)])

    assert run.run().outcome == "success"

    assert follows_the_table(run.states)
    assert _notes(run, "valves", "beam") == [("valves", "suspended")]
    ((_, until_s, why),) = _rested(run)
    assert until_s == pytest.approx(at_s + 60.0, abs=2.0)
    assert "valves" in why
    assert run.stream.sent == list(range(40))


def test_a_column_that_says_nothing_of_its_valves_is_not_asked(tmp_path):
    run = _without(_run(tmp_path, faults=[TimedFault("valves", 30.0, 60.0)]), "column_valves_open")
    assert run.run().outcome == "success"
    assert _notes(run, "valves") == []


def test_valves_that_close_on_a_ramp_do_not_stop_it(tmp_path):
    plan = make_plan(RampStep(60 + ZERO_K, 0.5), ECM, COOL, settle=(0.5, 1.0, 300.0))
    run = _run(tmp_path, plan, faults=[TimedFault("valves", 10.0, 20.0)])
    assert run.run().outcome == "success"
    assert "suspended" not in run.states


def test_the_operator_goes_on_although_the_valves_read_closed(tmp_path):
    run = _run(tmp_path, faults=[TimedFault("valves", 30.0)])

    def look(status):
        if status.state == "suspended":
            run.commands.put(Command.RESUME, "test")

    assert run.run_with({}, look).outcome == "success"
    assert run.states.count("suspended") == 1
    assert run.stream.sent == list(range(40))


def test_a_pause_that_ends_with_closed_valves_becomes_a_suspension(tmp_path):
    run = _run(tmp_path, faults=[TimedFault("valves", 30.0, 60.0)])

    def look(status):
        if status.frames == 5 and "paused" not in run.states:
            run.commands.put(Command.PAUSE, "test")
        if status.state == "paused" and status.t_s > 40.0:
            run.commands.put(Command.RESUME, "test")

    assert run.run_with({}, look).outcome == "success"
    assert run.states[2:6] == ["pausing", "paused", "suspended", "running"]
    assert run.stream.sent == list(range(40))


# ---------------------------------------------------------------------- beam


def _trips_at(off_s, for_s=math.inf):
    return Scene(lambda t_s: 0.0 if off_s <= t_s < off_s + for_s else 1000.0)


def test_dark_frames_suspend_until_the_gun_emits_again(tmp_path):
    run = _run(tmp_path, scene=_trips_at(40.0, 90.0), faults=[TimedFault("beam", 40.0, 90.0)])

    assert run.run().outcome == "success"

    assert _notes(run, "beam") == [("beam", "suspended")]
    ((since_s, until_s, why),) = _rested(run)
    assert since_s - 40.0 < 10.0  # three frames of 2 s, and the one under way
    assert until_s == pytest.approx(130.0, abs=2.0)
    assert "dim" in why
    assert run.stream.sent == list(range(40))


def test_without_a_word_from_the_gun_the_operator_is_waited_for(tmp_path):
    run = _without(_run(tmp_path, scene=_trips_at(40.0, 50.0)), "emission")

    assert run.run().outcome == "success"

    ((since_s, until_s, _),) = _rested(run)
    assert until_s - since_s == pytest.approx(60.0, abs=2.0)  # the simulated operator takes a minute
    assert run.stream.sent == list(range(40))


def test_an_acquisition_does_not_begin_without_emission(tmp_path):
    run = _run(tmp_path, faults=[TimedFault("beam", 0.0, 60.0)])
    assert run.run().outcome == "success"
    assert _notes(run, "beam") == [("beam", "suspended")]
    assert run.stream.segments == []
    assert run.stream.frames[0].t_start_s >= 59.0


def test_a_beam_that_grows_weaker_slowly_is_no_trip(tmp_path):
    run = _run(tmp_path, scene=Scene(lambda t_s: 1000.0 * math.exp(-t_s / 40.0)))
    assert run.run().outcome == "success"
    assert _notes(run, "beam") == []


def test_two_dark_frames_are_no_trip(tmp_path):
    run = _run(tmp_path, scene=_trips_at(40.0, 4.0))
    assert run.run().outcome == "success"
    assert run.records("guard") == []


@pytest.mark.parametrize(("action", "state"), [("note", "success"), ("stop", "stopped"), ("park", "parked")])
def test_what_a_trip_does_is_a_matter_of_the_house(tmp_path, action, state):
    plan = dataclasses.replace(PLAN, house=HouseRules(beam_action=action))
    run = _without(_run(tmp_path, plan, _trips_at(40.0)), "emission")

    outcome = run.run()

    done = {"note": "noted", "stop": "stopped", "park": "parked"}[action]
    assert outcome.outcome == state
    assert _notes(run, "beam") == [("beam", done)]
    assert run.is_safe


# ---------------------------------------------------------------------- camera


def test_a_camera_that_freezes_for_a_while_is_started_again(tmp_path):
    run = _run(tmp_path, faults=[TimedFault("camera", 30.0, 20.0)])

    outcome = run.run()

    assert outcome.outcome == "success"
    assert set(_notes(run, "camera")) == {("camera", "suspended")}
    first = next(one for one in run.records("guard") if one["guard"] == "camera")
    assert first["t_s"] - 30.0 <= 3 * ECM.period_s + ECM.period_s + 0.5
    assert 1 <= len(run.stream.segments) <= 3
    assert run.stream.sent == list(range(40))


def test_a_camera_that_never_gives_a_frame_is_not_started_again_for_ever(tmp_path):
    run = _run(tmp_path, faults=[TimedFault("camera", 0.0)])

    def look(status):
        if status.t_s > 1000.0:  # it would go on for ever
            run.commands.put(Command.EMERGENCY, "test")

    outcome = run.run_with({}, look)

    assert (outcome.outcome, outcome.exit_code) == ("stopped", ExitCode.DEVICE)
    assert _notes(run, "camera") == [*[("camera", "suspended")] * 3, ("camera", "stopped")]
    assert run.is_safe


def test_a_camera_that_freezes_now_and_then_does_not_end_a_long_acquisition(tmp_path):
    plan = make_plan(RAMP, dataclasses.replace(ECM, frames=400), COOL, settle=(0.5, 1.0, 300.0))
    run = _run(tmp_path, plan, faults=[TimedFault("camera", 100.0 + 150.0 * i, 9.0) for i in range(5)])
    assert run.run().outcome == "success"
    assert len(_notes(run, "camera")) >= 5
    assert run.stream.sent == list(range(400))


def test_frames_that_a_camera_loses_at_the_end_are_told_to_the_recorder(tmp_path):
    run = _run(tmp_path, faults=[TimedFault("camera", 77.0)])
    told, close = [], run.stream.close_hold
    run.stream.close_hold = lambda reason, end_seq: (told.append(end_seq), close(reason, end_seq))

    assert run.run().outcome == "success"

    assert len(run.stream.sent) < 40
    assert told == [40]


def test_a_camera_that_repeats_a_frame_is_started_again(tmp_path):
    run = _run(tmp_path, scene=Scene(same=lambda t_s: 30.0 <= t_s < 60.0))
    assert run.run().outcome == "success"
    assert _notes(run, "camera")[0] == ("camera", "suspended")
    assert "the last 3 frames are the same" in run.records("guard")[0]["message"]
    assert len(run.stream.segments) >= 1


def test_a_frame_of_another_shape_is_refused(tmp_path):
    run = _run(tmp_path)

    class Wide:
        def expose(self, t_start_s, exposure_s, seq, scan_yx_nm):
            return np.zeros((16, 32), np.uint16), None

    run.camera._scene = Wide()
    outcome = run.run()
    assert outcome.exit_code is ExitCode.DEVICE
    assert "(16, 32)" in outcome.why
    assert "(16, 16)" in outcome.why
    assert run.stream.sent == []


def _frame(data):
    return Frame(data, 0, 0.0, 1.0)


def test_the_empty_frames_of_a_counting_detector_are_neither_the_same_nor_dim():
    look = FrameLook(0.5)
    for _ in range(20):
        look.see(_frame(np.zeros((64, 64), np.uint16)), 0.0)
    assert (look.repeats, look.dim_frames) == (0, 0)


def test_a_look_at_a_frame_needs_no_whole_number_of_strides():
    look = FrameLook(0.5)
    for seq in range(9):
        data = np.full((515, 77), 300 if seq < 6 else 120, np.uint16)
        data[::7, ::3] += seq
        look.see(_frame(data), 100.0)
    assert look.dim_frames == 3
    assert look.brightness == pytest.approx(0.1, abs=0.05)


# ---------------------------------------------------------------------- the house


class Level(RunGuard):
    """True while told."""

    name = "level"

    def __init__(self, during):
        self._from_s, self._to_s = during

    def check(self, bench):
        return "it is so" if self._from_s <= bench.now_s < self._to_s else None


@pytest.mark.parametrize("during", [(0.0, 5.0), (1.5, 20.0), (8.0, 30.0), (40.0, 50.0)])
def test_a_guard_of_the_run_suspends_it_in_any_step_and_is_noted_once(tmp_path, during):
    plan = make_plan(RAMP, WaitStep(for_s=5.0), ECM, COOL, settle=(0.5, 1.0, 300.0))
    run = _run(tmp_path, plan)

    assert run.run(watchers=[Level(during)]).outcome == "success"

    assert _notes(run, "level") == [("level", "suspended")]
    ((_, until_s, _),) = _rested(run)
    assert until_s == pytest.approx(during[1], abs=1.5)


def test_two_guards_at_once_rest_once(tmp_path):
    run = _run(tmp_path)
    assert run.run(watchers=[Level((20.0, 40.0)), Level((25.0, 60.0))]).outcome == "success"
    assert run.states.count("suspended") == 1
    assert _notes(run, "level") == [("level", "suspended")] * 2
    assert len(run.stream.segments) == 1


def test_the_gravest_finding_is_acted_upon(tmp_path):
    class Grave(Level):
        def action(self, bench):
            return "stop"

    run = _run(tmp_path)
    outcome = run.run(watchers=[Level((20.0, 40.0)), Grave((20.0, 40.0))])
    assert (outcome.outcome, outcome.exit_code) == ("stopped", ExitCode.SAFETY)
    assert run.is_safe


def test_a_bad_reading_of_the_valves_is_not_a_closed_valve(tmp_path):
    run = _run(tmp_path)
    read = run.rig.microscope.read
    bad = {"column_valves_open": Reading(0.0, 0.0, "bad")}
    run.rig.microscope.read = lambda: {**read(), **bad}
    assert run.run().outcome == "success"
    assert run.records("guard") == []


def test_an_empty_house_has_nothing_to_say(tmp_path):
    run = _run(tmp_path)
    assert House().tripped(run.bench) is None
    run.journal.close()
