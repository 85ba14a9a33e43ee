"""The law of the simulated glass, and the field that obeys it."""

import numpy as np
import pytest

from annealscope.analysis.speckle import intensity, pupil
from annealscope.simulators.field import RATES, SpeckleField, mixture_weights
from annealscope.simulators.glass import ZERO_DEGC_K, Glass, load_glass, paper_numbers

TABLE = paper_numbers()["ecm"]["relaxation"]


def stream(place: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=77, counter=[0, 0, 0, place]))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['temperature_degC']}degC")
def test_the_law_returns_the_table(row):
    glass = load_glass()
    temperature_K = row["temperature_degC"] + ZERO_DEGC_K
    assert glass.tau_s(temperature_K, row["dose_rate_e_per_nm2_s"]) == pytest.approx(row["tau_s"])
    assert glass.beta(temperature_K) == pytest.approx(row["beta"])


def test_the_beam_speeds_the_glass_up():
    """At room temperature the threefold dose rate does what the table shows between its two coldest rows."""
    glass = load_glass()
    assert glass.dose_rate_exponent == pytest.approx(0.385, abs=5e-4)
    assert glass.tau_s(25 + ZERO_DEGC_K, 4.4e5) == pytest.approx(485)


def test_between_the_rows_ln_tau_and_beta_are_linear():
    glass = load_glass()
    assert glass.tau_s(125 + ZERO_DEGC_K, 4.4e5) == pytest.approx(np.sqrt(485 * 743))
    assert glass.beta(125 + ZERO_DEGC_K) == pytest.approx(0.69)


def test_beyond_the_rows_the_law_is_constant():
    glass = load_glass()
    temperatures_K = np.array([275.0, 400.0]) + ZERO_DEGC_K
    assert np.ptp(glass.tau_s(temperatures_K, 4.4e5)) == 0
    assert glass.tau_s(77.0, 4.4e5) == glass.tau_s(298.15, 4.4e5)


def test_a_compressed_relaxation_is_refused():
    with pytest.raises(ValueError, match=r"beta must be in \(0, 1\]"):
        Glass("steep", (300.0, 400.0), (10.0, 20.0), (0.9, 1.3), 1e5, 0.0)


def test_a_glass_can_come_from_any_file(tmp_path):
    file = tmp_path / "other.yaml"
    rows = [
        {"temperature_degC": t, "tau_s": 10 * t, "beta": 0.8, "dose_rate_e_per_nm2_s": 1.0e5}
        for t in (20, 40)
    ]
    file.write_text(f"alloy: {{name: other}}\necm: {{relaxation: {rows}}}\n")
    glass = load_glass(file)
    assert glass.name == "other"
    assert glass.tau_s(40 + ZERO_DEGC_K, 2e5) == pytest.approx(400)


def test_an_unknown_glass_says_where_it_was_looked_for():
    with pytest.raises(FileNotFoundError, match="vitreloy"):
        load_glass("vitreloy")


@pytest.mark.parametrize(
    ("beta", "largest_error"),
    [(0.65, 0.0022), (0.70, 0.0014), (0.75, 0.0023), (0.80, 0.0023), (0.85, 0.0016), (0.90, 0.0005)],
)
def test_the_mixture_is_the_best_one_for_its_rates(beta, largest_error):
    """The minimax errors of these rates are known; a wrong programme cannot reach them."""
    t = np.geomspace(1e-3, 30, 3001)
    weights = mixture_weights(beta)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    error = np.abs(np.exp(-np.outer(t, RATES)) @ weights - np.exp(-(t**beta))).max()
    assert error < largest_error + 1e-4


@pytest.mark.parametrize("beta", [0.0, 1.2, float("nan")])
def test_only_stretched_relaxations_are_mixtures(beta):
    with pytest.raises(ValueError, match="0 < beta <= 1"):
        mixture_weights(beta)


@pytest.mark.parametrize("beta", [0.68, 0.84])
@pytest.mark.parametrize("steps", [1, 7], ids=["one step", "seven steps"])
def test_field_follows_the_stretched_exponential(beta, steps):
    """g1 of the modes, and g2 - 1 = g1^2 of the pixels, for material times 0.1, 0.5 and 2."""
    grid = pupil((512, 512), 0.2)
    for place, elapsed in enumerate((0.1, 0.5, 2.0)):
        field = SpeckleField(grid, stream(1000 * place))
        before = field.modes(beta)
        image = intensity(field.render(before, (0.0, 0.0), (512, 512)), 1.0)
        for step in range(steps):
            field.advance(elapsed / steps, stream(1000 * place + step + 1))
        after = field.modes(beta)
        later = intensity(field.render(after, (0.0, 0.0), (512, 512)), 1.0)
        g1 = np.exp(-(elapsed**beta))
        assert abs(np.mean(before.conj() * after) - g1) < 4 / np.sqrt(grid.n_modes) + 0.0023
        assert abs(np.mean((image - 1) * (later - 1)) - g1**2) < 4 * np.sqrt(8 / grid.n_modes) + 0.0045


def test_field_keeps_its_unit_intensity():
    grid = pupil((256, 256), 0.2)
    field = SpeckleField(grid, stream(1))
    for step in range(50):
        field.advance(0.05, stream(2 + step))
    assert np.mean(np.abs(field.modes(0.7)) ** 2) == pytest.approx(1, abs=4 / np.sqrt(grid.n_modes))


def test_no_material_time_is_no_change():
    field = SpeckleField(pupil((64, 64), 0.2), stream(1))
    before = field.modes(0.7)
    field.advance(0.0, stream(2))
    np.testing.assert_array_equal(field.modes(0.7), before)
