"""What became of a run does not depend on its report."""

import os
import subprocess

import pytest
from small_run import command

from annealscope.controller.cli import verbs
from annealscope.controller.engine.outcome import Outcome
from annealscope.controller.errors import ExitCode

EXTRAS = verbs.Extras(report=True, notify="", monitor=False)


@pytest.fixture
def no_report(monkeypatch):
    def fail(folder):
        raise ImportError("matplotlib is gone")

    monkeypatch.setattr(verbs, "_report", fail)


def conduct(folder, outcome):
    verbs._conduct(folder, lambda commands, *observers: outcome, EXTRAS)


def test_a_run_that_was_a_success_stays_one(no_report, tmp_path, capsys):
    conduct(tmp_path, Outcome("success", "all steps done", ExitCode.OK))
    said = capsys.readouterr()
    assert "success: all steps done" in said.out
    assert "the report could not be written (ImportError: matplotlib is gone)" in said.err
    assert f"annealscope report {tmp_path}" in said.err


def test_a_run_that_may_go_on_says_so_and_keeps_its_exit_code(no_report, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        conduct(tmp_path, Outcome("failed", "failed: the camera is gone", ExitCode.DEVICE))
    assert end.value.code == ExitCode.DEVICE
    assert f"annealscope continue {tmp_path}" in capsys.readouterr().out


def test_the_backend_of_a_notebook_does_not_matter(tmp_path):
    environment = {**os.environ, "MPLBACKEND": "junk"}
    picture = tmp_path / "plan.png"
    done = subprocess.run(
        command("plan", "quick_look", "--picture", picture), env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 0
