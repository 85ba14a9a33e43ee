"""The two-time correlation against its definition; its promises about splits, gaps, segments, wider bins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_strategies import Record, records, splits
from slow_correlators import time_bins, two_time

from annealscope.analysis.twotime import TwoTime
from annealscope.analysis.twotime_map import without_diagonal
from annealscope.analysis.values import InvalidData


def squares(frames, side):
    ny, nx = frames.shape[1] // side, frames.shape[2] // side
    cut = frames[:, : ny * side, : nx * side].astype(np.float64)
    return cut.reshape(len(frames), ny, side, nx, side).mean(axis=(2, 4))


def assert_is_the_definition(result, frames, record):
    """At the width of bins that the result says it has."""
    keys, means = time_bins(frames, record.slot, record.segment, result.bin_slots)
    np.testing.assert_array_equal(result.segment, [segment for segment, _ in keys])
    middle = [number * result.bin_slots + (result.bin_slots - 1) / 2 for _, number in keys]
    np.testing.assert_array_equal(result.t_slots, middle)
    np.testing.assert_allclose(result.value, two_time(keys, means), rtol=0, atol=1e-6)


def result_or_none(accumulator):
    try:
        return accumulator.result()
    except InvalidData:
        return None


@settings(deadline=None, max_examples=40)
@given(records(), st.integers(1, 7), st.sampled_from([4, 10, 64, 2048]))
def test_equals_the_definition(record, width, max_bins):
    two = record.feed(TwoTime(record.frames.shape[1:], bin_frames=width, max_bins=max_bins))
    result = result_or_none(two)
    if result is not None:
        assert len(result.t_slots) < max_bins
        assert_is_the_definition(result, record.frames, record)


@pytest.mark.parametrize("side", [2, 3, 5])
def test_squares_of_pixels_are_averaged_first(side):
    rng = np.random.Generator(np.random.Philox(2))
    frames = (1 + 0.3 * rng.standard_normal((40, 10, 17))).astype(np.float32)
    record = Record(frames, np.arange(40), np.zeros(40, dtype=np.int64))
    result = record.feed(TwoTime((10, 17), bin_frames=3, pixel_bin=side)).result()
    assert_is_the_definition(result, squares(frames, side), record)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.sampled_from([6, 40, 2048]))
def test_splitting_the_frames_into_calls_changes_no_bit(data, max_bins):
    record = data.draw(records())
    whole, cut = (TwoTime(record.frames.shape[1:], bin_frames=2, max_bins=max_bins) for _ in range(2))
    expected = result_or_none(record.feed(whole))
    result = result_or_none(record.feed(cut, data.draw(splits(record))))
    assert (result is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(result.value, expected.value)
        np.testing.assert_array_equal(result.t_slots, expected.t_slots)


def test_looking_at_the_result_changes_nothing():
    rng = np.random.Generator(np.random.Philox(3))
    frames = (1 + 0.3 * rng.standard_normal((300, 12, 12))).astype(np.float32)
    record = Record(frames, np.arange(300), np.zeros(300, dtype=np.int64))
    looked, left_alone = (TwoTime((12, 12), bin_frames=2, max_bins=100) for _ in range(2))
    for start in range(0, 300, 25):
        looked.update(frames[start : start + 25], record.slot[start : start + 25], np.zeros(25))
        looked.result()
    np.testing.assert_array_equal(looked.result().value, record.feed(left_alone).result().value)


def test_many_pixels_and_bins_stay_accurate():
    """More pixels than are summed in float32 at once, more bins than a group, against float64."""
    rng = np.random.Generator(np.random.Philox(4))
    frames = (1 + 0.3 * rng.standard_normal((70, 150, 130))).astype(np.float32)
    record = Record(frames, np.arange(70), np.zeros(70, dtype=np.int64))
    value = record.feed(TwoTime((150, 130), bin_frames=1)).result().value
    exact = frames.reshape(70, -1).astype(np.float64)
    mean = exact.mean(axis=1)
    np.testing.assert_allclose(
        value, exact @ exact.T / exact.shape[1] / np.outer(mean, mean), rtol=0, atol=1e-7
    )
    np.testing.assert_array_equal(value, value.T)


def test_masked_pixels_take_no_part():
    rng = np.random.Generator(np.random.Philox(6))
    frames = (1 + 0.3 * rng.standard_normal((20, 4, 6))).astype(np.float32)
    mask = np.ones((4, 6), dtype=bool)
    mask[1, 2:5] = False
    frames[:, 1, 3] = np.nan
    two = TwoTime((4, 6), bin_frames=2, mask=mask)
    two.update(frames, np.arange(20), np.zeros(20))
    record = Record(frames, np.arange(20), np.zeros(20, dtype=np.int64))
    assert_is_the_definition(two.result(), frames[:, mask][:, None, :], record)


def test_the_diagonal_is_replaced_by_its_neighbours():
    value = np.array([[9.0, 1.0, 5.0], [1.0, 9.0, 2.0], [5.0, 2.0, 9.0]])
    expected = np.array([[1.0, 1.0, 5.0], [1.0, 1.5, 2.0], [5.0, 2.0, 2.0]])
    np.testing.assert_array_equal(without_diagonal(value), expected)
    assert value[0, 0] == 9


def test_an_empty_bin_stays_empty_without_the_diagonal():
    value = np.ones((3, 3))
    value[1], value[:, 1] = np.nan, np.nan
    shown = without_diagonal(value)
    assert np.isnan(np.diagonal(shown)).all()
    assert np.isnan(without_diagonal(np.ones((1, 1))))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bin_frames": 0}, "got 0 and 2048"),
        ({"bin_frames": 1, "max_bins": 7}, "got 1 and 7"),
        ({"bin_frames": 1, "pixel_bin": 5}, r"pixel_bin must be 1 to 4 for frames \(4, 6\), got 5"),
        ({"bin_frames": 1, "mask": np.ones((6, 4), dtype=bool)}, r"shape must be \(4, 6\), got \(6, 4\)"),
        ({"bin_frames": 1, "mask": np.zeros((4, 6), dtype=bool)}, "no square of 1 x 1 pixels is selected"),
    ],
)
def test_refuses_options_that_make_no_sense(options, message):
    with pytest.raises(InvalidData, match=message):
        TwoTime((4, 6), **options)


def test_needs_a_complete_bin():
    two = TwoTime((4, 6), bin_frames=5)
    two.update(np.ones((4, 4, 6)), np.arange(4), np.zeros(4))
    with pytest.raises(InvalidData, match="a bin of 5 slots must be complete"):
        two.result()
    with pytest.raises(InvalidData, match="got 3 after 3"):
        two.update(np.ones((1, 4, 6)), [3], [0])


def test_bins_that_were_merged_away_leave_no_trace():
    rng = np.random.default_rng(8)
    images = 1 + 0.1 * rng.standard_normal((1000, 8, 8)).astype(np.float32)
    slots, labels = np.arange(1000), np.arange(64).reshape(8, 8) // 16
    merged, wide = (
        TwoTime((8, 8), bin_frames=1, max_bins=900),
        TwoTime((8, 8), bin_frames=2),
    )  # merged to 450 bins: of 4 slabs 2
    for correlator in (merged, wide):
        correlator.update(images, slots, np.zeros(1000, dtype=np.int64))
    np.testing.assert_allclose(merged.result().value, wide.result().value, rtol=1e-6)
    for one, other in zip(merged.without_blocks(labels), wide.without_blocks(labels), strict=True):
        np.testing.assert_allclose(one.value, other.value, rtol=1e-6)
