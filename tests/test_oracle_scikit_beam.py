"""The correlators against scikit-beam and multipletau, where the extra `oracle` is installed."""

import numpy as np
import pytest
from truth import Truth, movie

from annealscope.analysis.averages import g2_averages, pixel_g2
from annealscope.analysis.exact import ExactCorrelator
from annealscope.analysis.multitau import LagSums, MultiTau
from annealscope.analysis.twotime import TwoTime

skbeam = pytest.importorskip("skbeam.core.correlation", reason="scikit-beam is not installed")

RECORD = Truth(40, 0.7, period_s=1, n_frames=256, side_px=32, speckle_px=2.1)
EXACT = 1e-12
"""Sums in double precision."""

SINGLE = 1e-6
"""Frames and sums in single precision."""


@pytest.fixture(scope="module")
def frames():
    """Not normalised: the average of a frame wanders, so that every mean in a formula counts."""
    current = 1 + 0.05 * np.sin(np.arange(RECORD.n_frames) / 9)
    return movie(RECORD, 11) * current.astype(np.float32)[:, None, None]


@pytest.fixture(scope="module")
def labels(frames):
    return np.ones(frames.shape[1:], dtype=np.int64)


@pytest.fixture(scope="module")
def flat(frames):
    """Each frame divided by its average, as the analysis does."""
    return frames / frames.mean(axis=(1, 2), keepdims=True)


def one_time(frames, labels) -> np.ndarray:
    """Return scikit-beam's g2 with a buffer for each frame: no averaging, lag 0 included."""
    g2, lags = skbeam.multi_tau_auto_corr(1, len(frames), labels, frames.astype(np.float64))
    np.testing.assert_array_equal(lags, np.arange(len(frames)))
    return g2[:, 0]


@pytest.fixture(scope="module")
def every_lag(frames, labels):
    return one_time(frames, labels)


def multi_tau(frames, **size) -> LagSums:
    slots = np.arange(len(frames))
    correlator = MultiTau(frames.shape[1:], **size)
    correlator.update(frames, slots, 0 * slots)
    return correlator.sums()


def test_the_exact_correlator_is_exact(frames, every_lag):
    slots = np.arange(len(frames))
    correlator = ExactCorrelator(frames.shape[1:], len(frames))
    correlator.update(frames, slots, 0 * slots)
    sums = correlator.sums()
    assert sums.lag_slots[-1] > len(frames) // 2
    np.testing.assert_allclose(g2_averages(sums)["roi"], every_lag[sums.lag_slots], rtol=0, atol=EXACT)


def test_one_level_of_multi_tau_is_exact(frames, every_lag):
    sums = multi_tau(frames, channels=128, levels=1)
    np.testing.assert_allclose(g2_averages(sums)["roi"], every_lag[sums.lag_slots], rtol=0, atol=SINGLE)


def test_short_lags_of_multi_tau_are_exact_and_long_ones_close(flat, labels):
    """Long: up to a quarter of the record, to where `roi` is fitted."""
    sums = multi_tau(flat, channels=16, levels=4)
    error = np.abs(g2_averages(sums)["roi"] - one_time(flat, labels)[sums.lag_slots])
    assert error[sums.lag_slots < 16].max() < SINGLE
    assert 1e-5 < error[(sums.lag_slots <= len(flat) // 4)].max() < 3e-4


def test_multi_tau_with_the_same_buffers(frames, labels):
    """Both halve the frames in the same way, and here nothing is left over at the end of a level."""
    g2, lags = skbeam.multi_tau_auto_corr(4, 16, labels, frames.astype(np.float64))
    sums = multi_tau(frames, channels=16, levels=4)
    np.testing.assert_array_equal(sums.lag_slots, lags[1:])
    np.testing.assert_allclose(g2_averages(sums)["roi"], g2[1:, 0], rtol=0, atol=SINGLE)


@pytest.fixture(scope="module")
def two_times(frames, labels):
    """Our C and scikit-beam's state, over the same frames."""
    slots = np.arange(len(frames))
    two = TwoTime(frames.shape[1:], bin_frames=1)
    two.update(frames, slots, 0 * slots)
    images = frames.astype(np.float64)
    return two.result().value, skbeam.two_time_corr(labels, images, len(frames), len(frames), 1)


def test_two_time(two_times):
    ours, theirs = two_times
    np.testing.assert_allclose(ours, theirs.g2[0], rtol=0, atol=SINGLE)


def test_the_diagonals_of_the_two_time_map_are_one_time(two_times):
    ours, theirs = two_times
    diagonals = [np.mean(np.diagonal(ours, k)) for k in range(len(ours))]
    np.testing.assert_allclose(diagonals, skbeam.one_time_from_two_time(theirs.g2)[0], rtol=0, atol=SINGLE)


def test_the_average_ttcf_is_one_time_from_two_time(flat, labels):
    theirs = skbeam.two_time_corr(labels, flat.astype(np.float64), len(flat), len(flat), 1)
    sums = multi_tau(flat, channels=128, levels=1)
    expected = skbeam.one_time_from_two_time(theirs.g2)[0][sums.lag_slots]
    np.testing.assert_allclose(g2_averages(sums)["ttcf"], expected, rtol=0, atol=SINGLE)


def test_pixels_are_about_those_of_multipletau(frames):
    """It takes one mean off and divides by its square: at short lags only, and roughly."""
    multipletau = pytest.importorskip("multipletau", reason="multipletau is not installed")
    ours = pixel_g2(multi_tau(frames, channels=16, levels=1)) - 1
    y = ours[:8].reshape(8, -1).mean(axis=1)
    traces = frames.reshape(len(frames), -1).T.astype(np.float64)
    theirs = [multipletau.autocorrelate(trace, m=16, normalize=True)[1:9, 1] for trace in traces]
    np.testing.assert_allclose(y, np.mean(theirs, axis=0), rtol=0.05)
