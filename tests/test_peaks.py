"""Peaks of V(k)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from speckle_patterns import gauss

from annealscope.analysis.peaks import (
    FIRST_WINDOW,
    SECOND_WINDOW,
    PeakFlag,
    fit_peak,
    fit_split_peak,
    shoulder,
)

K = np.arange(0.0, 8.2, 0.0284)


@settings(max_examples=40, deadline=None)
@given(st.floats(3.9, 4.7), st.floats(0.02, 0.3), st.floats(-0.02, 0.05), st.floats(0.15, 0.4), st.booleans())
def test_a_gaussian_is_found_exactly(k0, height, base, width, scaled):
    scale = 1e-6 if scaled else 1.0
    peak = fit_peak(K, scale * (base + height * gauss(K, k0, width)))
    assert peak.flags == 0
    assert peak.k_per_nm == pytest.approx(k0, abs=1e-4)
    assert peak.V_max == pytest.approx(scale * (base + height), rel=1e-3)
    assert peak.height_above_base == pytest.approx(scale * height, rel=1e-2)
    assert peak.width_per_nm == pytest.approx(width, rel=1e-2)
    assert peak.integral_gauss == pytest.approx(scale * height * width * np.sqrt(2 * np.pi), rel=1e-2)


def test_V_max_is_the_height_of_the_profile_and_not_of_the_gaussian():
    peak = fit_peak(K, 0.02 + 0.13 * gauss(K, 4.27, 0.3))
    assert peak.V_max == pytest.approx(0.15, rel=1e-4)
    assert peak.height_above_base == pytest.approx(0.13, rel=1e-3)
    assert peak.base == pytest.approx(0.02, rel=1e-2)


def test_the_area_in_the_window_misses_the_tails():
    peak = fit_peak(K, 0.02 + 0.13 * gauss(K, 4.27, 0.3))
    low, high = FIRST_WINDOW
    inside = (low <= K) & (high >= K)
    expected = np.sum(0.13 * gauss(K[inside], 4.27, 0.3)) * 0.0284
    assert peak.integral_window == pytest.approx(expected, rel=0.01)
    assert peak.integral_window < peak.integral_gauss


def test_fits_of_noise_scatter_as_they_claim_when_points_are_independent():
    rng = np.random.Generator(np.random.Philox(1))
    truth = 0.02 + 0.13 * gauss(K, 4.27, 0.3)
    fits = [fit_peak(K, truth + 0.003 * rng.normal(size=K.size)) for _ in range(100)]
    seen = np.std([fit.V_max for fit in fits])
    assert seen == pytest.approx(np.mean([fit.fit_sigma_V_max for fit in fits]), rel=4 * 0.071)
    assert abs(np.mean([fit.V_max for fit in fits]) - 0.15) < 4 * seen / 10


@pytest.mark.parametrize(
    ("V", "flag"),
    [
        (np.full(K.size, np.nan), PeakFlag.NOT_CONVERGED),
        (np.full(K.size, 0.1), PeakFlag.NOT_CONVERGED),
        (gauss(K, 3.3, 0.3), PeakFlag.CENTRE_AT_BOUND),
        (gauss(K, 4.3, 0.02), PeakFlag.WIDTH_AT_BOUND),
        (np.random.Generator(np.random.Philox(2)).normal(size=K.size), PeakFlag.WEAK),
    ],
)
def test_what_is_wrong_with_a_fit_is_flagged(V, flag):
    peak = fit_peak(K, V)
    assert peak.flags & flag
    assert np.isnan(peak.V_max) == (flag is PeakFlag.NOT_CONVERGED)


def test_a_window_that_the_curve_does_not_cover_is_flagged():
    V = 0.02 + 0.05 * gauss(K, 7.24, 0.4)
    assert not fit_peak(K, V, SECOND_WINDOW).flags & PeakFlag.TRUNCATED
    cut = K < 7.5
    assert fit_peak(K[cut], V[cut], SECOND_WINDOW).flags & PeakFlag.TRUNCATED


def split_curve(apart, noise, seed):
    rng = np.random.Generator(np.random.Philox(seed))
    two = gauss(K, 4.27 - apart / 2, 0.1) + gauss(K, 4.27 + apart / 2, 0.1)
    return 0.02 + 0.1 * two + noise * rng.normal(size=K.size)


def test_a_split_peak_is_told_from_a_single_one():
    split = fit_split_peak(K, split_curve(0.3, 0.002, 1))
    assert split.resolved
    assert split.k_per_nm == pytest.approx((4.12, 4.42), abs=0.02)
    assert min(split.V) == pytest.approx(max(split.V), rel=0.05) == pytest.approx(0.12, rel=0.05)
    claimed = sum(fit_split_peak(K, split_curve(0.0, 0.002, seed)).resolved for seed in range(20))
    assert claimed == 0


def test_points_that_vary_together_are_little_evidence():
    curve = split_curve(0.22, 0.005, 3)
    alone = fit_split_peak(K, curve)
    together = fit_split_peak(K, curve, correlation_per_nm=0.67)
    assert abs(together.delta_bic) < abs(alone.delta_bic)
    assert np.isnan(fit_split_peak(K[:100], curve[:100]).delta_bic)


def test_a_shoulder_at_5_3():
    line = 0.1 - 0.01 * K
    assert shoulder(K, line) == pytest.approx(0.0, abs=1e-12)
    bump = 0.02 * gauss(K, 5.3, 0.25)
    inside = (K >= 5.1) & (K <= 5.5)
    sides = np.interp(K[inside], [4.9, 5.8], np.interp([4.9, 5.8], K, bump))
    assert shoulder(K, line + bump) == pytest.approx(np.mean(bump[inside] - sides), rel=1e-6)
    assert np.isnan(shoulder(K[K < 5.6], line[K < 5.6]))
