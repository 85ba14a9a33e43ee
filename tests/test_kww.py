"""Fits of one curve: exact on exact curves, flagged on bad ones, right for records of finite duration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.analysis.kww import (
    FitFlag,
    FitSpec,
    finite_kww,
    fit_kww,
    fit_kww_finite,
    kww,
    mean_subtraction,
    resample,
)
from annealscope.analysis.precision import error_scale, record_bias
from annealscope.analysis.values import InvalidData

EVERY_LAG = FitSpec(resample="none", range="full")
MULTI_TAU = np.concatenate([np.arange(16), *(np.arange(8, 16) * 2**level for level in range(1, 8))])


def test_the_factor_2_of_the_squared_field_correlation():
    assert kww(100.0, 100.0, 0.7) == pytest.approx(np.exp(-2.0))
    assert kww([0.0, 50.0], 100.0, 0.5) == pytest.approx([1.0, np.exp(-np.sqrt(2.0))])


@given(tau_s=st.floats(20.0, 600.0), beta=st.floats(0.3, 2.2), amplitude=st.floats(1e-3, 1.0))
@settings(max_examples=60, deadline=None)
def test_a_noise_free_curve_gives_its_parameters_back(tau_s, beta, amplitude):
    lag_s = 2.0 * np.arange(1, 1000)
    fit = fit_kww(lag_s, amplitude * kww(lag_s, tau_s, beta), spec=EVERY_LAG)
    assert (fit.tau_s, fit.beta, fit.amplitude) == pytest.approx((tau_s, beta, amplitude), rel=1e-5)
    assert fit.usable
    assert fit.baseline == 0.0


@given(baseline=st.floats(-0.04, 0.09))
@settings(max_examples=20, deadline=None)
def test_a_free_baseline_is_found(baseline):
    lag_s = np.arange(1.0, 4000.0)
    spec = FitSpec(resample="none", range="quarter", free_baseline=True)
    fit = fit_kww(lag_s, 0.1 * kww(lag_s, 100.0, 0.7) + baseline, spec=spec)
    assert (fit.tau_s, fit.beta, fit.amplitude) == pytest.approx((100.0, 0.7, 0.1), rel=1e-5)
    assert fit.baseline == pytest.approx(baseline, abs=1e-6)
    assert fit.model == "kww+baseline"


def test_a_baseline_at_its_bound_is_flagged():
    lag_s = np.arange(1.0, 4000.0)
    y = 0.1 * kww(lag_s, 100.0, 0.7) - 0.06
    assert FitFlag.BASELINE_AT_BOUND in fit_kww(lag_s, y, spec=FitSpec.with_baseline()).flags


@pytest.mark.parametrize("spec", [FitSpec.default(), FitSpec.paper()], ids=["default", "paper"])
@pytest.mark.parametrize("slots", [np.arange(7000), MULTI_TAU], ids=["every lag", "multi-tau"])
def test_resampling_moves_the_result_less_than_the_statistics_of_a_whole_frame(spec, slots):
    lag_s = 2.0 * slots
    fit = fit_kww(lag_s, 0.1 * kww(lag_s, 485.0, 0.68), spec=spec, duration_s=14000.0)
    sigma_ln_tau, sigma_beta = error_scale(4.7e4, 14000.0, 485.0)
    assert abs(np.log(fit.tau_s / 485.0)) < 4 * sigma_ln_tau
    assert abs(fit.beta - 0.68) < 4 * sigma_beta


def test_lag_0_is_never_fitted():
    lag_s = np.arange(500.0)
    y = 0.1 * kww(lag_s, 50.0, 0.8)
    y[0] = 7.0
    record = {"duration_s": 500.0, "n_speckles": 100.0}
    assert fit_kww(lag_s, y, **record) == fit_kww(lag_s[1:], y[1:], **record)


def test_lags_without_pairs_are_dropped():
    lag_s = np.arange(1.0, 500.0)
    y, pairs = 0.1 * kww(lag_s, 50.0, 0.8), 500.0 - lag_s
    record = {"duration_s": 400.0, "n_speckles": 100.0}
    expected = fit_kww(lag_s[:200], y[:200], pairs[:200], **record)
    y[200:], pairs[200:] = np.nan, 0.0
    assert fit_kww(lag_s, y, pairs, **record) == expected


def test_statistical_errors_are_those_of_the_model():
    lag_s = np.arange(1.0, 2000.0)
    y = 0.1 * kww(lag_s, 100.0, 0.7)
    fit = fit_kww(lag_s, y, spec=EVERY_LAG, duration_s=2000.0, n_speckles=500)
    assert fit.sigma_tau_s == pytest.approx(100.0 * 0.9 * 2.5 / np.sqrt(500 * 2000 / 100), rel=1e-5)
    assert fit.sigma_beta == pytest.approx(1.13 / np.sqrt(500 * 2000 / 100), rel=1e-5)
    spec = FitSpec.with_baseline()
    free = fit_kww(lag_s, y, spec=spec, duration_s=2000.0, n_speckles=500)
    assert free.sigma_tau_s == pytest.approx(free.tau_s * 1.7 * 2.5 / np.sqrt(500 * 2000 / 100), rel=0.01)
    assert np.isnan(fit_kww(lag_s, y, duration_s=2000.0).sigma_tau_s)


BAD_CURVES = {
    "nan": (np.full(100, np.nan), FitFlag.NOT_CONVERGED),
    "one infinity": (np.where(np.arange(100) == 3, np.inf, 0.1), FitFlag.NOT_CONVERGED),
    "zero": (np.zeros(100), FitFlag.NOT_CONVERGED),
    "negative": (np.full(100, -0.1), FitFlag.NOT_CONVERGED),
    "constant": (np.full(100, 0.1), FitFlag.TAU_AT_BOUND | FitFlag.TOO_SLOW),
    "gone at once": (np.r_[0.5, np.full(99, -1e-3)], FitFlag.FEW_POINTS | FitFlag.TOO_FAST),
    "rising": (np.linspace(0.1, 0.3, 100), FitFlag.TAU_AT_BOUND | FitFlag.TOO_SLOW),
}


@pytest.mark.parametrize(("y", "flags"), BAD_CURVES.values(), ids=BAD_CURVES)
def test_a_bad_curve_is_flagged_and_never_zero(y, flags):
    lag_s = np.arange(1.0, 101.0)
    for fit in (
        fit_kww(lag_s, y, spec=EVERY_LAG),
        fit_kww_finite(lag_s, y, n_slots=200, spacing_s=1.0, spec=EVERY_LAG),
    ):
        assert not fit.usable
        assert fit.tau_s != 0.0
        assert np.isnan(fit.tau_s) == np.isnan(fit.beta) == bool(fit.flags & FitFlag.NOT_CONVERGED)
    assert flags in fit_kww(lag_s, y, spec=EVERY_LAG).flags


@pytest.mark.parametrize(
    ("tau_s", "flag"), [(2.0, FitFlag.TOO_FAST), (500.0, FitFlag.TOO_SLOW), (50.0, FitFlag(0))]
)
def test_tau_outside_what_the_record_can_show_is_flagged(tau_s, flag):
    lag_s = np.arange(1.0, 1000.0)
    assert fit_kww(lag_s, kww(lag_s, tau_s, 0.8), spec=EVERY_LAG).flags == flag


def test_residuals_of_one_sign_are_hinted_at_but_do_not_exclude():
    lag_s = np.arange(1.0, 1000.0)
    two_decays = 0.5 * kww(lag_s, 10.0, 1.0) + 0.5 * kww(lag_s, 150.0, 1.0)
    fit = fit_kww(lag_s, two_decays, spec=EVERY_LAG)
    assert fit.flags == FitFlag.RESIDUAL_RUNS
    assert fit.usable


def test_amplitude_below_the_noise_is_flagged():
    lag_s = np.arange(1.0, 400.0)
    noise = np.where(np.arange(399) % 2 == 0, 0.3, -0.3)
    fit = fit_kww(lag_s, 0.2 * kww(lag_s, 50.0, 1.0) + noise, spec=EVERY_LAG)
    assert FitFlag.LOW_AMPLITUDE in fit.flags


@pytest.mark.parametrize(
    ("lag_s", "y", "pairs", "message"),
    [
        (np.arange(10), np.arange(9), None, r"one value for each lag, got shape \(9,\) for lags \(10,\)"),
        (np.arange(10), np.ones((10, 2)), None, "use fit_maps"),
        (np.arange(10), np.ones(10), np.ones(9), "two arrays of one equal length"),
        (np.arange(3), np.ones(3), None, "at least 3 lags > 0 .* got 1 of 3"),
        (np.arange(10)[::-1], np.ones(10), None, "must be finite and increase"),
        ([], [], None, "got 0 of 0"),
    ],
)
def test_wrong_shapes_are_refused_with_a_message(lag_s, y, pairs, message):
    with pytest.raises(InvalidData, match=message):
        fit_kww(lag_s, y, pairs)


@pytest.mark.parametrize(
    "choice",
    [
        {"resample": "spline"},
        {"range": "third"},
        {"weights": "sigma"},
        {"points": 3},
        {"beta_bounds": (1.0, 0.5)},
        {"free_baseline": True},
    ],
)
def test_an_impossible_specification_is_refused(choice):
    with pytest.raises(InvalidData, match="fit specification: "):
        FitSpec(**choice)


def test_the_paper_preset_puts_16_of_200_points_between_lags_1_and_2():
    lag_s, _, _ = resample(2.0 * np.arange(1, 7000), np.ones(6999), None, FitSpec.paper())
    assert len(lag_s) == 200
    assert (lag_s[0], lag_s[-1]) == pytest.approx((2.0, 13998.0))
    assert np.sum(lag_s < 4.0) == 16


def test_interpolated_points_lie_on_the_lines_between_lags():
    lag_s = np.array([1.0, 2.0, 3.0, 8.0])
    times, y, _ = resample(lag_s, 5.0 - 2.0 * lag_s, None, FitSpec(resample="interp", points=7, range="full"))
    assert y == pytest.approx(5.0 - 2.0 * times)
    assert times == pytest.approx(8.0 ** (np.arange(7) / 6.0))


def test_bins_are_pair_weighted_means_and_nothing_is_lost():
    lag_s, pairs = np.arange(1.0, 500.0), 500.0 - np.arange(1.0, 500.0)
    y = np.sqrt(lag_s)
    lag, mean, counts = resample(lag_s, y, pairs, FitSpec(range="full"))
    assert lag[:3] == pytest.approx([1.0, 2.0, 3.0])
    assert counts.sum() == pytest.approx(pairs.sum())
    assert counts @ mean == pytest.approx(pairs @ y)
    assert counts @ lag == pytest.approx(pairs @ lag_s)


@pytest.mark.parametrize("mode", ["bin", "index"])
def test_on_a_logarithmic_axis_every_short_lag_stays_its_own_point(mode):
    spec = FitSpec(resample=mode, range="full")
    lag, _, _ = resample(MULTI_TAU, np.ones(len(MULTI_TAU)), None, spec)
    assert lag[:6] == pytest.approx(np.arange(1.0, 7.0))
    assert np.all(np.diff(lag) > 0.0)
    assert np.max(lag[1:] / lag[:-1])[()] <= 2.0


@pytest.mark.parametrize(("name", "largest"), [("full", 999), ("half", 500), ("quarter", 250)])
def test_ranges(name, largest):
    lag_s, _, _ = resample(np.arange(1.0, 1000.0), np.ones(999), None, FitSpec(resample="none", range=name))
    assert lag_s[-1] == largest


def test_first1_ends_with_the_first_point_below_1():
    lag_s = np.arange(1.0, 200.0)
    y = 0.1 * kww(lag_s, 30.0, 0.8)
    y[60] = -1e-9
    expected = fit_kww(lag_s[:61], y[:61], spec=EVERY_LAG, duration_s=200.0)
    y[61:] = 5.0
    fit = fit_kww(lag_s, y, spec=FitSpec(resample="none", range="first1"), duration_s=200.0)
    assert (fit.tau_s, fit.beta) == (expected.tau_s, expected.beta)


def brute_force_subtraction(lag, n, tau, beta):
    i = np.arange(n - lag)
    return np.mean(kww(np.abs(i[:, None] - i[None, :] - lag), tau, beta))


@given(n=st.integers(2, 60), part=st.floats(0.0, 0.99), tau=st.floats(0.5, 300.0), beta=st.floats(0.3, 2.0))
@settings(max_examples=60, deadline=None)
def test_mean_subtraction_equals_the_double_sum(n, part, tau, beta):
    lag = int(part * n)
    fast = mean_subtraction([lag], tau, beta, spacing_s=1.0, segments=[n])
    assert fast == pytest.approx(brute_force_subtraction(lag, n, tau, beta), abs=1e-12)


def test_mean_subtraction_of_segments_counts_every_pair_of_pairs():
    starts, counts, lag = [0, 37, 90], [30, 20, 5], 4
    first = np.concatenate([s + np.arange(max(n - lag, 0)) for s, n in zip(starts, counts, strict=True)])
    expected = np.mean(kww(np.abs(first[:, None] - first[None, :] - lag) * 2.0, 25.0, 0.7))
    fast = mean_subtraction([lag], 25.0, 0.7, spacing_s=2.0, segments=counts, segment_starts=starts)
    assert fast == pytest.approx(expected, abs=1e-12)


def test_segments_far_apart_are_as_good_as_independent():
    lags, segments = np.arange(20), [40, 30]
    apart = mean_subtraction(lags, 5.0, 1.0, spacing_s=1.0, segments=segments, segment_starts=[0, 100_000])
    assert mean_subtraction(lags, 5.0, 1.0, spacing_s=1.0, segments=segments) == pytest.approx(
        apart, abs=1e-12
    )


@given(
    relaxations=st.floats(5.0, 60.0),
    beta=st.floats(0.4, 1.8),
    n=st.sampled_from([300, 2000]),
    log=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_the_finite_fit_recovers_the_truth_from_its_expected_curve(relaxations, beta, n, log):
    slots = MULTI_TAU[: np.searchsorted(MULTI_TAU, n)] if log else np.arange(n)
    tau_s = 2.0 * n / relaxations
    y = 0.1 * finite_kww(slots, tau_s, beta, spacing_s=2.0, segments=[n])
    fit = fit_kww_finite(2.0 * slots, y, n_slots=n, spacing_s=2.0)
    assert (fit.tau_s, fit.beta, fit.amplitude) == pytest.approx((tau_s, beta, 0.1), rel=1e-3)
    assert fit.model == "finite"


def test_the_finite_fit_of_segments():
    slots, segments, starts = np.arange(500), [700, 300], [0, 760]
    y = 0.1 * finite_kww(slots, 80.0, 0.7, spacing_s=1.0, segments=segments, segment_starts=starts)
    record = {"n_slots": 1000, "spacing_s": 1.0, "segments": segments}
    fit = fit_kww_finite(slots, y, **record, segment_starts=starts)
    assert (fit.tau_s, fit.beta) == pytest.approx((80.0, 0.7), rel=1e-4)
    assert fit_kww_finite(slots, y, **record).tau_s != pytest.approx(80.0, rel=0.005)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"n_slots": 100, "spacing_s": 1.0, "segments": [50, 49]}, "must be the sum of segments"),
        ({"n_slots": 100, "spacing_s": 0.0}, "spacing > 0 s"),
        ({"n_slots": 100, "spacing_s": 0.3}, "whole multiples of the spacing 0.3 s"),
        ({"n_slots": 4, "spacing_s": 1.0}, "at least 3 lags"),
        (
            {"n_slots": 100, "spacing_s": 1.0, "segments": [50, 50], "segment_starts": [0]},
            "got 1 for 2 segments",
        ),
        ({"n_slots": 100, "spacing_s": 1.0, "spec": FitSpec.with_baseline()}, "no free baseline"),
    ],
)
def test_an_impossible_record_is_refused(record, message):
    lag_s = np.arange(1.0, 60.0)
    with pytest.raises(InvalidData, match=message):
        fit_kww_finite(lag_s, kww(lag_s, 10.0, 0.8), **record)


def speckle_intensity(rng, n_pixels, n_slots, tau, beta):
    """Independent pixels of a stationary complex Gaussian field with g1 = exp[-(t/tau)^beta], as |E|^2."""
    half = 4 * n_slots
    lag = np.r_[np.arange(half + 1), np.arange(half - 1, 0, -1)]
    spectrum = np.clip(np.fft.fft(np.exp(-((lag / tau) ** beta))).real, 0.0, None)
    white = rng.standard_normal((2, n_pixels, 2 * half))
    field = np.fft.fft(np.sqrt(spectrum / (4 * half)) * (white[0] + 1j * white[1]), axis=1)
    return np.abs(field[:, :n_slots]) ** 2


def ratio_curve(intensity, max_lag):
    n = intensity.shape[1]
    curve = []
    for k in range(max_lag + 1):
        early, late = intensity[:, : n - k], intensity[:, k:]
        means = early.mean(axis=1) * late.mean(axis=1)
        curve.append((early * late).mean(axis=1).mean() / means.mean() - 1.0)
    return np.array(curve)


def test_on_speckle_the_finite_fit_is_unbiased_and_the_plain_one_sees_the_predicted_bias():
    tau, beta, n_slots, n_pixels = 40.0, 0.7, 600, 1000
    rng = np.random.Generator(np.random.Philox(2024))
    intensity = 1.0 + np.sqrt(0.1) * (speckle_intensity(rng, n_pixels, n_slots, tau, beta) - 1.0)
    y = ratio_curve(intensity, n_slots // 2)
    lags = np.arange(len(y))
    # Products I I' of a speckle image decorrelate over half a speckle: one pixel counts as half of one.
    sigma_ln_tau, sigma_beta = error_scale(n_pixels / 2, n_slots, tau)

    fit = fit_kww_finite(lags, y, n_slots=n_slots, spacing_s=1.0, n_speckles=n_pixels / 2)
    assert abs(np.log(fit.tau_s / tau)) < 4 * sigma_ln_tau
    assert abs(fit.beta - beta) < 4 * sigma_beta
    assert fit.fit_sigma_tau_s < fit.sigma_tau_s
    plain = fit_kww(lags, y, duration_s=float(n_slots))
    seen_tau, seen_beta = record_bias(tau, beta, n_slots, 1.0)
    assert abs(np.log(plain.tau_s / seen_tau)) < 4 * sigma_ln_tau
    assert abs(plain.beta - seen_beta) < 4 * sigma_beta
    assert np.log(plain.tau_s / tau) < -4 * sigma_ln_tau
