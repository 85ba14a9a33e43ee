"""The tests' own generator has the statistics it promises; other tests stand on this."""

import numpy as np
import pytest
from speckle_movie import speckle_count, speckle_movie


def test_the_same_seed_makes_the_same_movie():
    one, same, other = (
        speckle_movie(5, (16, 24), tau_frames=3, beta=0.8, seed=seed, electrons=30) for seed in (1, 1, 2)
    )
    assert one.shape == (5, 16, 24)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_mean_contrast_and_size_of_the_speckle():
    shape, size, contrast, n = (96, 96), 6.0, 0.2, 60
    frames = speckle_movie(n, shape, tau_frames=0.05, beta=1.0, contrast=contrast, speckle_px=size, seed=8)
    delta = frames - 1
    independent = speckle_count(shape, size) * n
    assert delta.mean() == pytest.approx(0, abs=4 * np.sqrt(contrast / independent))
    # I = |E|^2 is exponential: its variance has a relative error of sqrt(8 / N)
    variance = (delta**2).mean()
    assert variance == pytest.approx(contrast, rel=4 * np.sqrt(8 / independent))
    half = (delta[:, :, :-3] * delta[:, :, 3:]).mean()
    assert half == pytest.approx(variance / 2, abs=4 * contrast * np.sqrt(2 / independent))


def test_a_path_moves_the_pattern_to_larger_index_without_wrapping():
    path = np.array([[0, 0], [3, -2], [0.5, 0], [0.25, 0.0]])
    frames = speckle_movie(4, (40, 40), tau_frames=1e12, beta=1.0, seed=9, path_px=path)
    np.testing.assert_allclose(frames[1][3:, :-2], frames[0][:-3, 2:], atol=1e-4)
    assert np.abs(frames[1][:3] - frames[0][-3:]).max() > 0.1
    assert np.abs(frames[2] - frames[0]).mean() > np.abs(frames[3] - frames[0]).mean() > 0.01


def test_counting_adds_the_noise_of_electrons():
    electrons, gain, offset = 30.0, 10.0, 100.0
    counts = speckle_movie(
        40,
        (64, 64),
        tau_frames=1e12,
        beta=1.0,
        contrast=1e-6,
        seed=10,
        electrons=electrons,
        gain=gain,
        offset=offset,
    )
    assert counts.dtype == np.uint16
    noisy = (counts - offset) / gain
    n = counts.size
    assert noisy.mean() == pytest.approx(electrons, abs=4 * np.sqrt(electrons / n) + electrons * 4e-3)
    assert noisy.var() == pytest.approx(electrons, rel=4 * np.sqrt(2 / n) + 4e-3)
