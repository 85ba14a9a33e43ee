"""FEM and diffraction holds, and broken ones, through real children: recorded, analysed, computed again."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from publisher_stage import Stage
from speckle_movie import speckle_movie
from speckle_patterns import Glass, Microscope

from annealscope.analysis.rings import Geometry
from annealscope.controller.offline.analyze import compute
from annealscope.controller.offline.sources import hold_source
from annealscope.controller.record.results import read_results
from annealscope.controller.stream.messages import CameraInfo, Grid
from annealscope.controller.stream.wire import results_to_entries
from annealscope.drivers.interfaces import Frame

PIXEL_PER_NM = 0.13
GRID = (5, 8)
POINTS = GRID[0] * GRID[1]
SCAN_NM = 5.0 * (np.indices(GRID).reshape(2, -1).T - (np.array(GRID) - 1) / 2)
SHAPE = (128, 128)
CAMERA = CameraInfo(
    shape=SHAPE,
    dtype="<u2",
    pixel_per_nm=PIXEL_PER_NM,
    offset_counts=100.0,
    gain_counts_per_e=10.0,
    read_noise_counts=5.0,
)
FEM = {
    "method": "fem",
    "name": "01_fem",
    "camera": CAMERA,
    "grid": Grid(points=GRID, pitch_nm=5.0),
    "probe_nm": 0.91,
    "drift": False,
    "settings": {
        "truth": {"V_max": 0.15, "k0_per_nm": 4.27},
        "optics": {"name": "nanobeam", "mode": "nanobeam", "probe_nm": 0.91, "camera_length_m": None},
        "region": {"number": 3, "position_nm": [10.0, -20.0], "thickness": 0.7},
        "dose_rate_per_nm2_s": 1.5e5,
    },
}


@pytest.fixture(scope="module")
def patterns():
    microscope = Microscope(Geometry((63.5, 63.5), PIXEL_PER_NM), SHAPE)
    return microscope.patterns(Glass(), POINTS, seed=51)


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as stage:
        yield stage


def send_patterns(stage, patterns, first, end):
    for seq in range(first, end):
        y_nm, x_nm = SCAN_NM[seq].tolist()
        stage.send_frame(
            Frame(patterns[seq], seq, 4.1 * seq, 4.0, scan_yx_nm=(y_nm, x_nm), haadf=1000.0 + seq / 3)
        )


def assert_computed_again(path: Path) -> None:
    """Every number of a hold file comes out of its frames again, to the last bit."""
    with hold_source(path) as source:
        again = {part.path: (part, array) for part, array in results_to_entries(compute(source))}
    there = {part.path: (part, array) for part, array in read_results(path)}
    assert again.keys() == there.keys()
    for name, (part, array) in there.items():
        np.testing.assert_array_equal(array, again[name][1], err_msg=name)
        np.testing.assert_equal(dict(part.attrs), dict(again[name][0].attrs), err_msg=name)


def test_a_fem_hold_is_recorded_and_analysed(stage, patterns):
    stage.open(1, POINTS, **FEM)
    send_patterns(stage, patterns, 0, POINTS)
    assert stage.publisher.newest_drift() is None
    closed = stage.close(1)
    assert (closed.frames, closed.lost, closed.analysis) == (POINTS, 0, "complete")
    path = stage.folder / closed.path
    with h5py.File(path) as file:
        whole = file["entry"]
        assert whole.attrs["method"] == "fem"
        assert whole.attrs["default"] == "fem"
        assert whole["fem"].attrs["NX_class"] == "NXdata"
        np.testing.assert_array_equal(whole["data/data"][()], patterns)
        assert whole["data/x"].attrs["units"] == "1/nm"
        assert whole["data/x"][()] == pytest.approx(PIXEL_PER_NM * (np.arange(128) - 63.5))
        detector = whole["instrument/detector"]
        np.testing.assert_array_equal(detector["scan_position"], SCAN_NM)
        assert detector["haadf"][3] == pytest.approx(1001.0)
        assert detector["y_pixel_k"][()] == PIXEL_PER_NM
        assert detector["y_pixel_k"].attrs["units"] == "1/nm"
        assert whole["instrument/beam/probe_fwhm"][()] == 0.91
        assert whole["instrument/beam/dose_rate"][()] == 1.5e5
        assert tuple(whole["instrument/scan/points"][()]) == GRID
        assert whole["instrument/optics"].attrs["mode"] == "nanobeam"
        assert "camera_length_m" not in whole["instrument/optics"].attrs
        assert whole["sample/truth"].attrs["V_max"] == 0.15
        assert whole["sample/region"].attrs["thickness"] == 0.7
        peak = whole["fem/peaks/first"].attrs
        assert abs(peak["V_max"] / 0.15 - 1) < 0.2
    assert_computed_again(path)


def test_live_results_of_a_scan_come_in_between(stage, patterns):
    stage.open(1, POINTS, **FEM)
    send_patterns(stage, patterns, 0, POINTS)
    stage.settle()
    live = stage.wait_for(lambda: (now := stage.publisher.newest_live()) and now.V_max and now)
    assert live.tau_s is None
    assert 0 < live.V_max < 1
    stage.close(1)


def test_an_analyst_that_dies_in_a_scan_catches_up_from_the_log(stage, patterns):
    """The results are those of the frames, bit for bit, though the first analyst had half of them."""
    stage.open(1, POINTS, **FEM)
    send_patterns(stage, patterns, 0, 23)
    stage.child("analyst").kill()
    send_patterns(stage, patterns, 23, POINTS)
    closed = stage.close(1)
    assert closed.analysis == "complete"
    assert "restarted" in stage.events("analyst")
    assert_computed_again(stage.folder / closed.path)


def test_a_single_pattern_is_a_hold(stage, patterns):
    """One frame of an area: recorded, analysed, its rings are the default plot."""
    camera = CAMERA.model_copy(update={"shape": SHAPE})
    stage.open(1, 1, method="diffraction", name="01_saed", camera=camera, drift=False)
    stage.send_frame(Frame(patterns[0], 0, 0.0, 1.0))
    closed = stage.close(1)
    assert (closed.frames, closed.analysis) == (1, "complete")
    path = stage.folder / closed.path
    with h5py.File(path) as file:
        assert file["entry"].attrs["default"] == "diffraction"
        np.testing.assert_array_equal(file["entry/data/data"][()], patterns[:1])
        assert np.isnan(file["entry/instrument/detector/scan_position"][()]).all()
    assert_computed_again(path)


def test_a_scan_that_ends_early_is_closed_without_results(stage, patterns):
    stage.open(1, POINTS, **FEM)
    send_patterns(stage, patterns, 0, 2)
    closed = stage.close(1)
    assert (closed.frames, closed.analysis) == (2, "missing")
    assert "usable patterns" in stage.records("guard")[0]["message"]


# ---------------------------------------------------------------------- breaks and losses

ECM_SHAPE = (48, 48)
LOST = (20, 21, 22, 70)
BREAK = 60
N = 120


@pytest.fixture(scope="module")
def movie():
    return speckle_movie(N, ECM_SHAPE, tau_frames=30.0, beta=0.8, electrons=30.0, seed=52)


def send_broken(stage, movie, first, end):
    """A camera that drops some frames, blanks one, and pauses for 1000 s before frame `BREAK`."""
    for seq in range(first, end):
        if seq == BREAK:
            assert stage.publisher.new_segment("paused by command") == 1
        if seq not in LOST:
            lost = sum(number in LOST for number in range(seq - 3, seq)) if seq - 1 in LOST else 0
            t_s = 2.0 * seq + (1000.0 if seq >= BREAK else 0.0)
            stage.send_frame(Frame(movie[seq], seq, t_s, 1.0, lost), beam_on=seq != 33)


def test_breaks_and_losses_are_in_the_record(stage, movie):
    stage.open(1, N)
    send_broken(stage, movie, 0, N)
    closed = stage.close(1)
    assert (closed.frames, closed.lost, closed.analysis) == (N - 4, 4, "complete")
    path = stage.folder / closed.path
    with h5py.File(path) as file:
        detector = file["entry/instrument/detector"]
        seq, slot, segment = (detector[name][()] for name in ("seq", "slot", "segment"))
        np.testing.assert_array_equal(seq, np.setdiff1d(np.arange(N), LOST))
        np.testing.assert_array_equal(segment, seq >= BREAK)
        np.testing.assert_array_equal(slot, np.where(seq >= BREAK, seq - BREAK, seq))
        assert detector["segments/segment"][()].tolist() == [0, 1]
        assert detector["segments/first_seq"][()].tolist() == [0, BREAK]
        assert detector["segments/reason"].asstr()[1] == "paused by command"
        assert detector["lost/first_seq"][()].tolist() == [20, 70]
        assert detector["lost/frames"][()].tolist() == [3, 1]
        assert detector["lost/time"][()] == pytest.approx([40.0, 1140.0])
        assert list(detector["lost/reason"].asstr()) == ["the camera lost them"] * 2
        assert file["entry/frame_state"][()][np.flatnonzero(seq == 33)[0]] == 4
        assert file["entry/g2"].attrs["segments"] == 2
    (record,) = stage.records("segment")
    assert (record["hold"], record["segment"], record["why"]) == (1, 1, "paused by command")
    assert [(r["first_seq"], r["frames"]) for r in stage.records("lost")] == [(20, 3), (70, 1)]
    assert_computed_again(path)


@pytest.mark.parametrize("killed_at", [BREAK - 10, BREAK + 10])
def test_an_analyst_that_dies_around_a_break_catches_up_from_the_log(stage, movie, killed_at):
    stage.open(1, N)
    send_broken(stage, movie, 0, killed_at)
    stage.child("analyst").kill()
    send_broken(stage, movie, killed_at, N)
    closed = stage.close(1)
    assert closed.analysis == "complete"
    assert_computed_again(stage.folder / closed.path)


def test_a_frame_that_comes_twice_is_recorded_once(stage, movie):
    stage.open(1, N)
    stage.send(movie, 0, 40)
    stage.send(movie, 38, 45)
    closed = stage.close(1)
    assert (closed.frames, closed.lost) == (45, 0)
    messages = [record["message"] for record in stage.records("guard")]
    assert messages == [
        f"frame {seq} came when frame 40 was the next: dropped; check the camera" for seq in (38, 39)
    ]
    with h5py.File(stage.folder / closed.path) as file:
        np.testing.assert_array_equal(file["entry/data/data"][()], movie[:45])
        np.testing.assert_array_equal(file["entry/instrument/detector/slot"], np.arange(45))
