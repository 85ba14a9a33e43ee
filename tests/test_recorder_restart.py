"""A recorder that dies or hangs is replaced in the run, and nothing is lost."""

import os
import signal
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import dying_recorder
import h5py
import numpy as np
import psutil
import pytest
from publisher_stage import SHAPE, Stage, make_opening
from speckle_movie import speckle_movie

from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.record.verify import verify
from annealscope.controller.stream.framing import HoldFrames
from annealscope.controller.stream.messages import Lost, NewSegment, Reading
from annealscope.controller.stream.publisher import CREDIT_FRAMES
from annealscope.drivers.interfaces import Frame

posix = pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP on Windows")
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="file sizes of another process are limited on Linux only"
)

FRAMES = 48
BREAK = 24
LOST = (30, 31)
READ_S = (3.0, 40.0, 90.0)
QUICK = (
    "before a sync",
    "before the hold file is complete",
    "after one of the logs was deleted",
    "before the hold is called closed",
)


@pytest.fixture(scope="module")
def movie():
    return speckle_movie(400, SHAPE, tau_frames=30.0, beta=0.8, electrons=30.0, seed=5)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A publisher for all holds; its recorder dies where the file `die_at` says, see `dying_recorder`."""
    folder = tmp_path_factory.mktemp("dying")
    with pytest.MonkeyPatch.context() as patch:
        (folder / "die_at").touch()
        patch.setenv("DIE_AT", str(folder / "die_at"))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        stage = Stage(folder, acknowledge_s=1.0, restarts=2)
        stage.publisher._caretaker._children["recorder"]._module = "dying_recorder"
        with stage:
            yield stage


def take(stage, hold, movie, at=None):
    """Record a hold with a break, losses and readings; return what the recorder says of it.

    ``at`` is called with the number of each frame before it is sent.
    """
    stage.open(hold, FRAMES)
    stage.journal.write("hold_opened", hold=hold, name=f"{hold:02d}_ecm")
    for seq in (seq for seq in range(FRAMES) if seq not in LOST):
        if at is not None:
            at(seq)
        if seq == BREAK:
            stage.publisher.new_segment("paused by command")
        for t_s in READ_S:
            if 2.0 * seq <= t_s < 2.0 * seq + 2.0:
                stage.publisher.send_temperature(t_s, 373.0 + t_s, 373.15)
        stage.send_frame(Frame(movie[seq], seq, 2.0 * seq, 1.0))
    closed = stage.close(hold)
    fields = closed.model_dump(include={"hold", "path", "frames", "lost", "analysis"})
    stage.journal.write("hold_closed", **fields, reason="complete")
    return closed


def assert_whole(stage, closed, movie):
    """Every frame once, with everything that was said of the hold; nothing for `verify` to find."""
    kept = np.setdiff1d(np.arange(FRAMES), LOST)
    assert (closed.frames, closed.lost, closed.analysis) == (len(kept), len(LOST), "complete")
    path = stage.folder / closed.path
    with h5py.File(path) as file:
        entry = file["entry"]
        detector = entry["instrument/detector"]
        np.testing.assert_array_equal(detector["seq"], kept)
        np.testing.assert_array_equal(entry["data/data"], movie[kept])
        assert detector["segments/segment"][()].tolist() == [0, 1]
        assert detector["segments/first_seq"][()].tolist() == [0, BREAK]
        assert detector["segments/reason"].asstr()[1] == "paused by command"
        assert detector["lost/first_seq"][()].tolist() == [LOST[0]]
        assert detector["lost/frames"][()].tolist() == [len(LOST)]
        assert entry["instrument/heater/value_log/time"][()].tolist() == list(READ_S)
        assert entry["drift/measured_nm"].shape == (len(kept), 2)
    assert verify(path) == []
    assert not list(path.parent.glob("*.frames*"))


@pytest.mark.parametrize(
    "place",
    [
        place if place in QUICK else pytest.param(place, marks=pytest.mark.slow)
        for place in dying_recorder.PLACES
    ],
)
def test_wherever_the_recorder_dies_the_record_is_whole(stage, movie, place):
    """It dies twice in most holds, so that there are several logs."""
    hold = 1 + dying_recorder.PLACES.index(place)
    die_at = stage.folder / "die_at"
    places = ["before a frame is appended", place]

    def prepare(seq):
        if seq == 20:
            die_at.write_text("\n".join(places))

    if "opened" in place:
        die_at.write_text(place)
    closed = take(stage, hold, movie, None if "opened" in place else prepare)
    assert not die_at.read_text(), "the recorder did not get there"
    assert_whole(stage, closed, movie)


def events_since(stage, count):
    return stage.events("recorder")[count:]


def test_a_killed_recorder_is_trouble_and_no_failure(stage, movie):
    """While it is away frames wait in memory as far as the credit goes; more are counted as lost."""
    before = len(stage.events("recorder"))
    stage.open(31, 150)
    stage.send(movie, 0, 20)
    stage.settle()
    assert stage.publisher.trouble() is None
    stage.child("recorder").kill()
    stage.wait_for(lambda: stage.publisher.trouble())
    assert "the recorder process died" in stage.publisher.trouble()
    assert stage.publisher.failure() is None
    end = 20 + CREDIT_FRAMES + 10
    for seq in range(20, end):
        stage.publisher.send(Frame(movie[seq], seq, 2.0 * seq, 1.0), (0.0, 0.0), beam_on=True)
    stage.wait_for(lambda: stage.publisher.trouble() is None)
    assert stage.publisher.durable_seq() == end - 11
    stage.send(movie, end, end + 5)
    closed = stage.close(31)
    assert events_since(stage, before) == ["died", "restarted"]
    assert (closed.frames, closed.lost) == (end - 5, 10)
    assert verify(stage.folder / closed.path) == []


@posix
def test_a_recorder_that_hangs_is_killed_and_replaced(stage, movie):
    before = len(stage.events("recorder"))
    stage.open(32, 60)
    stage.send(movie, 0, 30)
    stage.child("recorder").send_signal(signal.SIGSTOP)
    stage.send(movie, 30, 60)
    closed = stage.close(32)
    assert events_since(stage, before) == ["killed", "died", "restarted"]
    assert (closed.frames, closed.lost, closed.analysis) == (60, 0, "complete")
    assert verify(stage.folder / closed.path) == []


@posix
@pytest.mark.slow
def test_a_disk_that_takes_ten_seconds_kills_no_recorder(tmp_path, movie):
    with Stage(tmp_path) as stage:
        stage.open(1, 150)
        stage.send(movie, 0, 60)
        recorder = stage.child("recorder")
        recorder.send_signal(signal.SIGSTOP)
        stage.publisher.send(Frame(movie[60], 60, 120.0, 1.0), (0.0, 0.0), beam_on=True)
        until_s = time.monotonic() + 10.0
        stage.wait_for(lambda: time.monotonic() > until_s)
        recorder.send_signal(signal.SIGCONT)
        stage.send(movie, 61, 150)
        assert stage.close(1).frames == 150
        assert stage.events("recorder") == ["started"]


def test_a_recorder_that_dies_again_and_again_is_given_up(tmp_path, movie):
    with Stage(tmp_path, restarts=2) as stage:
        stage.open(1, 100)
        stage.send(movie, 0, 40)
        stage.settle()
        while stage.publisher.failure() is None:
            with suppress(psutil.NoSuchProcess):
                stage.child("recorder").kill()
            stage.publisher.wait(0.01)
        assert "was started again 2 times in vain" in stage.publisher.failure()
        assert stage.publisher.trouble() == stage.publisher.failure()
        assert stage.events("recorder") == ["started", *["died", "restarted"] * 2, "died"]


class Undying:
    """A process that the disk does not let go: it lives on when it is killed."""

    role, pid, restarts = "recorder", 1, 0

    def alive(self):
        return True

    def kill(self):
        pass

    def last_words(self):
        return ""


def test_a_recorder_that_cannot_be_killed_is_given_up(tmp_path):
    stage = Stage(tmp_path, restarts=2)
    caretaker, link = stage.publisher._caretaker, stage.publisher._recorder
    with closing(stage.journal), closing(stage.publisher):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(caretaker._children, "recorder", Undying())
            patch.setattr(caretaker._starting, "_limit_s", 0.0)
            for _ in range(5):
                caretaker.look_after_recorder()
        assert "cannot be killed" in link.failure
        assert stage.events("recorder") == ["killed", "killed"]


@linux
def test_a_full_disk_is_waited_for(stage, movie):
    """Files may grow no more, as on a full disk: recorders give up in vain, until there is room again."""
    stage.open(33, 60)
    stage.send(movie, 0, 30)
    stage.settle()
    full = set()
    while len(full) < 4:
        with suppress(psutil.NoSuchProcess):
            recorder = stage.child("recorder")
            recorder.rlimit(psutil.RLIMIT_FSIZE, (4096, 4096))
            full.add(recorder.pid)
        if len(full) == 1:
            stage.send(movie, 30, 40)
        stage.publisher.wait(0.01)
        assert stage.publisher.failure() is None
    assert "the recorder gave up" in stage.publisher.trouble()
    stage.wait_for(lambda: stage.publisher.trouble() is None)
    stage.send(movie, 40, 60)
    closed = stage.close(33)
    assert (closed.frames, closed.lost, closed.analysis) == (60, 0, "complete")
    assert verify(stage.folder / closed.path) == []


# ---------------------------------------------------------------------- after the death of the whole program


def left_by_a_crash(folder, hold, movie):
    """A program has died with a hold open: 40 frames in its log, the last segment since frame 24."""
    (folder / "holds").mkdir()
    opening = make_opening(hold, 100, folder)
    taken, recording = HoldFrames(opening), HoldRecording(opening, "auto")
    for seq in range(40):
        if seq == BREAK:
            taken.new_segment()
        frame = Frame(movie[seq], seq, 2.0 * seq, 1.0)
        recording.append(taken.header(frame, movie[seq], (0.0, 0.0), beam_on=True), movie[seq])
    recording.leave()


def notes_of(hold):
    """What the journal of the dead program says."""
    why = "they were not on the disk when the program died"
    return (
        Reading(hold=hold, t_s=3.0, temperature_K=373.0, setpoint_K=373.15),
        NewSegment(hold=hold, segment=1, first_seq=BREAK, why="paused by command"),
        Lost(hold=hold, first_seq=40, frames=2, t_s=80.0, why=why),
        NewSegment(hold=hold, segment=2, first_seq=42, why="continued"),
    )


@pytest.mark.parametrize("more", [0, 20])
def test_a_hold_goes_on_after_the_death_of_the_program(tmp_path, stage, movie, more):
    hold = 40 + more
    left_by_a_crash(tmp_path, hold, movie)
    complaints = stage.records("guard")
    stage.publisher.remember(hold, notes_of(hold))
    stage.open(hold, 100, folder=tmp_path, segment=2, first_seq=42)
    stage.send(movie, 42, 42 + more)
    if more:
        assert stage.publisher.new_segment("drift limit") == 3
        stage.send(movie, 42 + more, 50 + more)
        more += 8
    closed = stage.close(hold)
    assert stage.records("guard") == complaints
    assert (closed.frames, closed.lost, closed.analysis) == (40 + more, 2, "complete")
    with h5py.File(tmp_path / closed.path) as file:
        detector = file["entry/instrument/detector"]
        seq = detector["seq"][()]
        np.testing.assert_array_equal(seq, np.r_[0:40, 42 : 42 + more])
        np.testing.assert_array_equal(file["entry/data/data"], movie[seq])
        firsts = [0, BREAK, 42, *([62] if more else [])]
        assert detector["segments/first_seq"][()].tolist() == firsts
        assert detector["segments/segment"][()].tolist() == list(range(len(firsts)))
        assert detector["lost/first_seq"][()].tolist() == [40]
        assert file["entry/instrument/heater/value_log/time"][()].tolist() == [3.0]
    assert verify(tmp_path / closed.path) == []
