"""Records whose ln tau changes steadily by a known amount: is the slope found, and judged rightly."""

from dataclasses import replace

import numpy as np
import pytest
from truth import Truth, movie
from truth_runs import blocks_of

from annealscope.analysis.age import Aging, aging
from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.kww import fit_kww
from annealscope.analysis.twotime import TwoTime

TRUTH = Truth(250, 0.70, period_s=5, n_frames=1400)
MANY = 12


def aged(truth: Truth, *key: int, bin_slots: int = 2) -> Aging:
    """Return what the two-time map of a record says of its age."""
    frames, slots = movie(truth, *key), np.arange(truth.n_frames)
    frames /= frames.mean(axis=(1, 2), keepdims=True)
    two = TwoTime(frames.shape[1:], bin_frames=bin_slots)
    two.update(frames, slots, 0 * slots)
    two_time = two.result()
    lags = np.arange(1, len(two_time.value))
    fit = fit_kww(
        lags * bin_slots * truth.period_s,
        [two_time.value.diagonal(lag).mean() - 1 for lag in lags],
        lags[::-1],
        spec=FitSpec.with_baseline(),
        duration_s=truth.duration_s,
    )
    return aging(
        two_time,
        two.without_blocks(blocks_of(truth)),
        t_s=(two_time.t_slots + 0.5) * truth.period_s,
        spacing_s=truth.period_s,
        fit=fit,
    )


@pytest.fixture(scope="module")
def many():
    made = {}

    def of(slope: float) -> list[Aging]:
        if slope not in made:
            truth = replace(TRUTH, aging=slope)
            made[slope] = [aged(truth, 31, round(10 * slope), k) for k in range(MANY)]
        return made[slope]

    return of


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_the_slope_is_found(many, slope):
    found = np.array([one.slope for one in many(slope)])
    error = np.sqrt(np.mean([one.sigma_slope**2 for one in many(slope)]))
    assert abs(found.mean() - slope) < 3 * error / np.sqrt(MANY)
    assert 0.6 < found.std(ddof=1) / error < 1.7
    assert error < 0.35


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_tau_is_found_at_each_age(many, slope):
    """An age has a seventh of the record, and the slope's errors are in it too."""
    ln_tau = np.mean([np.log(one.tau_s) for one in many(slope)], axis=0)
    expected = np.log(TRUTH.tau_s) + slope * (many(slope)[0].t_age_s / TRUTH.duration_s - 0.5)
    sigma_ln_tau = TRUTH.scale[0] * np.sqrt(7 / MANY)
    assert np.abs(ln_tau - expected).max() < 4 * sigma_ln_tau + 0.03


@pytest.mark.slow
def test_records_that_do_not_age_are_not_said_to(many):
    verdicts = [one.verdict for one in many(0.0)]
    assert set(verdicts) <= {"steady", "undetermined"}


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "verdict"), [(2.0, "aging"), (-2.0, "speeding_up")])
def test_slopes_of_many_errors_are_seen_each_time(slope, verdict):
    truth = replace(TRUTH, aging=slope, side_px=64)
    found = [aged(truth, 32, k) for k in range(4)]
    assert all(abs(one.slope) > 6 * one.sigma_slope for one in found)
    assert [one.verdict for one in found] == [verdict] * 4


@pytest.mark.slow
def test_only_a_large_and_long_record_is_steady():
    """70 relaxation times of 5800 speckles: the errors are small enough to say that nothing changes."""
    large = Truth(100, 0.70, period_s=5, n_frames=1400, side_px=176, speckle_px=2.1)
    found = aged(large, 33, bin_slots=1)
    assert found.sigma_slope < 0.04
    assert abs(found.slope) < 3 * found.sigma_slope
    assert found.verdict == "steady"
    assert aged(replace(large, side_px=48), 33, bin_slots=1).verdict == "undetermined"


def test_a_record_that_ages_much_is_aging():
    found = aged(replace(TRUTH, n_frames=1000, aging=2.0), 34)
    assert found.verdict == "aging"
    assert abs(found.slope - 2.0) < 4 * found.sigma_slope
