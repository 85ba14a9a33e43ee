"""Figures of a report, and numbers as people write them."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annealscope.analysis.twotime_map import without_diagonal
from annealscope.controller.config.wording import duration, scientific
from annealscope.controller.report.figures_hold import figure_drift, model_curve, running_median
from annealscope.controller.report.figures_map import blocks, figure_two_time
from annealscope.controller.report.figures_tau_map import fractions
from annealscope.controller.report.numbers import pm
from annealscope.controller.report.style import round_length, shrink
from annealscope.controller.report.summary import (
    Correlation,
    DriftTrace,
    Fit,
    HoldSummary,
    TauMap,
    TwoTimeCorrelation,
)


def test_limits_are_drawn_where_the_measured_displacement_comes_near() -> None:
    t_s = np.arange(400.0)
    drift = DriftTrace(t_s, np.stack([t_s / 200, -t_s / 800], axis=1), None, None, warn_nm=1.0, limit_nm=5.0)
    figure = figure_drift(HoldSummary(2, "02_ecm", drift=drift))
    measured = figure.axes[0]
    levels = {line.get_ydata()[0] for line in measured.lines if line.get_linestyle() == "--"}
    assert levels == {1.0}
    assert measured.get_title("right") == "warn ±1 nm, limit ±5 nm (off scale)"
    assert measured.get_ylim()[1] < 3


def test_a_fit_is_drawn_as_the_hold_file_has_it() -> None:
    lag_s, curve = np.array([1.0, 2.0, 4.0]), np.array([0.09, 0.05, -0.01])
    correlation = Correlation(lag_s, {"ratio": 1 + curve}, None)
    hold = HoldSummary(
        2, "02_ecm", correlation=correlation, segment_slots=(9,), segment_starts=(0,), period_s=1.0
    )
    fit = Fit(3.0, 0.7, amplitude=0.1, model="finite", curve=curve)
    np.testing.assert_array_equal(model_curve(fit, lag_s[1:], hold), curve[1:])
    assert not np.allclose(model_curve(replace(fit, curve=None), lag_s, hold), curve)


def test_a_running_median_ignores_single_outliers() -> None:
    values = np.where(np.arange(1000) % 50 == 7, 100.0, 1.0)
    np.testing.assert_array_equal(running_median(values), 1.0)


def test_segments_of_a_two_time_correlation_are_drawn_apart() -> None:
    segment = np.array([0, 0, 0, 1, 1])
    t_s = np.array([2.0, 8.0, 14.0, 102.0, 108.0])
    value = np.where(segment[:, None] == segment, 1.1, np.nan)
    first, second = blocks(TwoTimeCorrelation(t_s, value, segment))
    assert (first.start_s, first.stop_s) == (-1.0, 17.0)
    assert (second.start_s, second.stop_s) == (99.0, 111.0)
    assert np.isfinite(first.value).all()
    assert second.value.shape == (2, 2)
    (axes,) = figure_two_time(HoldSummary(2, "02_ecm", two_time=TwoTimeCorrelation(t_s, value, segment))).axes
    assert len(axes.images) == 2
    assert axes.get_xlim() == (-1.0, 111.0)


@pytest.mark.parametrize(
    ("value", "sigma", "text"),
    [
        (512.34, 15.9, "512 ± 16"),
        (1650.2, 70.3, "1650 ± 70"),
        (0.7134, 0.0196, "0.713 ± 0.020"),
        (0.7134, 0.0472, "0.713 ± 0.047"),
        (1096.6, 42.02, "1097 ± 42"),
        (1096.6, 99.7, "1097 ± 100"),
        (9.96, 0.36, "9.96 ± 0.36"),
        (12345.0, 3512.0, "12300 ± 3500"),
        (485.0, float("nan"), "485"),
        (1585.0, 0.0, "1585"),
        (float("nan"), 1.0, "–"),
    ],
)
def test_numbers_end_where_their_uncertainty_begins(value: float, sigma: float, text: str) -> None:
    assert pm(value, sigma) == text


@given(st.floats(1e-3, 1e6), st.floats(1e-6, 1e4))
def test_rounding_never_moves_a_number_by_more_than_its_uncertainty(value: float, sigma: float) -> None:
    shown, error = (float(part) for part in pm(value, sigma).split(" ± "))
    assert abs(shown - value) <= 0.0501 * sigma
    assert error == pytest.approx(sigma, rel=0.0501)


@given(st.floats(0, 1e6))
def test_durations_read_back(seconds: float) -> None:
    units = {"d": 86400, "h": 3600, "min": 60, "s": 1}
    read = sum(
        float(number) * units[unit]
        for number, unit in re.findall(r"([\d.e-]+) (d|h|min|s)", duration(seconds))
    )
    assert abs(read - seconds) <= (3600 if seconds >= 86400 else 60 if seconds >= 3600 else 1)


@given(st.floats(1e-3, 1e6))
def test_scale_bars_are_round_and_fit(at_most: float) -> None:
    length = round_length(at_most)
    assert at_most / 2.51 <= length <= at_most * (1 + 1e-9)
    assert f"{length:e}"[0] in "125"


def test_the_diagonal_is_replaced_by_its_neighbours() -> None:
    value = np.fromfunction(lambda i, j: 1.0 / (1 + np.abs(i - j)), (6, 6)) + 9 * np.eye(6)
    shown = without_diagonal(value)
    np.testing.assert_allclose(np.diag(shown), 0.5)
    np.testing.assert_array_equal(shown - np.diag(np.diag(shown)), value - np.diag(np.diag(value)))


def test_shrinking_keeps_the_mean_and_leaves_out_gaps() -> None:
    values = np.arange(64.0).reshape(8, 8)
    values[0, 0] = np.nan
    small = shrink(values, 4)
    assert small.shape == (4, 4)
    assert small[0, 0] == pytest.approx(np.mean([1, 8, 9]))
    assert small[3, 3] == values[6:, 6:].mean()


def test_histogram_counts_every_valid_pixel_once() -> None:
    tau_s = np.array([[100.0, 200.0, np.nan], [100.0, 3000.0, np.nan]])
    counted = fractions(TauMap(tau_s, None, 1 / 3))
    assert counted.seen.sum() == pytest.approx(1)
    assert counted.seen[np.searchsorted(counted.edges_s, 100.0 * 1.0001) - 1] == pytest.approx(0.5)
    np.testing.assert_allclose(np.diff(np.log10(counted.edges_s)), 0.05)
    assert counted.null is None


@given(st.floats(1e-30, 1e30))
def test_powers_of_ten_read_back(value: float) -> None:
    mantissa, _, power = scientific(value).partition(" × 10")
    digits = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert float(f"{mantissa}e{digits}") == pytest.approx(value, rel=0.006)
