"""Who may ask the monitor for what: every way in that another site or another machine could try."""

import json
import threading
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection

import psutil
import pytest
import zmq
from monitor_stage import served
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from annealscope.controller.monitor.serve import listen
from annealscope.controller.stream.control import ControlServer

TOKEN = "not-to-be-guessed"  # noqa: S105
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NAMES = ("127.0.0.1", "localhost", "[::1]")
PAUSE = '{"command": "pause"}'


@pytest.fixture(scope="module")
def monitor(tmp_path_factory):
    with served(tmp_path_factory.mktemp("run")) as monitor:
        yield monitor


@pytest.fixture(scope="module")
def controlling(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with served(folder, TOKEN) as monitor:
        monitor.folder = folder
        yield monitor


@contextmanager
def a_run(folder: Path, answer):
    """A run that answers commands; yields what it was asked for."""
    asked, over, context = [], threading.Event(), zmq.Context()

    def handle(request):
        if request.startswith("answer"):
            return answer
        asked.append(request)
        return {"request": 1}

    def serve():
        control = ControlServer(context, folder, handle)
        listening.set()
        while not over.wait(0.01):
            control.poll()
        control.close()

    listening = threading.Event()
    thread = threading.Thread(target=serve)
    thread.start()
    listening.wait()
    try:
        yield asked
    finally:
        over.set()
        thread.join()
        context.destroy(linger=0)


# --- from where


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}", "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", "",
        "127.0.0.2:{port}", "0x7f.1:{port}", "localhost.:{port}", "LOCALHOST:{port}", "[::]:{port}",
        "127.0.0.1:{port}@evil.example", "user@127.0.0.1:{port}", "127.0.0.1:0{port}", "127.0.0.1:{port}, x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/static/main.js", "/api/state"])
def test_another_name_of_this_machine_is_refused(monitor, host, path):
    status, _, body = monitor.ask(path, Host=host.format(port=monitor.port))
    assert status == 421
    assert f"ssh -L {monitor.port}:127.0.0.1:{monitor.port}".encode() in body


@pytest.mark.parametrize("name", NAMES)
def test_every_own_name_is_good(monitor, name):
    own = f"{name}:{monitor.port}"
    status, *_ = monitor.ask("/api/state", Host=own, Origin=f"http://{own}", Sec_Fetch_Site="same-origin")
    assert status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "https://127.0.0.1:{port}", "http://127.0.0.1", "http://127.0.0.1:1", "null",
        "", "http://127.0.0.1:{port}.evil.example", "http://127.0.0.1:{port}/", "file://", "HTTP://127.0.0.1:{port}",
        "http://localhost:{port}",
    ],
)  # fmt: skip
def test_another_origin_is_refused(monitor, origin):
    origin = origin.format(port=monitor.port)
    assert monitor.ask("/api/state", Origin=origin)[0] == 403
    if origin:
        with pytest.raises(InvalidStatus, match="403"), monitor.browser(origin):
            pass


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "nonsense"])
def test_a_link_of_another_site_is_refused(monitor, site):
    assert monitor.ask("/", Sec_Fetch_Site=site)[0] == 403


def test_a_websocket_needs_an_origin_and_the_right_host(monitor):
    own, address = f"http://127.0.0.1:{monitor.port}", ("127.0.0.1", monitor.port)
    with pytest.raises(InvalidStatus, match="403"), monitor.browser(None):
        pass
    with (
        pytest.raises(InvalidStatus, match="403"),
        monitor.browser(own, additional_headers={"Sec-Fetch-Site": "cross-site"}),
    ):
        pass
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(f"ws://127.0.0.2:{monitor.port}/ws", origin=own, sock=create_connection(address)),
    ):
        pass
    with monitor.browser(own) as browser:
        assert browser.take()[0]["kind"] == "hello"


def test_only_this_machine_can_connect(monitor):
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    ours = [
        connection.laddr
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == "LISTEN"
    ]
    assert monitor.port in {address.port for address in ours}
    assert {address.ip for address in ours} == {"127.0.0.1"}


# --- what


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/api/state", "/ws", "/api/command/"])
def test_nothing_but_reading(monitor, method, path):
    assert monitor.ask(path, method)[0] == 405


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
def test_without_control_there_are_no_commands(monitor, method):
    assert monitor.ask("/api/command", method, PAUSE, **BEARER)[0] == 404


@pytest.mark.parametrize("path", ["/", "/static/none", "/api/state", "/elsewhere"])
@pytest.mark.parametrize("headers", [{}, {"Host": "evil.example"}])
def test_browsers_are_told_to_trust_this_page_alone(monitor, path, headers):
    _, told, _ = monitor.ask(path, **headers)
    policy = dict(rule.strip().partition(" ")[::2] for rule in told["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in told["content-security-policy"]
    assert told["x-content-type-options"] == "nosniff"
    assert told["referrer-policy"] == "no-referrer"
    assert told["cache-control"] == "no-store"
    assert told["cross-origin-opener-policy"] == told["cross-origin-resource-policy"] == "same-origin"
    assert not {"server", "access-control-allow-origin"} & set(told)


def test_the_page_has_nothing_that_the_policy_forbids(monitor):
    _, _, page = monitor.ask("/")
    text = page.decode().lower()
    assert "<style" not in text
    assert " style=" not in text
    assert " onload=" not in text
    assert " onclick=" not in text
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert text.count("<script") == text.count("<script ") == text.count(" src=")


# --- commands


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
        {"Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"bearer {TOKEN}"},
        {"Authorization": "Bearer é"}, {"Cookie": f"token={TOKEN}"},
    ],
)  # fmt: skip
def test_a_command_needs_the_token(controlling, headers):
    with a_run(controlling.folder, {"accepted": True}) as asked:
        headers = {name: value.encode("latin-1") for name, value in headers.items()}
        assert controlling.ask("/api/command", "POST", PAUSE, **headers)[0] == 401
        assert controlling.ask(f"/api/command?token={TOKEN}", "POST", PAUSE)[0] == 401
        assert controlling.ask(f"/api/command?token={TOKEN}", "GET")[0] == 405
        assert asked == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
    ],
)
def test_the_token_opens_nothing_for_another_site(controlling, headers, status):
    with a_run(controlling.folder, {"accepted": True}) as asked:
        assert controlling.ask("/api/command", "POST", PAUSE, **BEARER, **headers)[0] == status
        assert asked == []


@pytest.mark.parametrize("command", ["pause", "resume", "skip", "park", "stop", "abort"])
def test_a_command_reaches_the_run(controlling, command):
    with a_run(controlling.folder, {"accepted": True}) as asked:
        status, _, body = controlling.ask("/api/command", "POST", json.dumps({"command": command}), **BEARER)
        assert (status, json.loads(body)) == (200, {"accepted": True, "command": command})
        assert asked == [command]


@pytest.mark.parametrize(
    "body",
    ["", "pause", "{}", "[]", '{"command": "emergency"}', '{"command": "status"}', '{"command": ["pause"]}',
     "[" * 200, '{"command": "pause"}' + " " * 300, '{"command": {}}', "\x00"],
)  # fmt: skip
def test_anything_else_is_no_command(controlling, body):
    with a_run(controlling.folder, {"accepted": True}) as asked:
        assert controlling.ask("/api/command", "POST", body, **BEARER)[0] == 400
        assert asked == []


def test_a_refusal_of_the_run_and_its_absence_are_passed_on(controlling):
    with a_run(controlling.folder, {"accepted": False, "why": "it is parked"}):
        status, _, body = controlling.ask("/api/command", "POST", PAUSE, **BEARER)
    assert status == 409
    assert json.loads(body)["accepted"] is False
    assert "refuses to pause: it is parked" in json.loads(body)["why"]
    status, _, body = controlling.ask("/api/command", "POST", PAUSE, **BEARER)
    assert status == 409
    assert "no run is alive" in json.loads(body)["why"]


def test_the_token_is_told_to_nobody(controlling):
    answers = [controlling.ask(path) for path in ("/", "/api/state", "/static/main.js", "/api/command")]
    assert not [answer for answer in answers if TOKEN in str(answer)]
    with controlling.browser() as browser:
        browser.paint()
        assert TOKEN not in str(browser.packets)
