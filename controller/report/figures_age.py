"""Relaxation time along the age of the specimen: whether the glass stays as it is."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.controller.report.numbers import signed
from annealscope.controller.report.style import (
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    RED,
    SINGLE_MM,
    Table,
    new_figure,
    time_unit,
)
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_ecm import AgeSeries
from annealscope.controller.report.summary_patterns import FloatArray


def age_s(hold: HoldSummary, t_s: FloatArray) -> FloatArray:
    """Return ages since the temperature had settled; since the first frame when that is not known."""
    return t_s + (hold.age_s if np.isfinite(hold.age_s) else 0.0)


def age_axis(hold: HoldSummary) -> str:
    """Return what ages are counted from."""
    known = np.isfinite(hold.age_s)
    return "Age since the temperature had settled" if known else "Time since the first frame"


def figure_age(hold: HoldSummary) -> Figure:
    """Draw tau against age with the line of its slope and the jumps; below, how far the lags reach."""
    figure = new_figure(SINGLE_MM, 104)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.1))
    top.set_title(hold.label)
    data = hold.aging
    if data is None:
        return figure
    age = age_s(hold, data.t_s)
    unit_s, unit = time_unit(float(age[-1]))
    _reference(top, hold)
    _slope(top, hold, data, unit_s)
    top.errorbar(
        age / unit_s, data.tau_s, yerr=np.nan_to_num(data.sigma_s), fmt="s", color=BLUE, ms=4, capsize=2,
        elinewidth=0.7, zorder=3, label="τ at this age ± σ",
    )  # fmt: skip
    _jumps(top, hold, data, unit_s)
    _reach(bottom, age / unit_s, data)
    top.set(ylabel="Relaxation time τ / s")
    top.set_title(data.verdict, loc="right")
    _limits(top, data)
    bottom.set_xlabel(f"{age_axis(hold)} / {unit}")
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.align_ylabels([top, bottom])
    return figure


def _reference(axes: Axes, hold: HoldSummary) -> None:
    """Draw the corrected time of the whole record as a band, and the truth of a simulated specimen."""
    fit = hold.fits.get("corrected")
    if fit is not None and np.isfinite(fit.tau_s):
        sigma = float(np.nan_to_num(fit.sigma_tau_s))
        axes.axhspan(
            fit.tau_s - sigma, fit.tau_s + sigma, color=LIGHT, alpha=0.6, lw=0,
            label="corrected ± σ, whole record",
        )  # fmt: skip
    if hold.truth is not None:
        axes.axhline(hold.truth.tau_s, color=GREEN, lw=1.1, ls=":", label="truth (simulated)")


def line(data: AgeSeries) -> FloatArray:
    """Return tau at the ages on the line of the slope, shape (J,); NaN when there is none."""
    known = np.isfinite(data.tau_s)
    if len(data.t_s) < 2 or not known.any():
        return np.full_like(data.t_s, np.nan)
    duration_s = len(data.t_s) * float(np.diff(data.t_s).mean())
    since_s = data.t_s - data.t_s[known].mean()
    return np.asarray(np.exp(np.log(data.tau_s[known]).mean() + data.slope * since_s / duration_s))


def _slope(axes: Axes, hold: HoldSummary, data: AgeSeries, unit_s: float) -> None:
    if np.isfinite(data.slope):
        label = f"Δ ln τ over the record\n{signed(data.slope, data.sigma_slope)}"
        age = age_s(hold, data.t_s) / unit_s
        axes.plot(age, line(data), color=BLUE, lw=0.9, ls=(0, (4, 3)), label=label)


def _jumps(axes: Axes, hold: HoldSummary, data: AgeSeries, unit_s: float) -> None:
    for i, jump in enumerate(age_s(hold, data.jumps_s) / unit_s):
        axes.axvline(jump, color=RED, lw=0.8, zorder=1, label=None if i else "jump of the image")


def _reach(axes: Axes, age: FloatArray, data: AgeSeries) -> None:
    """Draw the longest lag in relaxation times; where it is below one the decay is not seen to its end."""
    width = 0.6 * float(np.diff(age).min()) if len(age) > 1 else 0.1
    axes.bar(age, np.nan_to_num(data.reach_s / data.tau_s), width=width, color=LIGHT)
    axes.axhline(1.0, color=GREY, lw=0.7, ls=(0, (2, 2)))
    axes.set_ylabel("Lag / τ")


def _limits(axes: Axes, data: AgeSeries) -> None:
    """Show the scatter and at least a third above and below: a flat line should look flat."""
    tau_s = data.tau_s[np.isfinite(data.tau_s)]
    if tau_s.size:
        middle = float(np.median(tau_s))
        sigma = np.nan_to_num(data.sigma_s[np.isfinite(data.tau_s)])
        low, high = float((tau_s - 1.5 * sigma).min()), float((tau_s + 1.5 * sigma).max())
        axes.set_ylim(max(min(low, middle / 1.5), 0.0), min(max(high, 1.5 * middle), 4 * middle))


def table_age(hold: HoldSummary) -> Table:
    """Return tau with its error, the line of the slope and the longest lag by age."""
    header = (
        "age / s", "time since the first frame / s", "tau / s", "sigma tau / s", "tau on the line / s",
        "longest lag / s",
    )  # fmt: skip
    data = hold.aging
    if data is None:
        return header, ()
    age = data.t_s + hold.age_s  # NaN when the age is not known
    return header, np.column_stack([age, data.t_s, data.tau_s, data.sigma_s, line(data), data.reach_s])
