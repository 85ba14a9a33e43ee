"""Figures against temperature: relaxation times with their exponents, and the variance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.controller.report.paper import Paper
from annealscope.controller.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SINGLE_MM,
    Table,
    new_figure,
)
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import FloatArray, Peak

Holds = Sequence[HoldSummary]
Points = tuple[list[float], list[float]]


def figure_tau_of_temperature(holds: Holds, paper: Paper | None = None) -> Figure:
    """Draw tau and, below, beta of all holds against the set temperature, the published ones beside."""
    figure = new_figure(SINGLE_MM, 108)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    if paper is not None:
        _published(top, paper, "tau_s")
        _published(bottom, paper, "beta")
    _series(top, holds, "tau_s", "sigma_tau_s")
    _series(bottom, holds, "beta", "sigma_beta")
    top.set(ylabel="Relaxation time τ / s", ylim=(0, None))
    figure.legend(*top.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    bottom.set(xlabel="Temperature / °C", ylabel="Stretching exponent β")
    bottom.margins(x=0.08, y=0.15)
    return figure


def _published(axes: Axes, paper: Paper, name: str) -> None:
    x = [row.temperature_degC for row in paper.relaxation]
    y = [getattr(row, name) for row in paper.relaxation]
    axes.plot(x, y, ":", marker="x", color=INK, lw=0.7, ms=4, label="published (Table 1)")


def _series(axes: Axes, holds: Holds, name: str, sigma: str) -> None:
    """Draw one parameter: truth, plain and corrected, the last with its error or, when flagged, hollow."""

    def points(values: Sequence[tuple[HoldSummary, Any]]) -> Points:
        known = [(hold.setpoint_degC, getattr(value, name)) for hold, value in values if value is not None]
        return [x for x, _ in known], [y for _, y in known]

    truth = points([(hold, hold.truth) for hold in holds])
    if truth[0]:
        axes.plot(*truth, "_", color=GREEN, ms=13, mew=2.2, label="truth (simulated)")
    plain = points([(hold, hold.fits.get("pixel")) for hold in holds])
    axes.plot(*plain, "o", mfc="white", color=ORANGE, ms=4.5, label="per pixel, reads short")
    fits = [(hold, fit) for hold in holds if (fit := hold.fits.get("corrected")) is not None]
    flagged = points([(hold, fit) for hold, fit in fits if fit.flagged])
    if flagged[0]:
        axes.plot(*flagged, "s", mfc="white", color=GREY, ms=4.5, label="corrected, flagged")
    good = [(hold, fit) for hold, fit in fits if not fit.flagged]
    errors = np.nan_to_num([getattr(fit, sigma) for _, fit in good])
    axes.errorbar(*points(good), yerr=errors, fmt="o", color=BLUE, ms=4.5, capsize=2.5, label="corrected ± σ")


def table_tau_of_temperature(holds: Holds, paper: Paper | None = None) -> Table:
    """Return one row per hold with all estimates, the flags of the corrected one, truth, and published."""
    header = (
        "hold", "set temperature / degC",
        "tau corrected / s", "sigma tau corrected / s", "beta corrected / 1", "sigma beta corrected / 1",
        "flags corrected / 1", "tau pixel / s", "beta pixel / 1", "tau truth / s", "beta truth / 1",
        "tau published / s", "beta published / 1",
    )  # fmt: skip
    return header, [_tau_row(hold, paper) for hold in holds]


def _tau_row(hold: HoldSummary, paper: Paper | None) -> tuple[Any, ...]:
    best, plain = hold.fits.get("corrected"), hold.fits.get("pixel")
    published = next(
        (row for row in paper.relaxation if abs(row.temperature_degC - hold.setpoint_degC) < 0.5), None
    ) if paper else None  # fmt: skip
    return (
        hold.name,
        hold.setpoint_degC,
        *((best.tau_s, best.sigma_tau_s, best.beta, best.sigma_beta, int(best.flags)) if best else ("",) * 5),
        *((plain.tau_s, plain.beta) if plain else ("",) * 2),
        *((hold.truth.tau_s, hold.truth.beta) if hold.truth else ("",) * 2),
        *((published.tau_s, published.beta) if published else ("",) * 2),
    )


def first_peaks(holds: Holds) -> list[tuple[HoldSummary, Peak]]:
    """Return the holds whose variance has a first peak, with it."""
    return [
        (hold, peak)
        for hold in holds
        if hold.variance is not None
        and (peak := hold.variance.peaks.get("first")) is not None
        and np.isfinite(peak.V_max)
    ]


def figure_variance_of_temperature(holds: Holds, paper: Paper | None = None) -> Figure:
    """Draw the height of the first peak of V(k) against the set temperature, and the published step."""
    figure = new_figure(SINGLE_MM, 78)
    axes = figure.add_subplot()
    peaks = first_peaks(holds)
    x = np.array([hold.setpoint_degC for hold, _ in peaks])
    y = np.array([peak.V_max for _, peak in peaks])
    if paper is not None and x.size:
        _published_step(axes, paper, x, y)
    truth = [(hold.setpoint_degC, hold.pattern_truth.V_max) for hold, _ in peaks if hold.pattern_truth]
    if truth:
        axes.plot(*zip(*truth, strict=True), "_", color=GREEN, ms=13, mew=2.2, label="truth (simulated)")
    flagged = np.array([bool(peak.flagged) for _, peak in peaks], dtype=bool)
    if flagged.any():
        axes.plot(x[flagged], y[flagged], "s", mfc="white", color=GREY, ms=4.5, label="flagged")
    errors = np.nan_to_num([peak.sigma_V_max for _, peak in peaks])
    axes.errorbar(
        x[~flagged], y[~flagged], yerr=errors[~flagged],
        fmt="o", color=BLUE, ms=4.5, capsize=2.5, label="first peak ± σ",
    )  # fmt: skip
    figure.legend(loc="outside upper left", ncols=2)
    axes.set(xlabel="Temperature / °C", ylabel="V at the first peak")
    axes.margins(x=0.08, y=0.25)
    return figure


def _published_step(axes: Axes, paper: Paper, x: FloatArray, y: FloatArray) -> None:
    """Draw the published relative change through the coldest measured value, and the published limit."""
    corners = np.array([paper.variance_step_from_degC, paper.variance_step_to_degC, max(x.max(), 150.0)])
    relative = 1 + np.array([0.0, paper.variance_step, paper.variance_step])
    anchor = float(y[x == x.min()].mean() / np.interp(x.min(), corners, relative))
    label = f"published change, +{paper.variance_step:.0%}"
    axes.plot(corners, anchor * relative, ":", color=INK, lw=0.8, label=label)
    axes.plot(
        paper.variance_step_from_degC, paper.variance_limit_25degC, "v", color=INK, ms=4,
        label=f"published limit, V < {paper.variance_limit_25degC:g}",
    )  # fmt: skip


def table_variance_of_temperature(holds: Holds) -> Table:
    """Return one row per hold with the first peak and its truth."""
    header = (
        "hold", "set temperature / degC", "probe / nm", "V first peak / 1", "sigma V / 1",
        "k first peak / 1/nm",
        "sigma k / 1/nm", "second over first / 1", "sigma ratio / 1", "V truth / 1",
    )  # fmt: skip
    return header, [_variance_row(hold, peak) for hold, peak in first_peaks(holds)]


def _variance_row(hold: HoldSummary, peak: Peak) -> tuple[Any, ...]:
    variance = hold.variance
    return (
        hold.name, hold.setpoint_degC, hold.probe_nm, peak.V_max, peak.sigma_V_max, peak.k_per_nm,
        peak.sigma_k_per_nm,
        *((variance.ratio, variance.sigma_ratio) if variance else ("", "")),
        hold.pattern_truth.V_max if hold.pattern_truth else "",
    )  # fmt: skip
