"""The simulated world: what was planted is what the frames show, whoever else looks."""

from dataclasses import replace

import numpy as np
import pytest

from annealscope.drivers.clock import VirtualClock
from annealscope.simulators import CameraSpec, World, WorldSpec
from annealscope.simulators.course import ThermalDrift
from annealscope.simulators.glass import Glass, load_glass
from annealscope.simulators.imaging import ImagingScene

FROZEN = Glass("frozen", (100.0, 1000.0), (1e12, 1e12), (0.7, 0.7), 4.4e5, 0.0)
"""A glass that does not change, so that only the image moves."""

CAMERA = CameraSpec(read_noise_e=0.0)
SHARP = replace(CAMERA, mtf_half_nyquist=1.0)
STILL = WorldSpec((CAMERA,), thermal_drifts=(), walk_nm_per_sqrt_s=0.0, vibration_nm=0.0, contrast=1.0)


def lit_world(spec: WorldSpec = STILL, glass: Glass = FROZEN, seed: int = 4) -> World:
    world = World(spec, glass, VirtualClock(), seed)
    world.blank(False)
    return world


def frame(world: World, t_start_s: float, exposure_s: float = 1.0) -> np.ndarray:
    world.clock.sleep_until(t_start_s + exposure_s)
    return ImagingScene(world).expose(t_start_s, exposure_s)[0]


def displacement_px(reference: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return the peak (y, x) of the cross-correlation, > 0 when features went to larger index."""
    a, b = (image - image.mean() for image in (reference, moved))
    correlation = np.fft.ifft2(np.fft.fft2(b) * np.fft.fft2(a).conj()).real
    peak = np.array(np.unravel_index(np.argmax(correlation), correlation.shape))
    found = []
    for axis in (0, 1):
        left, middle, right = (
            correlation[tuple((peak + step * np.eye(2, dtype=int)[axis]) % correlation.shape)]
            for step in (-1, 0, 1)
        )
        whole = (peak[axis] + correlation.shape[axis] // 2) % correlation.shape[axis] - correlation.shape[
            axis
        ] // 2
        found.append(whole + 0.5 * (left - right) / (left - 2 * middle + right))
    return np.array(found)


# --- drift and image shift in the frames


REGISTRATION_PX = 0.15
"""Three times the known jitter of one registration of a 64 x 64 frame with 30 electrons a pixel."""


def test_features_follow_the_planted_path():
    drift = ThermalDrift(amplitude_nm_per_K=0.05, time_s=40.0, direction_deg=30.0)
    world = lit_world(replace(STILL, thermal_drifts=(drift,), overshoot_K=0.0))
    before = frame(world, 0.0)
    world.chip.ramp(world.clock.monotonic(), 323.15, 1.0)
    after = frame(world, 200.0)
    path_px = (world.path_nm(200.5) - world.path_nm(0.5)) / STILL.pixel_nm
    assert path_px[0] > 3
    assert path_px[1] > 5
    np.testing.assert_allclose(displacement_px(before, after), path_px, atol=REGISTRATION_PX)


@pytest.mark.parametrize("shift_nm", [(1.5, 0.0), (0.0, 1.5), (-0.7, 1.1)])
def test_image_shift_goes_through_the_matrix(shift_nm):
    """The matrix turns by 17 degrees, so that a transposed or mirrored one is off by several pixels."""
    world = lit_world()
    before = frame(world, 0.0)
    world.shift_image(shift_nm)
    after = frame(world, 2.0)
    expected_px = np.array(STILL.image_shift_matrix) @ world.shift_nm / STILL.pixel_nm
    np.testing.assert_allclose(displacement_px(before, after), expected_px, atol=REGISTRATION_PX)


def test_a_shift_that_undoes_the_path_brings_the_image_back():
    """Path = measured - M s: the image stands still when M s = -path."""
    drift = ThermalDrift(0.05, 40.0, -60.0)
    world = lit_world(replace(STILL, thermal_drifts=(drift,), overshoot_K=0.0))
    before = frame(world, 0.0)
    world.chip.ramp(1.0, 323.15, 1.0)
    world.clock.sleep_until(300.0)
    path_nm = world.path_nm(300.0) - world.path_nm(0.5)
    y, x = (-np.linalg.solve(STILL.image_shift_matrix, path_nm)).tolist()
    world.shift_image((y, x))
    np.testing.assert_allclose(displacement_px(before, frame(world, 300.0)), 0, atol=REGISTRATION_PX)


def test_an_exposure_begun_before_a_shift_does_not_see_it():
    shifted, unshifted = lit_world(), lit_world()
    shifted.clock.sleep_until(0.5)
    shifted.shift_image((50.0, 50.0))
    np.testing.assert_array_equal(frame(shifted, 0.0), frame(unshifted, 0.0))


def test_shifts_are_quantised():
    world = lit_world(replace(STILL, shift_quantum_nm=0.5))
    world.shift_image((1.3, -0.7))
    assert world.shift_nm == (1.5, -0.5)


def test_motion_during_the_exposure_blurs():
    """Contrast across the direction of motion stays, along it it goes."""
    fast = ThermalDrift(amplitude_nm_per_K=1.0, time_s=1.0, direction_deg=0.0)
    # Fine speckle: its steps stand out from the shot noise.
    fine = replace(STILL, aperture_per_nm=0.847, cameras=(SHARP,))
    world = lit_world(replace(fine, thermal_drifts=(fast,), overshoot_K=0.0))
    still = frame(world, 0.0).astype(float)
    world.chip.ramp(1.0, 323.15, 1.0)
    blurred = frame(world, 20.0).astype(float)
    assert np.hypot(*(world.path_nm(21.0) - world.path_nm(20.0))) == pytest.approx(1.0, abs=0.05)
    steps = [np.var(np.diff(image, axis=axis)) for image in (still, blurred) for axis in (0, 1)]
    assert steps[3] / steps[1] < 0.5 * steps[2] / steps[0]


def test_blanked_frames_are_dark():
    spec = replace(STILL, cameras=(CameraSpec(),))
    world = World(spec, FROZEN, VirtualClock(), 1)
    dark = frame(world, 0.0)
    assert dark.mean() == pytest.approx(CAMERA.offset_counts, abs=4 * 20 / np.sqrt(dark.size))
    assert dark.std() == pytest.approx(20, rel=4 / np.sqrt(2 * dark.size))


# --- the same world, whoever looks


def movie(world: World, look: bool) -> np.ndarray:
    world.chip.ramp(0.0, 350.0, 0.5)
    frames = []
    for n in range(6):
        for t_s in np.arange(2.0 * n, 2.0 * n + 1.0, 0.13 if look else 1.0).tolist():
            world.clock.sleep_until(t_s)
            if look:
                world.read_temperature()
                world.path_nm(t_s)
        frames.append(frame(world, 2.0 * n))
    return np.stack(frames)


def test_looking_changes_nothing():
    spec = WorldSpec((CameraSpec(shape=(32, 48)),))
    quiet = movie(lit_world(spec, load_glass()), look=False)
    np.testing.assert_array_equal(movie(lit_world(spec, load_glass()), look=True), quiet)


def test_the_seed_is_all_the_randomness():
    spec = WorldSpec((CameraSpec(shape=(32, 32)),))
    first, again, other = (frame(lit_world(spec, FROZEN, seed), 0.0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_path_does_not_depend_on_how_often_it_is_asked_for():
    often, once = lit_world(WorldSpec(), load_glass()), lit_world(WorldSpec(), load_glass())
    for world in (often, once):
        world.chip.ramp(0.0, 373.15, 1 / 3)
    for t_s in np.arange(0, 400, 0.37).tolist():
        often.clock.sleep_until(t_s)
        often.path_nm(t_s)
    once.clock.sleep_until(400.0)
    np.testing.assert_array_equal(often.path_nm(399.9), once.path_nm(399.9))


def test_the_future_of_the_path_is_unknown():
    with pytest.raises(ValueError, match="not known yet"):
        lit_world().path_nm(1.0)


def test_a_fresh_region_is_another_piece_of_the_same_glass():
    world = lit_world(replace(STILL, cameras=(SHARP,)))
    before = frame(world, 0.0).astype(float)
    world.fresh_region()
    after = frame(world, 2.0).astype(float)
    correlation = np.corrcoef(before.ravel(), after.ravel())[0, 1]
    n_speckles = before.size * np.pi * (STILL.aperture_per_nm * STILL.pixel_nm) ** 2
    assert abs(correlation) < 4 / np.sqrt(n_speckles)


@pytest.mark.parametrize("shape", [(16, 17), (45, 100), (127, 64), (1032, 20)])
def test_frames_may_have_any_shape(shape):
    assert frame(lit_world(replace(STILL, cameras=(replace(CAMERA, shape=shape),))), 0.0).shape == shape


def test_the_mean_is_the_dose():
    world = lit_world(replace(STILL, contrast=0.1))
    image = frame(world, 0.0).astype(float)
    electrons = STILL.electrons_per_px(1.0)
    n_speckles = image.size * np.pi * (STILL.aperture_per_nm * STILL.pixel_nm) ** 2
    assert electrons == pytest.approx(29.8, abs=0.1)
    assert image.mean() == pytest.approx(
        CAMERA.offset_counts + CAMERA.gain_counts_per_e * electrons,
        abs=4 * CAMERA.gain_counts_per_e * electrons * np.sqrt(0.1 / n_speckles),
    )


def test_frames_decorrelate_at_the_planted_rate():
    """Two frames correlate as exp[-2 xi^beta], with tau changed between them by a step."""
    two_speeds = Glass("two speeds", (300.0, 301.0), (400.0, 50.0), (0.8, 0.8), 4.4e5, 0.0)
    spec = replace(
        STILL, cameras=(replace(SHARP, shape=(384, 384)),), initial_temperature_K=300.0, overshoot_K=0.0
    )
    world = lit_world(spec, two_speeds)
    images = [frame(world, t_s) - CAMERA.offset_counts for t_s in (0.0, 10.0, 20.0, 30.0, 40.0)]
    world.clock.sleep_until(50.0)
    world.chip.ramp(50.0, 301.0, 1000.0)
    images.append(frame(world, 55.0) - CAMERA.offset_counts)
    first, last = (images[n] / images[n].mean() - 1 for n in (0, -1))
    # the cell of the grid in which the step falls keeps the temperature of its beginning
    material_time = 50.5 / 400 + 4.5 / 50
    n_speckles = first.size * np.pi * (spec.aperture_per_nm * spec.pixel_nm) ** 2
    expected = np.exp(-2 * material_time**0.8)
    assert np.mean(first * last) == pytest.approx(expected, abs=4 * np.sqrt(8 / n_speckles))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"contrast": 0.0}, "contrast"),
        ({"cameras": ()}, "one imaging camera, got 0"),
        ({"cameras": (CameraSpec(), CameraSpec("other"))}, "one imaging camera, got 2"),
    ],
)
def test_impossible_worlds_are_refused(wrong, why):
    with pytest.raises(ValueError, match=why):
        WorldSpec(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"mtf_half_nyquist": 0.0}, {"shape": (8, 64)}, {"pixel_nm": None}, {"kind": "diffraction"}]
)
def test_impossible_cameras_are_refused(wrong):
    with pytest.raises(ValueError, match="camera imaging: "):
        CameraSpec(**wrong)


def test_the_sensor_scatters_around_the_temperature():
    world = lit_world()
    readings = []
    for n in range(400):
        world.clock.sleep_until(n * 0.1 + 0.05)
        readings.append(world.read_temperature())
    values, times = np.array(readings).T
    assert np.all(np.diff(times) > 0)
    assert values.mean() == pytest.approx(298.15, abs=4 * 0.05 / 20)
    assert values.std() == pytest.approx(0.05, rel=4 / np.sqrt(800))
