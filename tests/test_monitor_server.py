"""The server behind the page: several viewers, slow, stopped and gone ones; and the verb that starts it."""

import base64
import json
import socket as sockets
import struct
import threading
import time
from contextlib import ExitStack, contextmanager
from importlib import resources

import numpy as np
import psutil
import pytest
from monitor_stage import StandIn, served, waited_for
from websockets.exceptions import ConnectionClosed

from annealscope.controller.engine.ports import Status
from annealscope.controller.monitor import app
from annealscope.controller.monitor.model import Model

LARGE = np.random.default_rng(0).poisson(100, (1024, 1024)).astype(np.uint16)


@pytest.fixture
def run(tmp_path):
    run = StandIn(tmp_path)
    yield run
    run.close()


@pytest.fixture
def monitor(tmp_path, run):
    with served(tmp_path, answer_within_s=1.0) as monitor:
        yield monitor


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """The page of a run that has not begun."""
    with served(tmp_path_factory.mktemp("run"), answer_within_s=1.0) as monitor:
        yield monitor


@contextmanager
def showing(run, every_s=0.05, **changes):
    """Show frames, again and again."""
    over = threading.Event()

    def show():
        run.open(**changes)
        while not over.wait(every_s):
            run.show(**changes)
            run.viewers.keep_up()

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def request(port):
    """What a browser sends to open a WebSocket."""
    lines = (
        "GET /ws HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Origin: http://127.0.0.1:{port}",
        "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
    )  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def deaf_browser(port):
    """A browser that was stopped: it asks, and then takes nothing from its socket."""
    socket = sockets.create_connection(("127.0.0.1", port))
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    socket.sendall(request(port))
    return socket


# --- files and JSON


def test_the_page_and_every_file_of_it_are_served(quiet):
    files = [file.name for file in (resources.files(app.__package__) / "static").iterdir()]
    assert "index.html" in files
    status, headers, page = quiet.ask("/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.lstrip().lower().startswith(b"<!doctype html")
    kinds = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".json": "application/json"}
    for name in files:
        status, headers, body = quiet.ask(f"/static/{name}")
        assert (status, len(body)) == (200, int(headers["content-length"]))
        assert headers["content-type"].startswith(kinds.get("." + name.rpartition(".")[2], ""))


@pytest.mark.parametrize(
    "path", ["/static/", "/static/none.js", "/static/../app.py", "/static/%2e%2e%2fapp.py", "/etc/passwd"]
)
def test_no_other_file_is_served(quiet, path):
    assert quiet.ask(path)[0] == 404


def test_programs_get_the_state_as_json(quiet):
    status, headers, body = quiet.ask("/api/state")
    assert (status, headers["content-type"]) == (200, "application/json")
    told = json.loads(body)
    assert told["hello"]["control"] is False
    assert "life" in told["state"]


# --- one viewer


def test_a_viewer_gets_everything_and_then_what_is_new(run, monitor):
    with showing(run), monitor.browser() as browser:
        kinds = list(browser.paint())
        assert kinds[0] == "hello"
        assert {"state", "log", "trace"} < set(kinds)
        assert kinds[-1] == "paint"
        header, payload = browser.paint_until("frame", lambda header: header["mean_counts"] is not None)
        assert header["arrays"]["pixels"]["shape"] == [24, 20]
        assert len(payload) == 24 * 20
        assert header["pixel_nm"] == pytest.approx(0.165)
        assert header["mean_counts"] == pytest.approx(-60, abs=2)  # poisson of 40, above an offset of 100
        assert "hello" not in browser.paint()


def test_a_frame_gets_its_scale_when_its_hold_becomes_known(run, monitor):
    with monitor.browser() as browser:
        assert waited_for(lambda: run.show(hold=2) and "frame" in browser.paint())
        while "frame" in browser.paint():
            pass
        run.open()
        header, _ = browser.paint_until("frame")
    assert header["pixel_nm"] == pytest.approx(0.165)


def test_the_status_of_the_run_reaches_the_page(run, monitor):
    with monitor.browser() as browser:
        run.viewers.show_status(Status("running", "ramp to 100 °C", "ramp", 0, 3, 10.0, 300.0, 300.0, 373.15))
        with showing(run):
            header, _ = browser.paint_until("state", lambda header: header["status"] is not None)
    assert header["status"]["step"] == "ramp to 100 °C"


def test_nothing_comes_before_the_last_is_drawn_and_then_only_the_newest(run, tmp_path):
    with served(tmp_path) as monitor, showing(run), monitor.browser() as browser:
        first, _ = browser.paint_until("frame")
        while browser.take()[0]["kind"] != "paint":
            pass
        with pytest.raises(TimeoutError):
            browser.socket.recv(timeout=0.5)
        browser.socket.send(json.dumps({"painted": browser.packets[-1][0]["n"]}))
        later, _ = browser.paint_until("frame")
        assert later["seq"] > first["seq"] + 5


def test_there_are_at_most_ten_paints_a_second(run, monitor):
    with showing(run, every_s=0.01), monitor.browser() as browser:
        browser.paint_until("frame")
        start_s = time.monotonic()
        for _ in range(5):
            browser.paint()
        assert time.monotonic() - start_s >= 0.4


@pytest.mark.parametrize("answer", ['{"painted": 99}', "[" * 50, b"\x00", "pause", ""])
def test_who_answers_something_else_is_cut_off(quiet, answer):
    with quiet.browser() as browser:
        while browser.take()[0]["kind"] != "paint":
            pass
        browser.socket.send(answer)
        with pytest.raises(ConnectionClosed) as closed:
            browser.socket.recv(timeout=5)
    assert closed.value.rcvd.code == 1008


# --- viewers that are slow, stopped, gone, many


def test_a_viewer_that_never_draws_is_closed_and_comes_back(run, monitor):
    with showing(run), monitor.browser() as browser:
        start_s = time.monotonic()
        while browser.take()[0]["kind"] != "paint":
            pass
        with pytest.raises(ConnectionClosed):
            browser.take()
        assert 0.9 < time.monotonic() - start_s < 4.0
        with monitor.browser() as again:
            assert "hello" in again.paint()


def test_stopped_viewers_cost_nothing(run, monitor, monkeypatch):
    with showing(run), monitor.browser() as browser:
        browser.paint_until("frame")
        run.show(pixels=LARGE)
        before = psutil.Process().memory_info().rss
        deaf = [deaf_browser(monitor.port) for _ in range(10)]
        assert waited_for(lambda: len(monitor.server.server_state.tasks) >= 10)
        for _ in range(5):
            browser.paint_until("frame")
        assert waited_for(lambda: len(monitor.server.server_state.tasks) == 1)
        assert psutil.Process().memory_info().rss - before < 10 * 2 * LARGE.size
        for socket in deaf:
            socket.close()
        assert waited_for(lambda: len(monitor.server.server_state.connections) == 1)


def test_viewers_that_go_away_while_something_is_sent_leave_nothing_behind(run, monitor, caplog):
    run.show(pixels=LARGE)
    with showing(run), monitor.browser() as browser:
        for n in range(10):
            socket = deaf_browser(monitor.port)
            time.sleep(0.01 * n)
            socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close()
        browser.paint_until("frame")
        assert waited_for(lambda: len(monitor.server.server_state.tasks) == 1)
        browser.paint_until("frame")
    assert not [record for record in caplog.records if record.exc_info]


def test_twenty_viewers_see_the_run_and_the_packets_are_made_once(run, monitor, monkeypatch):
    made, state = [], Model.state
    monkeypatch.setattr(Model, "state", lambda self, newest: made.append(1) or state(self, newest))
    with showing(run, every_s=0.1), ExitStack() as stack:
        browsers = [stack.enter_context(monitor.browser()) for _ in range(20)]
        threads = [threading.Thread(target=browser.paint_until, args=("frame",)) for browser in browsers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        shown = [header["seq"] for browser in browsers for header, _ in browser.packets if "seq" in header]
    assert len(shown) >= 20
    assert len(made) < 40


def test_one_viewer_too_many_is_told_to_come_later(run, monitor, monkeypatch):
    monkeypatch.setattr(app, "MAX_VIEWERS", 1)
    with monitor.browser() as browser:
        browser.paint()
        with monitor.browser() as second, pytest.raises(ConnectionClosed) as closed:
            second.take()
        assert closed.value.rcvd.code == 1013
        browser.paint()
    assert waited_for(lambda: not monitor.server.server_state.tasks)
    with monitor.browser() as second:
        second.paint()


# --- the run folder


def test_a_run_that_begins_later_and_one_that_cannot_be_read(tmp_path, monkeypatch):
    folder = tmp_path / "later"
    with served(folder) as monitor, monitor.browser() as browser:
        header, _ = browser.paint_until("state")
        assert header["life"] == "waiting"
        folder.mkdir()
        run = StandIn(folder)
        with showing(run):
            browser.paint_until("frame")
        run.close()
        monkeypatch.setattr(Model, "state", lambda *_: {}["older format"])
        header, _ = browser.paint_until("state", lambda header: header["life"] == "unreachable")
        assert "older format" in header["message"]
