"""Records of known tau and beta: which estimator finds them, and what the others show instead."""

from dataclasses import replace

import numpy as np
import pytest
from truth import Truth, expected_ratio, movie
from truth_runs import Seen, records, seen

from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.kww import fit_kww
from annealscope.analysis.precision import record_bias

TRUTHS = {
    "485 s": Truth(485, 0.68, period_s=2, n_frames=7000),
    "743 s": Truth(743, 0.70, period_s=2, n_frames=7000),
    "886 s": Truth(886, 0.83, period_s=2, n_frames=7000),
    "1023 s": Truth(1023, 0.84, period_s=2, n_frames=7000),
    "1585 s": Truth(1585, 0.74, period_s=2, n_frames=7000),
    "973 s": Truth(973, 0.623, period_s=2, n_frames=7000),
    "892 s": Truth(892, 0.70, period_s=5, n_frames=2800),
}
FAST = {"485 s": 2, "892 s": 4}
"""Movies in the quick tests."""

MANY = 16
UNBIASED = ("corrected", "roi", "ttcf")
BIAS_ALLOWED = (0.03, 0.02)
"""In ln tau and beta, beside four standard errors."""

CUMULANT = -0.04
"""What `pixel` shows less than `ratio`, in ln tau, at a contrast of 0.1; allowed for by as much again."""


def is_near(seen: Seen, truth: Truth, tau_s: float, beta: float, allowed: tuple[float, float]) -> bool:
    """Whether a mean over records is what is expected: four standard errors, of the mean, and a bias."""
    sigma_ln_tau, sigma_beta = 4 * np.array(truth.scale) / np.sqrt(len(seen.beta))
    ln_tau = abs(seen.ln_tau.mean() - np.log(tau_s)) < sigma_ln_tau + allowed[0]
    return bool(ln_tau and abs(seen.beta.mean() - beta) < sigma_beta + allowed[1])


@pytest.fixture(scope="module")
def quick():
    return {name: records(TRUTHS[name], count, 1, count) for name, count in FAST.items()}


@pytest.fixture(scope="module")
def many():
    made = {}

    def of(name):
        if name not in made:
            made[name] = records(TRUTHS[name], MANY, 2, list(TRUTHS).index(name))
        return made[name]

    return of


def check_estimators(truth: Truth, results) -> None:
    for estimator in UNBIASED:
        assert is_near(seen(results, estimator), truth, truth.tau_s, truth.beta, BIAS_ALLOWED), estimator
    tau_s, beta = record_bias(truth.tau_s, truth.beta, truth.n_frames, truth.period_s)
    assert is_near(seen(results, "ratio"), truth, tau_s, beta, BIAS_ALLOWED)
    assert is_near(seen(results, "pixel"), truth, tau_s * np.exp(CUMULANT), beta, (0.04, 0.02))
    for estimator in ("ratio", "pixel"):
        assert not is_near(seen(results, estimator), truth, truth.tau_s, truth.beta, BIAS_ALLOWED), estimator


@pytest.mark.parametrize("name", FAST)
def test_estimators_see_what_they_should(quick, name):
    check_estimators(TRUTHS[name], quick[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTHS)
def test_estimators_see_what_they_should_in_many_records(many, name):
    check_estimators(TRUTHS[name], many(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTHS)
def test_pixel_reads_some_per_cent_less_than_ratio(many, name):
    difference = seen(many(name), "pixel").ln_tau - seen(many(name), "ratio").ln_tau
    assert difference.mean() == pytest.approx(CUMULANT, abs=0.02)


@pytest.mark.slow
def test_the_jackknife_is_calibrated():
    """Over 100 records the distances from what is expected are as large as the stated errors."""
    truth = Truth(350, 0.70, period_s=5, n_frames=1400, side_px=64)
    results = records(truth, 100, 5)
    biased = record_bias(truth.tau_s, truth.beta, truth.n_frames, truth.period_s)
    for estimator in ("corrected", "ratio", "roi"):
        tau_s, beta = biased if estimator == "ratio" else (truth.tau_s, truth.beta)
        fits = [result[f"kww/{estimator}"].attrs for result in results]
        assert {fit["errors"] for fit in fits} == {"jackknife"}
        z_tau = [np.log(fit["tau_s"] / tau_s) * fit["tau_s"] / fit["sigma_tau_s"] for fit in fits]
        z_beta = [(fit["beta"] - beta) / fit["sigma_beta"] for fit in fits]
        assert 0.85 < np.std(z_tau) < 1.2, estimator
        assert 0.85 < np.std(z_beta) < 1.2, estimator


@pytest.mark.slow
def test_the_cumulant_grows_with_the_contrast():
    truth = replace(TRUTHS["892 s"], contrast=1.0)
    results = records(truth, 8, 3)
    difference = seen(results, "pixel").ln_tau - seen(results, "ratio").ln_tau
    assert difference.mean() == pytest.approx(3 * CUMULANT, abs=0.05)


@pytest.mark.parametrize("name", TRUTHS)
def test_the_expected_bias_is_that_of_the_definition(name):
    """The plain fit of the curve that is expected, its double sum taken pair by pair."""
    truth = TRUTHS[name]
    slots = np.unique(np.rint(np.geomspace(1, truth.n_frames / 2, 200))).astype(np.int64)
    curve = expected_ratio(truth, slots)
    fit = fit_kww(slots * truth.period_s, curve, truth.n_frames - slots, duration_s=truth.duration_s)
    tau_s, beta = record_bias(truth.tau_s, truth.beta, truth.n_frames, truth.period_s)
    assert fit.tau_s == pytest.approx(tau_s, rel=0.01)
    assert fit.beta == pytest.approx(beta, abs=0.01)
    assert tau_s < 0.9 * truth.tau_s
    assert FitSpec.default().range == fit.range == "half"


def test_the_movie_has_the_contrast_and_the_decay_it_says():
    """Straight from the frames, the average known to be 1: no correlator, no fit."""
    truth = Truth(60, 0.7, period_s=2, n_frames=1500)
    frames = movie(truth, 4).astype(np.float64) - 1
    for slots in (1, 8, 30, 60):
        seen = np.mean(frames[:-slots] * frames[slots:])
        expected = truth.contrast * np.exp(-2 * (slots * 2 / 60) ** 0.7)
        assert seen == pytest.approx(expected, abs=4 * truth.contrast * truth.scale[1])
