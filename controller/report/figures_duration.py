"""Relaxation time against the length of the record: what the estimator does, beside what the glass does."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.controller.report.numbers import pm
from annealscope.controller.report.style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SINGLE_MM,
    Table,
    new_figure,
    time_unit,
)
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_ecm import DurationSeries
from annealscope.controller.report.summary_patterns import FloatArray

SERIES = {
    "pixel": ("per pixel, plain fit", ORANGE, "o", 0.0),
    "corrected": ("corrected", BLUE, "s", 0.008),
    "ttcf": ("two-time, free baseline", PURPLE, "^", -0.008),
}
"""Name, colour and marker of each estimator, and how far it is drawn aside: the errors would overlap."""

LAWS = {"hyp": "hyperbolic", "exp": "exponential", "invT": "linear in 1/T", "pow": "power of T"}


def figure_durations(hold: HoldSummary) -> Figure:
    """Draw tau and, below, beta of the beginnings of the record against their length."""
    figure = new_figure(SINGLE_MM, 118)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.6))
    top.set(title=hold.label, ylabel="Relaxation time τ / s")
    bottom.set_ylabel("Exponent β")
    draw_durations(top, bottom, hold)
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.align_ylabels([top, bottom])
    return figure


def draw_durations(top: Axes, bottom: Axes, hold: HoldSummary) -> None:
    """Draw tau and beta of the beginnings of a record into two axes; nothing where there are none."""
    data = hold.durations
    if data is None:
        return
    unit_s, unit = time_unit(float(data.T_s[-1]))
    T = data.T_s / unit_s
    top.plot(T, data.expected_tau_s, color=ORANGE, lw=0.9, label="expected of the bias alone")
    bottom.plot(T, data.expected_beta, color=ORANGE, lw=0.9)
    _series(top, T, data.tau_s, data.sigma_tau_s)
    _series(bottom, T, data.beta, data.sigma_beta)
    _asymptote(top, data)
    _truth(top, bottom, hold)
    _limits(top, [*data.tau_s.values(), np.array([data.tau_asym_s])])
    _limits(bottom, list(data.beta.values()), whole=False)
    bottom.set(xlabel=f"Length of the record / {unit}", xlim=(0, None))


def _series(
    axes: Axes, T: FloatArray, found: Mapping[str, FloatArray], sigmas: Mapping[str, FloatArray]
) -> None:
    for name, (label, color, marker, aside) in SERIES.items():
        if np.isfinite(found[name]).any():
            axes.errorbar(
                T + aside * T[-1], found[name], yerr=np.nan_to_num(sigmas[name]), fmt=marker, ms=4,
                mfc="white" if name == "pixel" else color, color=color, capsize=2, elinewidth=0.7, zorder=3,
                label=label,
            )  # fmt: skip


def _asymptote(axes: Axes, data: DurationSeries) -> None:
    if np.isfinite(data.tau_asym_s):
        value = pm(data.tau_asym_s, data.sigma_tau_asym_s, "s")
        label = f"{LAWS.get(data.law, data.law)} asymptote\n{value}"
        axes.axhline(data.tau_asym_s, color=ORANGE, lw=0.9, ls=(0, (4, 3)), label=label)


def _truth(top: Axes, bottom: Axes, hold: HoldSummary) -> None:
    if hold.truth is not None:
        top.axhline(hold.truth.tau_s, color=GREEN, lw=1.1, ls=":", label="truth (simulated)")
        bottom.axhline(hold.truth.beta, color=GREEN, lw=1.1, ls=":")


def _limits(axes: Axes, shown: list[FloatArray], whole: bool = True) -> None:
    """Let the values set the scale: the error of a short record may be larger than they are."""
    values = np.concatenate(shown)
    if not np.isfinite(values).any():
        return
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    axes.set_ylim(0 if whole else low - 0.15, 1.25 * high if whole else high + 0.15)


def table_durations(hold: HoldSummary) -> Table:
    """Return tau and beta with their errors by every estimator, against the length of the record."""
    data = hold.durations
    if data is None:
        return ("length of the record / s",), ()
    columns: dict[str, FloatArray] = {"length of the record / s": data.T_s}
    for name in SERIES:
        columns |= {
            f"tau {name} / s": data.tau_s[name],
            f"sigma tau {name} / s": data.sigma_tau_s[name],
            f"beta {name} / 1": data.beta[name],
            f"sigma beta {name} / 1": data.sigma_beta[name],
        }
    columns["tau pixel expected of the bias / s"] = data.expected_tau_s
    columns["beta pixel expected of the bias / 1"] = data.expected_beta
    return tuple(columns), np.column_stack(list(columns.values()))
