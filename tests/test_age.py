"""tau at several ages, verdicts and jumps, from two-time maps that are exactly known."""

from dataclasses import replace

import numpy as np
import pytest

from annealscope.analysis.age import AGES, STEADY_SLOPE, aging, verdict
from annealscope.analysis.ecm_age import age_results
from annealscope.analysis.ecm_rows import Timeline
from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.jumps import jump_times
from annealscope.analysis.kww import KwwFit
from annealscope.analysis.twotime_map import TwoTimeMap
from annealscope.analysis.values import InvalidData

BINS, BIN_SLOTS, SPACING_S = 210, 4, 2.0
BIN_S = BIN_SLOTS * SPACING_S
DURATION_S = BINS * BIN_S
T_S = (np.arange(BINS) + 0.5) * BIN_S
TAU_S, BETA, CONTRAST, BASELINE = 160.0, 0.7, 0.1, 0.02
CURVES = 16


def fit_of(tau_s=TAU_S, flags=0):
    nan = float("nan")
    return KwwFit(
        tau_s, BETA, CONTRAST, BASELINE, nan, nan, nan, nan, FitFlag(flags), "kww+baseline", "quarter"
    )


def exact_map(slope=0.0, segment=None, t_s=T_S):
    """C of bins of slots, without noise: tau depends on the age (t1 + t2)/2, as the cuts assume."""
    slot_s = (t_s[:, None] + (np.arange(BIN_SLOTS) - (BIN_SLOTS - 1) / 2) * SPACING_S).ravel()
    lag_s = np.abs(slot_s[:, None] - slot_s)
    age = (slot_s[:, None] + slot_s) / 2 / (t_s[-1] + BIN_S / 2)
    tau_s = TAU_S * np.exp(slope * (age - 0.5))
    c = 1 + BASELINE + CONTRAST * np.exp(-2 * (lag_s / tau_s) ** BETA)
    value = c.reshape(len(t_s), BIN_SLOTS, len(t_s), BIN_SLOTS).mean(axis=(1, 3))
    segment = np.zeros(len(t_s), dtype=np.int64) if segment is None else segment
    value[segment[:, None] != segment] = np.nan
    np.fill_diagonal(value, 5.0)
    return TwoTimeMap(t_s / SPACING_S - 0.5, segment, value, BIN_SLOTS)


@pytest.mark.parametrize("slope", [0.0, 0.6, -0.6])
def test_finds_tau_at_each_age_of_an_exact_map(slope):
    found = aging(exact_map(slope), [], t_s=T_S, spacing_s=SPACING_S, fit=fit_of())
    np.testing.assert_allclose(found.t_age_s, DURATION_S * (np.arange(7) + 0.5) / 7)
    expected = TAU_S * np.exp(slope * (found.t_age_s / DURATION_S - 0.5))
    # an age is a mean over a seventh of the record: second order in slope / 7, and lopsided at the ends
    np.testing.assert_allclose(found.tau_s, expected, rtol=0.001 + 0.05 * abs(slope))
    assert found.slope == pytest.approx(slope, rel=0.05, abs=1e-3)
    assert found.verdict == "undetermined"
    assert np.isnan([*found.sigma_s, found.sigma_slope]).all()


def test_the_contrast_of_binned_pixels_is_that_of_the_map():
    fit = replace(fit_of(), amplitude=1.15 * CONTRAST)
    found = aging(exact_map(), [], t_s=T_S, spacing_s=SPACING_S, fit=fit)
    np.testing.assert_allclose(found.tau_s, TAU_S, rtol=0.001)


def test_lags_stay_within_the_record_and_its_first_third():
    found = aging(exact_map(), [], t_s=T_S, spacing_s=SPACING_S, fit=fit_of())
    covered = 2 * np.minimum(found.t_age_s, DURATION_S - found.t_age_s)
    assert np.all(found.reach_s <= np.minimum(covered, 0.35 * DURATION_S) + 1e-9)
    assert np.all(found.reach_s > np.minimum(covered, 0.35 * DURATION_S) - BIN_S)


def test_elements_beyond_the_coverage_of_an_age_are_not_read():
    two_time = exact_map()
    row, column = np.nonzero(np.ones_like(two_time.value))
    lag = np.abs(row - column)
    two_time.value[row[lag > 0.35 * BINS], column[lag > 0.35 * BINS]] = 7.0
    early = (row + column < BINS * 2 / 7 - 1) & (lag > BINS / 7)
    two_time.value[row[early], column[early]] = 7.0
    found = aging(two_time, [], t_s=T_S, spacing_s=SPACING_S, fit=fit_of())
    np.testing.assert_allclose(found.tau_s, TAU_S, rtol=0.001)


def test_errors_are_those_of_the_jackknife():
    maps = [exact_map(0.01 * k) for k in range(CURVES)]
    found = aging(exact_map(), maps, t_s=T_S, spacing_s=SPACING_S, fit=fit_of())
    slopes = [aging(one, [], t_s=T_S, spacing_s=SPACING_S, fit=fit_of()).slope for one in maps]
    assert found.sigma_slope == pytest.approx(np.std(slopes) * np.sqrt(CURVES - 1), rel=1e-4)
    few = aging(exact_map(), maps[1:], t_s=T_S, spacing_s=SPACING_S, fit=fit_of())
    assert np.isnan(few.sigma_slope)
    assert few.verdict == "undetermined"


def test_without_scatter_a_verdict_is_certain():
    same = [exact_map()] * CURVES
    found = aging(exact_map(), same, t_s=T_S, spacing_s=SPACING_S, fit=fit_of())
    assert (found.sigma_slope, found.verdict) == (0.0, "steady")
    assert list(found.jumps_s) == []


@pytest.mark.parametrize(
    ("slope", "sigma", "said"),
    [
        (0.0, 0.049, "steady"),
        (0.0, 0.05, "undetermined"),
        (0.05, 0.02, "steady"),
        (-0.05, 0.026, "undetermined"),
        (0.31, 0.10, "aging"),
        (0.29, 0.10, "undetermined"),
        (0.11, 0.01, "aging"),
        (-0.31, 0.10, "speeding_up"),
        (-0.29, 0.10, "undetermined"),
        (3.0, np.nan, "undetermined"),
        (0.0, np.nan, "undetermined"),
        (np.nan, 0.01, "undetermined"),
    ],
)
def test_verdicts(slope, sigma, said):
    assert STEADY_SLOPE == 0.10
    assert verdict(slope, sigma) == said


def test_ages_run_through_a_gap():
    """Two segments with a gap of as much time again: the ages inside the gap are not known."""
    segment = np.repeat([0, 1], BINS // 2)
    t_s = T_S + np.where(segment == 1, DURATION_S, 0.0)
    found = aging(exact_map(0.6, segment, t_s), [], t_s=t_s, spacing_s=SPACING_S, fit=fit_of())
    known = np.isfinite(found.tau_s)
    np.testing.assert_array_equal(known, [True, True, False, False, False, True, True])
    np.testing.assert_array_equal(known, np.isfinite(found.reach_s))
    assert found.t_age_s[-1] == pytest.approx(2 * DURATION_S * 6.5 / 7)
    assert found.slope == pytest.approx(0.6, rel=0.05)


def test_an_age_of_a_few_frames_is_not_known_and_moves_no_slope():
    """Four bins after a long gap: lags up to 0.15 tau, at which the map is far off here."""
    segment = (np.arange(BINS) >= BINS - 4).astype(np.int64)
    t_s = T_S + np.where(segment == 1, DURATION_S, 0.0)
    two_time = exact_map(0.0, segment, t_s)
    off = np.outer(segment, segment).astype(bool)
    two_time.value[off] += 0.5 * CONTRAST
    found = aging(two_time, [two_time] * CURVES, t_s=t_s, spacing_s=SPACING_S, fit=fit_of())
    assert np.isnan([found.tau_s[-1], found.sigma_s[-1], found.reach_s[-1]]).all()
    assert np.count_nonzero(np.isfinite(found.sigma_s)) >= 3
    assert found.slope == pytest.approx(0.0, abs=0.02)


def test_an_age_whose_fit_fails_without_a_block_is_not_known():
    broken = exact_map()
    broken.value[:60, :60] = np.nan
    maps = [exact_map()] * (CURVES - 1) + [broken]
    found = aging(exact_map(), maps, t_s=T_S, spacing_s=SPACING_S, fit=fit_of())
    assert np.isnan(found.tau_s[0])
    assert np.isfinite(found.sigma_s[1:]).all()
    assert np.isfinite(found.sigma_slope)


def test_an_unusable_fit_leaves_everything_open():
    def never():
        raise AssertionError("left-out maps cost time")
        yield

    for fit in (fit_of(flags=FitFlag.TOO_SLOW), fit_of(np.nan, FitFlag.NOT_CONVERGED)):
        found = aging(exact_map(), never(), t_s=T_S, spacing_s=SPACING_S, fit=fit)
        assert found.verdict == "undetermined"
        assert np.isnan([found.slope, found.sigma_slope]).all()
        assert np.isnan([found.tau_s, found.sigma_s, found.reach_s]).all()
        assert np.isfinite(found.t_age_s).all()


def test_a_clock_that_was_set_back_leaves_everything_open():
    segment = np.repeat([0, 1], BINS // 2)
    t_s = T_S - np.where(segment == 1, 0.8 * DURATION_S, 0.0)
    found = aging(exact_map(0.0, segment), [], t_s=t_s, spacing_s=SPACING_S, fit=fit_of())
    assert found.verdict == "undetermined"
    assert np.isnan([*found.tau_s, found.slope]).all()
    assert (np.diff(found.t_age_s) > 0).all()


def test_refuses_few_ages_and_times_that_do_not_fit():
    with pytest.raises(InvalidData, match="got 2 ages"):
        aging(exact_map(), [], t_s=T_S, spacing_s=SPACING_S, fit=fit_of(), ages=2)
    with pytest.raises(InvalidData, match=r"times \(209,\) for \(210,\) bins"):
        aging(exact_map(), [], t_s=T_S[1:], spacing_s=SPACING_S, fit=fit_of())


def noisy_map(seed=1):
    """Sticky fluctuations of c, as speckle has them."""
    two_time = exact_map()
    rng = np.random.Generator(np.random.Philox(seed))
    level = np.convolve(rng.standard_normal(BINS + 20), np.ones(20) / 20, mode="same")[10:-10]
    two_time.value[:] += 0.2 * (level[:, None] + level) * CONTRAST
    return two_time


def test_a_jump_of_the_image_is_found_when_it_was():
    two_time = noisy_map()
    at = 120
    after = np.arange(BINS) >= at
    crossed = after[:, None] != after
    two_time.value[crossed] -= 0.5 * (two_time.value[crossed] - 1)
    for lag in (1, 2, 3):
        assert jump_times(two_time, T_S, lag) == pytest.approx([at * BIN_S])


def test_a_lasting_change_of_the_contrast_is_found_when_it_was():
    two_time = noisy_map()
    after = np.arange(BINS) >= 120
    both = after[:, None] & after
    two_time.value[both] -= 0.3 * (two_time.value[both] - 1)
    assert jump_times(two_time, T_S, 1) == pytest.approx([120 * BIN_S], abs=5 * BIN_S)


def test_smooth_changes_and_gaps_are_no_jumps():
    aged = noisy_map()
    aged.value[:] += exact_map(1.0).value - exact_map().value
    assert not len(jump_times(aged, T_S, 1))
    aged.value[60], aged.value[:, 60] = np.nan, np.nan
    assert not len(jump_times(aged, T_S, 2))
    assert not len(jump_times(TwoTimeMap(np.zeros(2), np.zeros(2), np.ones((2, 2)), 1), np.arange(2.0), 5))


def test_a_segment_that_is_not_longer_than_the_lag_has_no_jumps():
    two_time = exact_map(segment=(np.arange(BINS) >= 2).astype(np.int64))
    for lag in (1, 2, 3):
        assert not len(jump_times(two_time, T_S, lag))


@pytest.mark.parametrize("bins", [4, 5, 6, 10, 12])
def test_short_segments_of_white_noise_have_no_jumps(bins):
    n = 600 // bins * bins
    value = 1.1 + 1e-3 * np.random.Generator(np.random.Philox(bins)).standard_normal((n, n))
    segment = np.arange(n) // bins
    value[segment[:, None] != segment] = np.nan
    assert not len(jump_times(TwoTimeMap(np.arange(n) * 1.0, segment, value, 1), np.arange(n) * 1.0, 1))


def test_results_have_their_names_and_times_of_the_record():
    time = Timeline(SPACING_S, np.array([0]), np.array([BINS * BIN_SLOTS]), np.array([0]), np.array([100.0]))
    two_time = exact_map()
    results = age_results(two_time, [], time, fit_of())
    assert results["age"].attrs["verdict"] == "undetermined"
    assert results["age"].attrs["jumps_s"] == []
    for name in ("t_age_s", "tau_s", "sigma_s", "reach_s"):
        assert results[f"age/{name}"].values.shape == (AGES,)
        assert results[f"age/{name}"].units == "s"
    assert results["age/t_age_s"].values[3] == pytest.approx(100 + (BINS * BIN_SLOTS - 1) * SPACING_S / 2)
