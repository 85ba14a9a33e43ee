"""Limits of the machine around a run: a disk that is full, a time of day that jumps."""

import sys

import pytest
from engine_bench import SHORT, BenchRun
from faults.cells import check
from faults.clocks import DAY_S, JumpingClock
from faults.inputs import simulated
from faults.staged import ROLES, StagedRun
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.controller.journal import read_journal

LIMITED = """
import resource, runpy, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes}, {bytes}))
runpy.run_module("{module}", run_name="__main__")
"""
FRAME_BYTES = 64 + 2 * 64 * 64
TOLD = (
    "run_started",
    "state",
    "step",
    "phase",
    "settled",
    "prompt",
    "answered",
    "hold_opened",
    "hold_closed",
)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_a_disk_that_is_full_costs_no_frame_that_was_recorded(tmp_path):
    """No file can grow beyond 50 frames: then the run is ended, and goes on where there is room."""
    stage = StagedRun(tmp_path, simulated(tmp_path, 60, "max"))
    try:
        stage.start(program=("-c", LIMITED.format(bytes=50 * FRAME_BYTES, module=ROLES["controller"])))
        stage.until(lambda: _recorder_died(stage), "a recorder that gives up", 60.0)
        before = stage.evidence.look()
        stage.strike("controller", "KILL")
        stage.finish(10.0)
        stage.alone()
        stage.carry_on()
        assert stage.finish(60.0) == 0, stage.last_words()
        assert check(stage) == []
        assert len(before) >= 32
    finally:
        stage.clear()


def _recorder_died(stage):
    children = [record for record in stage.records() if record["kind"] == "child"]
    return any(child["role"] == "recorder" and child["event"] == "died" for child in children)


jumps = st.lists(
    st.tuples(st.floats(0, 120), st.sampled_from([-DAY_S, DAY_S, -0.7, 3600.0, -40 * DAY_S])), max_size=4
)


def times_of(folder, clock):
    """Carry out a short plan, and return when everything began and ended, on the run's clock."""
    run = BenchRun(folder, plan=SHORT, clock=clock)
    assert run.run().outcome == "success"
    journal = read_journal(folder / "journal.jsonl")
    return [(record["kind"], record["t_s"]) for record in journal if record["kind"] in TOLD]


@settings(max_examples=25, deadline=None)
@given(jumps=jumps)
def test_nothing_takes_longer_or_shorter_when_the_time_of_day_jumps(tmp_path_factory, jumps):
    steady, jumping = (tmp_path_factory.mktemp(name) for name in ("steady", "jumping"))
    undisturbed = times_of(steady, JumpingClock(()))
    assert times_of(jumping, JumpingClock(tuple(sorted(jumps)))) == undisturbed
