"""Figures of a series of probe sizes: Stratton-Voyles plot and pair-persistence plot."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from annealscope.controller.report.numbers import pm
from annealscope.controller.report.paper import Paper
from annealscope.controller.report.style import BLUE, GREY, INK, ORANGE, SINGLE_MM, Table, new_figure
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER
from annealscope.controller.report.summary_run import ProbeSeries


def _number(series: ProbeSeries, *names: str) -> float:
    """Return the first of the named numbers that is there; NaN when none is."""
    found: Any = next((series.numbers[name] for name in names if name in series.numbers), NOT_A_NUMBER)
    return float(found) if isinstance(found, int | float) else NOT_A_NUMBER


def figure_stratton_voyles(series: ProbeSeries, paper: Paper | None = None) -> Figure:
    """Draw the height of the first peak against 1/R^2, and the probe size of the largest."""
    figure = new_figure(SINGLE_MM, 78)
    axes = figure.add_subplot()
    axes.errorbar(series.x, series.y, yerr=series.sigma, fmt="o", color=BLUE, ms=4, capsize=2.5)
    radius, sigma = _number(series, "R_max_nm"), _number(series, "sigma_R_max_nm")
    if radius > 0:
        axes.axvline(1 / radius**2, color=ORANGE, label=f"largest at R = {pm(radius, sigma, 'nm')}")
    if paper is not None:
        value, error = paper.mro_size_nm
        label = f"published, {value:g} ± {error:g} nm"
        low, high = 1 / (value + error) ** 2, 1 / (value - error) ** 2
        axes.axvspan(low, high, color=GREY, alpha=0.2, lw=0, label=label)
    axes.set(xlabel="1/R² / nm⁻²", ylabel="V at the first peak")
    if axes.get_legend_handles_labels()[1]:
        axes.legend()
    return figure


def figure_pair_persistence(series: ProbeSeries, paper: Paper | None = None) -> Figure:
    """Draw Q^2/V against Q^2 with the line whose slope and intercept give the length."""
    figure = new_figure(SINGLE_MM, 78)
    axes = figure.add_subplot()
    axes.errorbar(series.x, series.y, yerr=series.sigma, fmt="o", color=BLUE, ms=4, capsize=2.5)
    slope, intercept = _number(series, "slope"), _number(series, "intercept_per_nm2", "intercept")
    length, sigma = _number(series, "length_nm"), _number(series, "sigma_length_nm")
    if np.isfinite(slope * intercept):
        x = np.array([0.0, 1.05 * series.x.max()])
        label = f"Λ = {pm(length, sigma, 'nm')}"
        axes.plot(x, slope * x + intercept, color=ORANGE, label=label)
    if paper is not None:
        value, error = paper.persistence_nm
        axes.plot([], [], " ", color=INK, label=f"published, {value:g} ± {error:g} nm")
    axes.set(xlabel="Q² / nm⁻²", ylabel="Q²/V / nm⁻²", xlim=(0, None), ylim=(0, None))
    if axes.get_legend_handles_labels()[1]:
        axes.legend()
    return figure


def table_probes(series: ProbeSeries, x: str, y: str) -> Table:
    """Return the points of a series with their standard errors."""
    sigma = np.full(series.x.shape, np.nan) if series.sigma is None else series.sigma
    return (x, y, f"sigma {y}"), np.column_stack([series.x, series.y, sigma])
