"""The null of a map: pixels of a uniform specimen in the slots of the record."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import j1

from annealscope.analysis.kww import kww
from annealscope.analysis.map_curves import map_curves
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.null_map import NullSpec, grid_slots, noise_variance, null_curves

APERTURE_PER_PX = 0.514 / 4


def null_spec(n_slots: int, tau_slots: float, **changes) -> NullSpec:
    slot = np.arange(n_slots)
    chosen = {"beta": 0.7, "contrast": 0.1, "bin_px": 1, "levels": 5, "segment": np.zeros_like(slot)}
    chosen |= {"slot": slot, "grid_slot": slot, "tau_slots": tau_slots, "aperture_per_px": APERTURE_PER_PX}
    return NullSpec(**(chosen | changes))


@pytest.mark.parametrize("beta", [0.6, 1.4])
def test_the_mean_curve_has_the_relaxation_asked_for(beta):
    """The record is so long that its finite duration matters less than the scatter."""
    curves = null_curves(null_spec(2000, 3.0, beta=beta), n_series=600)
    lags = slice(0, 12)
    error = curves.y[lags, 0].std(axis=1) / np.sqrt(600)
    expected = 0.1 * kww(curves.lag_slots[lags], 3.0, beta)
    assert np.abs((curves.y[lags, 0].mean(axis=1) - expected) / error).max() < 4


def test_it_is_the_same_at_every_call():
    spec = null_spec(300, 20.0)
    np.testing.assert_array_equal(null_curves(spec, 0.1, 20).y, null_curves(spec, 0.1, 20).y)


def test_it_has_the_pairs_of_a_record_with_lost_slots_and_segments():
    slot = np.concatenate([np.delete(np.arange(5, 200), [7, 50, 51]), np.arange(0, 90, 2)])
    segment = np.repeat([3, 8], [192, 45])
    record = MultiTau((1, 2), levels=5)
    record.update(np.ones((slot.size, 1, 2)), slot, segment)
    grid = np.where(segment == 3, slot - 5, slot + 400)
    curves = null_curves(null_spec(1, 30.0, slot=slot, segment=segment, grid_slot=grid), n_series=3)
    sums = record.sums()
    np.testing.assert_array_equal(curves.lag_slots, sums.lag_slots)
    np.testing.assert_array_equal(curves.pairs, sums.pairs)
    assert curves.y.shape == (sums.pairs.size, 1, 3)


def test_segments_stand_where_they_were_but_long_gaps_are_cut():
    slot, at = np.array([0, 2, 3, 0, 1, 0]), np.array([0, 0, 0, 1, 1, 2])
    starts, slots = np.array([0, 9, 100_000]), np.array([4, 2, 1])
    expected = [0, 2, 3, 9, 10, 9 + 2 + 21]
    np.testing.assert_array_equal(grid_slots(slot, starts, slots, at, tau_slots=2.1), expected)


@pytest.mark.parametrize(("variance", "tau_slots"), [(0.05, 10.0), (0.5, 60.0)])
def test_the_noise_is_found_on_the_curves(variance, tau_slots):
    """A width from n median deviations is known to about 1.2/sqrt(n)."""
    spec = null_spec(1000, tau_slots)
    found = noise_variance(null_curves(spec, variance, n_series=1500), spec)
    assert found == pytest.approx(variance, rel=4 * 1.2 * np.sqrt(1 / 1500 + 1 / 256))


def test_pixels_of_a_square_are_as_alike_as_speckle():
    """Of the diagonal neighbours of a square of 2 x 2, seen one by one."""
    spec = null_spec(500, 1.5, bin_px=2)
    assert null_curves(spec, n_series=40).y.shape[1:] == (1, 40)
    whole, single = (null_curves(replace(spec, bin_px=n), n_series=1000).y[0, 0].var() for n in (2, 1))
    x = 2 * np.pi * APERTURE_PER_PX * np.array([0, 1, 1, np.sqrt(2)])[1:]
    # errors of curves are as alike as the fourth power of the field's correlation
    alike = np.mean([1, *(2 * j1(x) / x) ** 4])
    assert whole / single == pytest.approx(alike, abs=5 * alike * np.sqrt(2 * 2 / 1000))


def test_a_map_of_squares_is_the_mean_of_their_curves():
    rng = np.random.Generator(np.random.Philox(1))
    correlator = MultiTau((7, 10), levels=2)
    correlator.update(rng.random((50, 7, 10)), np.arange(50), np.zeros(50))
    sums = correlator.sums()
    y = map_curves(sums, 1).y
    assert y.shape == (sums.pairs.size, 7, 10)
    squares = y[:, :6].reshape(-1, 3, 2, 5, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(map_curves(sums, 2).y, squares, atol=1e-6)
    np.testing.assert_allclose(map_curves(sums, 1).image_mean, y.mean(axis=(1, 2)), atol=1e-6)
