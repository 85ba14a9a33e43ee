"""Where `continue` goes on: the journal of a parked run, whole, torn, or after a day that did not begin."""

import json

import pytest

from annealscope.controller.engine.ramps import WayBack
from annealscope.controller.errors import RunError
from annealscope.controller.journal import Journal
from annealscope.controller.planning.dose import Dose
from annealscope.controller.record.runfolder import create
from annealscope.controller.session.parked import read_parked
from annealscope.drivers.clock import VirtualClock

STEP = ("step", {"index": 1})
PARKED = ("parked", {"next": 2, "return_to_K": 548.15, "rate_K_per_s": 0.3, "age_s": 1234.5})
AT_ROOM = ("parked", {"next": 5, "return_to_K": None, "rate_K_per_s": None, "age_s": None})
GOES_ON = ("run_continued", {})


def _ended(outcome):
    return "run_ended", {"outcome": outcome, "why": f"{outcome} for a reason", "exit_code": 0}


def _dose(region, electrons):
    return "dose", {"region": region, "hold": 1, "exposed_per_nm2": electrons, "beam_on_per_nm2": electrons}


@pytest.fixture
def folder(tmp_path):
    run = create(tmp_path / "run")
    options = {"seed": 0, "speed": "max", "compression": "auto", "parks": "end"}
    run.environment.write_text(json.dumps(options))
    return run


def _write(folder, *records):
    clock = VirtualClock()
    journal = Journal(folder.journal, clock)
    for kind, fields in records:
        clock.sleep_until(clock.monotonic() + 10.0)
        journal.write(kind, **fields)
    journal.close()


def test_a_run_goes_on_at_its_last_park_with_what_its_regions_have_seen(folder):
    first_day = (STEP, _dose(1, 5.0), PARKED, _ended("parked"))
    _write(folder, *first_day, GOES_ON, STEP, _dose(2, 7.0), _dose(1, 9.0), AT_ROOM, _ended("parked"))
    parked = read_parked(folder)
    assert (parked.next_step, parked.back, parked.t_s) == (5, None, 100.0)
    assert parked.doses.regions == {1: Dose(9.0, 9.0), 2: Dose(7.0, 7.0)}


def test_the_way_back_is_the_one_that_was_written_down(folder):
    _write(folder, STEP, PARKED, _ended("parked"))
    assert read_parked(folder).back == WayBack(548.15, 0.3, 1234.5)


def test_a_day_that_failed_before_its_first_step_leaves_the_run_parked(folder):
    _write(folder, STEP, PARKED, _ended("parked"), GOES_ON, _ended("failed"))
    assert read_parked(folder).next_step == 2


@pytest.mark.parametrize("outcome", ["failed", "stopped", "aborted", "success"])
def test_a_day_that_has_begun_and_ended_is_not_gone_on_with(folder, outcome):
    _write(folder, STEP, PARKED, _ended("parked"), GOES_ON, STEP, _ended(outcome))
    with pytest.raises(RunError, match=f"has ended: {outcome}"):
        read_parked(folder)


@pytest.mark.parametrize("outcome", ["stopped", "aborted"])
def test_a_park_that_the_operator_has_ended_is_not_gone_on_with(folder, outcome):
    _write(folder, STEP, PARKED, _ended(outcome))
    with pytest.raises(RunError, match=f"has ended: {outcome}"):
        read_parked(folder)


def test_a_torn_last_line_hides_nothing(folder):
    _write(folder, STEP, PARKED, _ended("parked"))
    with folder.journal.open("ab") as file:
        file.write(b'{"n": 3, "t_s": 30.0, "kind": "run_cont')
    assert read_parked(folder).next_step == 2
    _write(folder, GOES_ON, STEP)
    with pytest.raises(RunError, match="its program died"):
        read_parked(folder)
