"""Figures with two axes of their own: two-time correlation and dark-field image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from annealscope.analysis.twotime_map import without_diagonal
from annealscope.controller.report.style import (
    GAP,
    SINGLE_MM,
    Table,
    colour_bar,
    image_axes,
    new_figure,
    robust_limits,
    scale_bar,
    shrink,
    time_unit,
)
from annealscope.controller.report.summary import HoldSummary, TwoTimeCorrelation
from annealscope.controller.report.summary_patterns import FloatArray

PIXELS_DRAWN = 640
"""Longest side of a drawn two-time correlation: more than a printed column can show."""

ROWS_IN_TABLES = 128
"""Longest side of an image in a table; the hold file has the full one."""


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
    limits = robust_limits(np.concatenate([block.value.ravel() for block in drawn]) - 1.0)
    image = draw_two_time(axes, drawn, 1.0, limits, drawn[-1].stop_s)
    colour_bar(axes, image, "C(t₁, t₂) − 1")
    return figure


def draw_two_time(
    axes: Axes, drawn: Sequence[Block], scale: float, limits: tuple[float, float], stop_s: float
) -> AxesImage:
    """Draw (C(t1, t2) - 1) / scale as a heat map with both axes in time since the first frame, to stop_s."""
    unit_s, unit = time_unit(stop_s)
    axes.set_facecolor(GAP)
    for block in drawn:
        edges = (block.start_s / unit_s, block.stop_s / unit_s)
        image = axes.imshow(
            (block.value - 1.0) / scale, origin="lower", extent=edges * 2, vmin=limits[0], vmax=limits[1],
            cmap="viridis",
        )  # fmt: skip
    whole = (drawn[0].start_s / unit_s, stop_s / unit_s)
    axes.set(xlabel=f"t₁ / {unit}", ylabel=f"t₂ / {unit}", xlim=whole, ylim=whole)
    axes.spines[:].set_visible(False)
    return image


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
