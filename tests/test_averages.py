"""The four averages against their formulas, and against speckle of known statistics."""

import numpy as np
import pytest
from speckle_movie import speckle_count, speckle_movie

from annealscope.analysis.averages import block_totals, g2_averages, pixel_g2
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.twotime import TwoTime
from annealscope.analysis.values import InvalidData


def correlated(frames, **size):
    correlator = MultiTau(frames.shape[1:], **size)
    correlator.update(frames, np.arange(len(frames)), np.zeros(len(frames)))
    return correlator.sums()


@pytest.fixture
def frames():
    """Uneven light, noise, and a mean of 1 over the pixels of every frame."""
    rng = np.random.Generator(np.random.Philox(5))
    light = 1 + 0.4 * rng.random((7, 9))
    images = light * (1 + 0.2 * rng.standard_normal((60, 7, 9)))
    return (images / images.mean(axis=(1, 2), keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("masked", [False, True])
def test_equal_their_formulas(frames, masked):
    mask = np.ones(frames.shape[1:], dtype=bool)
    if masked:
        mask[2:4, 5:] = False
        frames /= frames[:, mask].mean(axis=1)[:, None, None]
    averages = g2_averages(correlated(frames, channels=8, levels=1), mask if masked else None)
    pixels = frames[:, mask].astype(np.float64)
    for index, lag in enumerate(range(1, 8)):
        s = (pixels[:-lag] * pixels[lag:]).mean(axis=0)
        left, right = pixels[:-lag].mean(axis=0), pixels[lag:].mean(axis=0)
        expected = {
            "pixel": (s / (left * right)).mean(),
            "ratio": s.mean() / (left * right).mean(),
            "roi": s.mean() / (left.mean() * right.mean()),
            "ttcf": (pixels[:-lag] * pixels[lag:]).mean(),
        }
        assert {name: curve[index] for name, curve in averages.items()} == pytest.approx(expected, abs=1e-6)


def test_ttcf_is_the_mean_along_the_diagonals_of_the_two_time_correlation(frames):
    averages = g2_averages(correlated(frames, channels=8, levels=1))
    two_time = TwoTime(frames.shape[1:], bin_frames=1)
    two_time.update(frames, np.arange(60), np.zeros(60))
    value = two_time.result().value
    expected = [np.diagonal(value, lag).mean() for lag in range(1, 8)]
    np.testing.assert_allclose(averages["ttcf"], expected, atol=1e-6)


def test_static_light_moves_roi_but_not_pixel(frames):
    light = frames.mean(axis=0, dtype=np.float64)
    uneven = np.mean(light**2) / np.mean(light) ** 2 - 1
    averages = g2_averages(correlated(frames, channels=4, levels=1))
    # what is left of the noise: 0.2^2 at no lag, and its error over 63 pixels and 57 pairs
    noise = 4 * 0.2**2 / np.sqrt(63 * 57)
    assert averages["roi"] - 1 == pytest.approx(uneven, abs=noise)
    assert averages["pixel"] - 1 == pytest.approx(0, abs=noise)


def test_pixel_curves_average_to_pixel(frames):
    sums = correlated(frames, channels=8, levels=3)
    curves = pixel_g2(sums)
    assert curves.dtype == np.float32
    np.testing.assert_allclose(
        curves.mean(axis=(1, 2), dtype=np.float64), g2_averages(sums)["pixel"], atol=1e-6
    )


def test_a_dead_pixel_has_no_g2_and_can_be_masked(frames):
    frames[:, 3, 4] = 0
    sums = correlated(frames, channels=4, levels=1)
    alive = np.ones(frames.shape[1:], dtype=bool)
    alive[3, 4] = False
    assert np.isnan(pixel_g2(sums)[:, 3, 4]).all()
    assert all(np.isfinite(curve).all() for curve in g2_averages(sums, alive).values())
    # overlooked, it does not count where each pixel is divided by its own means
    for name in ("pixel", "ratio"):
        np.testing.assert_allclose(g2_averages(sums)[name], g2_averages(sums, alive)[name], rtol=1e-12)


def test_pixels_that_show_only_noise_count_in_no_pixel_average(frames):
    """A dark corner: the noise about the offset, of either sign, is divided by almost nothing."""
    noise = np.random.Generator(np.random.Philox(6)).normal(0, 0.1, (60, 3, 3))
    frames[:, :3, :3] = noise
    sums = correlated(frames, channels=8, levels=2)
    lit = np.ones(frames.shape[1:], dtype=bool)
    lit[:3, :3] = False
    np.testing.assert_array_equal(np.isnan(pixel_g2(sums)), np.broadcast_to(~lit, sums.product.shape))
    seen, expected = (g2_averages(sums, mask)["pixel"] for mask in (None, lit))
    np.testing.assert_allclose(seen, expected, rtol=1e-12)
    assert block_totals(sums, np.zeros_like(lit, dtype=int)).unlit_fraction == pytest.approx(9 / 63)


def test_refuses_a_mask_of_another_shape_or_of_nothing(frames):
    sums = correlated(frames, channels=4, levels=1)
    with pytest.raises(InvalidData, match=r"shape must be \(7, 9\), got \(9, 7\)"):
        g2_averages(sums, np.ones((9, 7), dtype=bool))
    with pytest.raises(InvalidData, match="got 0 selected"):
        g2_averages(sums, np.zeros((7, 9), dtype=bool))


def test_speckle_has_the_contrast_and_the_decay_it_was_made_with():
    tau, beta, contrast, n, shape = 20.0, 0.7, 0.1, 2000, (64, 64)
    frames = speckle_movie(n, shape, tau_frames=tau, beta=beta, contrast=contrast, seed=11)
    averages = g2_averages(correlated(frames, channels=16, levels=3))
    expected = contrast * np.exp(-2 * (np.array([1, 5, 15, 24]) / tau) ** beta)
    seen = averages["roi"][[0, 4, 14, 18]] - 1
    # relative error of the curve: the contrast is a mean over N_sp T / tau independent speckles
    error = 4 * np.sqrt(2 / (speckle_count(shape, 4.0) * n / tau))
    np.testing.assert_allclose(seen, expected, atol=error * contrast)
