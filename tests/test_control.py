"""Requests from other processes to a live run."""

import json
import sys

import pytest
import zmq

from annealscope.controller.errors import RunError
from annealscope.controller.stream.control import ControlServer, ask


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
