"""Figures of the pattern of an area: the rings, and their profile against that of the reference."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.analysis.diffraction import SHARP_SIGMA
from annealscope.controller.report.figures_fem import PIXELS_DRAWN, draw_pattern
from annealscope.controller.report.style import (
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    RED,
    SINGLE_MM,
    Table,
    image_axes,
    new_figure,
    plain_log,
    shrink,
)
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import RingDifference, RingProfile


def figure_rings(hold: HoldSummary) -> Figure:
    """Draw the mean pattern."""
    figure = new_figure(SINGLE_MM, 80)
    axes = figure.add_subplot()
    axes.set_title(hold.label)
    image_axes(axes)
    if hold.mean_pattern is not None:
        draw_pattern(axes, hold.mean_pattern, "Mean / electrons", log=True)
    return figure


def table_rings(hold: HoldSummary) -> Table:
    """Return the mean pattern as a list of places, averaged as it is drawn or more."""
    header = ("y / px", "x / px", "mean / electrons")
    if hold.mean_pattern is None:
        return header, ()
    value = shrink(hold.mean_pattern.value, PIXELS_DRAWN // 4)
    step = hold.mean_pattern.value.shape[0] / value.shape[0]
    y, x = (np.indices(value.shape) + 0.5) * step - 0.5
    return header, np.column_stack([y.ravel(), x.ravel(), value.ravel()])


def figure_profile(hold: HoldSummary) -> Figure:
    """Draw the ring profile, that of the reference, and the difference."""
    compared = hold.ring_difference
    figure = new_figure(SINGLE_MM, 98 if compared else 66)
    panels = figure.subplots(2 if compared else 1, 1, sharex=True, squeeze=False)[:, 0]
    panels[0].set(title=hold.label, ylabel="Intensity / electrons")
    panels[-1].set_xlabel("k / nm⁻¹")
    if hold.rings is not None:
        if compared is not None:
            _draw(panels[0], compared.reference, LIGHT, compared.label, 2.4)
            _draw_difference(panels[1], hold.rings, compared)
        _draw(panels[0], hold.rings, BLUE, hold.label)
        for ring in hold.rings.rings_per_nm:
            panels[0].axvline(ring, color=GREY, lw=0.5, ls=":")
        panels[0].set_yscale("log")
        plain_log(panels[0].yaxis)
        panels[0].legend(loc="upper right")
    for axes in panels:
        axes.margins(x=0)
    figure.align_ylabels(panels)
    return figure


def _draw(axes: Axes, profile: RingProfile, color: str, label: str, width: float = 0.9) -> None:
    positive = profile.intensity > 0
    axes.plot(profile.k_per_nm[positive], profile.intensity[positive], color=color, label=label, lw=width)


def _draw_difference(axes: Axes, profile: RingProfile, compared: RingDifference) -> None:
    axes.axhline(0, color=GREY, lw=0.5)
    axes.axhline(SHARP_SIGMA, color=GREY, lw=0.7, ls=(0, (4, 3)))
    color = RED if compared.crystalline else GREEN
    axes.plot(profile.k_per_nm, compared.difference, color=BLUE, lw=0.8)
    verdict = "sign of crystals" if compared.crystalline else "no sign of crystals"
    axes.set_title(verdict, loc="right", fontsize=6.5, color=color)
    axes.set_ylabel("Sharp difference / σ")


def table_profile(hold: HoldSummary) -> Table:
    """Return k, the profile with its standard error, and the difference from the reference."""
    if hold.rings is None:
        return ("k / 1/nm",), ()
    compared = hold.ring_difference
    columns = {
        "k / 1/nm": hold.rings.k_per_nm,
        "I / electrons": hold.rings.intensity,
        "sigma I / electrons": hold.rings.sigma,
        "sharp difference from the reference over sigma / 1": compared.difference if compared else None,
    }
    there = {name: column for name, column in columns.items() if column is not None}
    return tuple(there), np.column_stack(list(there.values()))
