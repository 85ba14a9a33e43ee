"""Relaxation times and their exponents against what changes from hold to hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.analysis.dose import additive_rates, power_law
from annealscope.analysis.fit_spec import UNUSABLE, FitFlag
from annealscope.controller.report.across import DOSE_RATE, Across, Holds, across, near, published_rows
from annealscope.controller.report.numbers import pm
from annealscope.controller.report.paper import Paper, Relaxation
from annealscope.controller.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SINGLE_MM,
    Table,
    new_figure,
    plain_log,
)
from annealscope.controller.report.summary import Fit, HoldSummary
from annealscope.controller.report.summary_patterns import FloatArray

Points = tuple[list[float], list[float]]
Line = tuple[FloatArray, FloatArray, str]
"""Where a law goes, and what it says."""


def figure_relaxation(holds: Holds, paper: Paper | None = None) -> Figure:
    """Draw tau and, below, beta of all holds against what changes, the published ones beside."""
    what = across(holds)
    figure = new_figure(SINGLE_MM, 108)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for axes, name in ((top, "tau_s"), (bottom, "beta")):
        _published(axes, published_rows(holds, what, paper), what, name)
        _series(axes, holds, what, name)
    top.set(ylabel="Relaxation time τ / s")
    bottom.set(xlabel=what.label, ylabel="Stretching exponent β")
    bottom.margins(x=0.08, y=0.15)
    if what.log:
        _logarithmic(top, bottom, holds)
    else:
        top.set_ylim(0, None)
    figure.legend(*top.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    figure.align_ylabels([top, bottom])
    return figure


def _logarithmic(top: Axes, bottom: Axes, holds: Holds) -> None:
    """Make the time and what changes logarithmic, and draw the laws of the dose rate through the times."""
    top.set(xscale="log", yscale="log")
    for law, style in ((dose_power, "-"), (dose_rates, "--")):
        found = law(holds)
        if found is not None:
            x, y, label = found
            top.plot(x, y, style, color=BLUE, lw=0.7, zorder=0, label=label)
    plain_log(top.yaxis)
    plain_log(bottom.xaxis)


def dose_power(holds: Holds) -> Line | None:
    """Fit a power of the dose rate to the corrected times (docs/methods/dose.md).

    Returns
    -------
    Dose rates in 1e5/nm^2/s and times in s of the line, and the power in words; None for too few holds.
    """
    rate, tau_s, sigma_s = _dose_series(holds)
    law = power_law(rate, tau_s, sigma_s)
    if not np.isfinite(law.power):
        return None
    x = np.array([rate.min(), rate.max()])
    power = pm(law.power, law.sigma_power).replace("-", "−")
    return x, law.tau_ref_s * (x / law.phi_ref_per_nm2_s) ** law.power, f"τ ∝ (dose rate)ᵖ, p = {power}"


def dose_rates(holds: Holds) -> Line | None:
    """Fit a rate of the glass and one in proportion to the dose rate (docs/methods/dose.md).

    Returns
    -------
    Dose rates in 1e5/nm^2/s and times in s of the line, and tau at zero dose in words; None for too few.
    """
    rate, tau_s, sigma_s = _dose_series(holds)
    law = additive_rates(rate, tau_s, sigma_s)
    if not np.isfinite(law.rate_0_per_s):
        return None
    x = np.geomspace(rate.min(), rate.max())
    zero = f"= {pm(law.tau_0_s, law.sigma_tau_0_s)} s"
    if law.why:
        zero = f"> {law.lower_bound_s:.0f} s" if np.isfinite(law.lower_bound_s) else "does not exist"
    return x, 1.0 / (law.rate_0_per_s + law.b_nm2 * x), f"1/τ = 1/τ₀ + b (dose rate), τ₀ {zero}"


def _dose_series(holds: Holds) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return dose rates in 1e5/nm^2/s, corrected times and their errors in s, of the holds that have all."""
    points = [(DOSE_RATE.value(hold), fit.tau_s, fit.sigma_tau_s) for hold, fit in _good(holds)]
    usable = [point for point in points if np.isfinite(point).all() and min(point) > 0]
    rate, tau_s, sigma_s = np.array(usable, dtype=np.float64).reshape(-1, 3).T
    return rate, tau_s, sigma_s


def _good(holds: Holds) -> list[tuple[HoldSummary, Fit]]:
    fits = [(hold, fit) for hold in holds if (fit := hold.fits.get("corrected")) is not None]
    return [(hold, fit) for hold, fit in fits if not fit.flagged]


def _published(axes: Axes, rows: Sequence[Relaxation], what: Across, name: str) -> None:
    if rows and what.published is not None:
        x = [what.published(row) for row in rows]
        y = [getattr(row, name) for row in rows]
        axes.plot(x, y, ":", marker="x", color=INK, lw=0.7, ms=4, label="published (Table 1)")


def _series(axes: Axes, holds: Holds, what: Across, name: str) -> None:
    """Draw one parameter: truth, plain and corrected, the last with its error or, when flagged, hollow."""

    def points(values: Sequence[tuple[HoldSummary, Any]]) -> Points:
        known = [(what.value(hold), getattr(value, name)) for hold, value in values if value is not None]
        return [x for x, _ in known], [y for _, y in known]

    truth = points([(hold, hold.truth) for hold in holds])
    if truth[0]:
        axes.plot(*truth, "_", color=GREEN, ms=13, mew=2.2, label="truth (simulated)")
    expected = points([(hold, hold.expected) for hold in holds])
    if expected[0]:
        axes.plot(*expected, "_", color=ORANGE, ms=9, mew=1.1, label="expected of the bias alone")
    plain = points([(hold, hold.fits.get("pixel")) for hold in holds])
    axes.plot(*plain, "o", mfc="white", color=ORANGE, ms=4.5, label="per pixel, reads short")
    fits = [(hold, fit) for hold in holds if (fit := hold.fits.get("corrected")) is not None]
    flagged = points([(hold, fit) for hold, fit in fits if fit.flagged])
    if flagged[0]:
        axes.plot(*flagged, "s", mfc="white", color=GREY, ms=4.5, label="corrected, flagged")
    good = _good(holds)
    errors = np.nan_to_num([getattr(fit, f"sigma_{name}") for _, fit in good])
    axes.errorbar(*points(good), yerr=errors, fmt="o", color=BLUE, ms=4.5, capsize=2.5, label="corrected ± σ")


def table_relaxation(holds: Holds, paper: Paper | None = None) -> Table:
    """Return one row per hold: all estimates, what speaks against the corrected one, truth, published."""
    header = (
        "hold", "set temperature / degC", "dose rate / 1/nm^2/s", "age at start / s",
        "tau corrected / s", "sigma tau corrected / s", "beta corrected / 1", "sigma beta corrected / 1",
        "flags against corrected / 1", "hint of residuals in runs / 1",
        "tau pixel / s", "beta pixel / 1", "tau pixel expected of the bias / s",
        "beta pixel expected of the bias / 1", "tau truth / s", "beta truth / 1",
        "tau published / s", "beta published / 1",
    )  # fmt: skip
    return header, [_row(hold, paper) for hold in holds]


def _row(hold: HoldSummary, paper: Paper | None) -> tuple[Any, ...]:
    best, plain = hold.fits.get("corrected"), hold.fits.get("pixel")
    published = next((row for row in paper.relaxation if near(row, hold)), None) if paper else None
    return (
        hold.name, hold.setpoint_degC, hold.dose_rate_per_nm2_s, hold.age_s,
        *((best.tau_s, best.sigma_tau_s, best.beta, best.sigma_beta, *_flags(best)) if best else ("",) * 6),
        *((plain.tau_s, plain.beta) if plain else ("",) * 2),
        *((hold.expected.tau_s, hold.expected.beta) if hold.expected else ("",) * 2),
        *((hold.truth.tau_s, hold.truth.beta) if hold.truth else ("",) * 2),
        *((published.tau_s, published.beta) if published else ("",) * 2),
    )  # fmt: skip


def _flags(fit: Fit) -> tuple[int, int]:
    """Return the flags that speak against a fit, and the one that does not."""
    return int(fit.flags & UNUSABLE), int(FitFlag.RESIDUAL_RUNS in fit.flags)
