"""The verb `monitor`, and the page beside a run."""

import json
import subprocess
import sys
import urllib.request

import pytest

from annealscope.controller.cli import watching
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.monitor.serve import PORT, listen


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("none", ExitCode.USAGE, "does not exist"),
        ("file", ExitCode.USAGE, "is a file"),
        ("foreign", ExitCode.INVALID_INPUT, "not a run folder"),
    ],
)
def test_what_is_no_run_folder_is_refused(tmp_path, name, code, words):
    (tmp_path / "file").write_text("x")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "holiday.jpg").write_text("x")
    with pytest.raises(RunError, match=words) as refused:
        watching.watch(tmp_path / name, None, False, False, print)
    assert refused.value.exit_code is code


def test_a_port_that_is_taken_is_named_and_by_default_the_next_is_tried():
    with listen(None) as first, listen(None) as second:
        ports = [listener.getsockname()[1] for listener in (first, second)]
        assert PORT <= ports[0] < ports[1]
        with pytest.raises(RunError, match=f"port {ports[0]} cannot be had"):
            listen(ports[0])


# --- beside a run


def test_the_page_beside_a_run_is_up_as_long_as_the_run(tmp_path):
    told = []
    with watching.page_beside(tmp_path / "run", True, told.append):
        url = told[0].removeprefix("live page: ")
        with urllib.request.urlopen(f"{url}api/state", timeout=5) as answer:  # noqa: S310
            assert json.load(answer)["state"]["life"] == "waiting"
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)  # noqa: S310


def test_a_page_that_does_not_start_does_not_stop_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "SERVER", "no.such.module")
    told = []
    with watching.page_beside(tmp_path, True, told.append):
        told.append("the run")
    assert told[0].startswith("no live page: its server did not start")
    assert told[1] == "the run"


def test_the_verb_says_what_is_wrong_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "annealscope.controller.cli", "monitor", str(tmp_path / "none")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 2
    assert answer.stderr.startswith("annealscope: ")
    assert "Traceback" not in answer.stderr


def test_a_token_is_not_handed_to_a_browser_where_others_can_read_it(tmp_path):
    with pytest.raises(RunError, match="open it yourself"):
        watching.watch(tmp_path, None, True, True, print)
