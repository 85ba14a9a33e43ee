"""Figures of one hold along time: its drift and its correlation functions with their fits."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import median_filter

from annealscope.analysis.kww_model import finite_kww, kww
from annealscope.controller.report.numbers import pm
from annealscope.controller.report.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    SINGLE_MM,
    Table,
    new_figure,
    plain_log,
    time_unit,
)
from annealscope.controller.report.summary import Correlation, DriftTrace, Fit, HoldSummary
from annealscope.controller.report.summary_patterns import FloatArray

COMPONENTS = (("y", BLUE), ("x", ORANGE))
SHOWN = {"pixel": ("pixel", ORANGE), "ratio": ("corrected", BLUE)}
"""The curves of the g2 figure: the fit that belongs to each, and its colour."""


def figure_drift(hold: HoldSummary) -> Figure:
    """Draw displacement after feedback with its limits, applied shift, and what is left after correction."""
    figure = new_figure(SINGLE_MM, 98)
    panels = figure.subplots(3, 1, sharex=True)
    drift = hold.drift
    if drift is not None:
        unit_s, unit = time_unit(float(drift.t_s[-1]))
        for axes, column in zip(panels, _columns(drift), strict=True):
            _components(axes, drift.t_s / unit_s, column)
        _limits(panels[0], drift)
        panels[2].set_xlabel(f"Time since the first frame / {unit}")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower right", ncols=2)
    for axes, name in zip(panels, ("Measured / nm", "Image shift / nm", "Residual / nm"), strict=True):
        axes.set_ylabel(name)
        axes.margins(x=0)
    panels[0].set_title(hold.label, loc="left")
    figure.align_ylabels(panels)
    return figure


def _columns(drift: DriftTrace) -> Iterable[FloatArray | None]:
    return drift.measured_nm, drift.applied_nm, drift.residual_nm


def _components(axes: Axes, t: FloatArray, column: FloatArray | None) -> None:
    """Draw both components thinly, and above both their running medians."""
    for i, (name, color) in enumerate(COMPONENTS):
        if column is None:
            axes.plot([], [], color=color, label=name)
            continue
        there = np.isfinite(column[:, i])
        values = column[there, i]
        axes.plot(t[there], values, color=color, lw=0.3, alpha=0.4)
        axes.plot(t[there], running_median(values), color=color, lw=1.1, zorder=3, label=name)
    if column is None:
        axes.text(0.5, 0.5, "not recorded", color=GREY, ha="center", va="center", transform=axes.transAxes)


def running_median(values: FloatArray) -> FloatArray:
    """Return the median over a hundredth of all values around each, shape (N,)."""
    return np.asarray(median_filter(values, size=2 * (len(values) // 200) + 1, mode="nearest"))


def _limits(axes: Axes, drift: DriftTrace) -> None:
    """Draw the limits that the data come near to, and name them all: the axes are the data's."""
    low, high = axes.get_ylim()
    names = []
    for limit_nm, name, color in ((drift.warn_nm, "warn", GREY), (drift.limit_nm, "limit", RED)):
        if limit_nm is None:
            continue
        inside = [side for side in (-limit_nm, limit_nm) if low < side < high]
        for side in inside:
            axes.axhline(side, color=color, lw=0.7, ls=(0, (4, 3)))
        names.append(f"{name} ±{limit_nm:g} nm{'' if inside else ' (off scale)'}")
    axes.set_title(", ".join(names), loc="right", fontsize=6, color=GREY)


def table_drift(hold: HoldSummary) -> Table:
    """Return time and the (y, x) components of measured, applied and residual displacement."""
    names = ("measured", "applied", "residual")
    header = ("time since first frame / s", *(f"{name} {axis} / nm" for name in names for axis in "yx"))
    if hold.drift is None:
        return header, ()
    t_s = hold.drift.t_s
    unknown = np.full((len(t_s), 2), np.nan)
    columns = (unknown if column is None else column for column in _columns(hold.drift))
    return header, np.column_stack([t_s, *columns])


def figure_g2(hold: HoldSummary) -> Figure:
    """Draw g2 - 1 against lag, plain and corrected, with both fits and their residuals."""
    figure = new_figure(SINGLE_MM, 118)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.set(title=hold.label, ylabel="g₂ − 1", xscale="log")
    bottom.set(xlabel="Lag / s", ylabel="Data − fit")
    for axes in (top, bottom):
        axes.axhline(0, color=GREY, lw=0.5)
    if hold.correlation is not None:
        _draw_curve(top, bottom, hold, hold.correlation, "pixel")
        _truth(top, hold)
        _draw_curve(top, bottom, hold, hold.correlation, "ratio")
        figure.legend(loc="outside lower center", ncols=2, labelspacing=0.6)
        plain_log(bottom.xaxis)
    figure.align_ylabels([top, bottom])
    return figure


def _draw_curve(top: Axes, bottom: Axes, hold: HoldSummary, data: Correlation, curve: str) -> None:
    fit_name, color = SHOWN[curve]
    if curve not in data.curves:
        return
    y = data.curves[curve] - 1.0
    shown = data.lag_s > 0
    fit = hold.fits.get(fit_name)
    top.plot(data.lag_s[shown], y[shown], "o", mfc="white", mew=0.6, color=color, label=f"{curve} curve")
    if fit is None or not np.isfinite(fit.tau_s):
        return
    inside = shown & (data.lag_s <= range_end_s(hold, data, y, fit))
    model = model_curve(fit, data.lag_s[inside], hold)
    top.plot(data.lag_s[inside], model, color=color, label=_fit_label(curve, fit))
    bottom.plot(data.lag_s[inside], y[inside] - model, "o-", color=color, lw=0.5, ms=1.8)


def range_end_s(hold: HoldSummary, data: Correlation, y: FloatArray, fit: Fit) -> float:
    """Return the largest lag that took part in the fit."""
    if fit.range == "first1":
        below = np.flatnonzero((y <= 0) & (data.lag_s > 0))
        return float(data.lag_s[below[0]]) if below.size else float("inf")
    fraction = {"half": 0.5, "quarter": 0.25}.get(fit.range, 1.0)
    return fraction * (hold.duration_s if hold.segment_slots else float(data.lag_s[-1]))


def model_curve(fit: Fit, lag_s: FloatArray, hold: HoldSummary) -> FloatArray:
    """Evaluate a fit at lags in s of the hold; ``corrected`` fits have what the finite record takes away."""
    if fit.curve is not None and hold.correlation is not None:
        return np.asarray(np.interp(lag_s, hold.correlation.lag_s, fit.curve))
    if "finite" not in fit.model or not hold.segment_slots:
        return np.asarray(fit.amplitude * kww(lag_s, fit.tau_s, fit.beta) + np.nan_to_num(fit.baseline))
    slots = np.rint(lag_s / hold.period_s).astype(np.int64)
    decay = finite_kww(
        slots, fit.tau_s, fit.beta,
        spacing_s=hold.period_s, segments=hold.segment_slots, segment_starts=hold.segment_starts,
    )  # fmt: skip
    return np.asarray(fit.amplitude * decay)


def _fit_label(curve: str, fit: Fit) -> str:
    # The plain fit is wrong by more than its statistical error: that would say nothing.
    if curve == "pixel":
        return f"pixel curve, plain fit (reads short)\nτ = {pm(fit.tau_s, unit='s')}, β = {pm(fit.beta)}"
    values = f"τ = {pm(fit.tau_s, fit.sigma_tau_s, 's')}\nβ = {pm(fit.beta, fit.sigma_beta)}"
    return "\n".join(filter(None, (f"{curve} curve, corrected fit", values, fit.flagged)))


def _truth(axes: Axes, hold: HoldSummary) -> None:
    """Add the truth to the legend; it has no curve, only the fits can be compared with it."""
    if hold.truth is not None:
        axes.plot(
            [], [], " ", label=f"truth (simulated)\nτ = {hold.truth.tau_s:.4g} s, β = {hold.truth.beta:.3g}"
        )


def table_g2(hold: HoldSummary) -> Table:
    """Return lag, pairs, all curves as g2 - 1, and the two fits drawn."""
    data = hold.correlation
    if data is None:
        return ("lag / s",), ()
    columns: dict[str, Any] = {"lag / s": data.lag_s}
    if data.pairs is not None:
        columns["pairs / 1"] = data.pairs
    columns |= {f"g2 - 1 {name} / 1": curve - 1.0 for name, curve in data.curves.items()}
    columns |= {
        f"fit {name} / 1": model_curve(hold.fits[name], data.lag_s, hold)
        for name in ("pixel", "corrected")
        if name in hold.fits
    }
    return tuple(columns), np.column_stack(list(columns.values()))
