"""What a record of given size and duration can tell."""

import numpy as np
import pytest

from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.kww import finite_kww, fit_kww
from annealscope.analysis.precision import error_scale, record_bias, speckle_count, speckle_fwhm_nm

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


def test_speckles_of_the_published_apertures():
    frame_nm2 = (1024 * 14e3 * 4 / 340_000) ** 2
    for aperture_per_nm, count, fwhm_nm in [(0.726, 4.7e4, 0.71), (0.847, 6.4e4, 0.61), (1.104, 1.1e5, 0.47)]:
        assert speckle_count(frame_nm2, aperture_per_nm) == pytest.approx(count, rel=0.02)
        assert speckle_fwhm_nm(aperture_per_nm) == pytest.approx(fwhm_nm, abs=0.006)
