"""Maps of specimens with one relaxation time everywhere, and with two: what is noise, what is not."""

from dataclasses import replace

import numpy as np
import pytest
from truth import Truth, counted, mapped_movie, movie
from truth_runs import blocks_of, flat_sums, rows_of, spec_for

from annealscope.analysis.averages import g2_averages
from annealscope.analysis.ecm_maps import map_results
from annealscope.analysis.ecm_rows import timeline
from annealscope.analysis.kww import fit_kww_finite
from annealscope.analysis.values import Results

TRUTH = Truth(250, 0.70, period_s=5, n_frames=1400)
RIGHT_HALF = np.arange(TRUTH.side_px) * np.ones((TRUTH.side_px, 1)) >= TRUTH.side_px / 2
MANY = 6


def mapped(frames: np.ndarray) -> Results:
    """Return the maps of a record, and what its null says."""
    sums, rows = flat_sums(frames), rows_of(TRUTH)
    corrected = fit_kww_finite(
        sums.lag_slots * TRUTH.period_s,
        g2_averages(sums)["ratio"] - 1,
        n_slots=TRUTH.n_frames,
        spacing_s=TRUTH.period_s,
        pairs=sums.pairs,
    )
    return map_results(spec_for(TRUTH), rows, timeline(rows), sums, corrected, blocks_of(TRUTH))


@pytest.fixture(scope="module", params=[None, 30], ids=["quiet", "30 electrons"])
def uniform(request):
    """Attributes of the maps of specimens that are the same everywhere."""
    made = []
    for k in range(MANY):
        frames = movie(TRUTH, 51, k)
        if request.param:
            frames = counted(frames, request.param, 52, k).astype(np.float32)
        made.append(mapped(frames)["map"].attrs)
    return made


def each(maps, name: str) -> np.ndarray:
    return np.array([attrs[name] for attrs in maps])


@pytest.mark.slow
def test_a_uniform_specimen_spreads_as_its_null(uniform):
    z = each(uniform, "excess_variance") / each(uniform, "sigma_excess_variance")
    assert np.abs(z).max() < 3
    assert each(uniform, "sigma_ln_tau").mean() == pytest.approx(
        each(uniform, "null_sigma_ln_tau").mean(), rel=0.06
    )
    assert each(uniform, "sigma_ln_tau").mean() > 0.4


@pytest.mark.slow
def test_its_median_is_too_short_by_as_much_as_that_of_the_null(uniform):
    seen, null = (np.log(each(uniform, name)).mean() for name in ("median_tau_s", "null_median_tau_s"))
    assert seen == pytest.approx(null, abs=0.03)
    assert null - np.log(TRUTH.tau_s) < -0.25


@pytest.mark.slow
def test_it_is_not_said_to_be_two_populations(uniform):
    assert not each(uniform, "bimodal").any()
    flagged = each(uniform, "flagged_fraction") - each(uniform, "null_flagged_fraction")
    assert np.abs(flagged).max() < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("key", range(3))
def test_a_specimen_of_two_halves_spreads_more(key):
    fast, slow = replace(TRUTH, tau_s=TRUTH.tau_s / 2), replace(TRUTH, tau_s=TRUTH.tau_s * 2)
    results = mapped(mapped_movie([fast, slow], RIGHT_HALF.astype(int), 53, key))
    attrs = results["map"].attrs
    assert attrs["excess_variance"] > 4 * attrs["sigma_excess_variance"]
    assert 0.3 < attrs["sigma_het"] < np.log(2) + 0.1
    tau_s = results["map/tau_s"].values
    ratio = np.nanmedian(tau_s[RIGHT_HALF]) / np.nanmedian(tau_s[~RIGHT_HALF])
    assert 2.2 < ratio < 5


@pytest.mark.slow
def test_patches_are_not_biased():
    """The mean over the patches of all records: each patch has some speckles only."""
    ln_tau = []
    for key in range(4):
        results = mapped(movie(TRUTH, 54, key))
        ln_tau.append(np.nanmedian(np.log(results["map/patch_tau_s"].values)))
    assert np.mean(ln_tau) == pytest.approx(np.log(TRUTH.tau_s), abs=4 * TRUTH.scale[0] / 2 + 0.03)
