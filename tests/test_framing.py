"""Frames of a camera in time: places on the grid, and an account of every frame that is missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import open_hold

from annealscope.controller.record.framelog import pack_header, unpack_header
from annealscope.controller.stream.framing import BY_THE_CAMERA, HoldFrames
from annealscope.controller.stream.slots import SlotCounter
from annealscope.drivers.interfaces import Frame

FRAMES = 7000
PIXELS = np.zeros((2, 2), np.uint16)


def starts_s(period_s: float, jitter_s: float = 0.0, seed: int = 1) -> np.ndarray:
    """Starts of exposures that a camera counts from its own clock, each with an error of its own."""
    rng = np.random.Generator(np.random.Philox(seed))
    return period_s * np.arange(FRAMES) + jitter_s * rng.standard_normal(FRAMES)


def slots(t_s: np.ndarray, nominal_s: float) -> np.ndarray:
    counter = SlotCounter(nominal_s)
    return np.array([counter.place(t, 0) for t in t_s.tolist()])


@pytest.mark.parametrize("period_s", [0.1, 1.0, 5.0])
def test_jitter_of_5_ms_moves_no_frame(period_s: float) -> None:
    np.testing.assert_array_equal(slots(starts_s(period_s, 0.005), period_s), np.arange(FRAMES))


@pytest.mark.parametrize("true_s", [1.998, 2.002])
def test_a_period_that_is_wrong_by_a_thousandth_adds_no_error(true_s: float) -> None:
    """7 periods off at the end, by the clock; by the slots nothing is off, whatever was lost on the way."""
    kept = np.random.Generator(np.random.Philox(2)).random(FRAMES) > 0.2
    kept[3000:3400] = False
    seq = np.flatnonzero(kept)
    placed = slots(starts_s(true_s, 0.005)[kept], 2.0)
    np.testing.assert_array_equal(placed - placed[0], seq - seq[0])


def test_two_frames_never_share_a_slot() -> None:
    """A time stamp that came late, or backwards, displaces its frame but no other is put on top of it."""
    t_s = starts_s(2.0)[:50]
    t_s[20] += 1.5
    t_s[30] = t_s[29] - 0.1
    assert (np.diff(slots(t_s, 2.0)) > 0).all()


def test_slots_begin_anew_in_every_segment() -> None:
    counter = SlotCounter(2.0)
    assert [counter.place(t, 0) for t in (0.0, 2.0, 8.0)] == [0, 1, 4]
    assert [counter.place(t, 1) for t in (500.0, 502.0)] == [0, 1]


def frame(seq: int, **more: object) -> Frame:
    return Frame(PIXELS, seq, 2.0 * seq, 1.0, **more)


def header(frames: HoldFrames, frame: Frame):
    return frames.header(frame, frame.data, (0.0, 0.0), True)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["sent", "lost", "break"])), max_size=40))
def test_every_frame_is_sent_or_lost_for_a_reason(tmp_path_factory, events) -> None:
    """However the camera and the recorder lose frames, sent ones and losses make up the whole count."""
    frames = HoldFrames(open_hold(tmp_path_factory.getbasetemp()))
    sent, by_disk, seq = [], [], 0
    for skipped, what in events:
        seq += skipped
        if what == "break":
            frames.new_segment()
        elif what == "lost":
            frames.lose(frame(seq), "disk")
            by_disk.append(seq)
            seq += 1
        else:
            sent.append(header(frames, frame(seq)))
            seq += 1
    losses = frames.take_losses()
    assert frames.take_losses() == []
    lost = {loss.first_seq + i: loss.why for loss in losses for i in range(loss.frames)}
    assert sorted([*lost, *(each.seq for each in sent)]) == list(range(frames.next_seq))
    assert {number for number, why in lost.items() if why == "disk"} == set(by_disk)
    assert all(loss.t_s == 2.0 * loss.first_seq for loss in losses)
    before = -1
    for each in sent:
        assert each.seq - each.lost_before - 1 == before
        before = each.seq


def test_losses_in_a_row_are_one() -> None:
    frames = HoldFrames(open_hold("."))
    for seq in (0, 1, 4):
        header(frames, frame(seq))
    for seq in (5, 6, 8):
        frames.lose(frame(seq), "disk")
    found = [(loss.first_seq, loss.frames, loss.why) for loss in frames.take_losses()]
    assert found == [(2, 2, BY_THE_CAMERA), (5, 2, "disk"), (7, 1, BY_THE_CAMERA), (8, 1, "disk")]
    assert frames.losing


def test_frames_that_are_given_up_at_the_end_are_lost_too() -> None:
    frames = HoldFrames(open_hold("."))
    header(frames, frame(0))
    frames.lose(frame(1), "disk")
    frames.lose_rest(1)
    frames.lose_rest(5)
    found = [(loss.first_seq, loss.frames, loss.t_s, loss.why) for loss in frames.take_losses()]
    assert found == [(1, 1, 2.0, "disk"), (2, 3, 4.0, BY_THE_CAMERA)]
    assert frames.next_seq == 5


def test_a_frame_that_came_already_does_not_follow() -> None:
    frames = HoldFrames(open_hold("."))
    header(frames, frame(3))
    assert [frames.follows(frame(seq)) for seq in (2, 3, 4)] == [False, False, True]


def test_headers_are_those_that_the_log_gives_back() -> None:
    """What analysis sees during the run is what it reads from the log, to the last bit."""
    opening = open_hold(".", shape=PIXELS.shape, hold=2)
    frames = HoldFrames(opening)
    taken = Frame(PIXELS, 0, 0.1, 0.1, scan_yx_nm=(0.1, -1 / 3), haadf=1234.567891)
    sent = header(frames, taken)
    assert unpack_header(pack_header(sent), opening) == sent
    assert sent.haadf == pytest.approx(taken.haadf)
