"""Normalised variance: sums, noise, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from annealscope.analysis.values import InvalidData
from annealscope.analysis.variance import (
    Detector,
    NormalizedVariance,
    jackknife_sigma,
    variance_error_scale,
    variance_images,
    variance_of_annular_means,
)

COUNTS = hnp.arrays(np.uint16, st.tuples(st.integers(2, 9), st.just(2), st.just(3)))


def accumulated(patterns, **kw):
    total = NormalizedVariance(patterns.shape[1:], **kw)
    total.update(patterns)
    return total


def speckle(n, shape, V, mean, seed):
    """Gamma speckle of variance V, in electrons."""
    rng = np.random.Generator(np.random.Philox(seed))
    return mean * rng.gamma(1 / V, V, (n, *shape)), rng


@given(COUNTS)
def test_mean_and_variance_are_those_of_numpy(patterns):
    moments = accumulated(patterns).moments()
    values = patterns.astype(np.float64)
    np.testing.assert_allclose(moments.mean, values.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.variance, values.var(axis=0, ddof=1), rtol=1e-12, atol=1e-6)


@given(COUNTS, st.data())
def test_however_patterns_are_split_the_result_is_the_same_bit_for_bit(patterns, data):
    cut = data.draw(st.integers(0, len(patterns)))
    parts = NormalizedVariance((2, 3))
    parts.update(patterns[:cut])
    parts.update(patterns[cut:])
    np.testing.assert_array_equal(parts.sums, accumulated(patterns).sums)
    one_by_one = NormalizedVariance((2, 3))
    for pattern in patterns:
        one_by_one.update(pattern)
    np.testing.assert_array_equal(one_by_one.sums, parts.sums)


@given(COUNTS, COUNTS, st.booleans())
def test_merging_is_taking_all_patterns_and_can_be_undone(a, b, share_reference):
    first = accumulated(a)
    second = accumulated(b, reference=first.reference if share_reference else None)
    both = accumulated(np.concatenate([a, b]))
    first.merge(second)
    assert first.n == both.n
    np.testing.assert_array_equal(first.sums, both.sums)
    np.testing.assert_array_equal(first.without(second).sums, accumulated(a).sums)


@given(hnp.arrays(np.float32, (6, 2, 2), elements=st.floats(0, 1000, width=32)), st.permutations(range(6)))
def test_the_order_does_not_matter(patterns, order):
    one, other = accumulated(patterns).moments(), accumulated(patterns[list(order)]).moments()
    np.testing.assert_allclose(other.variance, one.variance, rtol=1e-9, atol=1e-9)


def test_blocks_of_pixels_can_be_put_side_by_side():
    patterns, _ = speckle(5, (4, 6), 0.2, 100.0, seed=1)
    whole = accumulated(patterns).sums
    np.testing.assert_array_equal(
        np.concatenate([accumulated(patterns[:, :, :2]).sums, accumulated(patterns[:, :, 2:]).sums], axis=2),
        whole,
    )


def test_small_variance_on_a_high_level_does_not_cancel():
    rng = np.random.Generator(np.random.Philox(2))
    patterns = 1e9 + rng.normal(size=(50, 4, 4))
    moments = accumulated(patterns).moments()
    np.testing.assert_allclose(moments.variance, patterns.var(axis=0, ddof=1), rtol=1e-6)


def test_wrong_shapes_and_too_few_patterns_are_refused():
    total = NormalizedVariance((4, 4))
    with pytest.raises(InvalidData, match="at least 2 patterns: got 0"):
        total.moments()
    with pytest.raises(InvalidData, match="shape"):
        total.update(np.zeros((3, 4, 5)))
    total.update(np.zeros((4, 4)))
    with pytest.raises(InvalidData, match="at least 2 patterns: got 1"):
        total.moments()


@pytest.mark.parametrize("n", [10, 100])
@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("noise_power", [1.0, 0.4])
def test_the_variance_of_speckle_is_found_under_noise(n, offset, noise_power):
    """Fails when offset, shot noise, read noise or n - 1 are forgotten: each changes V by 5 % at least."""
    V, mean_e, gain, read = 0.15, 21.0, 10.0, 30.0
    shape = (500, 4000 // n)
    electrons, rng = speckle(n, shape, V, mean_e, seed=3)
    noise = np.sqrt(noise_power * electrons) * rng.normal(size=electrons.shape)
    counts = gain * (electrons + noise) + read * rng.normal(size=electrons.shape) + offset
    detector = Detector(gain, offset, noise_power, read)
    naive, corrected = variance_images(accumulated(counts).moments(), detector)
    shot = noise_power / mean_e + (read / gain / mean_e) ** 2
    pixels = naive.size
    # The ratio of two averages is biased: Gaussian noise, which has no skewness, adds 4 shot / n to it.
    error = 4 * naive.std() / np.sqrt(pixels) + V * 4 * shot / n
    assert abs(corrected.mean() - V) < error
    assert naive.mean() - corrected.mean() > 0.5 * shot
    forgotten = [
        Detector(gain, offset - 40.0, noise_power, read),
        Detector(gain, offset, 0.0, read),
        Detector(gain, offset, noise_power, 0.0),
    ]
    for wrong in forgotten:
        assert abs(variance_images(accumulated(counts).moments(), wrong)[1].mean() - V) > error
    if n == 10:
        assert abs(corrected.mean() * (n - 1) / n - V) > error, "the population variance would pass as well"


def test_an_offset_that_stays_lowers_V_by_a_known_factor():
    electrons, _ = speckle(50, (40, 40), 0.15, 100.0, seed=4)
    moments = accumulated(electrons + 50.0).moments()
    right, wrong = (variance_images(moments, Detector(offset_counts=o))[0].mean() for o in (50.0, 0.0))
    assert wrong == pytest.approx(right / 1.5**2, rel=0.02)


def test_pixels_without_signal_are_not_a_number():
    counts = np.zeros((5, 2, 2))
    counts[:, 0, 0] = [90, 110, 95, 105, 100]
    naive, corrected = variance_images(accumulated(counts).moments(), Detector())
    assert np.isfinite(naive[0, 0])
    assert np.isnan(naive[1, 1])
    assert np.isnan(corrected[1, 1])


def test_the_variance_of_annular_means_is_another_quantity():
    """Smaller by about the number of independent pixels of the annulus; never to be mixed with V."""
    V, n_px, mean_e = 0.15, 50, 30.0
    electrons, rng = speckle(400, (200, n_px), V, mean_e, seed=5)
    counts = 10.0 * rng.poisson(electrons)
    detector = Detector(gain_counts_per_e=10.0)
    annular = variance_of_annular_means(counts.mean(axis=2), np.full(200, n_px), detector)
    _, pixel = variance_images(accumulated(counts).moments(), detector)
    scatter = annular.std() / np.sqrt(annular.size)
    assert abs(annular.mean() - V / n_px) < 4 * scatter
    assert pixel.mean() / annular.mean() == pytest.approx(n_px, rel=0.1)


@settings(max_examples=50)
@given(hnp.arrays(np.float64, st.integers(2, 20), elements=st.floats(-10, 10)))
def test_jackknife_of_a_mean_is_its_standard_error(values):
    n = values.size
    without = (values.sum() - values) / (n - 1)
    sigma = jackknife_sigma(values.mean(), without, [1] * n)
    assert sigma == pytest.approx(values.std(ddof=1) / np.sqrt(n), rel=1e-6, abs=1e-9)


def test_jackknife_with_groups_of_different_size():
    rng = np.random.Generator(np.random.Philox(6))
    sizes = [5, 10, 10, 15, 10] * 4
    claimed = []
    for _ in range(200):
        groups = [rng.normal(size=size) for size in sizes]
        everything = np.concatenate(groups)
        without = [(everything.sum() - g.sum()) / (everything.size - g.size) for g in groups]
        claimed.append(float(jackknife_sigma(everything.mean(), without, sizes)))
    # One error from 20 groups is good to 16 %, the mean of 200 to 1.2 %.
    assert np.mean(claimed) == pytest.approx(1 / np.sqrt(sum(sizes)), rel=4 * 0.012)


def test_jackknife_of_one_group_says_nothing():
    assert np.isnan(jackknife_sigma(1.0, [], [10]))


def test_error_scale_of_the_published_scan():
    assert float(variance_error_scale(100, 4.27, 0.91)) == pytest.approx(0.019, abs=0.001)
    few, many = variance_error_scale(25, 4.27, 0.91), variance_error_scale(100, 4.27, 0.91)
    assert few == pytest.approx(2 * many)
