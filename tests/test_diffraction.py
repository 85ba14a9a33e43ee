"""Ring profiles of area patterns, and crystals in them."""

from dataclasses import replace

import numpy as np
import pytest
from speckle_patterns import Glass, bar

from annealscope.analysis.diffraction import (
    DiffractionAnalysis,
    DiffractionSpec,
    compare_rings,
    ring_position,
)
from annealscope.analysis.rings import Geometry
from annealscope.analysis.values import InvalidData, uniform_block

SHAPE, PIXEL_PER_NM = (160, 160), 0.09
CENTRE = (82.3, 77.8)
SPEC = DiffractionSpec(SHAPE, PIXEL_PER_NM, gain_counts_per_e=5.0, offset_counts=200.0)


def pattern(seed, centre=CENTRE, brightness=30.0, ring=0.0, ring_at=4.9, spots=0):
    """Fine speckle of many regions, Poisson noise, a beam stop; a sharp ring or spots when asked for."""
    rng = np.random.Generator(np.random.Philox(seed))
    geometry = Geometry(centre, PIXEL_PER_NM)
    k = geometry.radius_px(SHAPE) * PIXEL_PER_NM
    crystal = np.exp(-((k - ring_at) ** 2) / (2 * 0.08**2))
    if spots:
        phase = (geometry.angle(SHAPE) * spots / (2 * np.pi)) % 1.0
        crystal = crystal * (phase < 0.05)
    expected = brightness * Glass.mean_e(k) * rng.gamma(200.0, 1 / 200.0, SHAPE) * (1 + ring * crystal)
    expected[bar(SHAPE, CENTRE)] = 0.0
    return (5 * rng.poisson(expected) + 200).astype(np.uint16)


def profile(patterns, spec=SPEC):
    analysis = DiffractionAnalysis(spec)
    analysis.update(uniform_block(np.atleast_3d(patterns).reshape(-1, *SHAPE), 1.0))
    return analysis.result()


def compared(reference, other):
    """Compare on the annuli that both have kept."""
    k = np.intersect1d(*(results["diffraction/k"].values for results in (reference, other)))
    of = [
        results[f"diffraction/{name}"].values[np.isin(results["diffraction/k"].values, k)]
        for results in (reference, other)
        for name in ("I", "sigma")
    ]
    return compare_rings(k, *of)


def test_the_profile_is_the_mean_of_rings():
    results = profile(pattern(1))
    k, intensity, sigma = (results[f"diffraction/{name}"].values for name in ("k", "I", "sigma"))
    inside = k > 1.5
    expected = 30 * Glass.mean_e(k)
    off = (intensity - expected)[inside] / np.hypot(sigma[inside], 0.01 * expected[inside])
    assert np.abs(off).max() < 4.5
    attrs = results["diffraction"].attrs
    assert np.abs(np.subtract(attrs["centre_px"], CENTRE)).max() < 0.1
    assert attrs["patterns"] == 1
    assert attrs["rings_per_nm"] == pytest.approx([4.2, 7.1], abs=0.1)
    np.testing.assert_allclose(
        results["diffraction/mean_image"].values, (pattern(1) - 200.0) / 5, rtol=1e-6, atol=1e-4
    )


def test_errors_are_the_scatter_of_patterns():
    many = [profile(pattern(seed), replace(SPEC, centre_px=CENTRE)) for seed in range(24)]
    intensity = np.array([results["diffraction/I"].values[20:80] for results in many])
    sigma = np.array([results["diffraction/sigma"].values[20:80] for results in many])
    # The mean over 60 annuli of a scatter that 24 patterns know to 15 % each.
    assert np.mean(np.log(intensity.std(axis=0, ddof=1) / sigma.mean(axis=0))) == pytest.approx(0.0, abs=0.15)


def test_several_patterns_are_averaged_in_blocks_of_any_size():
    patterns = np.array([pattern(seed) for seed in range(3)])
    analysis = DiffractionAnalysis(SPEC)
    for one in patterns:
        analysis.update(uniform_block(one[None], 1.0))
    assert analysis.live().patterns == 3
    for path, result in profile(patterns).items():
        if result.values is not None:
            np.testing.assert_array_equal(analysis.result()[path].values, result.values)


def test_blanked_patterns_are_left_out():
    patterns = np.array([pattern(1), np.full(SHAPE, 200)], dtype=np.uint16)
    analysis = DiffractionAnalysis(SPEC)
    block = uniform_block(patterns, 1.0)
    analysis.update(replace(block, beam_on=np.array([True, False])))
    results = analysis.result()
    np.testing.assert_array_equal(
        results["diffraction/I"].values, profile(pattern(1))["diffraction/I"].values
    )
    assert results["diffraction"].attrs["patterns_blanked"] == 1


@pytest.mark.parametrize("seed", range(2, 10))
def test_two_patterns_of_a_glass_have_no_crystals(seed):
    other = pattern(seed, centre=(82.3 + 0.2 * seed, 77.5), brightness=30.0 + seed)
    comparison = compared(profile(pattern(1)), profile(other))
    assert not comparison.crystalline
    assert "largest sharp difference" in comparison.why


def test_a_broad_change_of_the_glass_is_no_crystal():
    reference = profile(pattern(1))
    k, intensity = reference["diffraction/k"].values, reference["diffraction/I"].values
    sigma = reference["diffraction/sigma"].values
    broad = intensity * (1 + 0.1 * np.exp(-((k - 4.2) ** 2) / (2 * 1.0**2)) + 0.02 * k)
    assert not compare_rings(k, intensity, sigma, broad, sigma).crystalline


@pytest.mark.parametrize(("ring", "spots"), [(0.1, 0), (2.0, 6)])
def test_crystals_are_seen_as_rings_and_as_spots(ring, spots):
    comparison = compared(profile(pattern(1)), profile(pattern(2, ring=ring, spots=spots)))
    assert comparison.crystalline
    assert comparison.k_of_largest == pytest.approx(4.9, abs=0.1)
    assert comparison.largest > 6
    assert "sharp ring" in comparison.why


def test_saturated_pixels_do_not_count():
    one = pattern(1)
    one[82:90, 100:110] = 65535
    results = profile(one)
    assert results["diffraction"].attrs["saturated_px"] == 80
    clean = profile(pattern(1))["diffraction/I"].values
    np.testing.assert_allclose(results["diffraction/I"].values, clean, rtol=0.02)


def test_position_of_a_ring():
    k = np.arange(0, 8, 0.03)
    curve = 40 * np.exp(-k / 3) + 9 * np.exp(-((k - 4.25) ** 2) / (2 * 0.4**2))
    assert ring_position(k, curve, (3.6, 5.0)) == pytest.approx(4.25, abs=0.05)
    assert np.isnan(ring_position(k, np.exp(-k), (3.6, 5.0)))
    assert np.isnan(ring_position(k[:50], curve[:50], (3.6, 5.0)))


def test_what_cannot_be_analysed_is_refused():
    analysis = DiffractionAnalysis(SPEC)
    with pytest.raises(InvalidData, match="no pattern with the beam on"):
        analysis.result()
    with pytest.raises(InvalidData, match="shape"):
        analysis.update(uniform_block(np.zeros((1, 8, 8)), 1.0))
    with pytest.raises(InvalidData, match="pixel_per_nm"):
        replace(SPEC, pixel_per_nm=0.0)
    k = np.arange(20.0)
    with pytest.raises(InvalidData, match="equally long"):
        compare_rings(k, k, k, k[:3], k)
    with pytest.raises(InvalidData, match="16 points"):
        compare_rings(k, k - 10, k, k, k)
