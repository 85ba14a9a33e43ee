"""The exact correlator against the obvious double loop, and beside the multi-tau correlator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_strategies import records, splits

from annealscope.analysis.averages import g2_averages, pixel_g2
from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.exact import ExactCorrelator, exact_lags
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.values import InvalidData, uniform_block

SHAPE = (3, 5)


def frames_of(n, shape=SHAPE, seed=1):
    return np.random.default_rng(seed).gamma(4.0, 0.25, (n, *shape)).astype(np.float32)


def double_loop(frames, slot, segment, lags):
    """Sums over all pairs of frames of one segment, for each lag: pairs, products, earlier, later."""
    frames = frames.astype(np.float64)
    pairs, sums = np.zeros(len(lags), dtype=np.int64), np.zeros((3, len(lags), *frames.shape[1:]))
    for i in range(len(frames)):
        for j in range(len(frames)):
            lag = slot[j] - slot[i]
            if segment[i] == segment[j] and lag in lags:
                k = int(np.searchsorted(lags, lag))
                pairs[k] += 1
                sums[:, k] += frames[i] * frames[j], frames[i], frames[j]
    return pairs, sums


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_all_sums_are_those_of_the_double_loop_however_the_frames_were_cut(data):
    record = data.draw(records(max_frames=50))
    correlator = ExactCorrelator(record.frames.shape[1:], len(record))
    record.feed(correlator, data.draw(splits(record)))
    lags = exact_lags(max(np.ptp(record.slot[record.segment == s]) + 1 for s in set(record.segment)))
    pairs, expected = double_loop(record.frames, record.slot, record.segment, lags)
    if not pairs.any():
        with pytest.raises(InvalidData, match="no pair of frames"):
            correlator.sums()
        return

    sums = correlator.sums()

    np.testing.assert_array_equal(sums.lag_slots, lags[pairs > 0])
    np.testing.assert_array_equal(sums.pairs, pairs[pairs > 0])
    for found, wanted in zip((sums.product, sums.left, sums.right), expected[:, pairs > 0], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_the_frames_are_kept_as_they_were_given():
    frames, correlator = frames_of(40), ExactCorrelator(SHAPE, 40)
    buffer = np.empty((20, *SHAPE), dtype=np.float32)
    for first in (0, 20):
        buffer[:] = frames[first : first + 20]
        correlator.update(buffer, np.arange(first, first + 20), np.zeros(20))
    whole = ExactCorrelator(SHAPE, 40)
    whole.update(frames, np.arange(40), np.zeros(40))
    np.testing.assert_array_equal(correlator.sums().product, whole.sums().product)


def test_lags_below_sixteen_are_those_of_multi_tau():
    slot = np.setdiff1d(np.arange(300), [5, 6, 100, 201])
    frames, segment = frames_of(len(slot), (8, 9)), np.zeros(len(slot))
    exact, multi_tau = ExactCorrelator((8, 9), 300), MultiTau((8, 9), channels=16, levels=4)
    for correlator in (exact, multi_tau):
        correlator.update(frames, slot, segment)
    exact_sums, other = exact.sums(), multi_tau.sums()
    np.testing.assert_array_equal(exact_sums.pairs[:15], other.pairs[:15])
    np.testing.assert_allclose(pixel_g2(exact_sums)[:15], pixel_g2(other)[:15], rtol=1e-6)
    for name, values in g2_averages(exact_sums).items():
        np.testing.assert_allclose(values[:15], g2_averages(other)[name][:15], rtol=1e-6)


def test_the_lags_are_all_to_32_and_then_16_an_octave():
    lags = exact_lags(1025)
    assert lags[:32].tolist() == list(range(1, 33))
    assert np.all(np.diff(lags) > 0)
    assert lags[-1] < 1025
    assert np.count_nonzero((lags > 256) & (lags <= 512)) == 16
    assert exact_lags(5).tolist() == [1, 2, 3, 4]


def test_too_much_memory_is_refused_before_and_during_the_record():
    with pytest.raises(InvalidData, match=r"100 frames of 3 x 5 pixels keeps .* bin the pixels"):
        ExactCorrelator(SHAPE, 100, most_bytes=10_000)
    correlator = ExactCorrelator(SHAPE, 10, most_bytes=10_000)
    with pytest.raises(InvalidData, match="bin the pixels"):
        correlator.update(frames_of(100), np.arange(100), np.zeros(100))


def test_an_analysis_may_be_exact():
    frames = (1000 * frames_of(200, (40, 40))).astype(np.uint16)
    results = {}
    for exact in (False, True):
        spec = EcmSpec((40, 40), 1.0, 1.0, 0.2, 0.7, frames_expected=200, drift=False, exact=exact)
        analysis = EcmAnalysis(spec)
        analysis.update(uniform_block(frames, 1.0))
        results[exact] = analysis.result()
    assert set(results[True]) == set(results[False])
    np.testing.assert_allclose(
        results[True]["g2/ratio"].values[:15], results[False]["g2/ratio"].values[:15], rtol=1e-6
    )
    assert len(results[True]["g2/lag"].values) > len(results[False]["g2/lag"].values)
