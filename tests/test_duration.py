"""The relaxation time of a growing record, and what of its growth is the estimator's."""

from dataclasses import replace

import numpy as np
import pytest

from annealscope.analysis.averages import BlockTotals, block_totals
from annealscope.analysis.duration import asymptote
from annealscope.analysis.ecm_duration import Prefix, duration_results, fitted_prefix
from annealscope.analysis.ecm_rows import Timeline
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.geometry import correlator_levels
from annealscope.analysis.jackknife import block_labels, left_out_error
from annealscope.analysis.kww import finite_kww
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.precision import error_scale, record_bias
from annealscope.analysis.speckle import uniform_speckle

SIDE, N_SLOTS, PREFIXES = 64, 1536, 6
PERIOD_S, TAU_S, BETA = 2.0, 120.0, 0.7
APERTURE_PER_PX = 0.514 / 4.0
SPEC = EcmSpec(
    shape=(SIDE, SIDE),
    period_s=PERIOD_S,
    exposure_s=1.0,
    pixel_nm=0.2,
    aperture_per_nm=APERTURE_PER_PX / 0.2,
    frames_expected=N_SLOTS,
    drift=False,
    margin_px=0,
)
ENDS = N_SLOTS // PREFIXES * np.arange(1, PREFIXES + 1)
COLUMNS = ("tau_s", "sigma_tau_s", "beta", "sigma_beta")


def first_slots(n_slots: int) -> Timeline:
    zero = np.zeros(1, dtype=np.int64)
    return Timeline(PERIOD_S, zero, zero + n_slots, zero, np.zeros(1))


def growing_record(seed: int) -> list[BlockTotals]:
    """Totals of the first sixth, the first third ... of a movie of one relaxation time everywhere."""
    movie = uniform_speckle(
        N_SLOTS,
        (SIDE, SIDE),
        tau_frames=TAU_S / PERIOD_S,
        beta=BETA,
        aperture_per_px=APERTURE_PER_PX,
        contrast=0.1,
        rng=np.random.Generator(np.random.Philox(seed)),
    )
    frames = np.stack([frame / frame.mean() for frame in movie])
    correlator = MultiTau((SIDE, SIDE), levels=correlator_levels(N_SLOTS))
    labels = block_labels((SIDE, SIDE), 12.0)
    totals = []
    for slot in np.split(np.arange(N_SLOTS), ENDS[:-1]):
        correlator.update(frames[slot], slot, np.zeros_like(slot))
        totals.append(block_totals(correlator.sums(), labels))
    return totals


@pytest.fixture(scope="module")
def prefixes() -> list[Prefix]:
    return [
        fitted_prefix(totals, first_slots(n), SPEC)
        for totals, n in zip(growing_record(seed=3), ENDS, strict=True)
    ]


@pytest.fixture(scope="module")
def results(prefixes):
    return duration_results(prefixes, SPEC.fit)


def column(results, name: str) -> np.ndarray:
    return results[f"duration/{name}"].values


def test_the_plain_time_rises_with_the_duration_though_nothing_else_changes(results):
    """Exactly the rise that the estimator makes by itself, within the error scale of each record."""
    T_s, tau_s, beta = (column(results, name) for name in ("T_s", "tau_s", "beta"))
    np.testing.assert_allclose(T_s, ENDS * PERIOD_S)
    assert np.all(np.diff(tau_s) > 0)
    assert np.all(np.diff(beta) < 0)
    assert tau_s[-1] / tau_s[0] > 1.5
    assert tau_s[-1] < 0.9 * TAU_S
    expected = np.array([record_bias(TAU_S, BETA, n, PERIOD_S, SPEC.fit) for n in ENDS])
    sigma_ln_tau, sigma_beta = error_scale(
        SPEC.n_speckles, T_s, expected[:, 0], model="kww", spacing_s=PERIOD_S
    )
    # The mean of the curves of pixels reads a little shorter than their ratio, up to 6 % at this contrast.
    assert np.all(np.abs(np.log(tau_s / expected[:, 0]) + 0.03) < 0.03 + 3 * sigma_ln_tau)
    assert np.all(np.abs(beta - expected[:, 1]) < 0.03 + 3 * sigma_beta)


@pytest.mark.parametrize(("start", "model"), [("corrected_", "finite"), ("ttcf_", "kww+baseline")])
def test_unbiased_times_stay_what_they_are(results, start, model):
    T_s, tau_s, sigma_s = (column(results, name) for name in ("T_s", f"{start}tau_s", f"{start}sigma_tau_s"))
    known = T_s >= 5.5 * TAU_S
    sigma_ln_tau, _ = error_scale(SPEC.n_speckles, T_s, TAU_S, model=model)
    assert np.all(np.abs(np.log(tau_s / TAU_S))[known] < 3 * sigma_ln_tau[known])
    assert np.all((sigma_s / TAU_S / sigma_ln_tau)[known] < 3)
    assert abs(tau_s[-1] - tau_s[known][0]) < 3 * sigma_s[known][0]


def test_the_asymptote_is_the_truth(results):
    attrs = results["duration"].attrs
    assert (attrs["law"], attrs["why"]) == ("hyp", "")
    assert abs(attrs["tau_asym_s"] - TAU_S) < 3 * attrs["sigma_tau_asym_s"]
    assert 0.01 < attrs["sigma_tau_asym_s"] / TAU_S < 0.15
    assert attrs["tau_asym_exp_s"] < attrs["tau_asym_invT_s"] < attrs["tau_asym_s"] < attrs["tau_asym_pow_s"]


def test_its_error_comes_from_the_blocks(results, prefixes):
    """Refitting the law without each block, by hand; the residuals of the law say next to nothing."""
    found = [prefix.found["pixel"] for prefix in prefixes]
    without = np.array([estimate.tau_without_s for estimate in found])
    by_hand = [asymptote(ENDS * PERIOD_S, tau_s).tau_asym_s for tau_s in without.T]
    attrs = results["duration"].attrs
    assert attrs["sigma_tau_asym_s"] == left_out_error(by_hand)
    assert attrs["rms_s"] < 0.5 * attrs["sigma_tau_asym_s"]


def test_the_last_prefix_is_the_record(results, prefixes):
    for estimator, start in (("pixel", ""), ("corrected", "corrected_"), ("ttcf", "ttcf_")):
        whole = prefixes[-1].found[estimator]
        numbers = whole.fit.tau_s, whole.sigma_tau_s, whole.fit.beta, whole.sigma_beta
        assert tuple(column(results, start + name)[-1] for name in COLUMNS) == numbers


def test_what_a_plain_fit_is_expected_to_show_stands_beside(results, prefixes):
    """For the corrected decay of the whole record; `record_bias` fits all lags, so it agrees to some 2 %."""
    believed = prefixes[-1].found["corrected"].fit
    bias = [record_bias(believed.tau_s, believed.beta, n, PERIOD_S, SPEC.fit) for n in ENDS]
    np.testing.assert_allclose(column(results, "expected_tau_s"), np.array(bias)[:, 0], rtol=0.02)
    np.testing.assert_allclose(column(results, "expected_beta"), np.array(bias)[:, 1], atol=0.02)


def exact(n_slots: int, blocks: int = 1, spec: EcmSpec = SPEC) -> Prefix:
    """A prefix whose averages are the expectation of the `ratio` curve."""
    lag = np.arange(1, n_slots)
    curve = 1.0 + 0.1 * finite_kww(lag, TAU_S, BETA, spacing_s=PERIOD_S, segments=[n_slots])
    pairs = n_slots - lag
    ones = np.ones_like(curve)
    sums = np.stack([curve * pairs, pairs, pairs, pairs.astype(float) ** 2, curve / pairs, ones], axis=1)
    totals = BlockTotals(lag, pairs, 100.0 * np.repeat(sums[None], blocks, axis=0), np.full(blocks, 100))
    return fitted_prefix(totals, first_slots(n_slots), spec)


def test_exact_curves_give_the_truth():
    """Over 5.6 ... 28 relaxation times: the hyperbola within 1 %, the exponential more than 5 % too short."""
    ends = np.rint(5.6 * np.arange(1, 6) * TAU_S / PERIOD_S).astype(int)
    attrs = duration_results([exact(n) for n in ends], SPEC.fit)["duration"].attrs
    assert attrs["tau_asym_s"] == pytest.approx(TAU_S, rel=0.01)
    assert attrs["tau_asym_exp_s"] < 0.95 * TAU_S


def test_short_parts_are_unknown_and_spoil_nothing():
    """A part of 6 slots cannot be fitted; those shorter than 5 tau have no unbiased value; the rest has."""
    parts = [exact(n) for n in (6, 240, *ENDS[1:])]
    results = duration_results(parts, SPEC.fit)
    assert np.isnan(column(results, "tau_s")).tolist() == [True] + 6 * [False]
    assert FitFlag.NOT_CONVERGED in FitFlag(int(column(results, "flags")[0]))
    assert np.isnan(column(results, "expected_tau_s")).tolist() == [True] + 6 * [False]
    for name in ("corrected_tau_s", "corrected_beta", "ttcf_tau_s", "ttcf_beta"):
        assert np.isnan(column(results, name)).tolist() == [True, True] + 5 * [False]
    np.testing.assert_allclose(column(results, "corrected_tau_s")[2:], TAU_S, rtol=1e-4)
    without_it = duration_results(parts[1:], SPEC.fit)["duration"].attrs
    assert results["duration"].attrs["tau_asym_s"] == without_it["tau_asym_s"]


def test_a_rise_that_is_the_estimators_alone_is_the_expected_one():
    results = duration_results([exact(n) for n in ENDS], SPEC.fit)
    for name in ("tau_s", "beta"):
        np.testing.assert_allclose(column(results, f"expected_{name}"), column(results, name), rtol=1e-4)


def test_a_record_shorter_than_5_tau_has_no_unbiased_time_at_all():
    results = duration_results([exact(n) for n in (100, 150, 200, 280)], SPEC.fit)
    assert np.isfinite(column(results, "tau_s")).all()
    for name in ("corrected_tau_s", "ttcf_tau_s"):
        assert np.isnan(column(results, name)).all()


def test_a_part_that_adds_nothing_is_left_out():
    parts = [exact(n) for n in ENDS]
    results = duration_results([*parts[:3], parts[2], *parts[3:]], SPEC.fit)
    np.testing.assert_array_equal(column(results, "T_s"), ENDS * PERIOD_S)


def test_without_blocks_there_is_no_error():
    results = duration_results([exact(n, blocks=1) for n in ENDS], SPEC.fit)
    assert np.isnan(column(results, "sigma_tau_s")).all()
    assert np.isnan(results["duration"].attrs["sigma_tau_asym_s"])
    assert np.isfinite(results["duration"].attrs["tau_asym_s"])


def test_three_parts_have_no_asymptote():
    results = duration_results([exact(n) for n in ENDS[-3:]], SPEC.fit)
    attrs = results["duration"].attrs
    assert np.isnan([attrs["tau_asym_s"], attrs["tau_asym_exp_s"], attrs["sigma_tau_asym_s"]]).all()
    assert attrs["why"] == "a law needs at least 4 durations: got 3"
    assert duration_results([], SPEC.fit) == {}


def test_a_flagged_fit_has_no_number():
    spec = replace(SPEC, fit=replace(SPEC.fit, beta_bounds=(0.2, 0.65)))
    results = duration_results([exact(n, spec=spec) for n in ENDS], spec.fit)
    assert np.all(column(results, "flags") & FitFlag.BETA_AT_BOUND)
    assert np.isnan(column(results, "tau_s")).all()
    assert results["duration"].attrs["why"] == "a law needs at least 4 durations: got 0"


@pytest.mark.slow
def test_the_error_of_the_asymptote_is_the_scatter_of_movies():
    """24 movies, whose standard deviation is good to 15 %; docs/methods/duration.md has the numbers."""
    found = [
        duration_results(
            [
                fitted_prefix(totals, first_slots(n), SPEC)
                for totals, n in zip(growing_record(seed), ENDS, strict=True)
            ],
            SPEC.fit,
        )
        for seed in range(100, 124)
    ]
    tau_s, sigma_s, rms_s, exp_s = (
        np.array([results["duration"].attrs[name] for results in found])
        for name in ("tau_asym_s", "sigma_tau_asym_s", "rms_s", "tau_asym_exp_s")
    )
    assert abs(tau_s.mean() - TAU_S) < 0.015 * TAU_S + 3 * tau_s.std() / np.sqrt(len(found))
    assert abs(np.log(sigma_s.mean() / tau_s.std(ddof=1))) < 3 * 0.15
    assert 0.7 < np.std((tau_s - TAU_S) / sigma_s) < 1.4
    assert exp_s.mean() < 0.9 * TAU_S
    assert rms_s.mean() < sigma_s.mean() / 3
    for start in ("corrected_", "ttcf_"):
        mean_s = np.mean([column(results, f"{start}tau_s") for results in found], axis=0)
        scatter_s = np.std([column(results, f"{start}tau_s") for results in found], axis=0)
        assert np.all(np.abs(mean_s - TAU_S)[1:] < 0.03 * TAU_S + 3 * scatter_s[1:] / np.sqrt(len(found)))
