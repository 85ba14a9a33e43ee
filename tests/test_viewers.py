"""What whoever looks on is told: frames, the status, the open hold, previews; late, slow, or both."""

import json
import math
import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import zmq
from publisher_stage import Stage, make_opening
from record_samples import frame
from speckle_movie import speckle_movie

from annealscope.controller.engine.ports import NextTask, Status
from annealscope.controller.live import LIVE_FILE
from annealscope.controller.stream import pace as pace_module
from annealscope.controller.stream import wire
from annealscope.controller.stream.analyst import Analyst
from annealscope.controller.stream.framing import HoldFrames
from annealscope.controller.stream.messages import (
    ArrayPart,
    DriftRow,
    FrameHeader,
    OpenHold,
    Preview,
    StatusNow,
    Trouble,
)
from annealscope.controller.stream.pace import Pace
from annealscope.controller.stream.sessions import HoldSession
from annealscope.controller.stream.viewers import AGAIN_EVERY_S, Viewers
from annealscope.drivers.interfaces import Frame

STATUS = Status(
    "running", "hold", "acquiring", 1, 3, 10.0, 100.0, 373.15, 373.15,
    drift_nm=2.0, drift_yx_nm=(-2.0, 0.5), next_task=NextTask("insert the aperture", 40.0),
)  # fmt: skip
PREVIEW = Preview(
    hold=1,
    name="01_ecm",
    method="ecm",
    frames=64,
    t_s=128.0,
    entries=[
        ArrayPart(path="map", units="", attrs={"tau_s": math.nan}, dtype=None, shape=()),
        ArrayPart(path="g2/lag", units="s", attrs={}, dtype="<f4", shape=(3,)),
    ],
)
LAG_S = np.array([2.0, 4.0, 6.0], dtype=np.float32)


@pytest.fixture
def context():
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def viewers():
    viewers = Viewers()
    yield viewers
    viewers.close()


@pytest.fixture
def subscribed(context):
    """Connects a viewer."""
    sockets = []

    def subscribed(viewers, queued=64):
        socket = wire.connect(context, zmq.SUB, viewers.frames_endpoint, queued)
        socket.connect(viewers.news_endpoint)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        sockets.append(socket)
        return socket

    yield subscribed
    for socket in sockets:
        socket.close(0)


def seen(socket, viewers, seconds):
    """What comes within some time, while the run takes its turns."""
    until_s, messages = time.monotonic() + seconds, []
    while time.monotonic() < until_s:
        viewers.keep_up()
        if (received := wire.receive(socket, 10)) is not None:
            messages.append(received)
    return messages


def test_who_comes_late_is_told_the_newest_of_everything(subscribed, viewers, tmp_path):
    header, pixels = frame(3)
    opening = make_opening(1, 10, tmp_path)
    viewers.tell(make_opening(2, 10, tmp_path))
    viewers.tell(opening)
    viewers.show(header, pixels)
    viewers.tell(PREVIEW, LAG_S)
    viewers.show_status(STATUS)
    messages = seen(subscribed(viewers), viewers, 1.5 * AGAIN_EVERY_S)
    by_kind = {type(message): (message, parts) for message, parts in messages}
    assert by_kind.keys() == {OpenHold, FrameHeader, Preview, StatusNow}
    assert by_kind[OpenHold][0] == opening
    np.testing.assert_array_equal(wire.pixels_of(*by_kind[FrameHeader]), pixels)
    (group, none), (part, lag_s) = wire.parts_to_entries(*by_kind[Preview])
    assert (group.path, none, part.units) == ("map", None, "s")
    np.testing.assert_array_equal(lag_s, LAG_S)
    status = by_kind[StatusNow][0].status
    assert (status["drift_yx_nm"], status["next_task"]["what"]) == ([-2.0, 0.5], "insert the aperture")
    assert max(Counter(type(message) for message, _ in messages).values()) <= 2


def test_the_status_comes_a_few_times_a_second_and_the_last_one_always(subscribed):
    viewers = Viewers()
    socket = subscribed(viewers)
    time.sleep(0.3)
    begin_s, n = time.monotonic(), 0
    while time.monotonic() < begin_s + 1.0:
        n += 1
        viewers.show_status(Status(**{**vars(STATUS), "frames": n}))
        time.sleep(0.002)
    viewers.close()
    messages = [message for message, _ in iter(lambda: wire.receive(socket, 300), None)]
    assert 4 <= len(messages) <= 8
    assert messages[-1].status["frames"] == n


def test_news_reach_a_viewer_that_is_too_slow_for_frames(subscribed, viewers):
    socket = subscribed(viewers, queued=1)
    time.sleep(0.3)
    header, _ = frame(0)
    pixels = np.zeros((2048, 2048), np.uint16)
    for seq in range(6):
        viewers.show(header.model_copy(update={"seq": seq}), pixels)
        time.sleep(0.21)
    viewers.show_status(STATUS)
    time.sleep(0.3)
    kinds = [type(wire.receive(socket, 2000)[0]) for _ in range(2)]
    assert StatusNow in kinds


# ---------------------------------------------------------------------- of a run

N = 96


@pytest.fixture(scope="module")
def movie():
    return speckle_movie(N, (48, 48), tau_frames=20.0, beta=0.8, electrons=30.0, seed=81)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("run")) as stage:
        yield stage


def newest_preview(stage, socket, enough):
    """Wait for a preview that is as wanted, and return its header and entries by path."""

    def look():
        received = wire.receive(socket, 0)
        if received is None or not isinstance(received[0], Preview):
            return None
        preview, parts = received
        entries = {part.path: (part.attrs, array) for part, array in wire.parts_to_entries(preview, parts)}
        return (preview, entries) if enough(preview, entries) else None

    return stage.wait_for(look)


def test_a_hold_shows_what_it_says_so_far(stage, subscribed, movie):
    stage.publisher.listen(lambda request: {})
    live = json.loads((stage.folder / LIVE_FILE).read_text())
    socket = subscribed(SimpleNamespace(**live))
    stage.open(1, N)
    stage.send(movie, 0, 70)
    stage.settle()
    preview, entries = newest_preview(stage, socket, lambda preview, entries: preview.frames >= 65)
    assert (preview.hold, preview.name, preview.method) == (1, "01_ecm", "ecm")
    assert preview.t_s == 2.0 * (preview.frames - 1) + 1.0
    for path in ("g2/ratio", "g2/sigma", "kww/corrected/curve"):
        assert entries[path][1].shape == entries["g2/lag"][1].shape
    assert entries["kww/corrected"][0]["tau_s"] > 0
    assert sum(array.nbytes for _, array in entries.values() if array is not None) < 1_000_000
    assert stage.close(1).analysis == "complete"


def test_of_a_watch_the_frames_are_announced(stage, subscribed, movie):
    socket = subscribed(stage.publisher.viewers)
    time.sleep(0.3)
    stage.open(0, 1, method="watch")
    stage.send(movie, 0, 1)
    first = [wire.receive(socket, 2000)[0] for _ in range(2)]
    opening, header = sorted(first, key=lambda message: message.kind, reverse=True)
    assert (opening.method, opening.hold) == ("watch", header.hold)
    stage.publisher.close_hold("over")


# ---------------------------------------------------------------------- the analyst


def test_a_session_keeps_how_its_live_relaxation_time_went(movie, tmp_path):
    opening = make_opening(1, N, tmp_path, t_settled_s=500.0)
    session, frames = HoldSession(opening), HoldFrames(opening)
    for seq in range(80):
        taken = Frame(movie[seq], seq, 1000.0 + 2.0 * seq, 1.0)
        session.offer(frames.header(taken, movie[seq], (0.0, 0.0), beam_on=True), movie[seq])
        if seq in (20, 40, 79):
            live = session.live()
    preview, arrays = session.preview()
    shown = {part.path: array for part, array in wire.parts_to_entries(preview, arrays)}
    assert (preview.frames, preview.t_s) == (80, 1159.0)
    np.testing.assert_array_equal(shown["progress/t_s"], [81.0, 159.0])
    assert shown["progress/tau_s"][-1] == np.float32(live.tau_s)
    assert shown["progress/sigma_tau_s"][-1] == np.float32(live.sigma_tau_s)


def test_a_preview_that_fails_is_not_tried_again(context):
    control = wire.Line(context)
    parent = SimpleNamespace(settings={"endpoint": control.endpoint, "frames_endpoint": "tcp://127.0.0.1:9"})
    analyst, tried = Analyst(parent), []

    class Session:
        rows, opening = 5, SimpleNamespace(name="01_ecm", hold=1)

        def live(self):
            return DriftRow(hold=1, seq=1, measured_nm=(0.0, 0.0), quality=1.0)

        def preview(self):
            tried.append(self.rows)
            raise ZeroDivisionError("of a bug")

    analyst._session = Session()
    for _ in range(3):
        Session.rows += 1
        analyst._report([])
    assert tried == [7]
    assert control.socket.poll(2000)
    said = [message for message, _ in iter(control.receive, None)]
    (trouble,) = (message for message in said if isinstance(message, Trouble))
    assert (trouble.message, trouble.fatal) == ("no preview of 01_ecm: ZeroDivisionError: of a bug", False)
    control.close()
    analyst._control.close()
    analyst._frames.close()
    analyst._context.term()


def test_what_takes_long_is_seldom_due():
    pace = Pace(0.05, share=0.1)
    assert pace.due
    with pace.measured():
        pass
    assert not pace.due
    time.sleep(0.06)
    assert pace.due
    with pace.measured():
        time.sleep(0.03)
    time.sleep(0.1)
    assert not pace.due


def test_what_took_very_long_once_is_due_again_soon(monkeypatch):
    monkeypatch.setattr(pace_module, "REST_AT_MOST_S", 0.05)
    pace = Pace(0.0, share=0.001)
    with pace.measured():
        time.sleep(0.02)  # would rest for 20 s
    assert not pace.due
    time.sleep(0.06)
    assert pace.due
