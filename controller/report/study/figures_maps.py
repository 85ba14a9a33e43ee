"""Figures 6 and A.11: two-time correlations in a row; 8: maps of relaxation times in a row."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from annealscope.controller.report.figures_map import blocks, draw_two_time
from annealscope.controller.report.numbers import percent, signed
from annealscope.controller.report.study.figures_relaxation import maps
from annealscope.controller.report.study.summary import STATES, StudySummary
from annealscope.controller.report.style import (
    DOUBLE_MM,
    MASKED,
    Table,
    colour_bar,
    image_axes,
    new_figure,
    plain_log,
    robust_limits,
    scale_bar,
    shrink,
)
from annealscope.controller.report.summary import HoldSummary, TwoTimeCorrelation

TOP = 0.8
"""Upper end of the scale of two-time correlations over their amplitude: the ridge, not its crest."""

ROWS_IN_TABLES = 64
"""Longest side of a correlation or a map in a table; the hold files have the full ones."""

Panel = tuple[str, HoldSummary, TwoTimeCorrelation]
"""Its title, and what it shows."""


def in_situ(study: StudySummary) -> list[Panel]:
    """Return the two-time correlations in situ, by temperature."""
    holds = study.role("in_situ").holds("ecm")
    return [(hold.temperature_label, hold, hold.two_time) for hold in holds if hold.two_time is not None]


def at_room_temperature(study: StudySummary) -> list[Panel]:
    """Return the two-time correlations at room temperature, by state."""
    found = [(state, study.role(f"{state}_ecm").movie) for state in STATES]
    return [
        (f"{hold.temperature_label}, {STATES[state]}", hold, hold.two_time)
        for state, hold in found
        if hold is not None and hold.two_time is not None
    ]


def figure_two_times(panels: Sequence[Panel]) -> Figure:
    """Draw C(t1, t2) - 1 over the amplitude of its fit in a row, on one scale, with the verdict on aging."""
    width_mm = DOUBLE_MM if len(panels) > 2 else 0.72 * DOUBLE_MM
    figure = new_figure(width_mm, (width_mm - 32) / max(len(panels), 2) + 22)
    row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    drawn = [list(blocks(two_time)) for _, _, two_time in panels]
    scales = [_amplitude(hold) for _, hold, _ in panels]
    scaled = zip(drawn, scales, strict=True)
    every = [(block.value.ravel() - 1) / scale for found, scale in scaled for block in found]
    limits = robust_limits(np.concatenate(every))[0], TOP
    stop_s = max(found[-1].stop_s for found in drawn)
    for axes, (title, hold, _), found, scale in zip(row, panels, drawn, scales, strict=True):
        image = draw_two_time(axes, found, scale, limits, stop_s)
        axes.set_title(f"{title}\n{says(hold)}", fontsize=6.5)
    for axes in row[1:]:
        axes.set_ylabel("")
    colour_bar(row[-1], image, "(C(t₁, t₂) − 1) / A")
    return figure


def _amplitude(hold: HoldSummary) -> float:
    """Return A of the two-time fit, or of another; contrasts of places differ, and say nothing of aging."""
    fits = [hold.fits[name] for name in ("ttcf", "corrected", "pixel") if name in hold.fits]
    return next((fit.amplitude for fit in fits if fit.amplitude > 0), 1.0)


def says(hold: HoldSummary) -> str:
    """Write the verdict on aging with the change of ln tau over the record."""
    if hold.aging is None or not hold.aging.verdict:
        return "no verdict"
    if not np.isfinite(hold.aging.slope):
        return hold.aging.verdict
    return f"{hold.aging.verdict}\nΔ ln τ = {signed(hold.aging.slope, hold.aging.sigma_slope)}"


def table_two_times(panels: Sequence[Panel]) -> Table:
    """Return the correlations as drawn, averaged to at most 64 x 64, as a list of places."""
    header = ("movie", "t1 / s", "t2 / s", "C - 1 over A / 1")
    return header, [row for panel in panels for row in _two_time_rows(*panel)]


def _two_time_rows(
    title: str, hold: HoldSummary, two_time: TwoTimeCorrelation
) -> Iterable[tuple[str | float, ...]]:
    for block in blocks(two_time):
        value = (shrink(block.value, ROWS_IN_TABLES) - 1) / _amplitude(hold)
        t_s = block.start_s + (np.arange(len(value)) + 0.5) * (block.stop_s - block.start_s) / len(value)
        for i, j in zip(*np.tril_indices(len(value)), strict=True):
            yield title.replace("°C", "degC"), float(t_s[i]), float(t_s[j]), float(value[i, j])


def figure_tau_maps(study: StudySummary) -> Figure:
    """Draw the maps of relaxation times in a row, by temperature, on one logarithmic scale."""
    found = maps(study)
    figure = new_figure(DOUBLE_MM, (DOUBLE_MM - 22) / max(len(found), 3) + 13)
    row = figure.subplots(1, len(found), squeeze=False)[0]
    low, high = robust_limits(np.concatenate([tau_map.tau_s.ravel() for _, tau_map in found]))
    colours = colormaps["cividis"].with_extremes(bad=MASKED)
    scale: dict[str, Any] = {"norm": LogNorm(max(low, 1e-12), high), "cmap": colours}
    for axes, (hold, tau_map) in zip(row, found, strict=True):
        image = axes.imshow(tau_map.tau_s, **scale)
        image_axes(axes)
        axes.set_title(hold.temperature_label)
        axes.set_xlabel(f"flagged {percent(tau_map.flagged_fraction)}", fontsize=6.5)
        scale_bar(axes, tau_map.tau_s.shape, tau_map.pixel_nm, share=0.4)
    plain_log(colour_bar(row[-1], image, "τ / s").yaxis)
    return figure


def table_tau_maps(study: StudySummary) -> Table:
    """Return the maps as lists of places, geometric means of squares, at most 64 on a side."""
    header = ("hold", "set temperature / degC", "y / nm", "x / nm", "tau / s")
    return header, [row for hold, tau_map in maps(study) for row in _map_rows(hold, tau_map)]


def _map_rows(hold: HoldSummary, tau_map: Any) -> Iterable[tuple[str | float, ...]]:
    tau_s = np.exp(shrink(np.log(tau_map.tau_s), ROWS_IN_TABLES))
    step_nm = (tau_map.pixel_nm or np.nan) * tau_map.tau_s.shape[0] / tau_s.shape[0]
    for (i, j), value in np.ndenumerate(tau_s):
        yield hold.name, hold.setpoint_degC, (i + 0.5) * step_nm, (j + 0.5) * step_nm, float(value)
