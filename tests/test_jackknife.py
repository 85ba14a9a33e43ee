"""Blocks and their totals: leaving one out is the same as never having had its pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_strategies import records

from annealscope.analysis.averages import block_totals, g2_averages
from annealscope.analysis.jackknife import LEAST_BLOCKS, block_labels, left_out_error
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.twotime import TwoTime
from annealscope.analysis.values import InvalidData


@pytest.mark.parametrize(
    ("shape", "side", "blocks"),
    [((64, 64), 12, 16), ((48, 100), 12, 16), ((47, 100), 12, 1), ((512, 512), 12, 36), ((31, 31), 3.1, 25)],
)
def test_blocks_are_large_enough_and_of_equal_size(shape, side, blocks):
    labels = block_labels(shape, side)
    assert labels.shape == shape
    assert labels.dtype == np.int64
    numbers, pixels = np.unique(labels, return_counts=True)
    np.testing.assert_array_equal(numbers, np.arange(blocks))
    if blocks > 1:
        corners = [np.argwhere(labels == number) for number in numbers]
        sides = np.array([np.ptp(at, axis=0) + 1 for at in corners])
        assert sides.min() >= np.floor(side)
        assert np.ptp(sides, axis=0).max() <= 1
        np.testing.assert_array_equal(pixels, sides.prod(axis=1))


def test_the_error_of_a_mean_is_its_standard_error():
    values = np.random.Generator(np.random.Philox(1)).standard_normal((25, 3))
    without = (values.sum(axis=0) - values) / 24
    np.testing.assert_allclose(left_out_error(without), values.std(axis=0, ddof=1) / 5, rtol=1e-12)


def test_there_is_no_error_from_few_blocks_or_from_a_failed_estimate():
    values = np.ones((LEAST_BLOCKS, 2))
    values[3, 1] = np.nan
    np.testing.assert_array_equal(left_out_error(values), [0.0, np.nan])
    np.testing.assert_array_equal(left_out_error(values[1:, :1]), [np.nan])
    assert np.isnan(left_out_error(np.empty(0)))


@pytest.mark.parametrize(("shape", "side"), [((0, 5), 3.0), ((5, 5), 0.0), ((5, 5), np.nan)])
def test_refuses_blocks_that_make_no_sense(shape, side):
    with pytest.raises(InvalidData, match="jackknife blocks"):
        block_labels(shape, side)


def speckle_of_blocks(seed=3, n=50, side=8):
    """Uneven frames of mean 1, noise, and 16 blocks."""
    rng = np.random.Generator(np.random.Philox(seed))
    light = 1 + 0.3 * rng.random((side, side))
    frames = light * (1 + 0.3 * rng.standard_normal((n, side, side)))
    frames /= frames.mean(axis=(1, 2), keepdims=True)
    return frames.astype(np.float32), block_labels((side, side), 2)


def correlated(frames, levels=1):
    correlator = MultiTau(frames.shape[1:], channels=8, levels=levels)
    correlator.update(frames, np.arange(len(frames)), np.zeros(len(frames)))
    return correlator.sums()


def test_totals_are_sums_over_the_pixels_of_each_block():
    frames, labels = speckle_of_blocks()
    sums = correlated(frames)
    labels[2, 3] = -1
    totals = block_totals(sums, labels)
    product, left, right = (np.asarray(part, np.float64) for part in (sums.product, sums.left, sums.right))
    parts = (product, left, right, left * right, product / (left * right), np.ones_like(left))
    for block in range(16):
        mine = labels == block
        expected = np.stack([part[:, mine].sum(axis=1) for part in parts], axis=1)
        np.testing.assert_allclose(totals.totals[block], expected, rtol=1e-13)
        assert totals.pixels[block] == mine.sum()
    for name, curve in g2_averages(sums, labels >= 0).items():
        np.testing.assert_allclose(totals.g2()[name], curve, rtol=1e-13)


def test_a_block_left_out_is_as_if_its_pixels_were_masked():
    frames, labels = speckle_of_blocks()
    sums = correlated(frames, levels=3)
    without = block_totals(sums, labels).g2_without()
    for block in range(16):
        masked = g2_averages(sums, labels != block)
        for name in ("pixel", "ratio", "roi"):
            np.testing.assert_allclose(without[name][block], masked[name], rtol=1e-12)


def test_ttcf_without_a_block_is_that_of_frames_divided_by_their_new_means():
    """To first order in the change of the frame means; frozen means would be off by that first order."""
    frames, labels = speckle_of_blocks(n=200)
    sums = correlated(frames)
    totals = block_totals(sums, labels)
    without = totals.g2_without()["ttcf"]
    means = np.array([frames[:, labels != block].mean(axis=1, dtype=np.float64) for block in range(16)])
    change = np.square(means - 1).mean()
    frozen = []
    for block in range(16):
        kept = frames[:, labels != block]
        again = correlated((kept / means[block][:, None])[:, None, :].astype(np.float32))
        np.testing.assert_allclose(without[block], g2_averages(again)["ttcf"], rtol=0, atol=3 * change)
        frozen.append(g2_averages(correlated(kept[:, None, :]))["ttcf"])
    assert np.abs(np.array(frozen) - without).max() > 10 * change


def test_with_one_block_nothing_remains():
    frames, labels = speckle_of_blocks()
    without = block_totals(correlated(frames), np.zeros_like(labels)).g2_without()
    assert all(curve.shape == (1, 7) and np.isnan(curve).all() for curve in without.values())


def two_time_of(record, **options):
    return record.feed(TwoTime(record.frames.shape[1:], **options))


@settings(deadline=None, max_examples=15)
@given(records(), st.integers(1, 5), st.sampled_from([8, 2048]))
def test_two_time_without_a_block_is_that_of_the_other_pixels(record, width, max_bins):
    shape = record.frames.shape[1:]
    labels = np.random.Generator(np.random.Philox(len(record))).integers(-1, 3, shape)
    two = two_time_of(record, bin_frames=width, max_bins=max_bins)
    try:
        whole = two.result()
    except InvalidData:
        return
    for block, part in enumerate(two.without_blocks(labels)):
        if (labels == block).all():
            assert np.isnan(part.value).all()
            continue
        expected = two_time_of(record, bin_frames=width, max_bins=max_bins, mask=labels != block).result()
        np.testing.assert_allclose(part.value, expected.value, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(part.t_slots, whole.t_slots)
        np.testing.assert_array_equal(part.segment, whole.segment)
    np.testing.assert_array_equal(two.result().value, whole.value)


def test_squares_have_the_label_of_the_pixel_in_their_middle():
    frames, _ = speckle_of_blocks(side=16)
    two = TwoTime((16, 16), bin_frames=5, pixel_bin=3)
    two.update(frames, np.arange(50), np.zeros(50))
    labels = block_labels((16, 16), 3)
    of_pixels = [part.value for part in two.without_blocks(labels)]
    of_squares = [part.value for part in two.without_blocks(labels[1::3, 1::3])]
    np.testing.assert_array_equal(of_pixels, of_squares)
    with pytest.raises(InvalidData, match=r"square \(5, 5\) is needed, got shape \(4, 4\)"):
        next(two.without_blocks(labels[:4, :4]))
