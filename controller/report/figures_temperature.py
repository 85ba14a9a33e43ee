"""Height of the first peak of V(k) against temperature, of one probe size, brought to one thickness."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.controller.report.across import TEMPERATURE, Holds, changes
from annealscope.controller.report.paper import Paper
from annealscope.controller.report.style import BLUE, GREEN, GREY, INK, SINGLE_MM, Table, new_figure
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, FloatArray, Peak, Variance
from annealscope.controller.report.summary_run import ScaledVariance


@dataclass(frozen=True)
class Point:
    """The first peak of one scan."""

    hold: HoldSummary
    variance: Variance
    peak: Peak
    V: float
    """Height at one thickness, or as it was measured where that is not known."""

    sigma_V: float
    V_truth: float
    """Truth at the same thickness; NaN when there is none."""


def points_of(holds: Holds, scaled: ScaledVariance | None = None) -> list[Point]:
    """Return the first peaks whose temperature is known, see `first_peaks`; none when they have one."""
    found = [point for point in first_peaks(holds, scaled) if np.isfinite(point.hold.setpoint_K)]
    return found if changes([point.hold for point in found], TEMPERATURE) else []


def first_peaks(holds: Holds, scaled: ScaledVariance | None = None) -> list[Point]:
    """Return the first peaks of the probe size that most scans have."""
    found = [point for hold in holds if (point := _point(hold, scaled)) is not None]
    sizes = Counter(point.hold.probe_nm for point in found if np.isfinite(point.hold.probe_nm))
    if sizes:
        probe_nm = sizes.most_common(1)[0][0]
        found = [point for point in found if point.hold.probe_nm == probe_nm]
    return found


def has_first_peak(hold: HoldSummary) -> bool:
    """Say whether a scan has a first peak with a height."""
    peak = hold.variance.peaks.get("first") if hold.variance else None
    return peak is not None and bool(np.isfinite(peak.V_max))


def _point(hold: HoldSummary, scaled: ScaledVariance | None) -> Point | None:
    if hold.variance is None or not has_first_peak(hold):
        return None
    peak = hold.variance.peaks["first"]
    if scaled is None or hold.name not in scaled.V:
        return Point(hold, hold.variance, peak, peak.V_max, peak.sigma_V_max, truth_at(hold, None))
    return Point(hold, hold.variance, peak, *scaled.V[hold.name], truth_at(hold, scaled.thickness))


def truth_at(hold: HoldSummary, thickness: float | None) -> float:
    """Return the true height at a thickness, V being inverse to it; as it was where that is None."""
    truth = hold.pattern_truth
    if truth is None:
        return NOT_A_NUMBER
    return truth.V_max if thickness is None else truth.V_max * truth.thickness / thickness


def figure_variance_of_temperature(
    points: Sequence[Point], paper: Paper | None = None, scaled: bool = False
) -> Figure:
    """Draw the heights against the set temperature, as measured too where scaled, and the published step."""
    figure = new_figure(SINGLE_MM, 78)
    axes = figure.add_subplot()
    x, V, raw, truth = (
        np.array(column, dtype=np.float64)
        for column in zip(
            *((p.hold.setpoint_degC, p.V, p.peak.V_max, p.V_truth) for p in points), strict=True
        )
    )
    if paper is not None:
        _published_step(axes, paper, x, V)
    if np.isfinite(truth).any():
        axes.plot(x, truth, "_", color=GREEN, ms=13, mew=2.2, label="truth (simulated)")
    if scaled:
        axes.plot(x, raw, "o", mfc="none", color=GREY, ms=2.8, mew=0.7, label="as measured")
    _measured(axes, points, x, V)
    figure.legend(loc="outside upper left", ncols=2)
    axes.set(xlabel="Temperature / °C", ylabel="V at the first peak")
    axes.margins(x=0.08, y=0.25)
    return figure


def _measured(axes: Axes, points: Sequence[Point], x: FloatArray, V: FloatArray) -> None:
    flagged = np.array([bool(point.peak.flagged) for point in points], dtype=bool)
    if flagged.any():
        axes.plot(x[flagged], V[flagged], "s", mfc="white", color=GREY, ms=4.5, label="flagged")
    errors = np.nan_to_num([point.sigma_V for point in points])
    axes.errorbar(
        x[~flagged], V[~flagged], yerr=errors[~flagged],
        fmt="o", color=BLUE, ms=4.5, capsize=2.5, label="first peak ± σ",
    )  # fmt: skip


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


def table_variance_of_temperature(points: Sequence[Point], scaled: ScaledVariance | None = None) -> Table:
    """Return one row per scan with the first peak, as measured and at one thickness, and its truth."""
    header = (
        "hold", "set temperature / degC", "probe / nm", "V first peak / 1", "sigma V / 1",
        "V at one thickness / 1", "sigma V at one thickness / 1", "that thickness / mean free path",
        "k first peak / 1/nm", "sigma k / 1/nm", "second over first / 1", "sigma ratio / 1",
        "V truth / 1", "V truth at one thickness / 1",
    )  # fmt: skip
    return header, [_row(point, scaled) for point in points]


def _row(point: Point, scaled: ScaledVariance | None) -> tuple[Any, ...]:
    hold, peak = point.hold, point.peak
    at_one = (point.V, point.sigma_V, scaled.thickness) if scaled else (NOT_A_NUMBER,) * 3
    return (
        hold.name, hold.setpoint_degC, hold.probe_nm, peak.V_max, peak.sigma_V_max, *at_one,
        peak.k_per_nm, peak.sigma_k_per_nm, point.variance.ratio, point.variance.sigma_ratio,
        truth_at(hold, None), point.V_truth if scaled else NOT_A_NUMBER,
    )  # fmt: skip
