"""Figures of the whole run: its temperature, and the relaxation times against temperature."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.controller.report.style import (
    BLUE,
    DOUBLE_MM,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    SINGLE_MM,
    Table,
    new_figure,
    time_unit,
)
from annealscope.controller.report.summary import HoldSummary, RunSummary


def figure_temperature(run: RunSummary) -> Figure:
    """Draw set and measured temperature over the whole run, with the holds shaded."""
    figure = new_figure(DOUBLE_MM, 62)
    axes = figure.add_subplot()
    unit_s, unit = time_unit(run.ended_s - run.started_s)
    if run.trace is not None:
        t = (run.trace.t_s - run.started_s) / unit_s
        axes.plot(
            t, run.trace.setpoint_degC, color=ORANGE, lw=2.6, alpha=0.45, label="set", drawstyle="steps-post"
        )
        axes.plot(t, run.trace.measured_degC, color=INK, label="measured")
        # Above the names of the holds, where there is never a curve.
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1.1), ncols=2, borderaxespad=0)
    _mark_holds(axes, run, unit_s)
    axes.set(xlabel=f"Time since the start of the run / {unit}", ylabel="Temperature / °C")
    axes.margins(x=0.01)
    return figure


def _mark_holds(axes: Axes, run: RunSummary, unit_s: float) -> None:
    end_s = max(run.ended_s - run.started_s, unit_s)
    for hold in run.holds:
        start_s, stop_s = hold.opened_s - run.started_s, hold.closed_s - run.started_s
        if np.isfinite(start_s):
            _mark_hold(axes, hold, start_s, stop_s if np.isfinite(stop_s) else end_s, unit_s)


def _mark_hold(axes: Axes, hold: HoldSummary, start_s: float, stop_s: float, unit_s: float) -> None:
    """Shade a hold, write its name above, and set a triangle on the time axis for every loss."""
    above = axes.get_xaxis_transform()
    axes.axvspan(start_s / unit_s, stop_s / unit_s, color=BLUE, alpha=0.13, lw=0)
    axes.text(
        (start_s + stop_s) / 2 / unit_s, 1.01, hold.label, color=BLUE,
        ha="center", va="bottom", transform=above,
    )  # fmt: skip
    if hold.losses:
        lost = [(start_s + loss.t_s) / unit_s for loss in hold.losses]
        axes.plot(lost, np.zeros(len(lost)), "^", color=RED, ms=4, transform=above, clip_on=False)


def table_temperature(run: RunSummary) -> Table:
    """Return time since the start, measured and set temperature."""
    header = ("time since start / s", "measured temperature / degC", "set temperature / degC")
    if run.trace is None:
        return header, ()
    t_s = run.trace.t_s - run.started_s
    return header, zip(t_s, run.trace.measured_degC, run.trace.setpoint_degC, strict=True)


def figure_tau_of_temperature(holds: Sequence[HoldSummary]) -> Figure:
    """Draw tau and, below, beta of all holds against the set temperature."""
    figure = new_figure(SINGLE_MM, 98)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _series(top, holds, "tau_s", "sigma_tau_s")
    _series(bottom, holds, "beta", "sigma_beta")
    top.set(ylabel="Relaxation time τ / s", ylim=(0, None))
    top.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    bottom.set(xlabel="Temperature / °C", ylabel="Stretching exponent β")
    bottom.margins(x=0.08, y=0.15)
    return figure


def _series(axes: Axes, holds: Sequence[HoldSummary], name: str, sigma: str) -> None:
    """Draw one parameter: truth, plain and corrected, the last with its error or, when flagged, hollow."""

    def points(values: Sequence[tuple[HoldSummary, Any]]) -> tuple[list[float], list[float]]:
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


def table_tau_of_temperature(holds: Sequence[HoldSummary]) -> Table:
    """Return one row per hold with all estimates, the flags of the corrected one, and the truth."""
    header = (
        "hold", "set temperature / degC",
        "tau corrected / s", "sigma tau corrected / s", "beta corrected / 1", "sigma beta corrected / 1",
        "flags corrected / 1", "tau pixel / s", "beta pixel / 1", "tau truth / s", "beta truth / 1",
    )  # fmt: skip
    return header, [_tau_row(hold) for hold in holds]


def _tau_row(hold: HoldSummary) -> tuple[Any, ...]:
    best, plain = hold.fits.get("corrected"), hold.fits.get("pixel")
    return (
        hold.name,
        hold.setpoint_degC,
        *((best.tau_s, best.sigma_tau_s, best.beta, best.sigma_beta, int(best.flags)) if best else ("",) * 5),
        *((plain.tau_s, plain.beta) if plain else ("",) * 2),
        *((hold.truth.tau_s, hold.truth.beta) if hold.truth else ("",) * 2),
    )
