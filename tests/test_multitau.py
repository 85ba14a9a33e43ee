"""The multi-tau correlator against its definition; its promises about splits, gaps, segments and merging."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_strategies import Record, records, splits
from slow_correlators import lag_sums

from annealscope.analysis.averages import pixel_g2
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.values import InvalidData

PARTS = ("lag_slots", "pairs", "width_slots", "product", "left", "right")
FLOAT32 = float(np.finfo(np.float32).eps)


def plain(frames) -> Record:
    n = len(frames)
    return Record(np.asarray(frames, dtype=np.float32), np.arange(n), np.zeros(n, dtype=np.int64))


def assert_same(one, other):
    for part in PARTS:
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part), err_msg=part)


def assert_close(sums, record, channels, levels):
    lags, pairs, *parts = lag_sums(
        record.frames, record.slot, record.segment, channels=channels, levels=levels
    )
    np.testing.assert_array_equal(sums.lag_slots, lags)
    np.testing.assert_array_equal(sums.pairs, pairs)
    for name, part in zip(("product", "left", "right"), parts, strict=True):
        # a few roundings of the total over all frames: samples without a partner are subtracted from it
        np.testing.assert_allclose(getattr(sums, name), part, rtol=0, atol=8 * FLOAT32 * len(record))


@settings(deadline=None, max_examples=60)
@given(records(), st.sampled_from([(4, 1), (4, 5), (6, 3), (8, 4), (16, 3), (40, 2)]))
def test_equals_the_definition(record, size):
    channels, levels = size
    correlator = record.feed(MultiTau(record.frames.shape[1:], channels=channels, levels=levels))
    if not len(lag_sums(record.frames, record.slot, record.segment, channels=channels, levels=levels)[0]):
        with pytest.raises(InvalidData, match="no pair of frames"):
            correlator.sums()
        return
    assert_close(correlator.sums(), record, channels, levels)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_splitting_the_frames_into_calls_changes_no_bit(data):
    record = data.draw(records())
    shape = record.frames.shape[1:]
    whole = record.feed(MultiTau(shape, channels=4, levels=6))
    cut = record.feed(MultiTau(shape, channels=4, levels=6), data.draw(splits(record)))
    try:
        expected = whole.sums()
    except InvalidData:
        return
    assert_same(cut.sums(), expected)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_looking_at_the_sums_changes_nothing(data):
    record = data.draw(records())
    at = data.draw(st.integers(0, len(record)))
    looked = MultiTau(record.frames.shape[1:], channels=4, levels=6)
    looked.update(record.frames[:at], record.slot[:at], record.segment[:at])
    for _ in range(2):
        try:
            looked.sums()
        except InvalidData:
            break
    looked.update(record.frames[at:], record.slot[at:], record.segment[at:])
    try:
        expected = record.feed(MultiTau(record.frames.shape[1:], channels=4, levels=6)).sums()
    except InvalidData:
        return
    assert_same(looked.sums(), expected)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_merged_segments_are_pooled(data):
    record = data.draw(records())
    mine = set(data.draw(st.lists(st.integers(0, 3), max_size=3)))
    one = record.only(mine).feed(MultiTau(record.frames.shape[1:], channels=4, levels=4))
    rest = record.only({0, 1, 2, 3} - mine)
    other = rest.feed(MultiTau(record.frames.shape[1:], channels=4, levels=4))
    one.merge(other)
    if len(lag_sums(record.frames, record.slot, record.segment, channels=4, levels=4)[0]):
        assert_close(one.sums(), record, 4, 4)


def test_merging_leaves_the_other_as_it_was(rng):
    one, other = MultiTau((4, 5), channels=4, levels=3), MultiTau((4, 5), channels=4, levels=3)
    frames = rng.random((90, 4, 5), dtype=np.float32) + np.float32(0.5)
    one.update(frames[:40], np.arange(40), np.zeros(40))
    other.update(frames[40:], np.arange(50), np.ones(50))
    before = other.sums()
    one.merge(other)
    assert_same(other.sums(), before)


def test_a_merged_correlator_goes_on_with_a_new_segment(rng):
    frames = rng.random((90, 2, 3), dtype=np.float32) + np.float32(0.5)
    record = Record(frames, np.concatenate([np.arange(30)] * 3), np.repeat([0, 1, 2], 30))
    one, other = MultiTau((2, 3), channels=4, levels=4), MultiTau((2, 3), channels=4, levels=4)
    record.only({0}).feed(one)
    record.only({1}).feed(other)
    one.merge(other)
    record.only({2}).feed(one)
    assert_close(one.sums(), record, 4, 4)
    with pytest.raises(InvalidData, match="must not come back"):
        one.update(frames[:1], [99], [1])


def test_blocks_of_pixels_do_not_see_each_other(rng):
    frames = rng.random((100, 40, 30), dtype=np.float32) + np.float32(0.5)
    whole = plain(frames).feed(MultiTau((40, 30), channels=8, levels=4)).sums()
    parts = [plain(frames[:, rows]).feed(MultiTau((n, 30), channels=8, levels=4)).sums()
             for rows, n in ((slice(0, 7), 7), (slice(7, 40), 33))]  # fmt: skip
    for name in ("product", "left", "right"):
        joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_short_lags_of_a_long_record_are_accurate_to_a_millionth(rng):
    """7000 frames with a static structure of 20 % and a decaying speckle part, against float64."""
    static = 1 + 0.2 * rng.standard_normal((4, 4))
    boiling = np.cumsum(rng.standard_normal((7000, 4, 4)), axis=0)
    boiling -= np.vstack([np.zeros((50, 4, 4)), boiling[:-50]])
    frames = (static * (1 + 0.03 * boiling)).astype(np.float32)
    g2 = pixel_g2(plain(frames).feed(MultiTau((4, 4), channels=16, levels=8)).sums())
    exact = frames.astype(np.float64)
    for lag in range(1, 16):
        left, right = exact[:-lag], exact[lag:]
        expected = (left * right).mean(axis=0) / (left.mean(axis=0) * right.mean(axis=0))
        np.testing.assert_allclose(g2[lag - 1], expected, rtol=0, atol=1e-6)


def test_a_pixel_that_is_not_finite_harms_no_other(rng):
    frames = rng.random((70, 3, 4), dtype=np.float32) + np.float32(0.5)
    clean = plain(frames).feed(MultiTau((3, 4), channels=4, levels=4)).sums()
    frames[40, 1, 2] = np.nan
    dirty = plain(frames).feed(MultiTau((3, 4), channels=4, levels=4)).sums()
    others = np.ones((3, 4), dtype=bool)
    others[1, 2] = False
    np.testing.assert_array_equal(dirty.product[:, others], clean.product[:, others])
    assert np.isnan(dirty.product[0, 1, 2])


@pytest.mark.parametrize(
    ("frames", "slot", "segment", "message"),
    [
        (np.ones((2, 3, 5)), [0, 1], [0, 0], r"shape must be \(n, 3, 4\), got \(2, 3, 5\)"),
        (np.ones((3, 4)), [0], [0], r"shape must be \(n, 3, 4\), got \(3, 4\)"),
        (np.ones((2, 3, 4)), [0], [0, 0], r"one number per frame is needed \(2 frames\)"),
        (np.ones((2, 3, 4)), [0, 1], [[0], [0]], r"one number per frame is needed"),
        (np.ones((2, 3, 4)), [4, 4], [0, 0], r"got 4 after 4 in segment 0 \(frame 1 of this call\)"),
        (np.ones((2, 3, 4)), [-1, 4], [0, 0], r"must not be negative, got -1"),
        (np.ones((3, 3, 4)), [0, 1, 2], [0, 1, 0], r"must not come back, got \[0, 1, 0\]"),
    ],
)
def test_refuses_frames_that_do_not_fit(frames, slot, segment, message):
    with pytest.raises(InvalidData, match=message):
        MultiTau((3, 4)).update(frames, slot, segment)


def test_refuses_what_cannot_follow_the_last_call(rng):
    correlator = MultiTau((3, 4), channels=4, levels=2)
    frames = rng.random((5, 3, 4), dtype=np.float32)
    correlator.update(frames, np.arange(5), np.zeros(5))
    before = correlator.sums()
    with pytest.raises(InvalidData, match="got 4 after 4 in segment 0"):
        correlator.update(frames[:1], [4], [0])
    assert_same(correlator.sums(), before)
    correlator.update(frames[:1], [0], [1])
    with pytest.raises(InvalidData, match=r"must not come back, got \[0\] after \[0, 1\]"):
        correlator.update(frames[:1], [9], [0])


def test_refuses_to_merge_what_does_not_belong_together(rng):
    frames = rng.random((5, 3, 4), dtype=np.float32)
    one, same = (plain(frames).feed(MultiTau((3, 4), channels=4, levels=2)) for _ in range(2))
    with pytest.raises(InvalidData, match=r"both sides have seen \[0\]"):
        one.merge(same)
    with pytest.raises(InvalidData, match=r"must agree, got \(\(3, 4\), 4, 2\) and \(\(3, 4\), 4, 3\)"):
        one.merge(MultiTau((3, 4), channels=4, levels=3))


@pytest.mark.parametrize(("channels", "levels"), [(2, 1), (5, 1), (4, 0)])
def test_refuses_a_size_that_makes_no_sense(channels, levels):
    with pytest.raises(InvalidData, match=f"got {channels} channels and {levels} levels"):
        MultiTau((3, 4), channels=channels, levels=levels)


def test_needs_two_frames():
    correlator = MultiTau((3, 4))
    correlator.update(np.ones((1, 3, 4)), [0], [0])
    with pytest.raises(InvalidData, match="at least two frames in one segment"):
        correlator.sums()


@pytest.fixture
def rng():
    return np.random.Generator(np.random.Philox(20))
