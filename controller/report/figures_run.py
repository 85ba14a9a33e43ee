"""Figures of the whole run: its temperature with what was acquired, and how the plan stood still."""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.controller.report.overview import METHODS
from annealscope.controller.report.style import (
    BLUE,
    DOUBLE_MM,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    RED,
    YELLOW,
    Table,
    new_figure,
    time_unit,
)
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import Interruption, RunSummary

METHOD_COLOURS = {"ecm": BLUE, "fem": ORANGE, "diffraction": GREEN}
STANDING_COLOURS = {"paused": PURPLE, "suspended": RED, "prompt": YELLOW, "parked": GREY}
LANE_OF_STANDING = "Stood still"
SMALLEST_SPAN_K = 2.0
"""Of the temperature axis."""

SEAM = 0.02
"""Gap between two bars, of the length of the second, that is too small to be seen."""

ROOM_FOR_A_LABEL = 0.075
"""Of the width of the figure."""


def figure_temperature(run: RunSummary) -> Figure:
    """Draw set and measured temperature and, above, bands for every acquisition and interruption."""
    figure = new_figure(DOUBLE_MM, 82)
    lanes, axes = figure.subplots(2, 1, sharex=True, height_ratios=(2, 5))
    unit_s, unit = time_unit(run.ended_s - run.started_s)
    _draw_lanes(lanes, run, unit_s)
    if run.trace is not None:
        t = (run.trace.t_s - run.started_s) / unit_s
        axes.plot(
            t, run.trace.setpoint_degC, color=ORANGE, lw=2.6, alpha=0.45, label="set", drawstyle="steps-post"
        )
        axes.plot(t, run.trace.measured_degC, color=INK, lw=0.6, label="measured")
        axes.legend(loc="upper left", ncols=2)
        _leave_room(axes)
    for hold in run.holds:
        start, stop = hold_span(run, hold, unit_s)
        axes.axvspan(start, stop, color=METHOD_COLOURS.get(hold.method, GREY), alpha=0.13, lw=0)
    _nights(axes, run, unit_s)
    axes.set(xlabel=f"Time since the start of the run / {unit}", ylabel="Temperature / °C")
    axes.margins(x=0.01)
    return figure


def _leave_room(axes: Axes) -> None:
    """Put the highest temperature well below the names in the corner; noise alone does not fill the axis."""
    low, high = axes.get_ylim()
    missing = max(0.0, SMALLEST_SPAN_K - (high - low)) / 2
    low, high = low - missing, high + missing
    axes.set_ylim(low, high + 0.18 * (high - low))


def hold_span(run: RunSummary, hold: HoldSummary, unit_s: float = 1.0) -> tuple[float, float]:
    """Return beginning and end of an acquisition since the start of the run; NaN when unknown."""
    start_s = hold.opened_s - run.started_s
    stop_s = (hold.closed_s if np.isfinite(hold.closed_s) else run.ended_s) - run.started_s
    return start_s / unit_s, stop_s / unit_s


def _draw_lanes(axes: Axes, run: RunSummary, unit_s: float) -> None:
    methods = [method for method in METHODS if any(hold.method == method for hold in run.holds)]
    names = [METHODS[method] for method in methods]
    if run.interruptions:
        names.append(LANE_OF_STANDING)
    for lane, method in enumerate(methods):
        for hold in (hold for hold in run.holds if hold.method == method):
            _band(axes, lane, *hold_span(run, hold, unit_s), METHOD_COLOURS[method])
            _losses(axes, lane, run, hold, unit_s)
        _seams(axes, lane, [hold_span(run, hold, unit_s) for hold in run.holds if hold.method == method])
    for stretch in run.interruptions:
        start, stop = _span(run, stretch, unit_s)
        _band(axes, len(methods), start, stop, STANDING_COLOURS[stretch.state])
    _labels(axes, run, unit_s)
    axes.set(yticks=range(len(names)), yticklabels=names, ylim=(max(len(names), 1) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)


def _band(axes: Axes, lane: int, start: float, stop: float, color: str) -> None:
    """Draw a bar; its edge keeps the shortest acquisition visible."""
    if np.isfinite(start):
        axes.broken_barh([(start, stop - start)], (lane - 0.3, 0.6), facecolor=color, edgecolor=color, lw=0.9)


def _seams(axes: Axes, lane: int, spans: Sequence[tuple[float, float]]) -> None:
    """Part bars that would run into one another."""
    for (_, stop), (start, end) in pairwise(sorted(spans)):
        if start - stop < SEAM * (end - start):
            axes.plot([start, start], [lane - 0.32, lane + 0.32], color="white", lw=1.4, zorder=3)


def _losses(axes: Axes, lane: int, run: RunSummary, hold: HoldSummary, unit_s: float) -> None:
    lost = [(hold.opened_s - run.started_s + loss.t_s) / unit_s for loss in hold.losses]
    if lost:
        axes.plot(lost, np.full(len(lost), lane + 0.38), "^", color=RED, ms=3.2, clip_on=False)


def _labels(axes: Axes, run: RunSummary, unit_s: float) -> None:
    """Write the temperatures above their acquisitions; of two that would touch, that of the longer stay."""
    room = ROOM_FOR_A_LABEL * (run.ended_s - run.started_s) / unit_s
    written: list[float] = []
    for start, stop, label in sorted(_stay_spans(run, unit_s), key=lambda span: span[0] - span[1]):
        middle = (start + stop) / 2
        if all(abs(middle - other) > room for other in written):
            written.append(middle)
            axes.text(
                middle, 1.0, label, color=INK, ha="center", va="bottom", transform=axes.get_xaxis_transform()
            )


def _stay_spans(run: RunSummary, unit_s: float) -> Iterable[tuple[float, float, str]]:
    in_order = sorted(run.holds, key=lambda hold: hold.ordinal)
    for label, holds in groupby(in_order, key=lambda hold: hold.temperature_label):
        spans = [hold_span(run, hold, unit_s) for hold in holds]
        start, stop = min(start for start, _ in spans), max(stop for _, stop in spans)
        if np.isfinite(start):
            yield start, stop, label


def _span(run: RunSummary, stretch: Interruption, unit_s: float) -> tuple[float, float]:
    return (stretch.start_s - run.started_s) / unit_s, (stretch.end_s - run.started_s) / unit_s


def _nights(axes: Axes, run: RunSummary, unit_s: float) -> None:
    for stretch in run.interruptions:
        start, stop = _span(run, stretch, unit_s)
        axes.axvspan(start, stop, color=STANDING_COLOURS[stretch.state], alpha=0.08, lw=0)
        if stretch.state == "parked":
            axes.text(
                (start + stop) / 2, 0.5, "parked", color=GREY, rotation=90, ha="center", va="center",
                transform=axes.get_xaxis_transform(),
            )  # fmt: skip


def table_temperature(run: RunSummary) -> Table:
    """Return time since the start, measured and set temperature."""
    header = ("time since start / s", "measured temperature / degC", "set temperature / degC")
    if run.trace is None:
        return header, ()
    t_s = run.trace.t_s - run.started_s
    return header, zip(t_s, run.trace.measured_degC, run.trace.setpoint_degC, strict=True)
