"""What a diffraction camera sees in each state of the column, area diffraction, and low-loss spectra."""

import numpy as np
import pytest
from pattern_samples import (
    CAMERA,
    PIXEL_PER_NM,
    Specimen,
    k_of_pixels,
    lit_pixels,
    mean_and_variance,
    nanobeam,
    ring_mean,
    take_patterns,
)

from annealscope.drivers.interfaces import Optics
from annealscope.simulators.camera_spec import CameraSpec
from annealscope.simulators.diffraction_camera import Screen, load_mean_pattern, sensor_of
from annealscope.simulators.lowloss import LowLoss, load_low_loss
from annealscope.simulators.patterns import PatternScene, PatternSpec
from annealscope.simulators.saed import Crystals
from annealscope.simulators.sensor import noise_power_factor

AREA = Optics("diffraction", 300.0, probe_current_pA=2.0)
DARK_FIELD = Optics("tem_dark_field", 300.0, magnification=340000.0)


# --- states of the column


@pytest.mark.parametrize(
    "specimen", [Specimen(blanked=True), Specimen(optics=DARK_FIELD), Specimen(optics=None)], ids=str
)
def test_without_a_pattern_frames_are_dark(specimen):
    counts, haadf = PatternScene(specimen, CAMERA, 1).expose(0.0, 4.0, 0, (0.0, 0.0))
    assert haadf is None
    assert counts.mean() == pytest.approx(100, abs=4 * 20 / np.sqrt(counts.size))
    assert counts.std() == pytest.approx(20, rel=4 / np.sqrt(2 * counts.size))


def test_the_mode_may_change_in_between():
    specimen = Specimen()
    scene = PatternScene(specimen, CAMERA, 1)
    structure = []
    for seq, optics in enumerate((nanobeam(0.91), AREA, nanobeam(2.0))):
        specimen.optics = optics
        counts, haadf = scene.expose(4.0 * seq, 4.0, seq, None)
        assert counts.shape == CAMERA.shape
        assert (haadf is None) == (optics is AREA)
        ring = counts[lit_pixels() & (np.abs(k_of_pixels() - 4.27) < 0.1)].astype(float)
        structure.append(ring.std() / ring.mean())
    assert structure[1] < 0.2 * min(structure[0], structure[2])


def test_the_probe_and_the_current_of_the_paper_are_the_default():
    bare = Specimen(optics=Optics("nanobeam", 300.0))
    told = Specimen(optics=nanobeam(0.91, current_pA=15.0))
    frames = [PatternScene(specimen, CAMERA, 1).expose(0.0, 0.1, 0, None)[0] for specimen in (bare, told)]
    np.testing.assert_array_equal(*frames)


@pytest.mark.parametrize("optics", [nanobeam(0.91), AREA], ids=["nanobeam", "area"])
def test_frames_depend_on_seed_and_time_only(optics):
    specimen = Specimen(optics=optics)
    first, again, other = (PatternScene(specimen, CAMERA, seed) for seed in (1, 1, 2))
    forwards = [first.expose(4.0 * n, 4.0, n, None)[0] for n in range(3)]
    backwards = [again.expose(4.0 * n, 4.0, 0, None)[0] for n in (2, 1, 0)]
    np.testing.assert_array_equal(forwards, backwards[::-1])
    assert not np.array_equal(forwards[0], other.expose(0.0, 4.0, 0, None)[0])
    assert not np.array_equal(forwards[0], forwards[1])


def test_a_camera_without_a_scale_is_refused():
    with pytest.raises(ValueError, match="pixel_per_nm"):
        PatternScene(Specimen(), CameraSpec(), 1)


def test_a_file_without_the_numbers_of_patterns_is_refused(tmp_path):
    path = tmp_path / "glass.yaml"
    path.write_text("fem: {}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="'model' is not there"):
        PatternScene(Specimen(), CAMERA, 1, PatternSpec(numbers=path))


def test_an_impossible_ellipse_is_refused():
    with pytest.raises(ValueError, match="long to short axis"):
        PatternSpec(ellipse=(0.9, 0.0))


# --- geometry


def marked(spec: PatternSpec, n: int = 1) -> np.ndarray:
    """Patterns with a bright ring at 5 per nm."""
    return take_patterns(PatternScene(Specimen(optics=AREA), CAMERA, 4, spec), n).astype(float)


RING = Crystals((5.0,), height=20.0, width_per_nm=0.15)


def test_the_long_axis_of_rings_lies_where_it_is_said():
    """A ring at k has the half axes k sqrt(ratio) and k / sqrt(ratio)."""
    image = marked(PatternSpec(ellipse=(1.1, 30.0), crystals=RING), 10).mean(axis=0)
    y, x = ((np.arange(n) - (n - 1) / 2) * PIXEL_PER_NM for n in CAMERA.shape)
    radius, azimuth = np.hypot(y[:, None], x), np.rad2deg(np.arctan2(y[:, None], x))
    for angle_deg, expected in ((30.0, 5 * np.sqrt(1.1)), (120.0, 5 / np.sqrt(1.1)), (75.0, None)):
        sector = (np.abs(azimuth - angle_deg) < 5) & (np.abs(radius - 5) < 0.8)
        signal = np.maximum(image[sector] - np.median(image[sector]), 0) ** 2
        found = np.sum(signal * radius[sector]) / np.sum(signal)
        expected = expected or 5 / np.sqrt(0.5 / 1.1 + 0.5 * 1.1)
        assert found == pytest.approx(expected, abs=0.03), angle_deg


def test_the_pattern_wanders():
    """0.02 per nm rms on each axis, seen by the centre of mass of a bright ring."""
    frames = marked(PatternSpec(crystals=RING), 60)
    y, x = ((np.arange(n) - (n - 1) / 2) * PIXEL_PER_NM for n in CAMERA.shape)
    ring = (np.abs(k_of_pixels() - 5) < 1) & (np.abs(x) > 0.6)
    weights = np.maximum(frames - np.median(frames), 0) * ring
    total = weights.sum(axis=(1, 2))
    # bright pixels in the fixed ring follow a shift only in part: compare with the same for known shifts
    centre = np.array([(weights * y[:, None]).sum(axis=(1, 2)), (weights * x).sum(axis=(1, 2))]) / total
    screen = Screen(sensor_of(CAMERA), PIXEL_PER_NM)
    assert np.all(np.abs(centre.mean(axis=1)) < 4 * 0.02 / np.sqrt(60))
    assert centre.std() == pytest.approx(0.02 * follows(screen, ring, y, x), rel=4 / np.sqrt(2 * 120) + 0.1)


def follows(screen: Screen, ring: np.ndarray, y: np.ndarray, x: np.ndarray) -> float:
    """How far the centre of mass moves when the pattern moves by 1, mean of both axes."""
    moved = []
    for shift in ((0.02, 0.0), (0.0, 0.02)):
        k = screen.k_per_nm(np.array(shift))[4:, 4:][: len(y), : len(x)]
        image = load_mean_pattern().profile(k) * (1 + 20 * np.exp(-0.5 * ((k - 5) / 0.15) ** 2))
        image[(np.abs(x) < 0.25) & (y[:, None] < 0)] = 0
        weights = np.maximum(image - np.median(image), 0) * ring
        along = y[:, None] if shift[0] else x
        moved.append(np.sum(weights * along) / weights.sum() / 0.02)
    return float(np.mean(moved))


# --- area diffraction


def test_rings_of_a_glass_are_smooth_and_where_they_should_be():
    mean, variance = mean_and_variance(take_patterns(PatternScene(Specimen(optics=AREA), CAMERA, 2), 40))
    expected = load_mean_pattern().profile(np.array([3.0, 4.27, 5.5]))
    found = [ring_mean(mean, k_per_nm) for k_per_nm in (3.0, 4.27, 5.5)]
    assert found / expected == pytest.approx([found[0] / expected[0]] * 3, rel=0.02)
    assert 0 < ring_mean(variance, 3.0) < 0.0025


def test_shot_noise_of_a_faint_pattern_has_the_power_of_the_camera():
    """Variance = eta n + read noise: electrons arrive, and are spread after."""
    faint = Specimen(optics=Optics("diffraction", 300.0, probe_current_pA=0.01))
    counts = take_patterns(PatternScene(faint, CAMERA, 3), 60)
    electrons = (counts - 100.0) / 10.0
    ring = lit_pixels() & (np.abs(k_of_pixels() - 4.27) < 0.5)
    mean, spread = electrons[:, ring].mean(), electrons[:, ring].var(axis=0, ddof=1).mean()
    eta = (spread - 2.0**2 - 0.1**2 / 12 - 0.0025 * 0.2 * mean**2) / mean
    independent = 60 * ring.sum() * noise_power_factor(0.35)
    assert eta == pytest.approx(noise_power_factor(0.35), abs=4 * spread / mean * np.sqrt(2 / independent))


def test_planted_crystals_are_seen():
    glass, crystalline = (
        PatternScene(Specimen(optics=AREA), CAMERA, 2, PatternSpec(crystals=crystals)).expose(
            0, 4.0, 0, None
        )[0]
        for crystals in (None, Crystals((3.6, 5.0), height=5.0, width_per_nm=0.1, spots=6))
    )
    extra = (crystalline.astype(float) - glass) / glass.mean()
    ks = k_of_pixels()
    assert extra[lit_pixels() & (np.abs(ks - 5.0) < 0.2)].max() > 1
    assert extra[lit_pixels() & (np.abs(ks - 6.5) < 0.4)].max() < 0.3


def test_crystals_stay_where_they_are_in_a_region():
    spec = PatternSpec(crystals=Crystals((5.0,), height=10.0, width_per_nm=0.1, spots=4))
    specimen = Specimen(optics=AREA)
    scene = PatternScene(specimen, CAMERA, 2, spec)
    ring = lit_pixels() & (np.abs(k_of_pixels() - 5.0) < 0.3)
    first, second = (scene.expose(t_s, 4.0, 0, None)[0][ring].astype(float) for t_s in (0.0, 100.0))
    specimen.region = 2
    elsewhere = scene.expose(200.0, 4.0, 0, None)[0][ring].astype(float)
    assert np.corrcoef(first, second)[0, 1] > 0.9
    assert np.corrcoef(first, elsewhere)[0, 1] < 0.6


# --- low-loss spectra


@pytest.mark.parametrize("thickness", [0.3, 0.65, 0.7, 0.9])
def test_the_thickness_is_the_logarithm_of_whole_over_zero_loss(thickness):
    energy_eV = np.arange(-5.0, 150.0, 0.1)
    spectrum = load_low_loss().spectrum(energy_eV, thickness, electrons=1e6)
    minimum = np.argmin(spectrum[(energy_eV > 0) & (energy_eV < 15)]) + np.sum(energy_eV <= 0)
    assert np.log(spectrum.sum() / spectrum[:minimum].sum()) == pytest.approx(thickness, rel=0.01)
    assert spectrum.sum() == pytest.approx(1e6, rel=1e-3)


def test_losses_are_whole_plasmons():
    """Areas are Poisson's, exp(-mu) mu^n / n!."""
    energy_eV = np.arange(-8.0, 150.0, 0.05)
    sharp = LowLoss(zero_loss_fwhm_eV=1.0, plasmon_eV=17.0, plasmon_fwhm_eV=1.0)
    spectrum = sharp.spectrum(energy_eV, 0.9, electrons=1.0)
    areas = [spectrum[np.abs(energy_eV - 17 * n) < 8.5].sum() for n in range(4)]
    poisson = np.exp(-0.9) * 0.9 ** np.arange(4) / np.array([1, 1, 2, 6])
    assert areas == pytest.approx(poisson, rel=2e-3)


def test_a_vacuum_loses_nothing():
    energy_eV = np.arange(-5.0, 60.0, 0.1)
    spectrum = load_low_loss().spectrum(energy_eV, 0.0, electrons=1.0)
    assert spectrum[energy_eV > 3].sum() < 1e-9
