"""The simulated camera: scans, and what goes wrong now and then."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.interfaces import Frame, FrameSpec
from annealscope.simulators.camera import BUFFER_FRAMES, SimulatedCamera
from annealscope.simulators.camera_spec import CameraFaults, CameraSpec

SHAPE = (16, 18)
FAULTS = CameraFaults(jitter_s=0.005, drop_rate=0.1, duplicate_rate=0.1)


class NumberedScene:
    """Every exposure shows its own number; the dark-field detector, too."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, int]] = []

    def expose(self, t_start_s, exposure_s, seq, scan_yx_nm):
        self.asked.append((t_start_s, seq))
        return np.full(SHAPE, seq, dtype=np.uint16), float(seq)


def camera_of(faults: CameraFaults, seed: int = 1, name: str = "imaging", start_s: float = 0.0):
    clock = VirtualClock()
    clock.sleep_until(start_s)
    spec = CameraSpec(name=name, shape=SHAPE, faults=faults)
    return SimulatedCamera(spec, NumberedScene(), clock, seed), clock


def take(
    faults: CameraFaults, spec: FrameSpec, until_s: float, poll_s: float | None = None, **of
) -> list[Frame]:
    """Poll the camera on virtual time, as an engine does; at the exposures' ends by default."""
    camera, clock = camera_of(faults, **of)
    camera.arm(spec)
    camera.start()
    frames, end_s = [], clock.monotonic() + until_s
    while clock.monotonic() < end_s:
        frame = camera.next_frame(0.0)
        if frame is not None:
            frames.append(frame)
        else:
            clock.sleep_until(clock.monotonic() + (poll_s or 0.1))
    return frames


SECOND = FrameSpec(exposure_s=0.1, period_s=0.2)


# --- scans


def test_a_scan_ends_after_its_last_position():
    positions = ((-2.5, -2.5), (-2.5, 2.5), (2.5, -2.5), (2.5, 2.5))
    frames = take(CameraFaults(), FrameSpec(0.1, 0.1, scan_yx_nm=positions), until_s=60.0)
    assert [frame.scan_yx_nm for frame in frames] == list(positions)
    assert [frame.haadf for frame in frames] == [0.0, 1.0, 2.0, 3.0]


def test_waiting_for_a_frame_beyond_the_scan_ends_at_the_timeout():
    camera, clock = camera_of(CameraFaults())
    camera.arm(FrameSpec(0.1, 0.1, scan_yx_nm=((0.0, 0.0),)))
    camera.start()
    assert camera.next_frame(5.0).seq == 0
    assert camera.next_frame(5.0) is None
    assert clock.monotonic() == pytest.approx(5.1)


def test_a_late_reader_of_a_scan_gets_all_of_it():
    positions = tuple((0.0, float(n)) for n in range(BUFFER_FRAMES))
    camera, clock = camera_of(CameraFaults())
    camera.arm(FrameSpec(0.1, 0.1, scan_yx_nm=positions))
    camera.start()
    clock.sleep_until(1000.0)
    assert [camera.next_frame().scan_yx_nm for _ in positions] == list(positions)


def test_the_beam_may_be_blanked_in_pauses():
    frames = take(CameraFaults(), FrameSpec(0.1, 0.2, beam_in_pause=False), until_s=1.0)
    assert [frame.seq for frame in frames] == [0, 1, 2, 3, 4]


# --- faults


N = 2000


@pytest.fixture(scope="module")
def faulty_frames() -> list[Frame]:
    return take(FAULTS, SECOND, until_s=N * 0.2)


def test_exposures_jitter_around_the_period(faulty_frames):
    late_s = np.array([frame.t_start_s - 0.2 * frame.seq for frame in faulty_frames])
    assert late_s[0] == 0
    assert late_s.mean() == pytest.approx(0, abs=4 * 0.005 / np.sqrt(len(late_s)))
    assert late_s.std() == pytest.approx(0.005, rel=4 / np.sqrt(2 * len(late_s)))


def test_lost_frames_are_counted_by_the_next_one(faulty_frames):
    seq = np.array([frame.seq for frame in faulty_frames])
    lost = np.array([frame.lost_before for frame in faulty_frames])
    assert np.all(np.diff(seq) == 1 + lost[1:])
    assert seq[0] == lost[0]
    assert lost.sum() / N == pytest.approx(0.1, abs=4 * np.sqrt(0.1 * 0.9 / N))


def test_repeated_frames_have_the_pixels_of_the_one_delivered_before(faulty_frames):
    shown = [int(frame.data[0, 0]) for frame in faulty_frames]
    repeated = [n for n, frame in enumerate(faulty_frames) if shown[n] != frame.seq]
    assert all(shown[n] == shown[n - 1] for n in repeated)
    assert len(repeated) / len(shown) == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / len(shown)))


def test_the_dark_field_detector_repeats_nothing(faulty_frames):
    assert all(frame.haadf == frame.seq for frame in faulty_frames)


def test_a_repeated_frame_is_a_copy():
    frames = take(CameraFaults(duplicate_rate=0.4), SECOND, until_s=20.0)
    assert len({id(frame.data) for frame in frames}) == len(frames)


def test_exposures_without_a_pause_cannot_jitter():
    frames = take(CameraFaults(jitter_s=0.005), FrameSpec(0.1, 0.1), until_s=10.0)
    assert [frame.t_start_s for frame in frames] == pytest.approx([0.1 * frame.seq for frame in frames])


def test_faults_are_the_seeds_the_cameras_and_the_acquisitions():
    def story(**of) -> list[tuple[int, float]]:
        start_s = of.get("start_s", 0.0)
        return [(f.seq, round(f.t_start_s - start_s, 6)) for f in take(FAULTS, SECOND, 20.0, **of)]

    first = story()
    assert story() == first
    for other in ({"seed": 2}, {"name": "diffraction"}, {"start_s": 100.0}):
        assert story(**other) != first


@settings(max_examples=15, deadline=None)
@given(
    jitter_s=st.floats(0, 0.5),
    drop_rate=st.floats(0, 0.45),
    duplicate_rate=st.floats(0, 0.45),
    exposure_s=st.floats(0.01, 0.2),
    poll_s=st.floats(0.001, 3.0),
    seed=st.integers(0, 1000),
)
def test_frames_come_in_order_however_they_are_asked_for(
    jitter_s, drop_rate, duplicate_rate, exposure_s, poll_s, seed
):
    """An engine gets each frame once, none before its exposure is over, and exposures never overlap."""
    faults = CameraFaults(jitter_s, drop_rate, duplicate_rate)
    spec = FrameSpec(exposure_s, 0.2)
    frames = take(faults, spec, until_s=8.0, poll_s=poll_s, seed=seed)
    reference = take(faults, spec, until_s=8.0, seed=seed)
    seen = {frame.seq: frame for frame in reference}
    assert all(later.seq > sooner.seq for sooner, later in pairwise(frames))
    for sooner, later in pairwise(frames):
        assert later.t_start_s >= sooner.t_start_s + exposure_s - 1e-9
    for frame in frames:
        if frame.seq in seen:
            np.testing.assert_array_equal(frame.data, seen[frame.seq].data)
            assert frame.t_start_s == seen[frame.seq].t_start_s


def test_a_frame_is_not_there_before_its_exposure_is_over():
    camera, clock = camera_of(CameraFaults(jitter_s=0.02))
    camera.arm(SECOND)
    camera.start()
    for _ in range(50):
        frame = camera.next_frame(10.0)
        assert clock.monotonic() == pytest.approx(frame.t_start_s + 0.1)


def test_the_scene_is_asked_in_the_order_of_the_exposures():
    camera, clock = camera_of(FAULTS)
    camera.arm(SECOND)
    camera.start()
    clock.sleep_until(40.0)
    while camera.next_frame() is not None:
        pass
    asked = camera._scene.asked
    assert asked == sorted(asked)
    assert len(asked) > 100


@pytest.mark.parametrize(
    "wrong", [{"jitter_s": -1.0}, {"drop_rate": 0.5}, {"duplicate_rate": -0.1}, {"jitter_s": float("nan")}]
)
def test_impossible_faults_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CameraFaults(**wrong)
