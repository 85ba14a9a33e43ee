"""Whether the slope of ln tau with age is given back, and its errors are the scatter of many records."""

import numpy as np
import pytest

from annealscope.analysis.age import Aging, aging
from annealscope.analysis.averages import block_totals
from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.jackknife import block_labels
from annealscope.analysis.kww import KwwFit, fit_kww
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.speckle import uniform_speckle
from annealscope.analysis.twotime import TwoTime

FRAMES, SIDE, TAU, BETA, BIN = 600, 96, 20.0, 0.7, 1
SPECKLE_PX = 2.1
MOVIES = 100
LABELS = block_labels((SIDE, SIDE), 3 * SPECKLE_PX)


def movie(seed, slope=0.0):
    """Frames of mean 1 whose ln tau rises by ``slope``: a stationary series taken at other times."""
    t = np.arange(FRAMES) / FRAMES - 0.5
    fine, at = 1, np.arange(FRAMES)
    if slope:
        fine = 4
        at = np.rint((np.exp(slope / 2) - np.exp(-slope * t)) / slope * FRAMES * fine).astype(int)
    stationary = uniform_speckle(
        at[-1] + 1,
        (SIDE, SIDE),
        tau_frames=TAU * fine,
        beta=BETA,
        aperture_per_px=0.514 / SPECKLE_PX,
        contrast=0.1,
        rng=np.random.Generator(np.random.Philox(seed)),
    )
    wanted = set(at.tolist())
    frames = np.stack([frame for number, frame in enumerate(stationary) if number in wanted])
    return frames / frames.mean(axis=(1, 2), keepdims=True)


def correlated(frames):
    """Totals of the blocks, and the two-time map."""
    arguments = frames, np.arange(len(frames)), np.zeros(len(frames))
    multi_tau, two_time = MultiTau((SIDE, SIDE), levels=6), TwoTime((SIDE, SIDE), bin_frames=BIN)
    multi_tau.update(*arguments)
    two_time.update(*arguments)
    return block_totals(multi_tau.sums(), LABELS), two_time


def roi_fit(totals, g2) -> KwwFit:
    spec = FitSpec.with_baseline()
    return fit_kww(totals.lag_slots, g2 - 1, totals.pairs, spec=spec, duration_s=float(FRAMES))


def age(totals, two_time) -> Aging:
    two = two_time.result()
    fit = roi_fit(totals, totals.g2()["ttcf"])
    return aging(two, two_time.without_blocks(LABELS), t_s=two.t_slots, spacing_s=1.0, fit=fit)


@pytest.mark.slow
def test_errors_of_the_slope_are_the_scatter_of_many_records():
    found = [age(*correlated(movie(seed))) for seed in range(MOVIES)]
    z = [one.slope / one.sigma_slope for one in found]
    assert 0.85 < np.std(z, ddof=1) < 1.2
    assert abs(np.mean(z)) < 3 / np.sqrt(MOVIES)
    assert sum(len(one.jumps_s) > 0 for one in found) <= 0.05 * MOVIES


@pytest.mark.slow
def test_a_slope_is_given_back_within_its_error():
    found = [age(*correlated(movie(seed, slope=1.0))) for seed in range(500, 510)]
    error = np.sqrt(np.mean([one.sigma_slope**2 for one in found]) / len(found))
    assert np.mean([one.slope for one in found]) == pytest.approx(1.0, abs=3 * error)
