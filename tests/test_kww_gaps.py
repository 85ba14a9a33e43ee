"""Lost slots in the model of a finite record: against double loops, the correlator, simulated pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.analysis.averages import g2_averages
from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.kww import finite_kww, fit_each_finite, fit_kww_finite, kww, mean_subtraction
from annealscope.analysis.kww_gaps import UsedSlots
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.precision import error_scale
from annealscope.analysis.values import InvalidData

TAU_S, BETA, N_SLOTS = 20.0, 0.8, 600
EVERY_LAG = FitSpec(resample="none")


def without(*gaps, n=N_SLOTS):
    """One segment with slots lost from ... to."""
    used = np.ones(n, dtype=bool)
    for first, last in gaps:
        used[first:last] = False
    return used


def double_loop(lag, segments, starts, tau, beta):
    """Mean of f over the distances of the earlier slots of all pairs from the later slots of all pairs."""
    earlier = [
        start + i
        for used, start in zip(segments, starts, strict=True)
        for i in range(len(used) - lag)
        if used[i] and used[i + lag]
    ]
    return np.mean([kww(abs(i - (j + lag)), tau, beta) for i in earlier for j in earlier]), len(earlier)


@given(
    lost=st.lists(st.integers(1, 38), max_size=25),
    lag=st.integers(0, 25),
    tau=st.floats(0.5, 50.0),
    beta=st.floats(0.3, 2.0),
)
@settings(max_examples=40, deadline=None)
def test_the_means_run_over_the_pairs_that_exist(lost, lag, tau, beta):
    segments, starts = [np.ones(40, dtype=bool), without((5, 9), n=23)], [0, 47]
    segments[0][lost] = False
    expected, pairs = double_loop(lag, segments, starts, tau, beta)
    if pairs == 0:
        return
    record = {"spacing_s": 1.0, "segments": [40, 23], "used": UsedSlots(tuple(segments), (0, 3))}
    fast = mean_subtraction([lag], tau, beta, **record, segment_starts=starts)
    assert fast == pytest.approx(expected, abs=1e-12)


def test_segments_of_unknown_distance_are_independent():
    segments = [without((10, 30), n=60), without((5, 25), n=40)]
    record = {"spacing_s": 1.0, "segments": [60, 40], "used": UsedSlots(tuple(segments), (0, 0))}
    lags = np.arange(1, 20)
    apart = mean_subtraction(lags, 5.0, 1.0, **record, segment_starts=[0, 100_000])
    np.testing.assert_allclose(mean_subtraction(lags, 5.0, 1.0, **record), apart, atol=1e-12)


def test_without_lost_slots_it_is_the_model_of_before():
    record = {"spacing_s": 1.0, "segments": [300, 200], "segment_starts": [0, 320]}
    used = UsedSlots((np.ones(300, dtype=bool), np.ones(200, dtype=bool)), (0, 0))
    lags = np.arange(1, 150)
    np.testing.assert_allclose(
        finite_kww(lags, TAU_S, BETA, **record, used=used),
        finite_kww(lags, TAU_S, BETA, **record),
        atol=1e-13,
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_means_are_those_that_the_correlator_forms(seed):
    """A pixel that is bright in one slot alone shows how much this slot counts in L and R of every lag."""
    rng = np.random.Generator(np.random.Philox(seed))
    segments, first = [without((70, 95), n=230), np.ones(90, dtype=bool)], (13, 6)
    for used in segments:
        used[1:-1] &= rng.random(len(used) - 2) > 0.15 * seed
    starts = [0, 250]
    place = [np.flatnonzero(used) for used in segments]
    slot = np.concatenate([p + f for p, f in zip(place, first, strict=True)])
    time = np.concatenate([p + s for p, s in zip(place, starts, strict=True)])
    correlator = MultiTau((1, len(slot)), levels=5)
    correlator.update(np.eye(len(slot))[:, np.newaxis], slot, np.repeat([0, 1], [len(p) for p in place]))
    sums = correlator.sums()
    decay = kww(np.abs(time[:, np.newaxis] - time), TAU_S, BETA)
    expected = np.einsum("li,ij,lj->l", sums.left[:, 0], decay, sums.right[:, 0]) / sums.pairs**2
    record = {"segments": [230, 90], "segment_starts": starts, "used": UsedSlots(tuple(segments), first)}
    fast = mean_subtraction(
        sums.lag_slots, TAU_S, BETA, spacing_s=1.0, **record, width_slots=sums.width_slots
    )
    assert sums.width_slots.max() == 16
    np.testing.assert_allclose(fast, expected, atol=2e-6)


def exact_curve(used, lags, tau=TAU_S, beta=BETA):
    """Expectation of the `ratio` curve at the lags that have pairs, by a double sum over them."""
    found = []
    for lag in lags:
        i = np.flatnonzero(used[: len(used) - lag] & used[lag:])
        if i.size:
            taken = kww(np.abs(i[:, np.newaxis] - i - lag), tau, beta).mean()
            found.append((lag, 0.1 * (kww(lag, tau, beta) - taken), i.size))
    return (np.array(column) for column in zip(*found, strict=True))


RECORD = {"n_slots": N_SLOTS, "spacing_s": 1.0, "segment_starts": [0], "segments": [N_SLOTS]}


@pytest.mark.parametrize(
    ("gaps", "without_them"),
    [
        ([(200, 300)], (19.5, 0.82)),
        ([(100, 400)], (17.7, 0.92)),
        ([(100, 550)], (14.8, 1.07)),
        ([(n, n + 1) for n in range(1, 599, 4)], None),
    ],
)
def test_the_finite_fit_is_that_of_the_slots_with_a_frame(gaps, without_them):
    used = without(*gaps)
    lags, y, pairs = exact_curve(used, range(1, 300))
    fit = fit_kww_finite(lags, y, **RECORD, pairs=pairs, used=UsedSlots((used,), (0,)))
    assert (fit.tau_s, fit.beta, fit.amplitude) == pytest.approx((TAU_S, BETA, 0.1), rel=1e-4)
    if without_them:
        biased = fit_kww_finite(lags, y, **RECORD, pairs=pairs)
        assert (biased.tau_s, biased.beta) == pytest.approx(without_them, rel=0.01)


def pixels(n, seed):
    """Independent pixels of a field with g1 = exp[-(t/tau)^beta], as frames of contrast 0.1."""
    rng = np.random.Generator(np.random.Philox(seed))
    lag = np.minimum(np.arange(8 * N_SLOTS), 8 * N_SLOTS - np.arange(8 * N_SLOTS))
    power = np.maximum(np.fft.fft(np.exp(-((lag / TAU_S) ** BETA))).real, 0.0) / (2 * len(lag))
    white = rng.standard_normal((2, n, len(lag)))
    field = np.fft.fft(np.sqrt(power) * (white[0] + 1j * white[1]), axis=1)[:, :N_SLOTS]
    return 1 + np.sqrt(0.1) * (np.abs(field.T[:, np.newaxis]) ** 2 - 1)


def fit_of(frames, used):
    slot, first = np.flatnonzero(used), 5
    correlator = MultiTau(frames.shape[1:], levels=6)
    correlator.update(frames[slot], slot + first, np.zeros_like(slot))
    sums = correlator.sums()
    of_lags = {"pairs": sums.pairs, "width_slots": sums.width_slots}
    # products I I' of independent pixels are twice as many as those of a speckle image of as many speckles
    return fit_kww_finite(
        sums.lag_slots,
        g2_averages(sums)["ratio"] - 1,
        **RECORD,
        **of_lags,
        used=UsedSlots((used,), (first,)),
        n_speckles=frames.shape[2] / 2,
    )


@pytest.fixture(scope="module")
def frames():
    return pixels(1000, seed=71)


@pytest.mark.parametrize("gaps", [[(100, 400)], [(100, 550)], [(n, n + 1) for n in range(1, 599, 2)]])
def test_on_pixels_with_lost_slots_the_finite_fit_is_unbiased(frames, gaps):
    fit = fit_of(frames, without(*gaps))
    assert abs(fit.tau_s - TAU_S) < 3 * fit.sigma_tau_s
    assert abs(fit.beta - BETA) < 3 * fit.sigma_beta
    assert fit.sigma_tau_s < 0.06 * TAU_S


@pytest.mark.slow
def test_the_scatter_of_records_with_lost_slots_is_the_error_scale():
    """30 records, whose standard deviation is good to 13 %; the scale is good to 30 %."""
    losses = [[(100, 400)], [(100, 550)], [(n, n + 1) for n in range(1, 599, 2)]]
    records = (pixels(500, seed) for seed in range(200, 230))
    fits = [[fit_of(frames, without(*gaps)) for gaps in losses] for frames in records]
    for of_one in zip(*fits, strict=True):
        ln_tau = np.log([fit.tau_s / TAU_S for fit in of_one])
        sigma = np.mean([fit.sigma_tau_s / fit.tau_s for fit in of_one])
        assert abs(ln_tau.mean()) < 3.5 * ln_tau.std(ddof=1) / np.sqrt(len(of_one)) + 0.5 * sigma**2
        assert abs(np.log(ln_tau.std(ddof=1) / sigma)) < 0.5


def test_what_is_seen_of_a_record():
    used = UsedSlots((without((100, 400)), without((3, 4), (5, 6), n=10)), (0, 0))
    assert used.seen_slots(20.0) == 320 + 10
    assert used.seen_slots(0.1) == 301 + 10
    assert used.seen_slots(1e4) == 610
    record = {"n_speckles": 200.0, "used": UsedSlots((without((100, 400)),), (0,))}
    lags = np.arange(1, 100)
    fit = fit_kww_finite(lags, 0.1 * kww(lags, TAU_S, BETA), **RECORD, **record)
    sigma, _ = error_scale(200.0, 300 + fit.tau_s, fit.tau_s, model="finite")
    assert fit.sigma_tau_s == pytest.approx(fit.tau_s * sigma)


def test_a_curve_of_a_batch_with_lost_slots_is_fitted_like_a_single_one():
    used = without((100, 400))
    lags, y, pairs = exact_curve(used, range(1, 300))
    y = y + np.random.Generator(np.random.Philox(5)).normal(0, 1e-3, (7, len(lags)))
    record = {**RECORD, "pairs": pairs, "used": UsedSlots((used,), (0,)), "spec": EVERY_LAG}
    fits = fit_each_finite(lags, y, **record)
    for row, curve in enumerate(y):
        fit = fit_kww_finite(lags, curve, **record)
        assert (fit.tau_s, fit.beta) == (np.exp(fits.parameters[row, 1]), fits.parameters[row, 2])


def test_flags_of_another_record_and_lags_without_pairs_are_refused():
    lags = np.arange(1, 100)
    with pytest.raises(InvalidData, match="one flag for each slot of each segment"):
        fit_kww_finite(lags, kww(lags, 5.0, 1.0), **RECORD, used=UsedSlots((without(n=599),), (0,)))
    every_third = np.arange(N_SLOTS) % 3 == 0
    with pytest.raises(InvalidData, match="no pair of frames is 1 slots apart"):
        fit_kww_finite(lags, kww(lags, 5.0, 1.0), **RECORD, used=UsedSlots((every_third,), (0,)))
