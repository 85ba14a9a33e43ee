"""The publisher with its real children: what happens when one of them hangs, lags or lies."""

import json
import signal
import sys
import time

import h5py
import numpy as np
import psutil
import pytest
import zmq
from speckle_movie import speckle_movie

from annealscope.controller.errors import RunError
from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.stream.control import ControlServer, ask
from annealscope.controller.stream.messages import CameraInfo, OpenHold
from annealscope.controller.stream.publisher import CREDIT_FRAMES, Patience, Publisher
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.interfaces import Frame

SHAPE = (48, 48)
posix = pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP on Windows")


@pytest.fixture(scope="module")
def movie():
    return speckle_movie(400, SHAPE, tau_frames=30.0, beta=0.8, electrons=30.0, seed=5)


class Stage:
    """A publisher in a folder of its own."""

    def __init__(self, folder, lock_step=True, **patience):
        (folder / "holds").mkdir()
        self.folder = folder
        self.journal = Journal(folder / "journal.jsonl", VirtualClock())
        self.publisher = Publisher(
            folder, self.journal, lock_step=lock_step, patience=Patience(start_s=90.0, **patience)
        )

    def __enter__(self):
        self.publisher.start()
        return self

    def __exit__(self, *exc):
        self.publisher.close()
        self.journal.close()

    def open(self, hold, frames):
        camera = CameraInfo(
            shape=SHAPE,
            dtype="<u2",
            pixel_nm=0.165,
            offset_counts=100.0,
            gain_counts_per_e=10.0,
            aperture_per_nm=0.75,
        )
        self.publisher.open_hold(
            OpenHold(
                run="test",
                hold=hold,
                name=f"{hold:02d}_ecm",
                folder=str(self.folder),
                title="test",
                camera=camera,
                exposure_s=1.0,
                period_s=2.0,
                frames_planned=frames,
                t_settled_s=0.0,
                start_utc="2026-01-01T00:00:00+00:00",
                setpoint_K=373.15,
                image_shift_matrix=((1.0, 0.0), (0.0, 1.0)),
                drift=True,
            )
        )

    def send(self, movie, first, end, timeout_s=60.0):
        deadline = time.monotonic() + timeout_s
        for seq in range(first, end):
            while not self.publisher.ready() and self.publisher.failure() is None:
                assert time.monotonic() < deadline, f"stuck before frame {seq}"
                self.publisher.wait(0.01)
            self.publisher.send(Frame(movie[seq], seq, 2.0 * seq, 1.0), (0.0, 0.0), beam_on=True)
            self.publisher.wait(0.0)

    def close(self, hold, timeout_s=60.0):
        self.publisher.close_hold("complete")
        deadline = time.monotonic() + timeout_s
        while self.publisher.closed_hold(hold) is None and self.publisher.failure() is None:
            assert time.monotonic() < deadline, "the hold is never closed"
            self.publisher.wait(0.01)
        return self.publisher.closed_hold(hold)

    def settle(self, timeout_s=30.0):
        """Wait until everything that was sent is durable."""
        deadline = time.monotonic() + timeout_s
        while self.publisher.durable_seq() < self.publisher._recorder.last_seq:
            assert time.monotonic() < deadline
            self.publisher.wait(0.01)

    def child(self, role):
        pids = [r["pid"] for r in self.records("child") if r["role"] == role]
        return psutil.Process(pids[-1])

    def records(self, kind):
        return [r for r in read_journal(self.folder / "journal.jsonl") if r["kind"] == kind]

    def events(self, role):
        return [r["event"] for r in self.records("child") if r["role"] == role]


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
def test_a_recorder_that_hangs_is_a_failure_with_a_name(tmp_path, movie):
    with Stage(tmp_path, acknowledge_s=2.0) as stage:
        stage.open(1, 400)
        stage.send(movie, 0, 60)
        stage.child("recorder").send_signal(signal.SIGSTOP)
        stage.send(movie, 60, 200)
        assert "hangs" in stage.publisher.failure()
        assert stage.events("recorder") == ["started", "killed"]


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
    assert closed.frames + closed.lost == 400
    assert closed.frames == len(seq)
    assert seq[-1] < 399
    assert closed.lost >= 150 + 170 - 2 * CREDIT_FRAMES
    assert np.array_equal(slot, seq)
    assert any("is lost" in guard["message"] for guard in stage.records("guard"))


# ---------------------------------------------------------------------- requests from other processes


@pytest.fixture
def server(tmp_path):
    context = zmq.Context()
    heard = []

    def handler(request):
        heard.append(request)
        if request == "status":
            return {"state": "running"}
        raise ValueError(f"no such request: {request}")

    server = ControlServer(context, tmp_path, handler)
    server.heard = heard
    yield server
    server.close()
    context.destroy(linger=0)


def _exchange(server, endpoint, *parts):
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.connect(endpoint)
    socket.send_multipart(parts)
    answer = None
    for _ in range(100):
        server.poll()
        if socket.poll(10):
            answer = json.loads(socket.recv())
            break
    context.destroy(linger=0)
    return answer


def _live(tmp_path):
    return json.loads((tmp_path / "live.json").read_text())


def test_only_the_owner_of_the_token_is_obeyed(server, tmp_path):
    live = _live(tmp_path)
    good = json.dumps({"token": live["token"], "request": "status"}).encode()
    bad = json.dumps({"token": "0" * 32, "request": "status"}).encode()
    assert _exchange(server, live["endpoint"], good) == {"state": "running"}
    assert _exchange(server, live["endpoint"], bad) == {"error": "wrong token"}
    assert server.heard == ["status"]
    assert live["endpoint"].startswith("tcp://127.0.0.1:")
    if sys.platform != "win32":
        assert (tmp_path / "live.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "parts",
    [
        (b"",),
        (b"[" * 4000,),
        (b"{}",),
        (b'{"token": 1}',),
        (b"null",),
        (b"\xff\xfe",),
        (b"a", b"b"),
        (b"x" * 10_000,),
    ],
)
def test_no_request_can_hurt_the_server(server, tmp_path, parts):
    live = _live(tmp_path)
    answer = _exchange(server, live["endpoint"], *parts)
    assert answer is None or "error" in answer
    good = json.dumps({"token": live["token"], "request": "status"}).encode()
    assert _exchange(server, live["endpoint"], good) == {"state": "running"}


def test_a_run_that_does_not_answer_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr("annealscope.controller.stream.control.ANSWER_WITHIN_MS", 200)
    context = zmq.Context()
    server = ControlServer(context, tmp_path, lambda request: {})
    try:
        with pytest.raises(RunError, match="does not answer"):
            ask(tmp_path, "status")
    finally:
        server.close()
        context.destroy(linger=0)
