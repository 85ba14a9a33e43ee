"""Figures of a series of probe sizes: Stratton-Voyles plot and pair-persistence plot."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from annealscope.controller.report.numbers import pm
from annealscope.controller.report.paper import Paper
from annealscope.controller.report.style import BLUE, GREEN, GREY, INK, ORANGE, SINGLE_MM, Table, new_figure
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, FloatArray
from annealscope.controller.report.summary_run import ProbeSeries

RESOLUTION = 0.61
"""Q times the probe size (FWHM)."""


def _number(series: ProbeSeries, *names: str) -> float:
    """Return the first of the named numbers that is there; NaN when none is."""
    found: Any = next((series.numbers[name] for name in names if name in series.numbers), NOT_A_NUMBER)
    return float(found) if isinstance(found, int | float) else NOT_A_NUMBER


def figure_stratton_voyles(
    series: ProbeSeries, paper: Paper | None = None, truth: FloatArray | None = None
) -> Figure:
    """Draw the height of the first peak against 1/R^2, the probe size of the largest, and the truth."""
    figure = new_figure(SINGLE_MM, 78)
    axes = figure.add_subplot()
    if truth is not None:
        axes.plot(series.x, truth, "_", color=GREEN, ms=11, mew=2.2, label="truth (simulated)")
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
        figure.legend(loc="outside upper left", ncols=2)
    return figure


def figure_pair_persistence(series: ProbeSeries, paper: Paper | None = None) -> Figure:
    """Draw Q^2/V against Q^2 with the line whose slope and intercept give the length."""
    figure = new_figure(SINGLE_MM, 78)
    axes = figure.add_subplot()
    fitted = on_the_line(series)
    for chosen, face in ((fitted, BLUE), (~fitted, "white")):
        errors = None if series.sigma is None else series.sigma[chosen]
        axes.errorbar(
            series.x[chosen], series.y[chosen], yerr=errors,
            fmt="o", color=BLUE, mfc=face, ms=4, capsize=2.5, zorder=3,
        )  # fmt: skip
    slope, intercept = _number(series, "slope"), _number(series, "intercept_per_nm2", "intercept")
    length, sigma = _number(series, "length_nm"), _number(series, "sigma_length_nm")
    if np.isfinite(slope * intercept):
        x = np.array([0.0, 1.05 * series.x.max()])
        label = f"Λ = {pm(length, sigma, 'nm')}"
        axes.plot(x, slope * x + intercept, color=ORANGE, label=label)
    if paper is not None:
        value, error = paper.persistence_nm
        x, (slope, intercept) = np.array([0.0, 1.05 * series.x.max()]), paper.persistence_line
        label = f"published, {value:g} ± {error:g} nm"
        axes.plot(x, slope * x + intercept, ":", color=INK, lw=0.8, label=label)
    axes.set(xlabel="Q² / nm⁻²", ylabel="Q²/V / nm⁻²", xlim=(0, None), ylim=(0, None))
    if axes.get_legend_handles_labels()[1]:
        axes.legend()
    return figure


def on_the_line(series: ProbeSeries) -> npt.NDArray[np.bool_]:
    """Return which points of a pair-persistence plot the line was fitted to, shape (n,); all when unknown."""
    probes_nm = series.numbers.get("probes_nm")
    if probes_nm is None:
        return np.ones(series.x.shape, dtype=np.bool_)
    fitted = (RESOLUTION / np.asarray(probes_nm, dtype=np.float64)) ** 2
    return np.asarray(np.isclose(series.x[:, None], fitted, rtol=1e-6).any(axis=1))


def table_probes(series: ProbeSeries, x: str, y: str) -> Table:
    """Return the points of a series with their standard errors."""
    sigma = np.full(series.x.shape, np.nan) if series.sigma is None else series.sigma
    return (x, y, f"sigma {y}"), np.column_stack([series.x, series.y, sigma])
