"""Figures of one hold along time: its drift and its correlation functions with their fits."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from annealscope.controller.report.summary import Correlation, DriftTrace, Fit, FloatArray, HoldSummary

COMPONENTS = (("y", BLUE), ("x", ORANGE))
SHOWN = {"pixel": ("pixel", ORANGE), "ratio": ("corrected", BLUE)}
"""The curves of the g2 figure: the fit that belongs to each, and its colour."""


def figure_drift(hold: HoldSummary) -> Figure:
    """Draw displacement after feedback, applied shift, and what is left after correction with its limits."""
    figure = new_figure(SINGLE_MM, 98)
    panels = figure.subplots(3, 1, sharex=True)
    drift = hold.drift
    if drift is not None:
        unit_s, unit = time_unit(float(drift.t_s[-1]))
        columns = (drift.measured_nm, drift.applied_nm, drift.residual_nm)
        for axes, column in zip(panels, columns, strict=True):
            _components(axes, drift.t_s / unit_s, column)
        _limits(panels[2], drift)
        panels[2].set_xlabel(f"Time since the first frame / {unit}")
    for axes, name in zip(panels, ("Measured / nm", "Image shift / nm", "Residual / nm"), strict=True):
        axes.set_ylabel(name)
        axes.margins(x=0)
    panels[0].set_title(hold.label)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    figure.align_ylabels(panels)
    return figure


def _components(axes: Axes, t: FloatArray, column: FloatArray | None) -> None:
    if column is None:
        axes.text(0.5, 0.5, "not recorded", color=GREY, ha="center", va="center", transform=axes.transAxes)
        return
    # A residual measured once per 16 frames has fewer rows than there are frames.
    t = t if len(t) == len(column) else np.linspace(t[0], t[-1], 2 * len(column) + 1)[1::2]
    for i, (name, color) in enumerate(COMPONENTS):
        there = np.isfinite(column[:, i])
        axes.plot(t[there], column[there, i], color=color, lw=0.7, label=name)


def _limits(axes: Axes, drift: DriftTrace) -> None:
    half_nm = 1.2 * max(np.abs(axes.get_ylim()).max(), drift.warn_nm or 0.0)
    axes.set_ylim(-half_nm, half_nm)
    for limit_nm, name, color in ((drift.warn_nm, "warn", GREY), (drift.limit_nm, "limit", RED)):
        if limit_nm is None or limit_nm > half_nm:
            continue
        for sign in (-1, 1):
            axes.axhline(sign * limit_nm, color=color, lw=0.7, ls=(0, (4, 3)))
        axes.text(1, limit_nm, f"{name} {limit_nm:g} nm", color=color, size=6, ha="right", va="top",
                  transform=axes.get_yaxis_transform())  # fmt: skip


def table_drift(hold: HoldSummary) -> Table:
    """Return time and the (y, x) components of measured, applied and residual displacement."""
    drift = hold.drift
    names = ("measured", "applied", "residual")
    header = ("time since first frame / s", *(f"{name} {axis} / nm" for name in names for axis in "yx"))
    if drift is None:
        return header, ()
    columns = [drift.measured_nm, drift.applied_nm, drift.residual_nm]
    return header, np.column_stack([drift.t_s, *(_spread(column, len(drift.t_s)) for column in columns)])


def _spread(column: FloatArray | None, rows: int) -> FloatArray:
    """Return the column with one row per frame: every value at the middle of the frames it is the mean of."""
    full = np.full((rows, 2), np.nan)
    if column is not None:
        full[((np.arange(len(column)) + 0.5) * rows / len(column)).astype(int)] = column
    return full


def figure_g2(hold: HoldSummary) -> Figure:
    """Draw g2 - 1 against lag, plain and corrected, with both fits and their residuals."""
    figure = new_figure(SINGLE_MM, 98)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.set(title=hold.label, ylabel="g₂ − 1", xscale="log")
    bottom.set(xlabel="Lag / s", ylabel="Data − fit")
    for axes in (top, bottom):
        axes.axhline(0, color=GREY, lw=0.5)
    if hold.correlation is not None:
        for curve in SHOWN:
            _draw_curve(top, bottom, hold, hold.correlation, curve)
        _planted(top, hold)
        top.legend(loc="upper right", labelspacing=0.8)
        top.margins(y=0.12)
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
    failed = fit is None or not np.isfinite(fit.tau_s)
    label = f"{curve}: no fit" if failed else "_"
    top.plot(data.lag_s[shown], y[shown], "o", mfc="white", mew=0.6, color=color, label=label)
    if fit is None or failed:
        return
    inside = shown & (data.lag_s <= _range_end_s(hold, data, y, fit))
    model = model_curve(fit, data.lag_s[inside], hold)
    top.plot(data.lag_s[inside], model, color=color, label=_fit_label(fit_name, fit))
    bottom.plot(data.lag_s[inside], y[inside] - model, "o-", color=color, lw=0.5, ms=1.8)


def _range_end_s(hold: HoldSummary, data: Correlation, y: FloatArray, fit: Fit) -> float:
    """Return the largest lag that took part in the fit."""
    if fit.range == "first1":
        below = np.flatnonzero((y <= 0) & (data.lag_s > 0))
        return float(data.lag_s[below[0]]) if below.size else float("inf")
    fraction = {"half": 0.5, "quarter": 0.25}.get(fit.range, 1.0)
    return fraction * (hold.duration_s if hold.segment_slots else float(data.lag_s[-1]))


def model_curve(fit: Fit, lag_s: FloatArray, hold: HoldSummary) -> FloatArray:
    """Evaluate a fit at lags in s; ``corrected`` fits include what the finite record takes away."""
    if "finite" not in fit.model or not hold.segment_slots:
        return np.asarray(fit.amplitude * kww(lag_s, fit.tau_s, fit.beta) + np.nan_to_num(fit.baseline))
    slots = np.rint(lag_s / hold.period_s).astype(np.int64)
    decay = finite_kww(
        slots, fit.tau_s, fit.beta,
        spacing_s=hold.period_s, segments=hold.segment_slots, segment_starts=hold.segment_starts,
    )  # fmt: skip
    return np.asarray(fit.amplitude * decay)


def _fit_label(name: str, fit: Fit) -> str:
    return f"{name}\nτ = {pm(fit.tau_s, fit.sigma_tau_s, 's')}\nβ = {pm(fit.beta, fit.sigma_beta)}"


def _planted(axes: Axes, hold: HoldSummary) -> None:
    """Add the truth to the legend; it has no curve, only the fits can be compared with it."""
    if hold.truth is not None:
        axes.plot([], [], " ", label=f"planted\nτ = {hold.truth.tau_s:.4g} s\nβ = {hold.truth.beta:.3g}")


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
