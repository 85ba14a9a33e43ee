"""Watches: frames for the analyst alone, between acquisitions that are recorded."""

import time

import h5py
import numpy as np
import pytest
from publisher_stage import SHAPE, Stage
from speckle_movie import speckle_movie

from annealscope.drivers.interfaces import Frame

PIXEL_NM = 0.165
FRAMES = 40


def moved(seed, path_px):
    """Speckle that hardly changes, on the move."""
    return speckle_movie(
        FRAMES, SHAPE, tau_frames=2000.0, beta=1.0, electrons=60.0, seed=seed, path_px=path_px
    )


@pytest.fixture(scope="module")
def movies():
    """One specimen that moves downwards, and another that moves to the right."""
    along = np.linspace(0.0, 6.0, FRAMES)
    still = np.zeros(FRAMES)
    return moved(31, np.stack([along, still], axis=1)), moved(32, np.stack([still, along], axis=1))


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as stage:
        yield stage


def watch(stage, movie, first=0, end=FRAMES):
    """Watch in lock step; return the drift row of the last frame."""
    stage.open(0, FRAMES, method="watch", name="watch")
    stage.send(movie, first, end)
    return stage.newest_drift(end - 1)


def test_a_watch_measures_the_drift_and_records_nothing(stage, movies):
    row = watch(stage, movies[0])
    assert (row.hold, row.seq) == (0, FRAMES - 1)
    np.testing.assert_allclose(row.measured_nm, (6.0 * PIXEL_NM, 0.0), atol=0.3 * PIXEL_NM)
    stage.publisher.close_hold("calm")
    assert stage.publisher.closed_hold(0) is not None
    assert stage.publisher.newest_drift() is None
    assert list((stage.folder / "holds").iterdir()) == []
    assert stage.records("guard") == stage.records("lost") == []


def test_every_frame_of_a_watch_is_waited_for(stage, movies):
    """In lock step the next exposure begins when the displacement of the last one is known."""
    stage.open(0, FRAMES, method="watch", name="watch")
    for seq in range(5):
        assert stage.publisher.ready()
        stage.publisher.send(Frame(movies[0][seq], seq, 10.0 * seq, 1.0), (0.0, 0.0), beam_on=True)
        assert not stage.publisher.ready()
        stage.newest_drift(seq)


def test_drift_rows_belong_to_their_watch_or_hold(stage, movies):
    """Watch, hold, watch: displacements begin at zero each time, and no late row is taken for a new one."""
    down, right = movies
    assert watch(stage, down).measured_nm[0] > 5 * PIXEL_NM
    stage.publisher.close_hold("calm")
    stage.open(1, FRAMES)
    assert stage.publisher.newest_drift() is None
    stage.send(right, 0, FRAMES)
    in_hold = stage.newest_drift(FRAMES - 1)
    assert in_hold.hold == 1
    assert in_hold.measured_nm[1] > 5 * PIXEL_NM
    assert abs(in_hold.measured_nm[0]) < PIXEL_NM
    assert stage.close(1).frames == FRAMES
    row = watch(stage, right, end=20)
    assert (row.hold, row.seq) == (0, 19)
    assert 2 * PIXEL_NM < row.measured_nm[1] < 4 * PIXEL_NM
    assert [path.name for path in (stage.folder / "holds").iterdir()] == ["01_ecm.nxs"]


def test_rows_that_come_late_are_dropped(stage, movies):
    """Two watches have one number for the engine; what the first one measured is never the second one's."""
    stage.publisher._lock_step = False
    stage.open(0, FRAMES, method="watch", name="watch")
    stage.send(movies[0], 0, FRAMES)
    stage.publisher.close_hold("calm")
    stage.open(0, FRAMES, method="watch", name="watch")
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        stage.publisher.wait(0.02)
        assert stage.publisher.newest_drift() is None
    stage.send(movies[1], 0, 1)
    row = stage.newest_drift(0)
    assert (row.seq, row.measured_nm) == (0, (0.0, 0.0))


def test_an_analyst_that_dies_in_a_watch_is_replaced_and_goes_on(stage, movies):
    """What it had seen is gone: displacements count from the first frame that the new one sees."""
    watch(stage, movies[0], end=20)
    stage.child("analyst").kill()
    stage.send(movies[0], 20, 22)
    deadline = time.monotonic() + 60.0
    while "restarted" not in stage.events("analyst") or not stage.publisher._analyst.ready:
        assert time.monotonic() < deadline
        stage.publisher.wait(0.02)
    assert stage.publisher.ready()
    stage.send(movies[0], 22, 30)
    row = stage.newest_drift(29)
    assert 0.5 * PIXEL_NM < row.measured_nm[0] < 2 * PIXEL_NM


def test_a_hold_is_as_without_the_watch_before_it(stage, movies):
    watch(stage, movies[0])
    at_rest = moved(33, np.zeros((FRAMES, 2)))
    stage.publisher.close_hold("calm")
    for hold in (1, 2):
        stage.open(hold, FRAMES)
        stage.send(at_rest, 0, FRAMES)
        assert stage.close(hold).analysis == "complete"
    measured = []
    for hold in (1, 2):
        with h5py.File(stage.folder / "holds" / f"{hold:02d}_ecm.nxs") as file:
            measured.append(file["entry/drift/measured_nm"][()])
    np.testing.assert_array_equal(*measured)
