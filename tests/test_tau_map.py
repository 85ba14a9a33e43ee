"""Relaxation times that differ from place to place: the map, and the field that obeys it."""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import curve_fit

from annealscope.analysis.speckle import Pupil, pupil
from annealscope.drivers.clock import VirtualClock
from annealscope.simulators import CameraSpec, Heterogeneity, World, WorldSpec
from annealscope.simulators.glass import Glass, SlowDomains, load_glass
from annealscope.simulators.imaging import ImagingScene
from annealscope.simulators.mapped_field import MappedField
from annealscope.simulators.tau_map import TauMap, blobs, draw_tau_map, gaussian_random_field
from annealscope.simulators.truth import image_average

DOMAINS = SlowDomains(area=0.03, ln_tau=np.log(2.5), diameter_nm=(3.0, 5.0), from_K=523.15, full_K=548.15)
UNEVEN = WorldSpec(heterogeneity=Heterogeneity(0.3, 3.0))


def generator(place: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=78, counter=[0, 0, 0, place]))


def halves(shape: tuple[int, int], left: float, right: float) -> TauMap:
    """Return a map with one relaxation time in each half, in units of the median."""
    factor = np.full(shape, left)
    factor[:, shape[1] // 2 :] = right
    return TauMap(np.log(factor), np.zeros(shape))


def modes_of(shape: tuple[int, int]) -> Pupil:
    return pupil(shape, UNEVEN.aperture_per_nm * UNEVEN.pixel_nm)


# --- the map


def test_the_map_is_gaussian_with_unit_variance_and_its_correlation_length():
    shape, size_nm, draws = (64, 80), (32.0, 40.0), 300
    maps = np.stack([gaussian_random_field(shape, size_nm, 3.0, generator(n)) for n in range(draws)])
    # a Gaussian of this width has 2 pi sigma^2 of area to itself
    cells = draws * size_nm[0] * size_nm[1] / (2 * np.pi * (3.0 / 2.355) ** 2)
    assert maps.mean() == pytest.approx(0, abs=4 / np.sqrt(cells))
    assert np.mean(maps**2) == pytest.approx(1, abs=4 * np.sqrt(2 / cells))
    assert np.mean(maps**4) == pytest.approx(3, abs=4 * np.sqrt(96 / cells))
    for axis in (1, 2):
        half = np.mean(maps * np.roll(maps, 3, axis))  # 3 points of 0.5 nm are half of the FWHM
        assert half == pytest.approx(0.5, abs=4 * np.sqrt(1.25 / cells))


def test_slow_domains_cover_their_share():
    """They are placed without regard for each other, so a few overlap."""
    shape, size_nm, draws = (150, 200), (75.0, 100.0), 40
    images = np.stack([blobs(shape, size_nm, DOMAINS, generator(n)) for n in range(draws)])
    per_image = round(0.03 * 7500 / (np.pi / 12 * 49))
    covered = 1 - np.exp(-per_image * np.pi / 12 * 49 / 7500)
    scatter = np.std(np.mean(images > 0.5, axis=(1, 2))) / np.sqrt(draws)
    assert np.mean(images > 0.5) == pytest.approx(covered, abs=4 * scatter)
    assert images.max() <= 1


@pytest.mark.parametrize(("degC", "there"), [(25, 0.0), (250, 0.0), (262.5, 0.5), (275, 1.0), (300, 1.0)])
def test_slow_domains_fade_in(degC, there):
    assert load_glass().slow_domains.fade(degC + 273.15) == pytest.approx(there)


def test_slow_domains_make_the_hot_frame_slower_in_places():
    spec = WorldSpec((CameraSpec(shape=(512, 512)),), heterogeneity=Heterogeneity(0.3, 3.0))
    world = World(spec, load_glass(), VirtualClock(), 3)
    cold_sigma = world.truth_ecm(0.0, 14000.0)["sigma_ln_tau"]
    tau_map = draw_tau_map((576, 576), spec, DOMAINS, generator(1))
    cold, hot = tau_map.ln_tau(0.0), tau_map.ln_tau(1.0)
    assert (hot - cold).max() == pytest.approx(np.log(2.5), abs=0.02)
    assert np.median(hot) == pytest.approx(np.median(cold), abs=0.05)
    world.chip.ramp(0.0, 548.15, 10.0)
    world.clock.sleep_until(60.0)
    assert world.truth_ecm(2060.0, 14000.0)["sigma_ln_tau"] > cold_sigma + 0.01


def test_the_frame_sees_the_part_of_the_map_that_has_drifted_in():
    numbered = TauMap(np.arange(100.0).reshape(10, 10), np.zeros((10, 10)))
    still = numbered.in_frame(0.0, (20, 20), (6, 4), np.zeros(2))
    np.testing.assert_array_equal(still, [0, 1, 10, 11, 20, 21])
    # features have moved by 4 pixels, two points of the map, to larger y: rows -2 ... 0 are seen
    moved = numbered.in_frame(0.0, (20, 20), (6, 4), np.array([4.0, 0.0]))
    np.testing.assert_array_equal(np.sort(moved), [0, 1, 80, 81, 90, 91])


# --- the field


def test_each_half_relaxes_at_its_own_rate():
    """g1 after 100 s in two halves of a field, with tau 200 s and 800 s."""
    grid, beta, draws = modes_of((128, 256)), 0.7, 16
    g1 = np.zeros(256, dtype=complex)
    for n in range(draws):
        field = MappedField(grid, halves((128, 256), 0.5, 2.0), generator(10 * n))
        before = field.render(field.modes(beta), (0.0, 0.0), grid.shape)
        for step in range(4):
            field.advance(100 / 400 / 4, generator(10 * n + step + 1))
        after = field.render(field.modes(beta), (0.0, 0.0), grid.shape)
        g1 += np.mean(before.conj() * after, axis=0) / draws
    for columns, tau_s in ((slice(8, 120), 200), (slice(136, 248), 800)):
        cells = draws * grid.n_modes * 112 / 256
        assert abs(g1[columns].mean() - np.exp(-((100 / tau_s) ** beta))) < 4 / np.sqrt(cells) + 0.0023


@pytest.mark.parametrize(("sigma", "length_nm"), [(0.3, 3.0), (0.6, 1.5)])
def test_every_pixel_keeps_unit_variance(sigma, length_nm):
    """Also between the points of the coarse grid: the scatter of |E|^2 over pixels is that of its mean."""
    grid, draws = modes_of((64, 64)), 300
    spec = replace(UNEVEN, heterogeneity=Heterogeneity(sigma, length_nm))
    tau_map = draw_tau_map(grid.shape, spec, None, generator(0))
    mean = np.zeros(grid.shape)
    for n in range(draws):
        field = MappedField(grid, tau_map, generator(100 * n))
        for step in range(5):
            field.advance(0.3, generator(100 * n + step + 1))
        mean += np.abs(field.render(field.modes(0.7), (0.3, 0.4), grid.shape)) ** 2 / draws
    cells = grid.n_modes
    assert tau_map.shape[0] < 64
    assert mean.mean() == pytest.approx(1, abs=4 / np.sqrt(draws * cells))
    assert draws * mean.var() == pytest.approx(1, abs=4 * np.sqrt(2 / cells))


def test_the_speckle_keeps_its_size():
    """Without shared innovations the field would become white."""
    grid = modes_of((128, 128))
    tau_map = draw_tau_map(grid.shape, UNEVEN, None, generator(0))
    field = MappedField(grid, tau_map, generator(1))
    for step in range(100):
        field.advance(0.1, generator(2 + step))
    power = np.abs(np.fft.fft2(field.render(field.modes(0.7), (0.0, 0.0), grid.shape))) ** 2
    inside = power[grid.row, grid.column].sum() / power.sum()
    assert inside > 0.97


def test_short_steps_do_not_change_the_variance():
    grid = modes_of((64, 64))
    tau_map = draw_tau_map(grid.shape, UNEVEN, None, generator(0))
    draws, power = 10, 0.0
    for n in range(draws):
        field = MappedField(grid, tau_map, generator(1000 * n))
        for step in range(200):
            field.advance(1e-5, generator(1000 * n + step + 1))
        power += np.mean(np.abs(field.render(field.modes(0.7), (0.0, 0.0), grid.shape)) ** 2) / draws
    assert power == pytest.approx(1, abs=4 / np.sqrt(draws * grid.n_modes))


def test_the_map_moves_with_the_specimen():
    """Where the glass is frozen the field stays as it is, and that place moves with the features."""
    grid = modes_of((64, 64))
    field = MappedField(grid, halves((64, 64), 1e9, 1.0), generator(1))
    change = []
    before = field.modes(0.7)
    field.advance(1.0, generator(2))
    after = field.modes(0.7)
    for shift_px in (0.0, 16.0):
        images = [field.render(modes, (0.0, shift_px), grid.shape) for modes in (before, after)]
        change.append(np.mean(np.abs(images[1] - images[0]) ** 2, axis=0))
    assert change[0][4:28].mean() < 0.1 * change[0][36:60].mean()
    np.testing.assert_allclose(change[1], np.roll(change[0], 16), atol=1e-3)


# --- the truth of an image average


def test_the_average_of_equals_is_one_of_them():
    assert image_average(np.full(5, np.log(3.0)), 0.7) == pytest.approx((3.0, 0.7))


def test_an_average_over_many_times_is_more_stretched():
    """A single exponential over a wide distribution, and the same truth for the same map in any order."""
    spread = generator(1).standard_normal(20000) * 0.6
    tau, beta = image_average(spread, 0.9)
    assert beta < 0.85
    assert 0.9 < tau < 1.3
    assert image_average(spread[::-1], 0.9) == pytest.approx((tau, beta), rel=1e-6)


def test_a_movie_shows_the_planted_truth():
    """Fit of the image-averaged correlation, with the error scale of speckle statistics.

    The mean intensity is known, so nothing is biased by the length of the record, and frames may come in
    bursts that span the range of lags.
    """
    camera = CameraSpec(read_noise_e=0.0, mtf_half_nyquist=1.0)
    still = WorldSpec((camera,), thermal_drifts=(), walk_nm_per_sqrt_s=0.0, vibration_nm=0.0)
    spec = replace(still, contrast=1.0, heterogeneity=Heterogeneity(0.5, 3.0))
    glass = Glass("even", (100.0, 1000.0), (400.0, 400.0), (0.8, 0.8), 4.4e5, 0.0)
    world = World(spec, glass, VirtualClock(), 5)
    world.blank(False)
    truth, scene, n_bursts = world.truth_ecm(0.0, 52000.0), ImagingScene(world), 40
    lags_s = 2.0 * np.cumsum([1, 1, 2, 4, 8, 16, 32, 64, 128, 256])
    g2 = np.zeros(len(lags_s))
    for n in range(n_bursts):
        burst = []
        for t_s in (1300.0 * n + np.concatenate([[0.0], lags_s])).tolist():
            world.clock.sleep_until(t_s + 1.0)
            counts = scene.expose(t_s, 1.0)[0].astype(float) - camera.offset_counts
            burst.append(counts / (camera.gain_counts_per_e * spec.electrons_per_px(1.0)) - 1)
        g2 += np.mean(np.array(burst[1:]) * burst[0], axis=(1, 2)) / n_bursts
    (_, tau_s, beta), _ = curve_fit(
        lambda t, a, tau, b: a * np.exp(-2 * (t / tau) ** b), lags_s, g2, p0=(1.0, 400.0, 0.8)
    )
    evidence = np.sqrt(n_bursts * 128**2 * np.pi * (spec.aperture_per_nm * spec.pixel_nm) ** 2)
    assert truth["beta"] < 0.76
    assert abs(np.log(tau_s / truth["tau_s"])) < 4 * 2.5 / evidence
    assert abs(beta - truth["beta"]) < 4 / evidence + 0.02


def test_how_fast_frames_are_made():
    """Printed, not asserted: it depends on the machine."""
    world = World(UNEVEN, load_glass(), VirtualClock(), 1)
    world.blank(False)
    scene, start_s = ImagingScene(world), time.perf_counter()
    for n in range(50):
        world.clock.sleep_until(2.0 * n + 1.0)
        scene.expose(2.0 * n, 1.0)
    print(f"{50 / (time.perf_counter() - start_s):.0f} frames of 128 x 128 per second with a map of tau")
