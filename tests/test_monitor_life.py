"""Whether a run goes on, has ended or has died: what the page says of it."""

import time
from dataclasses import replace

import pytest
from monitor_folder import RunAsSeen, status

from annealscope.controller.monitor import life, outside
from annealscope.controller.monitor.model import Model
from annealscope.controller.monitor.newest import Newest


@pytest.fixture
def run(tmp_path):
    return RunAsSeen(tmp_path / "run")


def live():
    return Newest(status=status(), status_at_s=time.monotonic())


def life_and_message(run, newest=None):
    state = Model(run.path).state(newest or Newest())
    return state["life"], state["message"]


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path):
    state = Model(tmp_path / "later").state(Newest())
    assert (state["life"], state["status"]) == ("waiting", None)


def test_a_folder_of_something_else_has_no_run(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    assert Model(tmp_path).state(Newest())["life"] == "no run"


def test_a_journal_without_a_line_that_can_be_read_is_no_run_but_its_plan_is_shown(run):
    run.journal_path.write_text('{"n": 0, "kind": "run_started"}\n')
    model = Model(run.path)
    assert model.state(Newest())["life"] == "no run"
    assert model.hello()["title"] == "Quick look at AMZ4"


def test_a_run_is_starting_then_live_then_out_of_reach(run):
    run.begin().announce()
    assert life_and_message(run)[0] == "starting"
    assert life_and_message(run, live()) == ("live", "")
    silent = replace(live(), status_at_s=time.monotonic() - 42.0)
    found, message = life_and_message(run, silent)
    assert found == "unreachable"
    assert message.startswith("no word from the run for 4")


def test_a_program_that_died_is_missed(run):
    assert life_and_message(run.begin().announce(alive=False), live())[0] == "died"


def test_a_journal_that_nobody_goes_on_with_has_no_end(run, monkeypatch):
    run.begin()
    assert life_and_message(run)[0] == "starting"
    monkeypatch.setattr(life, "STARTING_S", -1.0)
    found, message = life_and_message(run)
    assert found == "died"
    assert f"annealscope continue {run.path}" in message


def test_the_end_says_how_and_where_the_report_is(run):
    run.begin().say(9.0, "run_ended", outcome="failed", why="failed: no gas", exit_code=3)
    report = run.path / "report" / "index.html"
    report.parent.mkdir()
    report.touch()
    expected = f"failed: no gas; report: {report}; go on with: annealscope continue {run.path}"
    assert life_and_message(run) == ("ended", expected)
    assert Model(run.path).state(Newest())["outcome"] == "failed"


def test_a_run_that_is_continued_has_not_ended(run):
    run.begin().say(9.0, "run_ended", outcome="parked", why="", exit_code=0).announce()
    model = Model(run.path)
    assert model.state(Newest())["life"] == "ended"
    run.say(900.0, "run_continued", version="10", clock="max", left="parked", left_at="", why="")
    assert (model.state(live())["life"], model.state(live())["outcome"]) == ("live", None)
    assert model.hello()["version"] == "10"


def test_what_is_dear_is_looked_at_once_a_second(run, monkeypatch):
    looked = []
    monkeypatch.setattr(outside, "writer_lives", lambda path: looked.append(path) or True)
    model = Model(run.begin().announce().path)
    for _ in range(5):
        model.state(live())
    assert len(looked) == 1
