"""Whole runs through a guard, with real processes in real time: how they end, and how they are ended."""

import signal
import time

import numpy as np
import pytest
from guard_rig import first_after, wait_for
from guarded_runs import HOT_K, GuardedRun

from annealscope.controller.record.holdreader import HoldReader

needs_stop = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP on this system")
FREEZE_AFTER_KILL_S = 0.1
LOOK_AT_FROZEN_S = 0.5


def stays_hot(run, from_s, to_s):
    """Say whether the setpoint neither rose nor fell between two times."""
    setpoints_K = run.setpoints_K(from_s, to_s)
    return len(setpoints_K) > 5 and all(abs(setpoint_K - HOT_K) < 0.01 for setpoint_K in setpoints_K)


def test_a_run_through_a_guard_ends_with_the_heater_off(tmp_path):
    run = GuardedRun(tmp_path, wait="0.2 s")
    run.start()
    code, said = run.ends()
    assert (code, run.outcome()) == (0, ("success", 0)), said
    run.heater_is_off()
    drill, ramp = run.journal("drill")[0], run.journal("step", step="ramp")[0]
    assert 2.9 < drill["froze_after_s"] <= drill["allowed_s"]
    assert drill["n"] < ramp["n"]
    assert run.heater("hold")[0]["t_s"] < run.heater("ramp")[0]["t_s"]
    hottest_K = max(line["temperature_K"] for line in run.heater("read"))
    assert HOT_K <= hottest_K <= HOT_K + 0.5
    assert max(r["temperature_K"] for r in run.journal("reading")) > HOT_K - 1


@pytest.mark.slow
def test_a_killed_run_leaves_a_heater_that_freezes_cools_and_goes_off(tmp_path):
    run = GuardedRun(tmp_path, wait="60 s")
    run.start()
    run.reaches("settled")
    killed_s = run.send("SIGKILL")
    run.ends()
    frozen = first_after(wait_for(lambda: [e for e in run.heater("hold") if e["t_s"] >= killed_s]), killed_s)
    assert frozen["t_s"] - killed_s <= FREEZE_AFTER_KILL_S
    run.heater_is_off()
    cooling = first_after(run.heater("ramp"), killed_s)
    assert cooling["t_s"] - killed_s == pytest.approx(1.0, abs=0.3)
    assert stays_hot(run, killed_s, cooling["t_s"])


@pytest.mark.slow
def test_a_run_that_is_continued_in_time_finds_its_temperature(tmp_path):
    run = GuardedRun(tmp_path, wait="8 s", grace="20 s")
    run.start()
    run.reaches("settled")
    killed_s = run.send("SIGKILL")
    run.ends()
    run.carry_on()
    run.reaches("run_continued")
    run.reaches("step", step="cool")
    taken_over = run.journal("guard", guard="lease", action="taken over")
    assert len(taken_over) == 1
    assert "100.0" in taken_over[0]["message"]
    code, said = run.ends()
    assert code == 0, said
    run.heater_is_off()
    cooling = [e for e in run.heater("ramp") if e["target_K"] < HOT_K - 1]
    assert len(cooling) == 1
    assert stays_hot(run, killed_s, cooling[0]["t_s"])
    assert len(run.guard_log("ready")) == 1


@needs_stop
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "fields"), [("phase", {"phase": "ramping"}), ("settled", {})])
def test_a_run_that_was_stopped_for_longer_than_its_lease_goes_on(tmp_path, kind, fields):
    on_ramp = kind == "phase"
    run = GuardedRun(tmp_path, wait="3 s", grace="20 s", rate="10 K/s")
    run.start()
    if on_ramp:
        wait_for(lambda: [e for e in run.heater("read") if e["setpoint_K"] > HOT_K - 50], 30.0)
    else:
        run.reaches(kind, **fields)
    stopped_s = run.send("SIGSTOP")
    frozen_s = wait_for(lambda: [e for e in run.heater("hold") if e["t_s"] >= stopped_s])[0]["t_s"]
    time.sleep(LOOK_AT_FROZEN_S)
    left_K = run.setpoints_K(frozen_s + 0.05, run.send("SIGCONT"))
    code, said = run.ends()
    assert (code, run.outcome()) == (0, ("success", 0)), said
    run.heater_is_off()
    (suspended,) = run.journal("guard", guard="lease")
    assert suspended["action"] == "suspended"
    assert [r["state"] for r in run.journal("state")].count("suspended") == 1
    assert len(left_K) > 5
    assert len(set(left_K)) == 1
    assert left_K[-1] < HOT_K - 1 if on_ramp else left_K[-1] == pytest.approx(HOT_K)
    heating = [e for e in run.heater("ramp") if e["target_K"] == pytest.approx(HOT_K)]
    assert len(heating) == (2 if on_ramp else 1)
    assert len(run.journal("settled")) == 2  # the ramp and the way down, each once


@pytest.mark.slow
def test_a_second_run_on_the_same_holder_is_refused(tmp_path):
    run, rival = GuardedRun(tmp_path, wait="10 s"), GuardedRun(tmp_path, wait="10 s")
    run.start()
    run.reaches("settled")
    rival.start(out="rival")
    code, said = rival.ends()
    assert code == 4
    assert f"the heater is on at 100 °C for {tmp_path / 'run'}" in " ".join(said.split())
    assert not (tmp_path / "rival").exists()
    run.send("SIGINT")
    assert run.ends()[0] == 130
    run.heater_is_off()


@pytest.mark.slow
def test_a_trip_ends_the_run_and_locks_the_heater_until_it_is_acknowledged(tmp_path):
    run = GuardedRun(tmp_path, wait="20 s", fault="offset", fault_after_s=8.0)
    run.start()
    code, said = run.ends()
    assert (code, run.outcome()) == (6, ("failed", 6)), said
    assert "nobody asked for more" in said
    assert '--acknowledge "WHY"' in said
    assert run.journal("guard", guard="heater")
    run.heater_is_off()

    again = GuardedRun(tmp_path)
    again.start(out="again")
    code, said = again.ends()
    assert code == 6
    assert "locked: rate of rise" in said
    assert not (tmp_path / "again").exists()
    again.folder = tmp_path / "third"
    again.start("--acknowledge", "the cable was loose", out="third")
    code, said = again.ends()
    assert code == 0, said
    assert again.journal("guard", action="acknowledged: the cable was loose")
    assert again.trip() is None


@needs_stop
@pytest.mark.slow
def test_an_acquisition_that_was_stopped_goes_on_in_a_new_segment_with_its_dark_frames_marked(tmp_path):
    run = GuardedRun(tmp_path, wait="0.2 s", grace="20 s", frames=120)
    run.start()
    run.reaches("phase", phase="acquiring")
    time.sleep(1.0)
    stopped_s = run.send("SIGSTOP")
    wait_for(lambda: [e for e in run.heater("hold") if e["t_s"] >= stopped_s])
    time.sleep(LOOK_AT_FROZEN_S)
    run.send("SIGCONT")
    code, said = run.ends()
    assert code == 0, said
    assert len(run.journal("guard", guard="lease", action="suspended")) == 1
    with HoldReader(run.folder / "holds" / "01_ecm_100C.nxs") as hold:
        (block,) = hold.iter_blocks(120)
    assert set(block.segment) == {0, 1}
    assert np.count_nonzero(~block.beam_on) > 10
    assert set(block.segment[~block.beam_on]) == {0}
    run.heater_is_off()
