"""A simulated specimen gets its memory back from the journal: how well that is the one it had."""

import dataclasses

import numpy as np
import pytest
from engine_bench import COOL, ECM, PER_MIN, ZERO_K, BenchRun, make_plan

from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.planning.values import RampStep, WaitStep
from annealscope.controller.record.runfolder import create
from annealscope.controller.session.rehearsal import heat_of, restore_world
from annealscope.drivers.clock import VirtualClock

WARM, HOT = (RampStep(degC + ZERO_K, 100 * PER_MIN) for degC in (100, 150))
FRESH = dataclasses.replace(ECM.setup, fresh_region=True)
PLAN = make_plan(
    WARM, WaitStep(for_s=400.0), HOT, WaitStep(for_s=100.0), dataclasses.replace(ECM, setup=FRESH), COOL
)
ERROR_S = 1.0
"""Readings come every second of a ramp: that much for each time that a temperature of the table is passed."""


def test_a_restored_world_has_the_age_and_the_place_of_the_one_before(tmp_path):
    folder = create(tmp_path / "run")
    run = BenchRun(folder.path, plan=PLAN)
    assert run.run().outcome == "success"
    true_s, left = run.rig.world.ages_s(), run.bench.microscope.region()
    again = _world(tmp_path, VirtualClock(start_s=run.clock.monotonic()))
    restore_world(folder, again)
    assert again.region_at(again.clock.monotonic()) == left
    assert true_s[again.glass.temperature_K.index(100 + ZERO_K)] > 500
    np.testing.assert_allclose(again.ages_s(), true_s, atol=2 * ERROR_S)


def _journal(path, *parts):
    """Readings at (time, degC), with a `run_continued` between two parts."""
    clock = VirtualClock()
    journal = Journal(path, clock)
    for number, part in enumerate(parts):
        if number:
            journal.write("run_continued")
        for t_s, degC in part:
            clock.sleep_until(t_s)
            journal.write("reading", temperature_K=degC + ZERO_K, setpoint_K=degC + ZERO_K)
        clock.sleep_until(clock.monotonic() + 5.0)
        journal.write("step", index=number)
    journal.close()


@pytest.mark.parametrize(
    ("second", "age_s"),
    [([(500.0, 25.0), (510.0, 25.0)], 105.0), ([(500.0, 100.0), (510.0, 100.0)], 515.0)],
)
def test_between_two_processes_it_is_as_hot_as_the_next_one_finds_it(tmp_path, second, age_s):
    """A heater that was kept hot has aged it; one that went cold has not, but for the end of the record."""
    _journal(tmp_path / "journal.jsonl", [(0.0, 100.0), (100.0, 100.0)], second)
    world = _world(tmp_path)
    found_s = world.ages_of_s(*heat_of(list(read_journal(tmp_path / "journal.jsonl"))))
    assert found_s[world.glass.temperature_K.index(100 + ZERO_K)] == pytest.approx(age_s)


def _world(tmp_path, clock=None):
    other = tmp_path / "bench"
    other.mkdir()
    run = BenchRun(other, clock=clock)
    run.journal.close()
    return run.rig.world
