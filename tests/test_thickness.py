"""Thickness from low-loss spectra of known thickness."""

import numpy as np
import pytest

from annealscope.analysis.thickness import log_ratio_thickness
from annealscope.analysis.values import InvalidData

ENERGY_EV = np.arange(-5.0, 160.0, 0.1)


def low_loss(t, electrons=1e7, seed=None):
    """Zero loss of 1 eV FWHM and Poisson-distributed plasmon losses of 17 eV, as Gaussians 8 eV wide."""
    spectrum, share = np.zeros(ENERGY_EV.size), np.exp(-t)
    for losses in range(12):
        sigma = np.hypot(1.0, np.sqrt(losses) * 8.0) / 2.355
        spectrum += share * np.exp(-((ENERGY_EV - 17.0 * losses) ** 2) / (2 * sigma**2)) / sigma
        share *= t / (losses + 1)
    spectrum *= electrons / spectrum.sum()
    return spectrum if seed is None else np.random.Generator(np.random.Philox(seed)).poisson(spectrum)


@pytest.mark.parametrize("t", [0.1, 0.3, 0.65, 0.9, 1.5])
@pytest.mark.parametrize("electrons", [1e5, 1e7])
def test_thickness_is_recovered_to_one_percent(t, electrons):
    found = log_ratio_thickness(ENERGY_EV, low_loss(t, electrons, seed=1))
    counting = np.sqrt(np.expm1(t) / electrons)
    assert abs(found.mean_free_paths - t) < 0.01 * t + 4 * counting
    assert 2.0 < found.zero_loss_end_eV < 8.0


def test_the_published_thickness_in_nm():
    thickness_nm, sigma_nm = log_ratio_thickness(ENERGY_EV, low_loss(0.65)).nm(78.0)
    assert thickness_nm == pytest.approx(51, abs=0.6)
    assert sigma_nm == pytest.approx(0.05 * 51, rel=0.05)


def test_counting_errors_are_the_scatter():
    found = [log_ratio_thickness(ENERGY_EV, low_loss(0.65, 3000.0, seed)) for seed in range(200)]
    seen = np.std([one.mean_free_paths for one in found])
    counting = [np.sqrt(one.sigma**2 - (0.05 * one.mean_free_paths) ** 2) for one in found]
    assert seen == pytest.approx(np.mean(counting), rel=4 * 0.05 + 0.05)


def test_gain_matters_for_the_error_only():
    spectrum = low_loss(0.65, 3000.0, seed=1)
    plain, scaled = (
        log_ratio_thickness(ENERGY_EV, gain * spectrum, counts_per_e=gain) for gain in (1.0, 20.0)
    )
    assert scaled.mean_free_paths == pytest.approx(plain.mean_free_paths)
    assert scaled.sigma == pytest.approx(plain.sigma)


@pytest.mark.parametrize(
    ("energy", "spectrum", "message"),
    [
        (ENERGY_EV, np.exp(-(ENERGY_EV**2)), "no minimum"),
        (ENERGY_EV, ENERGY_EV[:-1], "one count for each energy"),
        (ENERGY_EV[:100], low_loss(0.5)[:100], "energies must increase"),
        (ENERGY_EV + 50, low_loss(0.5), "energies must increase"),
    ],
)
def test_what_is_no_low_loss_spectrum_is_refused(energy, spectrum, message):
    with pytest.raises(InvalidData, match=message):
        log_ratio_thickness(energy, spectrum)
