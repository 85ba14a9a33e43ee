"""The exact speckle generator against the theory of a circular pupil."""

import numpy as np
import pytest
from scipy.special import j1

from annealscope.analysis.speckle import gaussian_series, intensity, pupil, shift_phase, uniform_speckle

SHAPE = (64, 64)
APERTURE_PER_PX = 0.514 / 4


def random(name: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(name))


def random_modes(n_modes: int, seed: int) -> np.ndarray:
    return random(seed).standard_normal((n_modes, 2)).view(np.complex128)[:, 0] * np.sqrt(0.5)


def independent_frames(n_frames: int, contrast: float) -> np.ndarray:
    movie = uniform_speckle(
        n_frames,
        SHAPE,
        tau_frames=1e-3,
        beta=1.0,
        aperture_per_px=APERTURE_PER_PX,
        contrast=contrast,
        rng=random(5),
    )
    return np.stack(list(movie))


def test_pupil_holds_the_modes_of_a_disc():
    grid = pupil(SHAPE, APERTURE_PER_PX)
    qy, qx = np.fft.fftfreq(64)[grid.row], np.fft.fftfreq(64)[grid.column]
    assert np.hypot(qy, qx).max() <= APERTURE_PER_PX
    assert grid.n_modes == pytest.approx(np.pi * APERTURE_PER_PX**2 * 64 * 64, rel=0.02)


@pytest.mark.parametrize("shape", [(64, 64), (48, 90), (45, 77)])
def test_field_is_the_plain_inverse_fft(shape):
    grid = pupil(shape, 0.2)
    modes = random_modes(grid.n_modes, 1)
    spectrum = np.zeros(shape, dtype=complex)
    spectrum[grid.row, grid.column] = modes / np.sqrt(grid.n_modes)
    expected = np.fft.ifft2(spectrum, norm="forward")
    np.testing.assert_allclose(grid.field(modes), expected, atol=1e-5)
    np.testing.assert_allclose(grid.field(modes, rows=17), expected[:17], atol=1e-5)


def test_shift_moves_features_to_larger_index():
    grid = pupil((64, 80), 0.2)
    modes = random_modes(grid.n_modes, 2)
    moved = grid.field(modes * shift_phase(grid, (3.0, -5.0)))
    np.testing.assert_allclose(moved, np.roll(grid.field(modes), (3, -5), (0, 1)), atol=1e-5)


def test_two_half_shifts_are_one_shift():
    grid = pupil((64, 64), 0.2)
    half = shift_phase(grid, (0.5, -0.25))
    np.testing.assert_allclose(half * half, shift_phase(grid, (1.0, -0.5)), atol=1e-6)


def test_speckle_size_is_that_of_the_aperture():
    """The intensity correlation at half of 0.514 / q_a is one half: the FWHM."""
    grid = pupil((256, 256), 0.1)
    offset = 0.514 / 0.1 / 2
    half_height = abs(np.mean(shift_phase(grid, (offset, 0.0)))) ** 2
    assert half_height == pytest.approx(0.5, abs=0.01)


def test_spatial_correlation_is_an_airy_pattern():
    movie = independent_frames(256, 1.0) - 1
    independent = 256 * pupil(SHAPE, APERTURE_PER_PX).n_modes
    for offset in (1, 2, 3, 4):
        x = 2 * np.pi * APERTURE_PER_PX * offset
        measured = np.mean(movie * np.roll(movie, offset, axis=2))
        assert measured == pytest.approx((2 * j1(x) / x) ** 2, abs=4 * np.sqrt(8 / independent) + 0.01)


@pytest.mark.parametrize("contrast", [0.1, 1.0])
def test_mean_is_one_and_variance_is_the_contrast(contrast):
    movie = independent_frames(256, contrast)
    independent = 256 * pupil(SHAPE, APERTURE_PER_PX).n_modes
    assert movie.mean() == pytest.approx(1, abs=4 * np.sqrt(contrast / independent))
    assert movie.var() == pytest.approx(contrast, rel=4 * np.sqrt(8 / independent))


@pytest.mark.parametrize("beta", [0.6, 1.0, 1.5, 2.0])
def test_series_have_the_correlation_asked_for(beta):
    n_series, lags = 3000, np.arange(40)
    g1 = np.exp(-((np.arange(200) / 10.0) ** beta))
    rng = random(11)
    series = np.stack([gaussian_series(g1, rng)[:40] for _ in range(n_series)])
    measured = np.mean(series[:, :1].conj() * series, axis=0)
    assert np.abs(measured - g1[lags]).max() < 4.5 / np.sqrt(n_series)


@pytest.mark.parametrize("beta", [0.7, 1.6])
def test_movie_decorrelates_as_the_squared_field_correlation(beta):
    """g2 - 1 = contrast exp[-2 (t/tau)^beta], from frames 0 and t of one wide movie."""
    tau, n = 5.0, 12
    movie = uniform_speckle(
        n, (256, 256), tau_frames=tau, beta=beta, aperture_per_px=0.1, contrast=1.0, rng=random(3)
    )
    frames = np.stack(list(movie))
    independent = pupil((256, 256), 0.1).n_modes
    for lag in (1, 3, 6, 11):
        measured = np.mean((frames[0] - 1) * (frames[lag] - 1))
        expected = np.exp(-2 * (lag / tau) ** beta)
        assert measured == pytest.approx(expected, abs=4 * np.sqrt(8 / independent))


def test_intensity_of_no_field_is_the_background():
    assert intensity(np.zeros((2, 2), dtype=np.complex64), 0.25) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "wrong", [{"tau_frames": 0.0}, {"beta": 2.1}, {"beta": 0.0}, {"contrast": 1.5}, {"aperture_per_px": 0.3}]
)
def test_impossible_movies_are_refused(wrong):
    asked = {"tau_frames": 5.0, "beta": 0.7, "aperture_per_px": 0.1, "contrast": 0.1} | wrong
    with pytest.raises(ValueError, match=next(iter(wrong))):
        next(uniform_speckle(4, (32, 32), rng=random(1), **asked))
