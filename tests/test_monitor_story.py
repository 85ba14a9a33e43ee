"""The journal as the monitor reads it: only what was appended, told in words, whatever is damaged."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_folder import ANY_PLACE, RunAsSeen

from annealscope.controller import journal
from annealscope.controller.monitor import tail
from annealscope.controller.monitor.story import Story
from annealscope.controller.monitor.tail import JournalTail
from annealscope.controller.monitor.words import line_of, said

SILENT = {"preflight", "phase", "reading", "durable", "dose", "closing"}
"""Kinds that the log has no line for: others say it, or the page shows it as a number."""


@pytest.fixture
def run(tmp_path):
    return RunAsSeen(tmp_path / "run").begin()


def story_of(run):
    story = Story()
    story.take(JournalTail(run.journal_path).new_records()[0])
    return story


def texts(run):
    return [line.text for _, line in story_of(run).lines]


def stretches(found):
    return [(one.what, one.t_from_s, one.t_to_s, one.why) for one in found]


# ------------------------------------------------------------------ reading on


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    run = RunAsSeen(tmp_path_factory.mktemp("m") / "run").begin()
    for t_s in range(1, 20):
        run.say(t_s, "reading", temperature_K=300.0 + t_s, setpoint_K=300.0)
    return run.open_hold(21.0).close_hold(30.0).journal_path.read_bytes()


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.floats(0, 1), max_size=8))
def test_a_journal_that_grows_in_any_pieces_reads_as_if_read_at_once(tmp_path_factory, content, cuts):
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    growing, records = JournalTail(path), []
    for end in [*sorted(int(cut * len(content)) for cut in cuts), len(content)]:
        path.write_bytes(content[:end]) if not path.exists() else _append(path, content[:end])
        new, again = growing.new_records()
        assert not again
        assert not growing.damaged
        records += new
    assert [record["n"] for record in records] == list(range(content.count(b"\n")))


def _append(path, content):
    with path.open("ab") as file:
        file.write(content[path.stat().st_size :])


def test_only_new_lines_are_looked_at(run, monkeypatch):
    looked_at = []
    monkeypatch.setattr(
        tail, "intact_record", lambda line: looked_at.append(line) or journal.intact_record(line)
    )
    reader = JournalTail(run.journal_path)
    reader.new_records()
    reader.new_records()
    assert len(looked_at) == 2
    run.say(1.0, "phase", phase="ramping")
    assert len(reader.new_records()[0]) == 1
    assert len(looked_at) == 3


def test_reading_stops_at_a_damaged_line_and_goes_on_when_it_is_gone(run):
    whole = run.journal_path.read_bytes()
    reader = JournalTail(run.journal_path)
    reader.new_records()
    damaged = run.say(1.0, "phase", phase="x").say(2.0, "phase", phase="y").journal_path.read_bytes()
    run.journal_path.write_bytes(damaged.replace(b'"x"', b'"z"'))
    assert reader.new_records() == ([], False)
    assert reader.damaged
    run.journal_path.write_bytes(whole)  # as a run does that goes on: what is no good is cut off
    run.say(3.0, "phase", phase="w")
    assert [record["phase"] for record in reader.new_records()[0]] == ["w"]
    assert not reader.damaged


def test_another_journal_in_its_place_is_read_from_its_start(run, tmp_path):
    reader = JournalTail(run.journal_path)
    reader.new_records()
    other = RunAsSeen(tmp_path / "other").begin().say(1.0, "phase", phase="x").journal_path
    other.replace(run.journal_path)
    records, again = reader.new_records()
    assert (len(records), again) == (3, True)
    run.journal_path.write_bytes(run.journal_path.read_bytes().splitlines(keepends=True)[0])
    records, again = reader.new_records()
    assert (len(records), again) == (1, True)


def test_no_journal_is_an_empty_one(tmp_path):
    assert JournalTail(tmp_path / "journal.jsonl").new_records() == ([], False)


# ------------------------------------------------------------------ what happened


def test_the_plan_stands_still_in_pauses_suspensions_and_nights(run):
    run.say(10.0, "state", state="pausing", why="").say(11.0, "state", state="paused", why="asked")
    run.say(12.0, "state", state="suspended", why="no beam").say(15.0, "state", state="running", why="")
    run.say(20.0, "state", state="parked", why="the day is over").say(21.0, "state", state="ended", why="")
    run.say(22.0, "run_ended", outcome="parked", why="", exit_code=0)
    run.say(900.0, "run_continued", version="9", clock="max", left="parked", left_at="", why="")
    assert stretches(story_of(run).standing) == [
        ("paused", 11.0, 12.0, "asked"),
        ("suspended", 12.0, 15.0, "no beam"),
        ("parked", 20.0, 900.0, "the day is over"),
    ]
    assert story_of(run).ended is None


def test_the_operator_is_asked_until_somebody_answers(run):
    run.say(5.0, "prompt", message="turn the knob", timeout_s=None)
    assert stretches(story_of(run).asked) == [("prompt", 5.0, None, "turn the knob")]
    run.say(7.0, "answered", by="operator")
    assert stretches(story_of(run).asked) == [("prompt", 5.0, 7.0, "turn the knob")]


def test_steps_last_until_the_next_one(run):
    run.say(1.0, "step", index=0, path="steps.0", step="ramp", label="ramp")
    run.say(9.0, "step", index=1, path="steps.1", step="wait", label="wait")
    run.say(12.0, "run_ended", outcome="stopped", why="", exit_code=0)
    assert [(step.index, step.t_from_s, step.t_to_s) for step in story_of(run).steps] == [
        (0, 1.0, 9.0),
        (1, 9.0, 12.0),
    ]


def test_a_ramp_ends_what_is_known_of_temperature_and_drift(run):
    run.say(1.0, "settled", setpoint_K=373.15, age_s=0.0).say(2.0, "drift_rate", nm_per_min=0.4)
    assert (story_of(run).settled_s, story_of(run).drift_rate_nm_per_min) == (1.0, 0.4)
    run.say(3.0, "step", index=1, path="steps.1", step="ramp", label="ramp")
    assert (story_of(run).settled_s, story_of(run).drift_rate_nm_per_min) == (None, None)


def test_a_hold_of_an_older_version_is_done_like_any_other(run):
    said = {"hold": 1, "name": "01_ecm", "setpoint_K": 373.15, "t_settled_s": 1.0, "frames_planned": 9}
    run.say(2.0, "hold_opened", **said)
    run.say(9.0, "hold_closed", hold=1, path="", frames=9, analysis="missing", reason="complete")
    hold = story_of(run).holds[1]
    assert (hold.closed, hold.frames, hold.lost, hold.method) == (True, 9, 0, "ecm")


def test_losses_are_summed_and_told_in_one_line(run):
    run.open_hold(1.0)
    for first in (5, 9, 30):
        run.say(2.0, "lost", hold=1, first_seq=first, frames=2, t_lost_s=1.0, why="dropped")
    assert story_of(run).holds[1].lost == 6
    told = [text for text in texts(run) if "lost" in text]
    assert told == ["01_ecm_100C: 6 frames lost, from no. 5 on, in 3 places: dropped"]


def test_a_hold_that_is_gone_on_with_keeps_its_losses(run):
    run.open_hold(1.0).say(2.0, "lost", hold=1, first_seq=5, frames=2, t_lost_s=1.0, why="dropped")
    assert story_of(run.open_hold(9.0)).holds[1].lost == 2


def test_a_region_has_its_place_and_its_dose(run):
    run.say(1.0, "region", number=2, **ANY_PLACE).open_hold(1.0)
    run.say(9.0, "dose", region=2, hold=1, frames=9, exposed_per_nm2=1.0e9, beam_on_per_nm2=2.0e9)
    story = story_of(run)
    seen = story.regions[story.region]
    assert (seen.number, seen.y_nm, seen.x_nm, seen.beam_on_per_nm2) == (2, 0.0, 250.0, 2.0e9)


def test_a_service_is_done_when_the_suspension_for_it_ends(run):
    assert story_of(run).last_service_s("cold_trap") == 0.0
    run.say(50.0, "state", state="suspended", why="no beam").say(60.0, "state", state="running", why="")
    run.say(100.0, "guard", guard="cold_trap", message="fill it", action="suspended")
    run.say(101.0, "state", state="suspended", why="fill it").say(400.0, "state", state="running", why="")
    run.say(500.0, "state", state="suspended", why="no beam").say(600.0, "state", state="running", why="")
    assert story_of(run).last_service_s("cold_trap") == 400.0


# ------------------------------------------------------------------ words


def test_every_kind_of_record_has_words_or_needs_none():
    kinds = set(re.findall(r"^([a-z_]+)  +\S", journal.__doc__, flags=re.MULTILINE))
    assert len(kinds) > 20
    assert {kind for kind in kinds if not said(kind)} == SILENT


@pytest.mark.parametrize(
    "kind", ["state", "lost", "hold_closed", "guard", "child", "command", "step", "region"]
)
def test_a_record_of_another_version_is_told_by_its_kind(kind):
    assert line_of({"kind": kind, "hold": []}, {}).text == kind


def test_what_somebody_should_come_for_is_an_alarm(run):
    run.say(1.0, "guard", guard="disk", message="it is full", action="parked")
    run.say(2.0, "state", state="aborting", why="").say(
        3.0, "run_ended", outcome="aborted", why="", exit_code=2
    )
    told = [(line.level, line.text) for _, line in story_of(run).lines][-3:]
    assert told == [
        ("alarm", "guard disk: it is full (parked)"),
        ("alarm", "aborting"),
        ("alarm", "run ended, aborted"),
    ]


def test_the_log_keeps_the_last_lines_only(run):
    story = Story()
    story.take({"kind": "decision", "t_s": float(n), "hold": 1, "why": str(n)} for n in range(1000))
    assert [record["why"] for record, _ in story.lines] == [str(n) for n in range(700, 1000)]
