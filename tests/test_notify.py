"""The notification hook: whom it tells what, when, and that the run never waits for it."""

import http.server
import json
import sys
import threading
import time
from dataclasses import replace
from http.client import HTTPException

import pytest

from annealscope.controller.cli.notify import WAITING, HookNotifier, Silence, hook_for, notifier_for
from annealscope.controller.engine.outcome import Outcome
from annealscope.controller.engine.ports import Status
from annealscope.controller.errors import ExitCode, RunError

CALM = Status("running", "hold", "waiting", 1, 3, 10.0, 100.0, 373.15, 373.15)
SUCCESS = Outcome("success", "all steps done", ExitCode.OK)


def told(statuses, folder, outcome=SUCCESS):
    heard, complaints = [], []
    notifier = HookNotifier(heard.append, folder, complaints.append)
    for status in statuses:
        notifier.show(status)
    notifier.end(outcome)
    assert complaints == []
    return [(news.event, news.text) for news in heard]


def test_a_calm_run_tells_its_end_alone(tmp_path):
    assert told([CALM] * 50, tmp_path) == [("end", "success: all steps done")]


def test_what_stands_is_told_once_and_again_when_it_comes_back(tmp_path):
    asked = replace(CALM, prompt="Insert the aperture.")
    statuses = [asked, asked, CALM, asked]
    assert [event for event, _ in told(statuses, tmp_path)] == ["prompt", "prompt", "end"]


def test_an_order_of_the_holder_comes_before_the_question_behind_it(tmp_path):
    status = replace(CALM, prompt="Insert the aperture.", order="set 25 degC", alarm="it stands too long")
    assert told([status], tmp_path)[:2] == [("alarm", "it stands too long"), ("prompt", "set 25 degC")]


@pytest.mark.parametrize("state", ["suspended", "faulted", "aborting"])
def test_states_that_nobody_asked_for_are_alarms(state, tmp_path):
    assert told([replace(CALM, state=state, why="no beam")], tmp_path)[0] == ("alarm", f"{state}: no beam")


def test_a_pause_is_no_alarm(tmp_path):
    assert len(told([replace(CALM, state="paused")], tmp_path)) == 1


def test_a_command_gets_json_on_its_input(tmp_path):
    target = tmp_path / "told.json"
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    script = tmp_path / "hook.py"
    script.write_text(code)
    complaints = []
    quote = '"' if sys.platform == "win32" else "'"
    command = " ".join(f"{quote}{part}{quote}" for part in (sys.executable, script, target))
    notifier = notifier_for(command, tmp_path, complaints.append)
    notifier.show(replace(CALM, step="acquire ecm at 275 °C"))
    notifier.end(SUCCESS)
    assert complaints == []
    news = json.loads(target.read_text(encoding="utf-8"))
    assert news["event"] == "end"
    assert news["step"] == "[2/3] acquire ecm at 275 °C"
    assert news["temperature_degC"] == 100.0
    assert news["run"] == tmp_path.name


class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.mark.parametrize(("answer", "complains"), [(204, False), (500, True)])
def test_a_webhook_is_posted_to(answer, complains, tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        server.heard, server.answer = [], answer
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        complaints = []
        notifier = notifier_for(f"http://127.0.0.1:{server.server_port}/hook", tmp_path, complaints.append)
        notifier.end(SUCCESS)
        thread.join(5)
    assert [news["event"] for news in server.heard] == ["end"]
    assert bool(complaints) == complains


def test_a_hook_that_fails_is_said_and_the_next_news_are_told(tmp_path):
    heard, complaints = [], []

    def fails_first(news):
        heard.append(news)
        if len(heard) == 1:
            raise HTTPException("nobody there")

    notifier = HookNotifier(fails_first, tmp_path, complaints.append)
    notifier.show(replace(CALM, alarm="hot"))
    notifier.end(SUCCESS)
    assert [news.event for news in heard] == ["alarm", "end"]
    assert complaints == ["notify: alarm was not told: nobody there"]


def test_a_command_that_fails_says_why(tmp_path):
    script = tmp_path / "hook.py"
    script.write_text("import sys; sys.exit('no network')")
    complaints = []
    quote = '"' if sys.platform == "win32" else "'"
    notifier = notifier_for(
        " ".join(f"{quote}{part}{quote}" for part in (sys.executable, script)), tmp_path, complaints.append
    )
    notifier.end(SUCCESS)
    assert "no network" in complaints[0]


def test_the_run_never_waits_for_a_hook_that_hangs(tmp_path):
    release, complaints = threading.Event(), []
    notifier = HookNotifier(lambda news: release.wait(30), tmp_path, complaints.append)
    begun_s = time.monotonic()
    for n in range(3 * WAITING):
        notifier.show(replace(CALM, alarm=f"alarm {n}"))
    assert time.monotonic() - begun_s < 1.0
    assert len(complaints) >= WAITING
    release.set()
    notifier.end(SUCCESS)


@pytest.mark.parametrize("target", ["ftp://example.org/x", "'unfinished", "   "])
def test_a_target_that_is_none_is_refused(target):
    with pytest.raises(RunError, match="--notify") as refusal:
        hook_for(target)
    assert refusal.value.exit_code == ExitCode.USAGE


def test_no_target_tells_nobody(tmp_path):
    assert isinstance(notifier_for("", tmp_path, print), Silence)
