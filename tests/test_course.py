"""What the history of temperature does: the chip's temperature, drift, and material time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.simulators.course import Course, ThermalDrift
from annealscope.simulators.temperature import Chip


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


# --- drift path and material time


def course(temperature_K, drifts=(), walk=0.0, seed=1) -> Course:
    return Course(temperature_K, lambda t_s, kelvin: 1.0 / kelvin, drifts, walk, seed)


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
