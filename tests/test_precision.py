"""What a record of given size and duration can tell."""

import numpy as np
import pytest
from speckle_movie import speckle_count as speckle_count_px
from speckle_movie import speckle_movie

from annealscope.analysis.averages import g2_averages
from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.geometry import correlator_levels, speckle_count
from annealscope.analysis.kww import finite_kww, fit_kww, fit_kww_finite
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.precision import error_scale, record_bias

SHAPE, TAU_SLOTS, N_SLOTS = (64, 64), 40.0, 400
"""Records of 10 relaxation times and 212 speckles."""

# tau_s, beta, spacing_s, slots; tau and beta seen up to T; to the first crossing; to T/4 with a baseline
TABLE = [
    (485, 0.68, 2, 7000, (418, 0.749), (422, 0.736), (483, 0.682)),
    (743, 0.70, 2, 7000, (599, 0.793), (607, 0.774), (736, 0.704)),
    (886, 0.83, 2, 7000, (710, 0.940), (722, 0.916), (877, 0.834)),
    (1023, 0.84, 2, 7000, (797, 0.962), (814, 0.933), (1010, 0.845)),
    (1585, 0.74, 2, 7000, (1059, 0.899), (1093, 0.860), (1543, 0.748)),
    (892, 0.70, 5, 2800, (693, 0.831), (704, 0.801), (880, 0.706)),
    (892, 0.70, 5, 5000, (770, 0.776), (776, 0.761), (887, 0.703)),
]


@pytest.mark.parametrize(("tau_s", "beta", "spacing_s", "n_slots", "full", "first1", "baseline"), TABLE)
def test_bias_of_the_published_records(tau_s, beta, spacing_s, n_slots, full, first1, baseline):
    def seen(**choice):
        return record_bias(tau_s, beta, n_slots, spacing_s, FitSpec(resample="index", points=200, **choice))

    for seen_now, tabulated in [(seen(range="full"), full), (seen(range="first1"), first1)]:
        assert seen_now[0] == pytest.approx(tabulated[0], abs=0.6)
        assert seen_now[1] == pytest.approx(tabulated[1], abs=6e-4)
    # The table has the lags of this column on a grid up to T, here they are on one up to T/4.
    assert seen(range="quarter", free_baseline=True) == pytest.approx(baseline, rel=3e-3)


@pytest.mark.parametrize("spec", [None, FitSpec.paper(), FitSpec.with_baseline(), FitSpec(weights="pairs")])
def test_bias_is_what_fit_kww_sees_in_the_expected_curve(spec):
    slots = np.arange(1, 2000)
    y = 0.1 * finite_kww(slots, 150.0, 0.7, spacing_s=1.0, segments=[2000])
    fit = fit_kww(slots, y, 2000 - slots, spec=spec, duration_s=2000.0)
    assert record_bias(150.0, 0.7, 2000, 1.0, spec) == pytest.approx((fit.tau_s, fit.beta), rel=1e-4)


def test_bias_vanishes_for_long_records():
    short, long = (record_bias(100.0, 0.7, n, 2.0)[0] for n in (500, 20_000))
    assert short < long < 100.0
    assert long == pytest.approx(100.0, rel=0.01)


def test_error_scale():
    sigma_ln_tau, sigma_beta = error_scale(1e4, 10_000.0, 100.0)
    assert (sigma_ln_tau, sigma_beta) == pytest.approx((2.5e-3, 1e-3))
    sigma, _ = error_scale([1e4, 4e4], 10_000.0, [100.0, 400.0])
    assert sigma == pytest.approx([2.5e-3, 2.5e-3])


@pytest.mark.parametrize("tau_s", [0.0, -1.0, np.nan, np.inf])
def test_error_scale_of_a_failed_fit_is_unknown(tau_s):
    assert np.all(np.isnan(error_scale(1e4, 1e4, tau_s)))


def test_few_slots_in_tau_blur_beta_only():
    universal, finite = error_scale(1e4, 1e4, 100.0), error_scale(1e4, 1e4, 100.0, model="finite")
    coarse = error_scale(1e4, 1e4, 100.0, model="finite", spacing_s=10.0)
    assert coarse[0] == finite[0] > universal[0]
    assert coarse[1] > 3 * finite[1] == 3 * universal[1]


@pytest.fixture(scope="module")
def fits_of_40_records():
    """Records of 10 relaxation times, fitted in three ways."""
    movie = speckle_movie(40 * N_SLOTS, SHAPE, tau_frames=TAU_SLOTS, beta=0.7, seed=31)
    movie /= movie.mean(axis=(1, 2), keepdims=True)
    fits = {"kww": [], "finite": [], "kww+baseline": []}
    for record in movie.reshape(40, N_SLOTS, *SHAPE):
        correlator = MultiTau(SHAPE, levels=correlator_levels(N_SLOTS))
        correlator.update(record, np.arange(N_SLOTS), np.zeros(N_SLOTS, dtype=int))
        sums = correlator.sums()
        lag_s, pairs, g2 = sums.lag_slots.astype(float), sums.pairs, g2_averages(sums)
        ratio, roi = g2["ratio"] - 1, g2["roi"] - 1
        fits["kww"].append(fit_kww(lag_s, ratio, pairs, duration_s=N_SLOTS))
        fits["finite"].append(fit_kww_finite(lag_s, ratio, n_slots=N_SLOTS, spacing_s=1.0, pairs=pairs))
        spec = FitSpec.with_baseline()
        fits["kww+baseline"].append(fit_kww(lag_s, roi, pairs, spec=spec, duration_s=N_SLOTS))
    return {model: np.array([(np.log(fit.tau_s), fit.beta) for fit in of]) for model, of in fits.items()}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["kww", "finite", "kww+baseline"])
def test_the_scatter_of_records_is_the_error_scale(fits_of_40_records, model):
    values = fits_of_40_records[model]
    seen_s = np.exp(values[:, 0].mean())
    expected = error_scale(speckle_count_px(SHAPE, 4.0), N_SLOTS, seen_s, model=model, spacing_s=1.0)
    # Good to 30 %, and a standard deviation of 40 values to 11 %.
    assert np.all(np.abs(np.log(values.std(axis=0, ddof=1) / expected)) < np.log(1.3) + 4 * 0.11)
    if model != "kww":
        error = 4 * np.array(expected) / np.sqrt(len(values))
        assert np.all(np.abs(values.mean(axis=0) - [np.log(TAU_SLOTS), 0.7]) < error)


def test_speckles_of_the_published_apertures():
    pixel_nm = 14e3 * 4 / 340_000
    for aperture_per_nm, count in [(0.726, 4.7e4), (0.847, 6.4e4), (1.104, 1.1e5)]:
        assert speckle_count((1024, 1024), pixel_nm, aperture_per_nm) == pytest.approx(count, rel=0.02)
