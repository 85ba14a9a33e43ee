"""The simulated camera sensor: what the noise of a frame is made of, and where it comes from."""

import numpy as np
import pytest

from annealscope.simulators.random_streams import stream
from annealscope.simulators.sensor import EDGE_PX, Sensor, mtf, noise_power_factor, shot_noise


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
