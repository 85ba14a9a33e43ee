"""State table, settling, feedback law, journal: the small rooms of the engine."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annealscope.controller.engine.commands import Command, CommandQueue
from annealscope.controller.engine.feedback import FeedbackLaw, solve_2x2
from annealscope.controller.engine.machine import LEGAL, RunMachine, RunState, Trigger
from annealscope.controller.engine.settle import Band, SettleWatch, Settling
from annealscope.controller.errors import RunError
from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.stream.slots import SlotCounter
from annealscope.controller.stream.watchdog import Watchdog
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.interfaces import Reading

MATRIX = ((0.956, -0.273), (0.292, 0.962))


def _machine_in(state: RunState) -> RunMachine:
    machine = RunMachine()
    ways = {
        RunState.IDLE: [],
        RunState.ARMING: [Trigger.ARM],
        RunState.RUNNING: [Trigger.ARM, Trigger.START],
        RunState.PAUSING: [Trigger.ARM, Trigger.START, Trigger.HALT],
        RunState.PAUSED: [Trigger.ARM, Trigger.START, Trigger.HALT, Trigger.PAUSE],
        RunState.SUSPENDED: [Trigger.ARM, Trigger.START, Trigger.HALT, Trigger.SUSPEND],
        RunState.PARKED: [Trigger.ARM, Trigger.START, Trigger.PARK],
        RunState.FINISHING: [Trigger.ARM, Trigger.START, Trigger.FINISH],
        RunState.ABORTING: [Trigger.ARM, Trigger.START, Trigger.ABORT],
        RunState.ENDED: [Trigger.ARM, Trigger.START, Trigger.FINISH, Trigger.END],
        RunState.FAULTED: [Trigger.FAULT],
    }
    for trigger in ways[state]:
        machine.fire(trigger)
    assert machine.state is state
    return machine


@pytest.mark.parametrize(("state", "trigger"), [*itertools.product(RunState, Trigger)])
def test_only_the_transitions_of_the_table_are_legal(state, trigger):
    machine = _machine_in(state)
    target = next((to for name, sources, to in LEGAL if name is trigger and state in sources), None)

    assert machine.allows(trigger) is (target is not None)
    if target is not None:
        assert machine.fire(trigger) is target
    else:
        with pytest.raises(RunError, match=f"cannot {trigger.value} a run that is {state.value}"):
            machine.fire(trigger)
        assert machine.state is state


def test_two_machines_do_not_share_their_state():
    one, other = RunMachine(), RunMachine()
    one.fire(Trigger.ARM)
    assert other.state is RunState.IDLE


BAND = Band(target_K=373.0, within_K=0.5, for_s=30.0, timeout_s=300.0, max_age_s=2.0)


def _settle(readings):
    watch = SettleWatch(BAND, 0.0)
    return [watch.feed(reading, now).value for now, reading in readings]


def test_settled_only_after_the_whole_window_in_band():
    readings = [(t, Reading(373.2, t)) for t in (0.0, 15.0, 29.9, 30.0)]
    assert _settle(readings) == ["waiting", "waiting", "waiting", "settled"]


def test_one_reading_out_of_band_starts_the_window_anew():
    readings = [
        (0.0, Reading(373.0, 0.0)),
        (20.0, Reading(373.6, 20.0)),
        (30.0, Reading(373.0, 30.0)),
        (59.0, Reading(373.0, 59.0)),
        (60.0, Reading(373.0, 60.0)),
    ]
    assert _settle(readings) == ["waiting"] * 4 + ["settled"]


@pytest.mark.parametrize(
    "reading", [Reading(373.0, 0.0), Reading(float("nan"), 301.0), Reading(373.0, 301.0, "stale")]
)
def test_old_missing_or_doubtful_readings_never_settle(reading):
    watch = SettleWatch(BAND, 0.0)
    states = [watch.feed(reading, now) for now in (10.0, 100.0, 299.0, 301.0)]
    assert Settling.SETTLED not in states
    assert states[-1] is Settling.TIMED_OUT


def _residual_nm(law_matrix, steps=60):
    """Close the loop on a world whose true matrix is MATRIX, drifting at a constant rate."""
    law = FeedbackLaw(law_matrix, dead_band_nm=0.0, range_nm=1000.0)
    shift, path = (0.0, 0.0), np.zeros(2)
    for _ in range(steps):
        path += (0.02, -0.01)
        measured = path + np.array(MATRIX) @ shift
        shift = law.next_shift(shift, (float(measured[0]), float(measured[1]))) or shift
    return float(np.abs(path + np.array(MATRIX) @ shift).max())


def test_the_loop_holds_the_image_with_the_right_matrix():
    assert _residual_nm(MATRIX) < 0.05


@pytest.mark.parametrize(
    "wrong",
    [((-0.956, 0.273), (0.292, 0.962)), ((0.273, -0.956), (-0.962, -0.292))],
    ids=["mirrored", "rotated"],
)
def test_the_loop_runs_away_with_a_wrong_matrix(wrong):
    assert _residual_nm(wrong) > 1.0


def test_a_transposed_matrix_is_not_as_good_as_the_right_one():
    law = FeedbackLaw(MATRIX, dead_band_nm=0.0, range_nm=1000.0, gain=1.0)
    transposed = FeedbackLaw(((0.956, 0.292), (-0.273, 0.962)), dead_band_nm=0.0, range_nm=1000.0, gain=1.0)
    after = [
        np.array([1.0, 0.0]) + np.array(MATRIX) @ one.next_shift((0.0, 0.0), (1.0, 0.0))
        for one in (law, transposed)
    ]
    assert np.abs(after[0]).max() < 1e-9
    assert np.abs(after[1]).max() > 0.3


def test_no_move_within_the_dead_band():
    law = FeedbackLaw(MATRIX, dead_band_nm=0.05, range_nm=500.0)
    assert law.next_shift((1.0, 1.0), (0.01, 0.02)) is None


@given(st.tuples(*[st.floats(-1e6, 1e6)] * 2), st.tuples(*[st.floats(-500, 500)] * 2))
def test_steps_and_range_are_bounded(measured, shift):
    law = FeedbackLaw(MATRIX, dead_band_nm=0.05, range_nm=500.0)
    moved = law.next_shift(shift, measured)
    if moved is not None:
        assert max(map(abs, moved)) <= 500.0
        assert max(abs(a - b) for a, b in zip(moved, shift, strict=True)) <= 20.0 + 1e-9


def test_a_singular_matrix_is_refused():
    with pytest.raises(ValueError, match="cannot be inverted"):
        solve_2x2(((1.0, 2.0), (2.0, 4.0)), (1.0, 1.0))


def test_slots_follow_the_timestamps_and_restart_with_a_segment():
    counter = SlotCounter(period_s=2.0)
    times = [(0.0, 0), (2.004, 0), (3.99, 0), (10.01, 0), (10.02, 0), (50.0, 1), (52.0, 1)]
    assert [counter.place(t, segment) for t, segment in times] == [0, 1, 2, 5, 6, 0, 1]


def test_a_journal_reads_back_and_goes_on_counting(tmp_path):
    path = tmp_path / "journal.jsonl"
    for _ in range(2):
        journal = Journal(path, VirtualClock())
        journal.write("state", state="running", why='quotes " and\nlines')
        journal.write("reading", temperature_K=float("nan"), setpoint_K=300.0)
        journal.close()
    records = list(read_journal(path))
    assert [record["n"] for record in records] == [0, 1, 2, 3]
    assert records[2]["why"] == 'quotes " and\nlines'


@given(cut=st.integers(0, 400), flip=st.integers(0, 400))
def test_a_torn_or_damaged_journal_reads_up_to_the_damage(tmp_path_factory, cut, flip):
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    journal = Journal(path, VirtualClock())
    for n in range(4):
        journal.write("state", state=str(n), why="x")
    journal.close()
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    cut = min(cut, len(whole))
    path.write_bytes(whole[:cut])
    assert len(list(read_journal(path))) == sum(end <= cut for end in ends)

    at = flip % len(whole)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    read = list(read_journal(path))
    assert len(read) == sum(end <= at for end in ends)
    assert [record["state"] for record in read] == [str(n) for n in range(len(read))]
    assert json.dumps(read)


def test_each_ctrl_c_climbs_one_rung():
    queue = CommandQueue()
    asked = [queue.interrupt() for _ in range(4)]
    assert asked == [Command.STOP, Command.ABORT, Command.EMERGENCY, Command.EMERGENCY]
    assert [queue.take().command for _ in range(4)] == asked
    assert queue.take() is None


def test_a_journal_goes_on_after_a_torn_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    for tail in (b"", b'{"n": 1, "kind": "sta'):
        journal = Journal(path, VirtualClock())
        journal.write("state", state="x", why="")
        journal.close()
        with path.open("ab") as file:
            file.write(tail)
    journal = Journal(path, VirtualClock())
    journal.write("state", state="last", why="")
    journal.close()
    assert [record["n"] for record in read_journal(path)] == [0, 1, 2]
    assert path.read_bytes().endswith(b"\n")


def test_the_watchdog_counts_silence_only_while_an_answer_is_owed():
    now = 0.0
    dog = Watchdog(10.0, lambda: now)
    story = [  # (time, owes, heard, bites)
        (0.0, False, False, False),
        (100.0, True, False, False),
        (109.0, True, False, False),
        (109.5, True, True, False),
        (119.0, True, False, False),
        (119.6, True, False, True),
        (120.0, False, False, False),
        (200.0, True, False, False),
    ]
    for now, owes, heard, bites in story:
        assert dog.watch(owes=owes, heard=heard) is bites, now


@pytest.mark.parametrize("measured", [(float("nan"), 0.0), (0.0, float("inf"))])
def test_a_displacement_that_is_no_number_moves_nothing(measured):
    law = FeedbackLaw(MATRIX, dead_band_nm=0.05, range_nm=500.0)
    assert law.next_shift((0.0, 0.0), measured) is None
