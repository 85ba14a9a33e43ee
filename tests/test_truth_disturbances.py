"""What disturbs a record of known tau: uneven light, a wandering beam, shot noise, losses, gaps, aging."""

from dataclasses import replace

import numpy as np
import pytest
from truth import Truth, counted, lopsided, movie, random
from truth_runs import Seen, analysed, part, records, seen

from annealscope.analysis.averages import g2_averages
from annealscope.analysis.kww import KwwFit, fit_kww
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.precision import record_bias
from annealscope.analysis.values import FrameBlock, Results, uniform_block

TRUTH = Truth(250, 0.70, period_s=5, n_frames=1400)
SIGMA_LN_TAU, SIGMA_BETA = TRUTH.scale
ALL = ("pixel", "ratio", "roi", "ttcf", "corrected")


@pytest.fixture(scope="module")
def frames():
    return movie(TRUTH, 21)


@pytest.fixture(scope="module")
def undisturbed(frames):
    return analysed(TRUTH, frames)


@pytest.fixture(scope="module")
def lit(frames):
    """Brighter from row to row, so much that a constant of 0.0083 is added to a contrast of 0.1."""
    return analysed(TRUTH, frames * lopsided(TRUTH.side_px, 0.0083).astype(np.float32))


def changed(results: Results, reference: Results, estimator: str) -> tuple[float, float]:
    """Return by how much ln tau and beta of an estimator changed, in standard errors of one record."""
    now, then = (of[f"kww/{estimator}"].attrs for of in (results, reference))
    ln_tau = np.log(now["tau_s"] / then["tau_s"]) / SIGMA_LN_TAU
    return abs(ln_tau), abs(now["beta"] - then["beta"]) / SIGMA_BETA


def fit_without_baseline(results: Results, estimator: str) -> KwwFit:
    lag_s, pairs = results["g2/lag"].values, results["g2/pairs"].values
    return fit_kww(lag_s, results[f"g2/{estimator}"].values - 1, pairs, duration_s=TRUTH.duration_s)


@pytest.mark.parametrize("estimator", ALL)
def test_uneven_light_hardly_changes_the_fits(lit, undisturbed, estimator):
    assert max(changed(lit, undisturbed, estimator)) < 0.6


def test_uneven_light_needs_a_free_baseline(lit, undisturbed):
    even, uneven = (fit_without_baseline(results, "ttcf") for results in (undisturbed, lit))
    assert abs(np.log(even.tau_s / TRUTH.tau_s)) < 4 * SIGMA_LN_TAU
    assert np.log(uneven.tau_s / TRUTH.tau_s) > 4 * SIGMA_LN_TAU + 0.1
    assert TRUTH.beta - uneven.beta > 10 * SIGMA_BETA
    assert lit["kww/ttcf"].attrs["baseline"] == pytest.approx(0.0083, rel=0.4)


def test_dividing_by_the_time_mean_of_each_pixel_brings_the_bias_back(frames, undisturbed):
    flattened = fit_without_baseline(analysed(TRUTH, frames / frames.mean(axis=0)), "ttcf")
    pixel = undisturbed["kww/pixel"].attrs
    assert flattened.tau_s == pytest.approx(pixel["tau_s"], rel=0.005)
    assert flattened.beta == pytest.approx(pixel["beta"], abs=0.003)
    assert np.log(flattened.tau_s / fit_without_baseline(undisturbed, "ttcf").tau_s) < -0.1


CURRENTS = {
    "falls by a tenth": np.linspace(1.0, 0.9, TRUTH.n_frames),
    "ripples by 5 %": 1 + 0.05 * np.sin(np.arange(TRUTH.n_frames) / 7),
}


@pytest.mark.parametrize("name", CURRENTS)
def test_the_beam_current_is_taken_out(frames, undisturbed, name):
    current = CURRENTS[name].astype(np.float32)
    results = analysed(TRUTH, frames * current[:, None, None])
    for estimator in ALL:
        assert max(changed(results, undisturbed, estimator)) < 0.01
    mean = undisturbed["frame_mean"].values * current
    np.testing.assert_allclose(results["frame_mean"].values, mean, rtol=1e-5)


@pytest.mark.parametrize("name", CURRENTS)
def test_the_beam_current_would_change_the_fit(frames, undisturbed, name):
    slots = np.arange(TRUTH.n_frames)
    correlator = MultiTau(frames.shape[1:])
    correlator.update(frames * CURRENTS[name].astype(np.float32)[:, None, None], slots, 0 * slots)
    sums = correlator.sums()
    curve = g2_averages(sums)["ratio"] - 1
    fit = fit_kww(sums.lag_slots * TRUTH.period_s, curve, sums.pairs, duration_s=TRUTH.duration_s)
    then = undisturbed["kww/ratio"].attrs
    assert abs(np.log(fit.tau_s / then["tau_s"])) + abs(fit.beta - then["beta"]) > 0.02


@pytest.mark.parametrize(("electrons", "allowed"), [(30, 0.3), (3, 1.0)])
def test_shot_noise_changes_little(frames, undisturbed, electrons, allowed):
    results = analysed(TRUTH, counted(frames, electrons, 22))
    for estimator in ALL:
        assert max(changed(results, undisturbed, estimator)) < allowed


def in_two_segments(frames: np.ndarray) -> FrameBlock:
    """Return two segments, the second later on the clock, with 15 % of the slots lost."""
    whole, n = uniform_block(frames, TRUTH.period_s), len(frames)
    later = np.arange(n) >= n // 3
    block = replace(
        whole,
        segment=later.astype(np.int64),
        slot=whole.slot - n // 3 * later,
        t_start_s=whole.t_start_s + 3000 * later,
    )
    kept = random(23).random(n) > 0.15
    kept[[0, n // 3 - 1, n // 3, -1]] = True
    return part(block, kept)


def masked_sums(block: FrameBlock, lag: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of one lag that exist, one by one: their number and the means S, L and R."""
    at = {(int(g), int(s)): i for i, (g, s) in enumerate(zip(block.segment, block.slot, strict=True))}
    pairs = [(i, at[g, s + lag]) for (g, s), i in at.items() if (g, s + lag) in at]
    first, second = np.array(pairs).T
    flat = block.frames / block.frames.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    left, right = flat[first], flat[second]
    return len(pairs), (left * right).mean(axis=0), left.mean(axis=0), right.mean(axis=0)


def test_lost_slots_and_gaps_are_as_in_the_definition(frames):
    block = in_two_segments(frames[:600, :32, :32])
    results = analysed(replace(TRUTH, side_px=32), block)
    lags = np.rint(results["g2/lag"].values / TRUTH.period_s).astype(int)
    for at in np.flatnonzero(lags < 16)[::4]:
        n, s, left, right = masked_sums(block, int(lags[at]))
        assert results["g2/pairs"].values[at] == n
        expected = {
            "pixel": np.mean(s / (left * right)),
            "ratio": s.mean() / np.mean(left * right),
            "roi": s.mean() / (left.mean() * right.mean()),
            "ttcf": s.mean(),
        }
        for name, value in expected.items():
            assert results[f"g2/{name}"].values[at] == pytest.approx(value, abs=1e-6)


def test_losses_change_little(frames, undisturbed):
    kept = random(24).random(TRUTH.n_frames) > 0.15
    results = analysed(TRUTH, part(uniform_block(frames, TRUTH.period_s), kept))
    for estimator in ALL:
        assert max(changed(results, undisturbed, estimator)) < 0.6


def near_truth(seen: Seen) -> bool:
    sigma_ln_tau = 4 * SIGMA_LN_TAU / np.sqrt(len(seen.beta)) + 0.03
    return bool(abs(seen.ln_tau.mean() - np.log(TRUTH.tau_s)) < sigma_ln_tau)


@pytest.mark.slow
def test_the_model_knows_the_segments():
    """Three short segments: their plain fits are far off, by what is common to their means."""
    truth = replace(TRUTH, n_frames=1800)
    results = [analysed(truth, three_segments(movie(truth, 25, k))) for k in range(12)]
    assert near_truth(seen(results, "corrected"))
    assert not near_truth(seen(results, "ratio"))


def three_segments(frames: np.ndarray) -> FrameBlock:
    """Return the first 400 slots of every 700, each a segment."""
    whole = uniform_block(frames, TRUTH.period_s)
    segment, slot = np.divmod(whole.slot, 700)
    return part(replace(whole, segment=segment, slot=slot), slot < 400)


@pytest.mark.slow
@pytest.mark.parametrize("aging", [0.5, 1.0])
def test_an_aging_record_shows_the_tau_of_its_middle(aging):
    results = records(replace(TRUTH, aging=aging), 12, 26)
    for estimator in ("corrected", "roi"):
        assert near_truth(seen(results, estimator)), estimator
    tau_s, _ = record_bias(TRUTH.tau_s, TRUTH.beta, TRUTH.n_frames, TRUTH.period_s)
    assert tau_s < 0.9 * TRUTH.tau_s
    assert not near_truth(seen(results, "ratio"))
