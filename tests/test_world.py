"""The simulated world: what was planted is what the frames show, whoever else looks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.drivers.clock import VirtualClock
from annealscope.simulators import World, WorldSpec
from annealscope.simulators.course import Course, ThermalDrift
from annealscope.simulators.glass import Glass, load_glass
from annealscope.simulators.random_streams import stream
from annealscope.simulators.sensor import EDGE_PX, Sensor, mtf, noise_power_factor, shot_noise
from annealscope.simulators.temperature import Chip

FROZEN = Glass("frozen", (100.0, 1000.0), (1e12, 1e12), (0.7, 0.7), 4.4e5, 0.0)
"""A glass that does not change, so that only the image moves."""

STILL = WorldSpec(thermal_drifts=(), walk_nm_per_sqrt_s=0.0, vibration_nm=0.0, read_noise_e=0.0, contrast=1.0)


def lit_world(spec: WorldSpec = STILL, glass: Glass = FROZEN, seed: int = 4) -> World:
    world = World(spec, glass, VirtualClock(), seed)
    world.blank(False)
    return world


def frame(world: World, t_start_s: float, exposure_s: float = 1.0) -> np.ndarray:
    world.clock.sleep_until(t_start_s + exposure_s)
    return world.expose(t_start_s, exposure_s)


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
    fine = replace(STILL, aperture_per_nm=0.847, mtf_half_nyquist=1.0)
    world = lit_world(replace(fine, thermal_drifts=(fast,), overshoot_K=0.0))
    still = frame(world, 0.0).astype(float)
    world.chip.ramp(1.0, 323.15, 1.0)
    blurred = frame(world, 20.0).astype(float)
    assert np.hypot(*(world.path_nm(21.0) - world.path_nm(20.0))) == pytest.approx(1.0, abs=0.05)
    steps = [np.var(np.diff(image, axis=axis)) for image in (still, blurred) for axis in (0, 1)]
    assert steps[3] / steps[1] < 0.5 * steps[2] / steps[0]


def test_blanked_frames_are_dark():
    spec = replace(STILL, read_noise_e=2.0)
    world = World(spec, FROZEN, VirtualClock(), 1)
    dark = frame(world, 0.0)
    assert dark.mean() == pytest.approx(spec.offset_counts, abs=4 * 20 / np.sqrt(dark.size))
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
    spec = WorldSpec(frame_shape=(32, 48))
    quiet = movie(lit_world(spec, load_glass()), look=False)
    np.testing.assert_array_equal(movie(lit_world(spec, load_glass()), look=True), quiet)


def test_the_seed_is_all_the_randomness():
    spec = WorldSpec(frame_shape=(32, 32))
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
    world = lit_world(replace(STILL, mtf_half_nyquist=1.0))
    before = frame(world, 0.0).astype(float)
    world.fresh_region()
    after = frame(world, 2.0).astype(float)
    correlation = np.corrcoef(before.ravel(), after.ravel())[0, 1]
    n_speckles = before.size * np.pi * (STILL.aperture_per_nm * STILL.pixel_nm) ** 2
    assert abs(correlation) < 4 / np.sqrt(n_speckles)


@pytest.mark.parametrize("shape", [(16, 17), (45, 100), (127, 64), (1032, 20)])
def test_frames_may_have_any_shape(shape):
    assert frame(lit_world(replace(STILL, frame_shape=shape)), 0.0).shape == shape


def test_the_mean_is_the_dose():
    world = lit_world(replace(STILL, contrast=0.1))
    image = frame(world, 0.0).astype(float)
    electrons = STILL.electrons_per_px(1.0)
    n_speckles = image.size * np.pi * (STILL.aperture_per_nm * STILL.pixel_nm) ** 2
    assert electrons == pytest.approx(29.8, abs=0.1)
    assert image.mean() == pytest.approx(
        STILL.offset_counts + STILL.gain_counts_per_e * electrons,
        abs=4 * STILL.gain_counts_per_e * electrons * np.sqrt(0.1 / n_speckles),
    )


def test_the_truth_is_the_law_of_the_glass():
    assert lit_world(WorldSpec(), load_glass()).truth(273.15 + 275) == pytest.approx((1585, 0.74))


def test_frames_decorrelate_at_the_planted_rate():
    """Two frames correlate as exp[-2 xi^beta], with tau changed between them by a step."""
    two_speeds = Glass("two speeds", (300.0, 301.0), (400.0, 50.0), (0.8, 0.8), 4.4e5, 0.0)
    spec = replace(
        STILL, frame_shape=(384, 384), initial_temperature_K=300.0, overshoot_K=0.0, mtf_half_nyquist=1.0
    )
    world = lit_world(spec, two_speeds)
    images = [frame(world, t_s) - spec.offset_counts for t_s in (0.0, 10.0, 20.0, 30.0, 40.0)]
    world.clock.sleep_until(50.0)
    world.chip.ramp(50.0, 301.0, 1000.0)
    images.append(frame(world, 55.0) - spec.offset_counts)
    first, last = (images[n] / images[n].mean() - 1 for n in (0, -1))
    # the cell of the grid in which the step falls keeps the temperature of its beginning
    material_time = 50.5 / 400 + 4.5 / 50
    n_speckles = first.size * np.pi * (spec.aperture_per_nm * spec.pixel_nm) ** 2
    expected = np.exp(-2 * material_time**0.8)
    assert np.mean(first * last) == pytest.approx(expected, abs=4 * np.sqrt(8 / n_speckles))


@pytest.mark.parametrize("wrong", [{"contrast": 0.0}, {"mtf_half_nyquist": 0.0}, {"frame_shape": (8, 64)}])
def test_impossible_worlds_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WorldSpec(**wrong)


# --- temperature


def test_the_chip_follows_the_ramp_and_overshoots_a_little():
    chip = Chip(298.15, overshoot_K=0.8)
    arrival_s = chip.ramp(10.0, 373.15, 1 / 3)
    assert arrival_s == pytest.approx(10 + 225)
    assert chip.temperature_K(10 + 60.0) == pytest.approx(298.15 + 20)
    after = chip.temperature_K(arrival_s + np.arange(0, 120, 0.5)) - 373.15
    assert after.max() == pytest.approx(0.8, abs=0.01)
    assert np.abs(after[80:]).max() < 0.05


COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(["ramp", "hold", "off"]), st.floats(300, 700), st.floats(0.01, 50), st.floats(0, 300)
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(COMMANDS)
def test_the_past_of_the_temperature_never_changes(commands):
    chip, now_s = Chip(300.0, 0.8), 0.0
    seen: list[tuple[float, float]] = []
    for what, target_K, rate_K_per_s, then_s in commands:
        if what == "ramp":
            chip.ramp(now_s, target_K, rate_K_per_s)
        elif what == "hold":
            chip.hold(now_s)
        else:
            chip.power_off(now_s)
        seen += [(t, float(chip.temperature_K(t))) for t in np.linspace(now_s, now_s + then_s, 5).tolist()]
        now_s += then_s
    for t_s, temperature_K in seen:
        assert float(chip.temperature_K(t_s)) == pytest.approx(temperature_K, abs=1e-9)


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


# --- drift path and material time


def course(temperature_K, drifts=(), walk=0.0, seed=1) -> Course:
    return Course(temperature_K, lambda kelvin: 1.0 / kelvin, drifts, walk, seed)


def test_material_time_adds_up_over_a_step():
    step = course(lambda t: np.where(t < 10, 100.0, 50.0))
    assert step.material_time(7.25) == pytest.approx(7.25 / 100)
    assert step.material_time(20.5) == pytest.approx(10 / 100 + 10.5 / 50)


def test_thermal_drift_is_the_sum_of_its_exponentials():
    drifts = (ThermalDrift(1.0, 40.0, 90.0), ThermalDrift(3.0, 600.0, 0.0))
    heated = course(lambda t: np.where(t < 10, 300.0, 375.0), drifts)
    for t_s in (10.0, 33.3, 500.0, 4000.75):
        elapsed_s = t_s - 10
        expected = 75 * np.array([1 - np.exp(-elapsed_s / 40), 3 * (1 - np.exp(-elapsed_s / 600))])
        np.testing.assert_allclose(heated.path_nm(t_s), expected, atol=1e-9)


def test_the_walk_spreads_as_the_root_of_time():
    steps = np.array(
        [course(lambda t: 0 * t + 300.0, walk=0.02, seed=seed).path_nm(100.0) for seed in range(200)]
    )
    assert steps.std() == pytest.approx(0.02 * 10, rel=4 / np.sqrt(2 * steps.size))


def test_the_walk_goes_on_across_the_blocks_it_is_drawn_in():
    walker = course(lambda t: 0 * t + 300.0, walk=0.02)
    jumps = np.diff([walker.path_nm(float(t)) for t in range(2000, 2100)], axis=0)
    assert np.abs(jumps).max() < 6 * 0.02
    assert np.all(jumps != 0)
    first = np.diff([walker.path_nm(float(t)) for t in range(1000)], axis=0)
    second = np.diff([walker.path_nm(float(t)) for t in range(1024, 2024)], axis=0)
    assert np.abs(np.mean(first * second)) < 4 * 0.02**2 / np.sqrt(first.size)


# --- camera noise


def flat_frame(half_nyquist: float, electrons: float = 200.0) -> np.ndarray:
    sensor = Sensor((512, 512), 10.0, 100.0, 2.0, half_nyquist)
    counts = sensor.record(np.full(sensor.wide_shape, electrons, dtype=np.float32), stream(1, "flat"))
    return (counts - 100.0) / 10.0


@pytest.mark.parametrize("half_nyquist", [0.35, 1.0])
def test_the_point_spread_correlates_the_shot_noise(half_nyquist):
    """Electrons arrive, then are spread: variance eta n, and neighbours share it; read noise stays white."""
    image = flat_frame(half_nyquist)
    qy, qx = np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None, :]
    mirrored = np.where((qx == 0) | (qx == 0.5), 1, 2) * np.ones_like(qy)
    power = 200 * mtf((512, 512), half_nyquist) ** 2 + 2.0**2 + 1 / 1200
    expected = np.average(power, weights=mirrored)
    error = np.sqrt(2 * np.average(power**2, weights=mirrored)) / 512
    neighbours = np.average(power * np.cos(2 * np.pi * qx), weights=mirrored)
    deviations = image - 200
    assert expected == pytest.approx(200 * noise_power_factor(half_nyquist) + 4, rel=1e-3)
    assert np.mean(deviations**2) == pytest.approx(expected, abs=4 * error)
    assert np.mean(deviations[:, 1:] * deviations[:, :-1]) == pytest.approx(neighbours, abs=4 * error)


def test_the_transfer_function_has_its_value_at_half_nyquist():
    transfer = mtf((64, 64), 0.35)
    assert transfer[0, 0] == 1
    assert transfer[0, 16] == pytest.approx(0.35, abs=1e-4)
    assert transfer[16, 0] == pytest.approx(0.35, abs=1e-4)


def test_the_point_spread_has_true_edges():
    """A bright row outside the frame, near the opposite edge of the grid, does not leak in by wrapping."""
    sensor = Sensor((64, 64), 10.0, 100.0, 0.0, 0.35)
    scene = np.zeros(sensor.wide_shape, dtype=np.float32)
    scene[-1] = 1e4
    counts = sensor.record(scene, stream(1, "edge"))
    assert sensor.wide_shape[0] >= 64 + 2 * EDGE_PX
    assert counts[0].max() <= 100 + 0.01 * 1e5


@pytest.mark.parametrize("expected_e", [3.0, 20.0, 300.0])
def test_shot_noise_has_the_moments_of_poisson(expected_e):
    n = 512 * 512
    electrons = shot_noise(np.full((512, 512), expected_e, dtype=np.float32), stream(2, "shot")).astype(float)
    deviations = electrons - expected_e
    assert deviations.mean() == pytest.approx(0, abs=4 * np.sqrt(expected_e / n))
    assert np.mean(deviations**2) == pytest.approx(expected_e, rel=4 * np.sqrt((2 + 1 / expected_e) / n))
    skewness = np.mean(deviations**3) / expected_e**1.5
    assert skewness == pytest.approx(expected_e**-0.5, abs=5 * np.sqrt(15 / n))


def test_frames_are_clipped_not_wrapped():
    sensor = Sensor((32, 32), 10.0, 100.0, 0.0, 1.0)
    assert (
        sensor.record(np.full(sensor.wide_shape, 1e5, dtype=np.float32), stream(3, "bright")).min() == 65535
    )


# --- random streams


def test_streams_are_independent_and_repeatable():
    draws = {
        key: stream(*key).standard_normal(4).tolist()
        for key in ((1, "a", 0), (1, "a", 1), (1, "b", 0), (2, "a", 0))
    }
    assert len({tuple(draw) for draw in draws.values()}) == 4
    assert stream(1, "a", 1).standard_normal(4).tolist() == draws[1, "a", 1]
