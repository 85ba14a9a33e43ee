"""`annealscope status`: once, watched, and for programs, of a run that goes on and ends."""

import json
import os
from contextlib import closing
from dataclasses import asdict, replace

import pytest

from annealscope.controller.cli import status as snapshots
from annealscope.controller.client import RunClient
from annealscope.controller.engine.ports import NextTask, Status
from annealscope.controller.errors import RunError
from annealscope.controller.journal import Journal
from annealscope.controller.live import LIVE_FILE, write_live
from annealscope.drivers.clock import VirtualClock

TASK = NextTask("insert the aperture", 90.0)
STATUS = Status("running", "wait at 100 °C", "waiting", 1, 3, 10.0, 100.0, 373.15, 373.15, next_task=TASK)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that answers with snapshots, and ends after the last."""
    monkeypatch.setattr(snapshots, "LOOK_EVERY_S", 0.0)
    live = tmp_path / LIVE_FILE
    write_live(live, {"pid": os.getpid()})
    answers = [STATUS, STATUS, replace(STATUS, t_s=20.0, tau_s=float("nan"))]

    def answer(self):
        if answers:
            return json.loads(json.dumps(asdict(answers.pop(0))))
        live.unlink(missing_ok=True)
        raise RunError("no run is alive")

    monkeypatch.setattr(RunClient, "status", answer)
    return tmp_path


def ended(folder):
    with closing(Journal(folder / "journal.jsonl", VirtualClock())) as journal:
        journal.write("run_ended", outcome="success", why="all steps done", exit_code=0)


def test_a_watched_run_is_followed_to_its_end(run, capsys):
    ended(run)
    snapshots.watch(run, as_json=False)
    out = capsys.readouterr().out
    assert "[2/3] wait at 100 °C" in out
    assert "insert the aperture" in out
    assert out.splitlines()[-1] == "success: all steps done"


def test_for_programs_there_is_a_line_for_every_change_and_for_the_end(run, capsys):
    ended(run)
    snapshots.watch(run, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["t_s"] for line in lines] == [10.0, 20.0, 0.0]
    assert lines[1]["tau_s"] is None
    assert (lines[-1]["state"], lines[-1]["outcome"]) == ("ended", "success")


@pytest.mark.parametrize("look", [snapshots.show, snapshots.watch])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_run_that_has_ended_says_how_and_where_its_report_is(tmp_path, look, as_json, capsys):
    ended(tmp_path)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").touch()
    look(tmp_path, as_json=as_json)
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out)["outcome"] == "success"
    else:
        assert out == f"success: all steps done; report: {tmp_path / 'report' / 'index.html'}\n"


def test_a_run_whose_program_died_is_an_error_although_an_older_one_ended(tmp_path):
    ended(tmp_path)
    write_live(tmp_path / LIVE_FILE, {"pid": 2**22 + 1, "endpoint": "tcp://127.0.0.1:1", "token": "a"})
    with pytest.raises(RunError, match="its program died"):
        snapshots.show(tmp_path, as_json=False)


def test_the_time_to_go_shrinks_with_every_frame():
    acquiring = replace(STATUS, step_from_s=20.0, step_to_s=80.0, frames=45, frames_planned=60)
    *_, last = snapshots._lines(asdict(acquiring), None)
    assert last.strip() == "0:00:35 of the plan's 0:01:40 to go"


def test_a_damaged_journal_is_named_and_not_to_be_continued(tmp_path):
    ended(tmp_path)
    ended(tmp_path)
    ended(tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"run_ended", b"run_xnded", 1))
    with pytest.raises(RunError, match="is damaged: see `annealscope verify"):
        snapshots.show(tmp_path, as_json=False)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_journal_that_cannot_be_read_is_said(tmp_path):
    ended(tmp_path)
    (tmp_path / "journal.jsonl").chmod(0)
    with pytest.raises(RunError, match="cannot be read: Permission denied"):
        snapshots.show(tmp_path, as_json=False)


def test_a_folder_in_the_place_of_the_journal_is_said(tmp_path):
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(RunError, match=r"journal\.jsonl cannot be read"):
        snapshots.show(tmp_path, as_json=False)


def test_a_run_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RunError):
        snapshots.watch(tmp_path, as_json=False)


def test_a_program_that_dies_while_it_is_watched_is_an_error(run, monkeypatch, capsys):
    monkeypatch.setattr(snapshots, "writer_lives", lambda path: False)
    answers = [asdict(STATUS), asdict(STATUS)]

    def answer(self):
        if answers:
            return answers.pop()
        raise RunError("its program died")

    monkeypatch.setattr(RunClient, "status", answer)
    with pytest.raises(RunError, match="died"):
        snapshots.watch(run, as_json=False)


def test_an_end_without_a_word_is_an_error(run, capsys):
    with pytest.raises(RunError, match="without a word"):
        snapshots.watch(run, as_json=False)
