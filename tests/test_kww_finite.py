"""Batches of fits with the finite-duration model: against its definition, and against fits one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from annealscope.analysis.fit_spec import resampling
from annealscope.analysis.kww import (
    BETA_STEPS,
    FitFlag,
    FitSpec,
    finite_kww,
    fit_each,
    fit_each_finite,
    fit_kww,
    fit_kww_finite,
)
from annealscope.analysis.kww_finite import SlotRecord, finite_decays
from annealscope.analysis.maps import fit_maps_finite
from annealscope.analysis.values import InvalidData

SLOTS = np.concatenate([np.arange(1, 16), *(np.arange(8, 16) * 2**level for level in range(1, 7))])
RECORD = {"n_slots": 1500, "spacing_s": 2.0, "segments": [1000, 500], "segment_starts": [0, 1100]}
SPANS = {name: RECORD[name] for name in ("spacing_s", "segments", "segment_starts")}


def noisy_curves(n, seed):
    rng = np.random.Generator(np.random.Philox(seed))
    tau_s, beta = np.exp(rng.normal(np.log(80.0), 0.3, n)), rng.uniform(0.5, 1.1, n)
    y = np.array([0.3 * finite_kww(SLOTS, *p, **SPANS) for p in zip(tau_s, beta, strict=True)])
    return y + rng.normal(0.0, 0.01, y.shape)


def best_fit(points, y, start):
    """Fit with scipy and the model as it is defined."""

    def residuals(p):
        return np.exp(p[0]) * (points.matrix @ finite_kww(slots, np.exp(p[1]), p[2], **SPANS)) - y

    slots = SLOTS[points.kept]
    return least_squares(residuals, start, x_scale="jac", xtol=1e-12, ftol=1e-14)


def test_few_decays_are_much_better_where_glasses_relax():
    points = resampling(2.0 * SLOTS, None, FitSpec(), 2000.0)
    decays = finite_decays(points, 2.0 * SLOTS, SlotRecord(**RECORD))
    for tau_s in (5.0, 60.0, 700.0):
        exact = points.matrix @ finite_kww(SLOTS[points.kept], tau_s, 1.0, **SPANS)
        assert decays.matrix @ np.exp(-2.0 * decays.t_s / tau_s) == pytest.approx(exact, abs=1e-9)


@given(
    log_tau=st.floats(-1.0, 12.0),
    beta=st.floats(0.2, 2.5),
    spec=st.sampled_from([FitSpec(), FitSpec(resample="interp"), FitSpec(resample="none")]),
    record=st.sampled_from([RECORD, {**RECORD, "segment_starts": None}]),
)
@settings(max_examples=60, deadline=None)
def test_few_decays_make_the_model(log_tau, beta, spec, record):
    points = resampling(2.0 * SLOTS, None, spec, 2000.0)
    decays = finite_decays(points, 2.0 * SLOTS, SlotRecord(**record))
    spans = {name: record[name] for name in SPANS}
    exact = points.matrix @ finite_kww(SLOTS[points.kept], np.exp(log_tau), beta, **spans)
    few = decays.matrix @ np.exp(-2.0 * (decays.t_s / np.exp(log_tau)) ** beta)
    assert few == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("real", [np.float64, np.float32])
def test_no_curve_of_a_batch_is_fitted_worse_than_by_scipy(real):
    y = noisy_curves(30, seed=31)
    fits = fit_each_finite(2.0 * SLOTS, y.astype(real), **RECORD)
    points = resampling(2.0 * SLOTS, None, FitSpec(), 2000.0)
    part_of_error = 0.02 if real == np.float32 else 1e-3
    for row, curve in enumerate(points(y.T).T):
        best = best_fit(points, curve, fits.parameters[row, :3])
        assert fits.cost[row] <= 1.01 * 2.0 * best.cost
        assert np.all(np.abs(fits.parameters[row, 1:3] - best.x[1:]) < part_of_error * fits.errors[row])


def test_a_curve_of_a_batch_is_fitted_like_a_single_one():
    y = noisy_curves(40, seed=32)
    y[5] = np.nan
    finite, plain = fit_each_finite(2.0 * SLOTS, y, **RECORD), fit_each(2.0 * SLOTS, y, duration_s=3000.0)
    for row, curve in enumerate(y):
        for fits, fit in (
            (finite, fit_kww_finite(2.0 * SLOTS, curve, **RECORD)),
            (plain, fit_kww(2.0 * SLOTS, curve, duration_s=3000.0)),
        ):
            assert fit.flags == fits.flags[row]
            np.testing.assert_array_equal(
                [fit.tau_s, fit.beta], [np.exp(fits.parameters[row, 1]), fits.parameters[row, 2]]
            )
    assert finite.flags[5] & FitFlag.NOT_CONVERGED


def test_a_map_of_the_finite_model():
    y = noisy_curves(6, seed=33).T.reshape(-1, 2, 3)
    mask = np.array([[True, True, True], [True, False, True]])
    maps = fit_maps_finite(2.0 * SLOTS, y, **RECORD, mask=mask)
    fits = fit_each_finite(2.0 * SLOTS, y.reshape(len(y), -1).T, **RECORD)
    assert maps.flags[1, 1] == FitFlag.MASKED
    assert np.isnan(maps.tau_s[1, 1])
    np.testing.assert_allclose(maps.tau_s[mask], np.exp(fits.parameters[mask.ravel(), 1]), rtol=1e-5)
    np.testing.assert_array_equal(maps.flags[mask], fits.flags[mask.ravel()])


def test_tau_at_moved_betas_is_that_of_fits_with_beta_held():
    y = noisy_curves(1, seed=34)[0]
    fit = fit_kww_finite(2.0 * SLOTS, y, **RECORD)
    points = resampling(2.0 * SLOTS, None, FitSpec(), 2000.0)
    for step, tau_s in zip(BETA_STEPS, fit.tau_at_beta_s, strict=True):

        def residuals(p, beta=fit.beta + step):
            model = points.matrix @ finite_kww(SLOTS[points.kept], np.exp(p[1]), beta, **SPANS)
            return np.exp(p[0]) * model - points(y)

        best = least_squares(residuals, [np.log(0.3), np.log(80.0)], xtol=1e-12, ftol=1e-14)
        assert tau_s == pytest.approx(np.exp(best.x[1]), rel=1e-5)


def test_a_moved_beta_outside_its_bounds_has_no_tau():
    y = 0.3 * finite_kww(SLOTS, 80.0, 0.7, **SPANS)
    fit = fit_kww_finite(2.0 * SLOTS, y, **RECORD, spec=FitSpec(beta_bounds=(0.62, 0.78)))
    assert np.isnan(fit.tau_at_beta_s).tolist() == [True, False, False, True]


@pytest.mark.parametrize("shape", [(SLOTS.size,), (4, SLOTS.size - 1)])
def test_a_batch_needs_one_row_a_curve(shape):
    for fit, record in ((fit_each, {}), (fit_each_finite, RECORD)):
        with pytest.raises(InvalidData, match="a row for each curve and a column for each lag"):
            fit(2.0 * SLOTS, np.ones(shape), **record)
