"""The simulated devices: timing, limits, and who ends a ramp."""

from dataclasses import replace

import numpy as np
import pytest

from annealscope.drivers.clock import VirtualClock, WallClock
from annealscope.drivers.interfaces import Camera, DeviceError, FrameSpec, Holder, Microscope, Optics
from annealscope.simulators import CameraSpec, SimulatedRig, WorldSpec, simulated_rig
from annealscope.simulators.camera import BUFFER_FRAMES

SMALL = WorldSpec((CameraSpec(shape=(24, 32)),))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def rig(clock: VirtualClock) -> SimulatedRig:
    return simulated_rig(SMALL, clock=clock, seed=3)


def started(rig: SimulatedRig, exposure_s: float = 1.0, period_s: float = 2.0):
    rig.microscope.blank(False)
    rig.cameras["imaging"].arm(FrameSpec(exposure_s, period_s))
    rig.cameras["imaging"].start()
    return rig.cameras["imaging"]


def test_devices_are_what_they_say(rig):
    assert isinstance(rig.holder, Holder)
    assert isinstance(rig.microscope, Microscope)
    assert isinstance(rig.cameras["imaging"], Camera)


# --- camera


def test_exposures_follow_each_other_at_the_period(rig, clock):
    clock.sleep_until(7.0)
    camera = started(rig)
    frames = [camera.next_frame(10.0) for _ in range(4)]
    assert [frame.seq for frame in frames] == [0, 1, 2, 3]
    assert [frame.t_start_s for frame in frames] == [7.0, 9.0, 11.0, 13.0]
    assert clock.monotonic() == 14.0
    assert frames[0].data.shape == (24, 32)
    assert frames[0].data.dtype == np.uint16


def test_a_frame_is_ready_when_its_exposure_is_over(rig, clock):
    camera = started(rig)
    clock.sleep_until(0.999)
    assert camera.next_frame() is None
    clock.sleep_until(1.0)
    assert camera.next_frame().seq == 0
    assert camera.next_frame() is None


def test_waiting_ends_at_the_timeout(rig, clock):
    assert started(rig).next_frame(0.25) is None
    assert clock.monotonic() == 0.25


def test_period_need_not_be_a_binary_fraction(rig, clock):
    """A tenth of a second summed up 300 times still finds every frame when it is due."""
    camera = started(rig, 0.1, 0.1)
    for seq in range(300):
        clock.sleep_until((seq + 1) * 0.1)
        assert camera.next_frame().seq == seq


def test_a_late_reader_gets_the_frames_of_their_own_time(clock):
    """Shifts made meanwhile are not in frames that were exposed before."""
    late, prompt = (simulated_rig(SMALL, clock=VirtualClock(), seed=3) for _ in range(2))
    frames = []
    for rig in (late, prompt):
        camera = started(rig)
        for n in range(4):
            rig.world.clock.sleep_until(2.0 * n + 1.0)
            if rig is prompt:
                frames.append(camera.next_frame())
            rig.microscope.shift_image((float(n), -5.0 * n))
    for frame in frames:
        np.testing.assert_array_equal(late.cameras["imaging"].next_frame().data, frame.data)


def test_a_very_late_reader_loses_the_oldest_frames(rig, clock):
    camera = started(rig)
    clock.sleep_until(2.0 * (BUFFER_FRAMES + 10))
    frame = camera.next_frame()
    assert (frame.seq, frame.lost_before) == (10, 10)
    assert camera.next_frame().lost_before == 0


def test_stop_discards_the_running_exposure_only(rig, clock):
    camera = started(rig)
    clock.sleep_until(4.5)
    camera.stop()
    clock.sleep_until(60.0)
    camera.stop()
    assert [camera.next_frame().seq for _ in range(2)] == [0, 1]
    assert camera.next_frame(5.0) is None


def test_a_second_acquisition_sees_another_moment(rig):
    first = started(rig).next_frame(10.0)
    rig.cameras["imaging"].stop()
    second = started(rig).next_frame(10.0)
    assert second.seq == 0
    assert not np.array_equal(first.data, second.data)


def test_camera_refuses_what_makes_no_sense(rig):
    with pytest.raises(DeviceError, match="armed"):
        rig.cameras["imaging"].start()
    with pytest.raises(DeviceError, match="exposure 2 s, period 1 s"):
        rig.cameras["imaging"].arm(FrameSpec(2.0, 1.0))
    started(rig)
    with pytest.raises(DeviceError, match="stop it first"):
        rig.cameras["imaging"].arm(FrameSpec(1.0, 2.0))


def test_the_camera_runs_on_real_time_too():
    rig = simulated_rig(SMALL, clock=WallClock(speed=100.0), seed=3)
    frame = started(rig).next_frame(50.0)
    assert frame.seq == 0
    assert rig.world.clock.monotonic() >= frame.t_start_s + frame.exposure_s


# --- holder


def test_done_means_the_setpoint_has_arrived(rig, clock):
    ramp = rig.holder.ramp(308.15, 0.5)
    clock.sleep_until(10.0)
    assert ramp.poll() == "running"
    assert rig.holder.locate().setpoint_K == pytest.approx(303.15)
    clock.sleep_until(20.0)
    assert ramp.poll() == "done"
    assert rig.holder.locate().measured_K == pytest.approx(308.15, abs=1.0 + 4 * 0.05)


@pytest.mark.parametrize("end", ["hold_here", "switch_off", "another ramp", "safe", "cancel"])
def test_every_other_command_ends_a_ramp(rig, clock, end):
    ramp = rig.holder.ramp(400.0, 0.5)
    clock.sleep_until(10.0)
    commands = {
        "hold_here": rig.holder.hold_here,
        "switch_off": rig.holder.switch_off,
        "another ramp": lambda: rig.holder.ramp(300.0, 1.0),
        "safe": lambda: rig.holder.safe("test"),
        "cancel": ramp.cancel,
    }
    commands[end]()
    assert ramp.poll() == "cancelled"
    clock.sleep_until(1000.0)
    assert ramp.poll() == "cancelled"


def test_cancelling_a_finished_ramp_leaves_its_successor_alone(rig, clock):
    first = rig.holder.ramp(300.15, 1.0)
    clock.sleep_until(5.0)
    second = rig.holder.ramp(310.15, 1.0)
    first.cancel()
    assert first.poll() == "done"
    clock.sleep_until(20.0)
    assert second.poll() == "done"
    assert rig.holder.locate().setpoint_K == pytest.approx(310.15)


def test_a_chip_without_power_is_cold_at_once(rig, clock):
    rig.holder.ramp(500.0, 50.0)
    clock.sleep_until(60.0)
    rig.holder.switch_off()
    clock.sleep_until(61.0)
    assert rig.holder.read()["temperature"].value == pytest.approx(SMALL.initial_temperature_K, abs=0.3)


@pytest.mark.parametrize(
    ("target_K", "rate"), [(200.0, 1.0), (2000.0, 1.0), (400.0, 0.0), (float("nan"), 1.0)]
)
def test_impossible_ramps_are_refused_before_anything_moves(rig, target_K, rate):
    problems = rig.holder.check(target_K, rate)
    assert len(problems) == 1
    with pytest.raises(DeviceError, match="holder"):
        rig.holder.ramp(target_K, rate)
    assert rig.holder.locate().setpoint_K == SMALL.initial_temperature_K


# --- microscope


def test_shifts_beyond_the_range_are_refused(rig):
    rig.microscope.shift_image((3.0, 4.0))
    with pytest.raises(DeviceError, match="1000 nm"):
        rig.microscope.shift_image((1500.0, 0.0))
    assert rig.microscope.image_shift_nm() == pytest.approx((3.0, 4.0))


def test_the_beam_is_blanked_until_asked_for(rig, clock):
    rig.cameras["imaging"].arm(FrameSpec(1.0, 2.0))
    rig.cameras["imaging"].start()
    dark = rig.cameras["imaging"].next_frame(10.0).data.mean()
    rig.microscope.blank(False)
    assert rig.cameras["imaging"].next_frame(10.0).data.mean() > dark + 100
    rig.microscope.safe("test")
    assert rig.microscope.read()["beam_blanked"].value == 1
    assert rig.cameras["imaging"].next_frame(10.0).data.mean() < dark + 10


def test_optics_are_set_and_read_back(rig, clock):
    wanted = Optics("nanobeam", 300.0, probe_nm=0.91, probe_current_pA=15.0)
    assert rig.microscope.optics() is None
    action = rig.microscope.set_optics(wanted)
    assert action.poll() == "running"
    clock.sleep_until(2.0)
    assert action.poll() == "done"
    assert rig.microscope.optics() == wanted


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Optics("tem_dark_field", 200.0), "high tension stays at 300 kV"),
        (Optics("tem_dark_field", 300.0, dose_rate_per_nm2_s=0.0), "dose_rate_per_nm2_s must be > 0, got 0"),
        (Optics("nanobeam", 300.0), "needs probe_nm"),
    ],
)
def test_impossible_optics_are_refused(rig, wanted, why):
    assert len(rig.microscope.check_optics(wanted)) == 1
    with pytest.raises(DeviceError, match=why):
        rig.microscope.set_optics(wanted)
    assert rig.microscope.optics() is None


def test_a_microscope_knows_where_it_is(rig, clock):
    first = rig.microscope.region()
    clock.sleep_until(1.0)
    second = rig.microscope.fresh_region((0.7, 0.9))
    assert rig.microscope.region() == second
    assert (first.number, second.number) == (1, 2)
    assert 0.7 <= second.thickness <= 0.9


def test_backlash_swallows_the_beginning_of_a_reversal(clock):
    spec = WorldSpec((CameraSpec(shape=(24, 32)),), shift_play_nm=1.0, image_shift_matrix=((1, 0), (0, 1)))
    still = replace(spec, thermal_drifts=(), walk_nm_per_sqrt_s=0.0, vibration_nm=0.0)
    world = simulated_rig(still, clock=clock, seed=1).world
    moved = []
    for n, y in enumerate((10.0, 9.6, 8.0, 8.4)):
        clock.sleep_until(float(n))
        world.shift_image((y, 0.0))
        moved.append(world.displacement_nm(float(n), float(n))[0])
    assert moved == pytest.approx([9.5, 9.5, 8.5, 8.5])
    assert world.shift_nm[0] == pytest.approx(8.4)


def test_a_late_frame_shows_the_region_it_was_taken_in(clock):
    late, prompt = (simulated_rig(SMALL, clock=VirtualClock(), seed=3) for _ in range(2))
    camera = started(late)
    late.world.clock.sleep_until(1.5)
    late.microscope.fresh_region()
    expected = started(prompt).next_frame(10.0).data
    np.testing.assert_array_equal(camera.next_frame().data, expected)


def test_there_is_no_image_in_another_mode(rig, clock):
    camera = started(rig)
    lit = camera.next_frame(10.0).data.mean()
    rig.microscope.set_optics(Optics("nanobeam", 300.0, probe_nm=0.91))
    assert camera.next_frame(10.0).data.mean() < lit - 100
