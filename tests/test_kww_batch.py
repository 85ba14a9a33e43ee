"""The batch fitter against scipy, and against itself."""

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads
from scipy.optimize import curve_fit

from annealscope.analysis.fit_spec import FitFlag, FitSpec
from annealscope.analysis.kww import kww
from annealscope.analysis.kww_batch import CurveFits, fit_curves, fit_limits
from annealscope.analysis.values import InvalidData

EVERY_LAG = FitSpec(resample="none", range="full")
LAG_S = np.unique(np.rint(np.geomspace(1, 2000, 46)))
ONES = np.ones(LAG_S.size)
LIMITS = fit_limits(EVERY_LAG, 1.0, 4000.0)


def noisy_curves(n, noise, seed):
    rng = np.random.Generator(np.random.Philox(seed))
    tau_s, beta = np.exp(rng.normal(np.log(100.0), 0.5, (n, 1))), rng.uniform(0.5, 1.2, (n, 1))
    return kww(LAG_S, tau_s, beta) + rng.normal(0.0, noise, (n, LAG_S.size)), tau_s[:, 0], beta[:, 0]


def model(lag_s, ln_amplitude, ln_tau, beta):
    return np.exp(ln_amplitude) * kww(lag_s, np.exp(ln_tau), beta)


@pytest.mark.parametrize("weighted", [False, True])
def test_no_curve_is_fitted_worse_than_by_scipy(weighted):
    y, tau_s, beta = noisy_curves(200, 0.03, seed=11)
    weights = np.linspace(1.0, 0.2, LAG_S.size) if weighted else ONES
    fits = fit_curves(LAG_S, y.T, weights, spec=EVERY_LAG, limits=LIMITS)
    assert np.all(fits.flags & FitFlag.NOT_CONVERGED == 0)
    for row, curve in enumerate(y):
        start = (0.0, np.log(tau_s[row]), beta[row])
        best, covariance = curve_fit(model, LAG_S, curve, start, sigma=weights**-0.5)
        cost = np.sum(weights * (model(LAG_S, *best) - curve) ** 2)
        assert fits.cost[row] <= 1.01 * cost
        assert fits.parameters[row, :3] == pytest.approx(best, abs=1e-3)
        assert fits.errors[row] == pytest.approx(np.sqrt(np.diag(covariance))[1:], rel=1e-2)


def test_against_the_truth_the_noise_is_the_limit():
    y, tau_s, beta = noisy_curves(500, 0.03, seed=12)
    fits = fit_curves(LAG_S, y.T, ONES, spec=EVERY_LAG, limits=LIMITS)
    z_tau = (fits.parameters[:, 1] - np.log(tau_s)) / fits.errors[:, 0]
    z_beta = (fits.parameters[:, 2] - beta) / fits.errors[:, 1]
    for z in (z_tau, z_beta):
        assert abs(z.mean()) < 4.0 / np.sqrt(z.size)
        assert abs(z.std() - 1.0) < 4.0 / np.sqrt(2.0 * z.size)


def same_fits(a, b):
    return all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        for name in ("parameters", "errors", "cost", "flags")
    )


@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("spec", [EVERY_LAG, FitSpec(range="first1"), FitSpec.with_baseline()])
def test_a_curve_does_not_depend_on_the_others_to_the_last_bit(spec, real):
    """Curves that need many steps and few, and that cannot be fitted, in every order and company."""
    y = noisy_curves(301, 0.2, seed=13)[0].T.astype(real)
    y[3, ::17] = np.nan
    fits = fit_curves(LAG_S, y, ONES, spec=spec, limits=LIMITS)
    rng = np.random.Generator(np.random.Philox(16))
    for n in (1, 5, 100, 301):
        some = rng.permutation(301)[:n]
        again = fit_curves(LAG_S, y[:, some], ONES, spec=spec, limits=LIMITS)
        expected = CurveFits(fits.parameters[some], fits.errors[some], fits.cost[some], fits.flags[some])
        assert same_fits(again, expected)


def test_results_are_the_same_with_any_number_of_threads():
    y = noisy_curves(1000, 0.1, seed=17)[0].T
    threads = get_num_threads()
    fits = fit_curves(LAG_S, y, ONES, spec=EVERY_LAG, limits=LIMITS)
    try:
        set_num_threads(1)
        assert same_fits(fit_curves(LAG_S, y, ONES, spec=EVERY_LAG, limits=LIMITS), fits)
    finally:
        set_num_threads(threads)


def test_beta_is_held_when_its_bounds_are_the_same():
    y, _, _ = noisy_curves(20, 0.03, seed=18)
    limits = np.array([*LIMITS[:2], 0.7, 0.7])
    fits = fit_curves(LAG_S, y.T, ONES, spec=EVERY_LAG, limits=limits)
    assert np.all(fits.parameters[:, 2] == 0.7)
    assert not np.any(fits.flags & (FitFlag.BETA_AT_BOUND | FitFlag.NOT_CONVERGED))
    for row, curve in enumerate(y):
        best, covariance = curve_fit(lambda lag, a, b: model(lag, a, b, 0.7), LAG_S, curve, (0.0, 4.6))
        assert fits.parameters[row, :2] == pytest.approx(best, abs=1e-4)
        assert fits.errors[row, 0] == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-2)
    assert np.all(np.isnan(fits.errors[:, 1]))


def test_single_precision_is_a_small_part_of_the_error():
    y = noisy_curves(500, 0.03, seed=14)[0].T
    exact, single = (
        fit_curves(LAG_S, y.astype(real), ONES, spec=EVERY_LAG, limits=LIMITS) for real in (float, np.float32)
    )
    assert np.all(np.abs(single.parameters - exact.parameters)[:, 1:3] < 0.02 * exact.errors)
    np.testing.assert_array_equal(single.flags, exact.flags)


def test_results_stay_inside_their_bounds_whatever_the_curve():
    rng = np.random.Generator(np.random.Philox(15))
    y = rng.normal(0.05, 1.0, (2000, LAG_S.size))
    spec = FitSpec(resample="none", range="full", beta_bounds=(0.4, 1.5))
    fits = fit_curves(LAG_S, y.T, ONES, spec=spec, limits=fit_limits(spec, 1.0, 4000.0))
    failed = fits.flags & FitFlag.NOT_CONVERGED != 0
    np.testing.assert_array_equal(np.isnan(fits.parameters).any(axis=1), failed)
    np.testing.assert_array_equal(failed, y[:, :3].mean(axis=1) <= 0.0)
    ln_tau, beta = fits.parameters[~failed, 1], fits.parameters[~failed, 2]
    assert np.all((beta >= 0.4) & (beta <= 1.5))
    assert np.all((ln_tau >= np.log(0.1)) & (ln_tau <= np.log(4e5)))
    at_bound = (np.abs(beta - 0.4) < 1e-6) | (np.abs(beta - 1.5) < 1e-6)
    np.testing.assert_array_equal(fits.flags[~failed] & FitFlag.BETA_AT_BOUND != 0, at_bound)
    assert at_bound.any()


def test_the_flag_bits_are_those_of_stored_results():
    assert {flag.name: flag.value for flag in FitFlag} == {
        "NOT_CONVERGED": 1,
        "TAU_AT_BOUND": 2,
        "BETA_AT_BOUND": 4,
        "LOW_AMPLITUDE": 8,
        "TOO_FAST": 16,
        "TOO_SLOW": 32,
        "FEW_POINTS": 64,
        "MASKED": 128,
        "RESIDUAL_RUNS": 256,
        "BASELINE_AT_BOUND": 512,
    }


@pytest.mark.parametrize("shape", [(LAG_S.size,), (LAG_S.size - 1, 5)])
def test_curves_must_match_the_lags(shape):
    with pytest.raises(InvalidData, match="must match P >= 3 lags"):
        fit_curves(LAG_S, np.ones(shape), ONES, spec=EVERY_LAG, limits=LIMITS)
