"""The publisher with its real children: what happens when one of them hangs, lags or lies."""

import signal
import sys
import time

import h5py
import numpy as np
import pytest
from publisher_stage import SHAPE, Stage
from speckle_movie import speckle_movie

from annealscope.controller.record.verify import verify
from annealscope.controller.stream.publisher import CREDIT_FRAMES, NO_CREDIT

posix = pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP on Windows")


@pytest.fixture(scope="module")
def movie():
    return speckle_movie(400, SHAPE, tau_frames=30.0, beta=0.8, electrons=30.0, seed=5)


def test_two_holds_are_recorded_and_analysed_one_after_the_other(tmp_path, movie):
    with Stage(tmp_path) as stage:
        for hold, frames in ((1, 120), (2, 90)):
            stage.open(hold, frames)
            stage.send(movie, 0, frames)
            closed = stage.close(hold)
            assert (closed.frames, closed.lost, closed.analysis) == (frames, 0, "complete")
        stage.publisher.wait(0.2)
        assert stage.records("guard") == []
    for hold, frames in ((1, 120), (2, 90)):
        with h5py.File(tmp_path / "holds" / f"{hold:02d}_ecm.nxs") as file:
            assert np.array_equal(file["entry/data/data"], movie[:frames])
            assert file["entry/drift/measured_nm"].shape == (frames, 2)


def test_too_few_frames_close_without_results_and_say_why(tmp_path, movie):
    with Stage(tmp_path) as stage:
        stage.open(1, 100)
        stage.send(movie, 0, 5)
        closed = stage.close(1)
    assert (closed.frames, closed.analysis) == (5, "missing")
    (guard,) = stage.records("guard")
    assert "32 usable frames" in guard["message"]


@posix
def test_an_analyst_that_hangs_is_killed_and_replaced(tmp_path, movie):
    with Stage(tmp_path, analyse_s=4.0) as stage:
        stage.open(1, 200)
        stage.send(movie, 0, 60)
        stage.child("analyst").send_signal(signal.SIGSTOP)
        stage.send(movie, 60, 200)
        closed = stage.close(1)
    assert (closed.frames, closed.analysis) == (200, "complete")
    assert stage.events("analyst") == ["started", "killed", "died", "restarted"]


@posix
def test_frames_without_credit_are_counted_wherever_they_are_lost(tmp_path, movie):
    with Stage(tmp_path, lock_step=False) as stage:
        stage.open(1, 400)
        stage.send(movie, 0, 50)
        recorder = stage.child("recorder")
        for first, end in ((50, 200), (230, 400)):
            recorder.send_signal(signal.SIGSTOP)
            time.sleep(0.1)
            stage.send(movie, first, end)
            recorder.send_signal(signal.SIGCONT)
            stage.settle()
            stage.send(movie, end, min(end + 30, 400))
            stage.settle()
        closed = stage.close(1)
    with h5py.File(tmp_path / "holds" / "01_ecm.nxs") as file:
        seq = file["entry/instrument/detector/seq"][()]
        slot = file["entry/instrument/detector/slot"][()]
        assert np.array_equal(file["entry/data/data"][()], movie[seq])
        table = file["entry/instrument/detector/lost"]
        lost = [
            first + i
            for first, count in zip(table["first_seq"], table["frames"], strict=True)
            for i in range(count)
        ]
        assert set(table["reason"].asstr()[()]) == {NO_CREDIT}
        assert len(table["reason"]) == 2
    assert sorted([*lost, *seq]) == list(range(400))
    assert closed.frames + closed.lost == 400
    assert closed.frames == len(seq)
    assert seq[-1] < 399
    assert closed.lost >= 150 + 170 - 2 * CREDIT_FRAMES
    assert np.array_equal(slot, seq)
    assert any("is lost" in guard["message"] for guard in stage.records("guard"))


def test_frames_that_the_camera_lost_at_the_end_are_in_the_record(tmp_path, movie):
    with Stage(tmp_path) as stage:
        stage.open(1, 40)
        stage.send(movie, 0, 37)
        stage.publisher.close_hold("complete", 40)
        closed = stage.wait_for(lambda: stage.publisher.closed_hold(1))
    assert (closed.frames, closed.lost) == (37, 3)
    (lost,) = stage.records("lost")
    assert (lost["first_seq"], lost["frames"], lost["why"]) == (37, 3, "the camera lost them")
    assert verify(tmp_path / closed.path) == []
