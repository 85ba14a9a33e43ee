"""One relaxation time, seen in longer and longer parts of a record: which estimates rise, which stay."""

import numpy as np
import pytest
from truth import Truth, movie
from truth_runs import blocks_of, flat_sums, rows_of, spec_for

from annealscope.analysis.averages import block_totals
from annealscope.analysis.ecm_duration import duration_results, fitted_prefix
from annealscope.analysis.ecm_rows import timeline
from annealscope.analysis.precision import Model, error_scale, record_bias
from annealscope.analysis.values import Results

TRUTH = Truth(892, 0.70, period_s=5, n_frames=5000)
PARTS = (1000, 2000, 3000, 4000, 5000)
MANY = 8


def grown(*key: int) -> Results:
    """Return what the parts of one record say."""
    spec, frames, rows = spec_for(TRUTH), movie(TRUTH, *key), rows_of(TRUTH)
    totals = [block_totals(flat_sums(frames[:n]), blocks_of(TRUTH)) for n in PARTS]
    prefixes = [fitted_prefix(part, timeline(rows[:n]), spec) for n, part in zip(PARTS, totals, strict=True)]
    return duration_results(prefixes, spec.fit)


@pytest.fixture(scope="module")
def many():
    return [grown(41, k) for k in range(MANY)]


def ln_tau(many: list[Results], name: str) -> np.ndarray:
    """Return the mean over the records of ln tau in each part."""
    return np.nanmean([np.log(one[f"duration/{name}"].values) for one in many], axis=0)


def sigma_ln_tau(n_frames: np.ndarray, model: Model | None = None) -> np.ndarray:
    """Return the standard error of a mean over the records: the universal scale, or that of a model."""
    duration_s = n_frames * TRUTH.period_s
    return error_scale(TRUTH.n_speckles, duration_s, TRUTH.tau_s, model=model)[0] / np.sqrt(MANY)


@pytest.mark.slow
def test_the_plain_times_rise_with_the_duration_as_expected(many):
    seen = ln_tau(many, "tau_s")
    expected = [np.log(record_bias(TRUTH.tau_s, TRUTH.beta, n, TRUTH.period_s)[0]) for n in PARTS]
    assert np.all(np.diff(seen) > 0.02)
    assert seen[-1] - seen[0] > 0.3
    allowed = 4 * sigma_ln_tau(np.array(PARTS)) + 0.04
    assert np.all(np.abs(seen - expected + 0.04)[1:] < allowed[1:])
    beta = np.mean([one["duration/beta"].values for one in many], axis=0)
    assert np.all(np.diff(beta) < 0)


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "model"), [("corrected", "finite"), ("ttcf", "kww+baseline")])
def test_the_unbiased_times_do_not(many, estimator, model):
    """From the second part on, 11 relaxation times long."""
    seen = ln_tau(many, f"{estimator}_tau_s")[1:]
    allowed = 4 * sigma_ln_tau(np.array(PARTS[1:]), model) + 0.03
    assert np.all(np.abs(seen - np.log(TRUTH.tau_s)) < allowed)
    rises = ln_tau(many, "tau_s")[-1] - ln_tau(many, "tau_s")[1]
    assert abs(seen[-1] - seen[0]) < rises / 2


@pytest.mark.slow
def test_the_hyperbola_ends_at_the_truth_and_the_others_below(many):
    ends = {
        law: np.mean([np.log(one["duration"].attrs[f"tau_asym{law}_s"] / TRUTH.tau_s) for one in many])
        for law in ("", "_exp", "_invT")
    }
    allowed = 4 * sigma_ln_tau(np.array([TRUTH.n_frames]))[0] + 0.04
    assert abs(ends[""]) < allowed
    assert ends["_exp"] < ends[""] - 0.05
    assert ends["_invT"] < ends[""] - 0.03
