"""Figures with two axes of their own: two-time correlation, map of relaxation times, dark-field image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from annealscope.analysis.twotime_map import without_diagonal
from annealscope.controller.report.numbers import pm
from annealscope.controller.report.style import (
    BLUE,
    GAP,
    GREEN,
    INK,
    LIGHT,
    MASKED,
    ORANGE,
    SINGLE_MM,
    Table,
    colour_bar,
    image_axes,
    new_figure,
    plain_log,
    robust_limits,
    scale_bar,
    shrink,
    time_unit,
)
from annealscope.controller.report.summary import HoldSummary, TauMap, TwoTimeCorrelation
from annealscope.controller.report.summary_patterns import FloatArray

PIXELS_DRAWN = 640
"""Longest side of a drawn two-time correlation: more than a printed column can show."""

ROWS_IN_TABLES = 128
"""Longest side of an image in a table; the hold file has the full one."""

HISTOGRAM_STEP = 0.05
"""Width of the bins in log10(tau)."""


@dataclass(frozen=True)
class Block:
    """C(t1, t2) within one segment, as it is drawn."""

    value: FloatArray
    start_s: float
    """Beginning of the first bin."""

    stop_s: float
    """End of the last bin."""


def blocks(two_time: TwoTimeCorrelation) -> Iterator[Block]:
    """Yield the segments without the diagonal and thinned; there is nothing between segments."""
    steps_s = np.diff(two_time.t_s)[np.diff(two_time.segment) == 0]
    # A single bin does not say how wide it is; its middle does.
    bin_s = float(steps_s.min()) if steps_s.size else 2 * float(two_time.t_s[0]) or 1.0
    for number in np.unique(two_time.segment):
        member = np.flatnonzero(two_time.segment == number)
        factor = -(-len(member) // PIXELS_DRAWN)
        value = shrink(without_diagonal(two_time.value[np.ix_(member, member)]), PIXELS_DRAWN)
        start_s = float(two_time.t_s[member[0]]) - bin_s / 2
        yield Block(value, start_s, start_s + bin_s * factor * len(value))


def figure_two_time(hold: HoldSummary) -> Figure:
    """Draw C(t1, t2) - 1 as a heat map with both axes in time since the first frame."""
    figure = new_figure(SINGLE_MM, 82)
    axes = figure.add_subplot()
    axes.set_title(hold.label)
    if hold.two_time is None:
        return figure
    drawn = list(blocks(hold.two_time))
    unit_s, unit = time_unit(drawn[-1].stop_s) if drawn[-1].stop_s < 180 else (60.0, "min")
    low, high = robust_limits(np.concatenate([block.value.ravel() for block in drawn]) - 1.0)
    axes.set_facecolor(GAP)
    for block in drawn:
        edges = (block.start_s / unit_s, block.stop_s / unit_s)
        image = axes.imshow(
            block.value - 1.0, origin="lower", extent=edges * 2, vmin=low, vmax=high, cmap="viridis"
        )
    whole = (drawn[0].start_s / unit_s, drawn[-1].stop_s / unit_s)
    axes.set(xlabel=f"t₁ / {unit}", ylabel=f"t₂ / {unit}", xlim=whole, ylim=whole)
    axes.spines[:].set_visible(False)
    colour_bar(axes, image, "C(t₁, t₂) − 1")
    return figure


def table_two_time(hold: HoldSummary) -> Table:
    """Return C(t1, t2) as a matrix, averaged to at most 128 x 128."""
    if hold.two_time is None:
        return ("t2 / s",), ()
    return _matrix(_thin(hold.two_time), "t2 / s", "C / 1 at t1 =", "s")


def _thin(two_time: TwoTimeCorrelation) -> tuple[FloatArray, FloatArray]:
    value = shrink(without_diagonal(two_time.value), ROWS_IN_TABLES)
    step = -(-len(two_time.t_s) // ROWS_IN_TABLES)
    return value, two_time.t_s[: len(value) * step].reshape(-1, step).mean(axis=1)


def _matrix(data: tuple[FloatArray, FloatArray], rows: str, columns: str, unit: str) -> Table:
    value, axis = data
    header = (rows, *(f"{columns} {x:.6g} {unit}" for x in axis))
    return header, np.column_stack([axis[: len(value)], value])


def figure_tau_map(hold: HoldSummary) -> Figure:
    """Draw the map of relaxation times, flagged pixels in magenta, and the histogram of its values."""
    figure = new_figure(SINGLE_MM, 122)
    top, bottom = figure.subplots(2, 1, height_ratios=(5, 2))
    top.set_title(hold.label)
    image_axes(top)
    if hold.tau_map is not None:
        _draw_map(top, hold.tau_map)
        _draw_histogram(bottom, hold, hold.tau_map)
        figure.legend(*bottom.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _draw_map(axes: Axes, tau_map: TauMap) -> None:
    low, high = robust_limits(tau_map.tau_s)
    axes.set_facecolor(MASKED)
    image = axes.imshow(tau_map.tau_s, norm=LogNorm(max(low, 1e-12), high), cmap="cividis")
    scale_bar(axes, tau_map.tau_s.shape, tau_map.pixel_nm)
    plain_log(colour_bar(axes, image, "τ / s").yaxis)


def histogram(tau_map: TauMap) -> tuple[FloatArray, FloatArray]:
    """Return bin edges in s, equidistant in log10, and the fraction of the valid pixels in each bin."""
    valid = tau_map.tau_s[np.isfinite(tau_map.tau_s)]
    if not valid.size:
        return np.array([1.0, 10.0]), np.zeros(1)
    decades = np.log10(valid) / HISTOGRAM_STEP
    edges = 10.0 ** (HISTOGRAM_STEP * np.arange(np.floor(decades.min()), np.floor(decades.max()) + 2))
    counts, _ = np.histogram(valid, edges)
    return edges, counts / valid.size


def _draw_histogram(axes: Axes, hold: HoldSummary, tau_map: TauMap) -> None:
    edges, fraction = histogram(tau_map)
    axes.stairs(
        fraction, edges, fill=True, color=LIGHT, label=f"{1 - tau_map.flagged_fraction:.1%} of pixels"
    )
    for name, (tau_s, color) in _marks(hold, tau_map).items():
        style = "--" if color == GREEN else "-"
        label = f"{name}: {pm(tau_s, unit='s')}"
        axes.axvline(tau_s, color=color, lw=1.1, ls=style, label=label)
    axes.set(xscale="log", xlabel="τ of single pixels / s", ylabel="Fraction of pixels")
    axes.set_ylim(0, 1.15 * max(fraction.max(), 1e-9))
    plain_log(axes.xaxis)


def _marks(hold: HoldSummary, tau_map: TauMap) -> dict[str, tuple[float, str]]:
    """Return the times that the histogram is read against, in s, and their colours, by name."""
    marks = {"median": (float(np.nanmedian(tau_map.tau_s)), INK)} if np.isfinite(tau_map.tau_s).any() else {}
    for name, color in (("pixel", ORANGE), ("corrected", BLUE)):
        fit = hold.fits.get(name)
        if fit is not None and np.isfinite(fit.tau_s):
            marks[f"image, {name}"] = (fit.tau_s, color)
    if hold.truth is not None:
        marks["truth"] = (hold.truth.tau_s, GREEN)
    return marks


def table_tau_map(hold: HoldSummary) -> Table:
    """Return the histogram of the map; the map itself is in the hold file."""
    header = ("tau from / s", "tau to / s", "fraction of valid pixels / 1")
    if hold.tau_map is None:
        return header, ()
    edges, fraction = histogram(hold.tau_map)
    return header, np.column_stack([edges[:-1], edges[1:], fraction])


def figure_picture(hold: HoldSummary) -> Figure:
    """Draw the mean of the last frames with a scale bar."""
    figure = new_figure(SINGLE_MM, 84)
    axes = figure.add_subplot()
    axes.set_title(hold.label)
    image_axes(axes)
    if hold.picture is None:
        return figure
    low, high = robust_limits(hold.picture.counts)
    image = axes.imshow(hold.picture.counts, cmap="gray", vmin=low, vmax=high)
    scale_bar(axes, hold.picture.counts.shape, hold.picture.pixel_nm)
    colour_bar(axes, image, "Intensity / counts")
    return figure


def table_picture(hold: HoldSummary) -> Table:
    """Return the image as a matrix, averaged to at most 128 x 128."""
    if hold.picture is None:
        return ("y / px",), ()
    counts = shrink(hold.picture.counts, ROWS_IN_TABLES)
    step = hold.picture.counts.shape[0] / counts.shape[0]
    pixel, unit = (hold.picture.pixel_nm or 1.0), ("nm" if hold.picture.pixel_nm else "px")
    y, x = ((np.arange(side) + 0.5) * step * pixel for side in counts.shape)
    header = (f"y / {unit}", *(f"intensity / counts at x = {place:.6g} {unit}" for place in x))
    return header, np.column_stack([y, counts])
