"""Where `continue` goes on: the journal of a run, folded, whatever its program did last."""

import json

import pytest

from annealscope.controller.engine.conduct import ALL_DONE
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.planning.dose import Dose
from annealscope.controller.record.repair import repair
from annealscope.controller.record.runfolder import create
from annealscope.controller.session.continuation import left_of
from annealscope.controller.session.left_off import OpenAcquisition, Specimen, Uncounted
from annealscope.drivers.clock import VirtualClock

PARKED = ("parked", {"next": 2, "return_to_K": 548.15, "rate_K_per_s": 0.3, "age_s": 1234.5})
AT_ROOM = ("parked", {"next": 5, "return_to_K": None, "rate_K_per_s": None, "age_s": None})
GOES_ON = ("run_continued", {})
SETTLED = ("settled", {"setpoint_K": 373.15, "age_s": 0.0})
OPENED = ("hold_opened", {"hold": 1, "name": "01_ecm_100C", "region": 4})
READING = ("reading", {"temperature_K": 373.1, "setpoint_K": 373.15})


def _step(index, kind="wait", path=None):
    return "step", {"index": index, "step": kind, "path": path or f"steps.{index}"}


def _ended(outcome, exit_code=ExitCode.OPERATOR):
    return "run_ended", {"outcome": outcome, "why": f"{outcome} for a reason", "exit_code": int(exit_code)}


def _state(state, why):
    return "state", {"state": state, "why": why}


def _dose(region, electrons, hold=1, frames=0):
    both = {"exposed_per_nm2": electrons, "beam_on_per_nm2": electrons}
    return "dose", {"region": region, "hold": hold, "frames": frames, **both}


def _closing(reason, frames):
    return "closing", {"hold": 1, "frames": frames, "reason": reason}


def _closed(frames, reason="crashed"):
    return "hold_closed", {"hold": 1, "frames": frames, "lost": 0, "reason": reason}


@pytest.fixture
def folder(tmp_path):
    run = create(tmp_path / "run")
    options = {"seed": 0, "speed": "max", "compression": "auto", "parks": "end"}
    run.environment.write_text(json.dumps(options))
    return run


def _write(folder, *records, every_s=10.0):
    start_s = max((record["t_s"] for record in read_journal(folder.journal)), default=0.0)
    clock = VirtualClock(1.8e9 + start_s, start_s)
    journal = Journal(folder.journal, clock)
    for kind, fields in records:
        clock.sleep_until(clock.monotonic() + every_s)
        journal.write(kind, **fields)
    journal.close()


def _left(folder, *records):
    _write(folder, *records)
    return left_of(folder)


# ---------------------------------------------------------------------- parks


def test_a_run_goes_on_at_its_last_park_with_what_its_regions_have_seen(folder):
    first_day = (_step(1), _dose(1, 5.0), PARKED, _ended("parked"))
    left = _left(
        folder, *first_day, GOES_ON, _step(2), _dose(2, 7.0), _dose(1, 9.0), AT_ROOM, _ended("parked")
    )
    assert (left.next_step, left.specimen, left.t_s, left.parked) == (5, None, 100.0, True)
    assert left.doses == {1: Dose(9.0, 9.0), 2: Dose(7.0, 7.0)}


def test_the_age_after_a_park_is_the_one_that_was_written_down(folder):
    assert _left(folder, _step(1), PARKED, _ended("parked")).specimen == Specimen(548.15, 1234.5, None)


def test_a_day_that_failed_before_its_first_step_leaves_the_run_parked(folder):
    left = _left(folder, _step(1), SETTLED, PARKED, _ended("parked"), GOES_ON, _ended("failed"))
    assert (left.next_step, left.specimen) == (2, Specimen(548.15, 1234.5, None))


def test_dying_on_the_way_into_a_park_leaves_what_the_park_would_have(folder):
    """It was asked for in an acquisition that had taken something: the next step, at its age then."""
    left = _left(folder, SETTLED, _step(1), READING, _step(2, "park", "park"), READING, READING)
    assert (left.next_step, left.specimen) == (2, Specimen(373.15, 30.0, None))


# ---------------------------------------------------------------------- deaths


def test_a_step_that_was_under_way_is_begun_anew(folder):
    left = _left(folder, _step(0, "ramp"), SETTLED, _step(1), READING)
    assert (left.outcome, left.next_step, left.acquisition) == ("crashed", 1, None)
    assert left.specimen == Specimen(373.15, 20.0, left_s=40.0)


def test_an_acquisition_that_had_opened_its_hold_is_gone_on_with(folder):
    left = _left(folder, _step(1, "acquire"), OPENED, READING)
    assert left.acquisition == OpenAcquisition(1, "01_ecm_100C", 1, region=4)
    assert left.next_step == 1


@pytest.mark.parametrize(
    ("reason", "frames", "kept"),
    [
        ("complete", 50, "complete"),
        ("complete", 49, None),
        ("truncated", 49, "truncated"),
        ("dose limit", 50, "dose limit"),
        ("failed", 50, None),
    ],
)
def test_what_had_ended_has_ended_unless_frames_of_it_are_not_on_the_disk(folder, reason, frames, kept):
    left = _left(folder, _step(1, "acquire"), OPENED, _closing(reason, 50), _dose(4, 3.0, frames=50))
    assert left.acquisition.reason_at(frames) == kept
    assert left.acquisition.counted == 50


def test_a_hold_that_was_closed_is_followed_by_the_next_step_and_its_frames_are_counted(folder):
    left = _left(folder, _step(1, "acquire"), OPENED, _dose(4, 3.0, frames=20), READING, _closed(50))
    assert (left.next_step, left.acquisition) == (2, None)
    assert left.uncounted == (Uncounted(1, 4, 30),)
    assert _left(folder, GOES_ON, _step(2), _dose(4, 9.0, hold=0)).uncounted == ()


def test_repair_moves_neither_the_age_nor_the_time_of_the_end(folder):
    before = _left(folder, SETTLED, _step(1), READING)
    repair(folder.path)
    after = left_of(folder)
    assert (before.outcome, after.outcome) == ("crashed", "crashed")
    assert (after.t_s, after.utc, after.specimen) == (before.t_s, before.utc, before.specimen)


def test_a_second_death_on_the_way_back_keeps_the_age_of_the_first(folder):
    """The time in which nobody knows the temperature does not count, until it has settled again."""
    first = _left(folder, _step(0, "ramp"), SETTLED, _step(1), READING)
    second = _left(folder, GOES_ON, _step(1, "ramp", "back"), READING, READING)
    assert second.specimen == first.specimen
    third = _left(folder, GOES_ON, ("settled", {"setpoint_K": 373.15, "age_s": 20.0}), _step(1), READING)
    assert third.specimen == Specimen(373.15, 40.0, left_s=third.t_s)


def test_a_heater_that_was_cold_between_two_deaths_has_not_aged_the_specimen(folder):
    first = _left(folder, _step(0, "ramp"), SETTLED, _step(1), READING)
    cold = ("reading", {"temperature_K": 298.0, "setpoint_K": 298.15})
    second = _left(folder, GOES_ON, _step(1, "ramp", "back"), cold, READING, READING)
    assert second.specimen == Specimen(373.15, first.specimen.age_s, left_s=second.t_s - 20.0)


def test_the_age_ends_when_a_fault_has_switched_the_heater_off(folder):
    left = _left(folder, SETTLED, _step(1), READING, _state("faulted", "why"), _closing("failed", 9), READING)
    assert left.specimen == Specimen(373.15, 30.0, left_s=left.t_s - 20.0)


def test_a_room_that_is_too_warm_to_settle_in_is_no_temperature_to_come_back_to(folder):
    assert _left(folder, SETTLED, ("settled", {"setpoint_K": None, "age_s": 0.0}), _step(2)).specimen is None


def test_after_the_last_step_only_the_end_is_left(folder):
    left = _left(folder, _step(3, "cool"), _state("finishing", ALL_DONE), _step(4, "cool", "safe"))
    assert left.next_step is None


def test_a_torn_last_line_hides_nothing(folder):
    _write(folder, _step(1), PARKED, _ended("parked"))
    with folder.journal.open("ab") as file:
        file.write(b'{"n": 3, "t_s": 30.0, "kind": "run_cont')
    assert left_of(folder).next_step == 2


def test_what_a_guard_has_stopped_goes_on_at_the_temperature_that_it_had(folder):
    stopping = _state("finishing", "the disk is full")
    cooled = ("settled", {"setpoint_K": 298.15, "age_s": 0.0})
    ended = _ended("stopped", ExitCode.INCOMPLETE)
    left = _left(
        folder, _step(3), SETTLED, _step(4), stopping, _step(9, "cool", "safe"), READING, cooled, ended
    )
    assert (left.next_step, left.specimen) == (4, Specimen(373.15, 20.0, None))


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize("outcome", ["stopped", "aborted", "success"])
@pytest.mark.parametrize("before", [(_step(1),), (_step(1), PARKED, _ended("parked"), GOES_ON)])
def test_a_run_that_has_ended_is_not_gone_on_with(folder, outcome, before):
    with pytest.raises(RunError, match=f"has ended: {outcome}"):
        _left(folder, *before, _ended(outcome))


@pytest.mark.parametrize("state", ["finishing", "aborting"])
def test_a_run_that_died_while_its_operator_ended_it_is_not_gone_on_with(folder, state):
    with pytest.raises(RunError, match="being ended when its program died: stopped by the operator"):
        _left(folder, _step(1), _state(state, "stopped by the operator"), _step(9, "cool", "safe"))


def test_a_journal_without_any_record_is_refused(folder):
    with pytest.raises(RunError, match="its journal is empty"):
        left_of(folder)


def test_a_damaged_journal_is_refused(folder):
    _write(folder, _step(1), READING, _step(2), _ended("failed"))
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    folder.journal.write_bytes(b"".join([lines[0], lines[1].replace(b"373.1,", b"373.2,"), *lines[2:]]))
    with pytest.raises(RunError, match="damaged before its end"):
        left_of(folder)
