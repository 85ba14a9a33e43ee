"""The heater outlives nobody: real processes are killed, stopped and hung while they heat."""

import json
import os
import signal
import time

import numpy as np
import pytest
from guard_rig import (
    GRACE_S,
    LEASE_S,
    Controller,
    first_after,
    guard_is_gone,
    guard_log,
    guard_settings,
    hardware,
    heater_is_inside,
    setpoint_never_rises,
    wait_for,
)

from annealscope.drivers.clock import WallClock
from annealscope.drivers.guard_start import find_guard, start_guard
from annealscope.drivers.interfaces import DeviceError, LeaseLapsed

LONG_LEASE_S = 5.0
"""Where the end of a lease is not what is tested."""
FREEZE_AFTER_KILL_S = 0.1
FREEZE_AFTER_HANG_S = LEASE_S + 0.1
needs_stop = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP on this system")


def froze_after_s(folder, since_s):
    """Return how long after a time the heater was frozen, and check that nothing heated from then on."""
    frozen = first_after(
        wait_for(lambda: [e for e in hardware(folder, "hold") if e["t_s"] >= since_s]), since_s
    )
    blanked = first_after(
        wait_for(lambda: [e for e in hardware(folder, "blank") if e["t_s"] >= since_s]), since_s
    )
    assert blanked["on"]
    assert blanked["t_s"] - frozen["t_s"] < 0.05
    return frozen["t_s"] - since_s


def takes_over(folder):
    """Return the holder of a guard whose controller is gone, claimed."""
    holder = find_guard(folder / "epoch.json", WallClock(), LONG_LEASE_S)
    assert holder is not None
    holder.open()
    return holder


def a_kill(folder, heated_s):
    """Kill a controller while it heats, check all that follows, and return the time to the freeze."""
    controller = Controller(folder, "obey", lease_s=LONG_LEASE_S)
    time.sleep(heated_s)
    killed_s = controller.kill()
    froze_s = froze_after_s(folder, killed_s)
    assert froze_s <= FREEZE_AFTER_KILL_S
    guard_is_gone(folder)
    setpoint_never_rises(folder, killed_s + FREEZE_AFTER_KILL_S)
    heater_is_inside(folder)
    cooling = first_after(hardware(folder, "ramp", "off"), killed_s)
    assert cooling["t_s"] - killed_s == pytest.approx(GRACE_S, abs=0.2)
    return froze_s


def test_a_killed_controller_leaves_a_heater_that_freezes_cools_and_goes_off(tmp_path):
    a_kill(tmp_path, 0.4)


@pytest.mark.slow
def test_many_killed_controllers(tmp_path):
    rng = np.random.Generator(np.random.Philox(1))
    folders = [tmp_path / str(i) for i in range(20)]
    for folder in folders:
        folder.mkdir()
    froze_s = [
        a_kill(folder, heated_s) for folder, heated_s in zip(folders, rng.uniform(0, 1.5, 20), strict=True)
    ]
    print(f"froze after a kill: median {np.median(froze_s):.3f} s, longest {max(froze_s):.3f} s")


def test_an_heir_finds_the_temperature_that_was_left(tmp_path):
    controller = Controller(tmp_path, "obey", grace_s=10.0, lease_s=LONG_LEASE_S)
    time.sleep(0.5)
    killed_s = controller.kill()
    froze_after_s(tmp_path, killed_s)
    holder = takes_over(tmp_path)
    left_K = holder.locate().setpoint_K
    assert 300 < left_K < 350
    for _ in range(20):
        holder.read()
        time.sleep(0.05)
    assert holder.locate().setpoint_K == left_K
    holder.safe("end of the test")
    holder.close()
    guard_is_gone(tmp_path)
    heater_is_inside(tmp_path)


@needs_stop
def test_a_stopped_controller_that_wakes_after_a_takeover_moves_nothing(tmp_path):
    controller = Controller(tmp_path, "stubborn", grace_s=10.0)
    time.sleep(0.3)
    os.kill(controller.process.pid, signal.SIGSTOP)
    stopped_s = time.monotonic()
    assert froze_after_s(tmp_path, stopped_s) <= FREEZE_AFTER_HANG_S
    holder = takes_over(tmp_path)
    os.kill(controller.process.pid, signal.SIGCONT)
    taken_s = time.monotonic()
    while not guard_log(tmp_path, "refused") or len(guard_log(tmp_path, "refused")) < 20:
        holder.read()
        time.sleep(0.02)
    assert json.loads(controller.says()) == {"refused": 20, "applied": 0}
    controller.finish()
    holder.read()
    assert all(line["refused"] == "stale" for line in guard_log(tmp_path, "refused"))
    setpoint_never_rises(tmp_path, taken_s)
    assert not [e for e in hardware(tmp_path, "ramp") if e["t_s"] > taken_s]
    holder.switch_off()
    holder.close()
    guard_is_gone(tmp_path)


def test_a_controller_in_an_endless_loop_loses_its_lease(tmp_path):
    controller = Controller(tmp_path, "spin")
    hung_s = float(controller.says())
    assert froze_after_s(tmp_path, hung_s) <= FREEZE_AFTER_HANG_S
    guard_is_gone_after = first_after(wait_for(lambda: hardware(tmp_path, "off")), hung_s)
    assert guard_is_gone_after["t_s"] - hung_s < LEASE_S + GRACE_S + 1.0
    setpoint_never_rises(tmp_path, hung_s + FREEZE_AFTER_HANG_S)
    controller.kill()
    guard_is_gone(tmp_path)


@needs_stop
def test_a_guard_that_is_told_to_end_cools_without_grace(tmp_path):
    controller = Controller(tmp_path, "stubborn", grace_s=30.0, lease_s=LONG_LEASE_S)
    time.sleep(0.3)
    pid = guard_log(tmp_path, "ready")[0]["pid"]
    for harmless in (signal.SIGINT, signal.SIGHUP):
        os.kill(pid, harmless)
    time.sleep(0.3)
    assert not hardware(tmp_path, "hold")
    os.kill(pid, signal.SIGTERM)
    told_s = time.monotonic()
    guard_is_gone(tmp_path)
    assert first_after(hardware(tmp_path, "off"), told_s)["t_s"] - told_s < 2.0
    controller.kill()


@needs_stop
def test_a_dead_guard_is_noticed_and_its_successor_finds_the_heater_hot(tmp_path):
    holder, guard = start_guard(guard_settings(tmp_path), WallClock())
    holder.open()
    holder.ramp(400.0, 20.0)
    os.kill(guard.pid, signal.SIGKILL)
    began_s = time.monotonic()
    with pytest.raises(DeviceError, match="its process has ended"):
        holder.read()
    assert time.monotonic() - began_s < 0.5
    guard.dismiss(1.0)
    holder.close()

    started_s = time.monotonic()
    holder, guard = start_guard(guard_settings(tmp_path, start_K=400.0), WallClock())
    holder.open()
    assert guard_log(tmp_path, "ready")[-1]["rung"] == "frozen"
    assert wait_for(lambda: [line for line in hardware(tmp_path, "hold") if line["t_s"] > started_s])
    assert holder.locate().setpoint_K == pytest.approx(400.0)
    wait_for(lambda: guard_log(tmp_path, "claim")[-1]["epoch"] == 2)
    holder.switch_off()
    assert guard.dismiss(5.0)
    holder.close()


def test_a_holder_has_one_guard_and_one_controller(tmp_path):
    holder, guard = start_guard(guard_settings(tmp_path, lease_s=30.0), WallClock())
    holder.open()
    with pytest.raises(DeviceError, match="another guard has the holder"):
        start_guard(guard_settings(tmp_path), WallClock())
    rival = find_guard(tmp_path / "epoch.json", WallClock(), LEASE_S)
    with pytest.raises(DeviceError, match="epoch 1 holds the heater"):
        rival.open()
    rival.close()
    holder.read()
    holder.close()
    assert guard.dismiss(5.0)


def test_a_controller_that_was_late_may_take_over_from_itself(tmp_path):
    holder, guard = start_guard(guard_settings(tmp_path, grace_s=10.0), WallClock())
    holder.open()
    ramp = holder.ramp(500.0, 20.0)
    time.sleep(LEASE_S + 0.1)
    with pytest.raises(LeaseLapsed, match="not renewed in time"):
        holder.read()
    assert ramp.poll() == "cancelled"
    holder.take_over()
    assert holder.ramp(500.0, 20.0).poll() == "running"
    holder.safe("end of the test")
    assert guard.dismiss(5.0)
    holder.close()
