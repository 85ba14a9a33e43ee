"""Distribution of tau over the pixels of a map."""

import numpy as np
import pytest
from scipy import stats

from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.map_summary import fraction_edges_s, pixel_fractions, summarise, variance_error


def random(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def unflagged(ln_tau):
    return np.exp(ln_tau), np.zeros(np.shape(ln_tau), dtype=np.uint16)


def test_every_number_is_what_it_is_called():
    x = random(1).gamma(6.0, 0.2, (40, 50))
    summary = summarise(*unflagged(x), independent=500)
    x = x.ravel()
    assert summary.pixels == 2000
    assert summary.flagged_fraction == 0
    assert np.log(summary.median_tau_s) == pytest.approx(np.median(x))
    assert np.log(summary.geometric_mean_tau_s) == pytest.approx(x.mean())
    assert summary.sigma_ln_tau == pytest.approx(x.std())
    assert summary.robust_sigma_ln_tau == pytest.approx(
        stats.median_abs_deviation(x, scale="normal"), rel=1e-4
    )
    assert summary.skew == pytest.approx(stats.skew(x))
    assert summary.ks_distance == pytest.approx(stats.kstest(x, "norm", (x.mean(), x.std())).statistic)


def test_flagged_pixels_do_not_count_and_masked_ones_not_even_as_flagged():
    tau_s, flags = unflagged(random(2).normal(5, 0.5, 400))
    clean = summarise(tau_s, flags, 100)
    bad = np.array([np.nan, 1e9, 1e-9, np.nan], dtype=tau_s.dtype)
    kinds = [FitFlag.NOT_CONVERGED, FitFlag.TOO_SLOW, FitFlag.TOO_FAST, FitFlag.MASKED]
    hint = np.append(flags, np.array(kinds, dtype=np.uint16))
    hint[:7] = FitFlag.RESIDUAL_RUNS
    summary = summarise(np.append(tau_s, bad), hint, 100)
    assert summary.pixels == 400
    assert summary.flagged_fraction == pytest.approx(3 / 403)
    assert summary.sigma_ln_tau == clean.sigma_ln_tau


@pytest.mark.parametrize("size", [0, 15])
def test_too_few_pixels_have_no_distribution(size):
    summary = summarise(*unflagged(np.arange(float(size))), independent=size)
    assert np.isnan([summary.median_tau_s, summary.sigma_ln_tau, summary.skew, summary.delta_bic]).all()
    assert not summary.bimodal


def exact_delta_bic(x, components):
    """Of components (weight, mean, sigma) given, against one normal distribution."""
    one = stats.norm.logpdf(x, x.mean(), x.std()).sum()
    two = np.log(sum(w * stats.norm.pdf(x, mean, sigma) for w, mean, sigma in components)).sum()
    return 2 * (two - one) - 3 * np.log(x.size)


def test_two_populations_are_told_from_one():
    rng = random(3)
    x = np.concatenate([rng.normal(4, 0.4, 1500), rng.normal(6, 0.5, 500)])
    summary = summarise(*unflagged(x), independent=2000)
    assert summary.bimodal
    # the best components describe a sample better than the true ones, by chi-squared of 5 parameters
    truth = exact_delta_bic(x, [(0.75, 4, 0.4), (0.25, 6, 0.5)])
    assert truth - 1 < summary.delta_bic < truth + 25
    one = summarise(*unflagged(rng.normal(5, 0.5, 2000)), independent=2000)
    assert one.delta_bic < 10
    assert not one.bimodal


def test_a_skew_distribution_is_not_two_populations():
    """Two normal components describe it better than one, but have one maximum together."""
    summary = summarise(*unflagged(random(4).gamma(6.0, 0.2, 5000)), independent=5000)
    assert summary.delta_bic > 10
    assert summary.maxima == 1
    assert not summary.bimodal


def test_the_number_of_components_is_judged_by_independent_pixels():
    x = np.repeat(np.concatenate([random(5).normal(4, 0.4, 200), random(6).normal(5.5, 0.4, 200)]), 20)
    few, many = (summarise(*unflagged(x), independent=n).delta_bic for n in (400, 8000))
    gain = (few + 3 * np.log(400)) / 400
    assert many == pytest.approx(8000 * gain - 3 * np.log(8000))


def test_the_error_of_the_variance_is_the_jackknife():
    rng = random(7)
    x, labels = rng.normal(3, 0.5, (20, 25)), np.arange(500).reshape(20, 25) * 16 // 500
    tau_s, flags = unflagged(x)
    flags[3, 4] = FitFlag.NOT_CONVERGED
    good = flags == 0
    left_out = np.array([x[good & (labels != block)].var() for block in range(16)])
    expected = np.sqrt(15 / 16 * np.sum((left_out - left_out.mean()) ** 2))
    assert variance_error(tau_s, flags, labels) == pytest.approx(expected)
    assert np.isnan(variance_error(tau_s, flags, np.zeros_like(labels)))


def test_fractions_of_pixels_fill_bins_of_a_twentieth_of_a_decade():
    edges_s = fraction_edges_s(2.0, 2000.0)
    np.testing.assert_allclose(np.diff(np.log10(edges_s)), 0.05)
    assert edges_s[0] == 2.0
    assert edges_s[-1] == pytest.approx(20_000)
    tau_s = np.array([edges_s[3] * 1.01, edges_s[3] * 1.02, edges_s[9] * 1.01, 50.0], dtype=np.float32)
    flags = np.array([0, 0, 0, FitFlag.TOO_FAST], dtype=np.uint16)
    fractions = pixel_fractions(tau_s, flags, edges_s)
    assert fractions[[3, 9]] == pytest.approx([2 / 3, 1 / 3])
    assert fractions.sum() == pytest.approx(1)
    assert np.isnan(pixel_fractions(tau_s[3:], flags[3:], edges_s)).all()
