"""How every figure looks: journal widths, one palette, units, scale bars."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullFormatter

SINGLE_MM, DOUBLE_MM = 89.0, 183.0
"""Column widths of the journals."""

PNG_DPI = 220

BLUE, ORANGE, GREEN, RED, INK, GREY = "#0072b2", "#d55e00", "#009e73", "#c0392b", "#1c2024", "#8a9099"
PURPLE, YELLOW = "#a3508f", "#c99700"
"""The palette (Okabe and Ito, readable with any colour vision)."""

LIGHT = "#b9c3cf"
"""For what lies behind."""

MASKED, GAP = "#d6006e", "#d9d9d9"
"""Colours of pixels without a value, in no colour map, and of times that were not recorded."""

STYLE: Any = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8.5,
    "font.size": 7.5,
    "image.interpolation": "nearest",
    "image.origin": "upper",
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 0.9,
    "lines.markersize": 2.6,
    "pdf.fonttype": 42,
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 7,
    "xtick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.color": INK,
    "ytick.labelsize": 7,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
}
"""Settings for ``matplotlib.rc_context`` while a figure is drawn and saved."""

Table = tuple[Sequence[str], Iterable[Sequence[Any]]]
"""Column names with units, and the rows."""


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Return an empty figure that arranges its own axes."""
    return Figure(figsize=(width_mm / 25.4, height_mm / 25.4), dpi=PNG_DPI, layout="constrained")


def time_unit(span_s: float) -> tuple[float, str]:
    """Return the divisor and the name of the unit in which a span of time is read best."""
    for seconds, name in ((3600.0, "h"), (60.0, "min")):
        if span_s >= 3 * seconds:
            return seconds, name
    return 1.0, "s"


def scale_bar(
    axes: Axes, shape: tuple[int, ...], pixel: float | None, unit: str = "nm", share: float = 0.25
) -> None:
    """Draw a bar of a round length in the lower left corner of an image of (y, x) ``shape``.

    It takes at most a ``share`` of the width.
    """
    if pixel is None:
        return
    height, width = shape
    round_size = round_length(share * width * pixel)
    # Pixel centres are integers: the picture begins half a pixel before the first.
    left, bottom, length = 0.05 * width - 0.5, 0.95 * height - 0.5, round_size / pixel
    bar_edge, text_edge = ([withStroke(linewidth=width, foreground="black")] for width in (2.6, 1.2))
    axes.plot(
        [left, left + length],
        [bottom] * 2,
        color="white",
        lw=1.8,
        solid_capstyle="butt",
        path_effects=bar_edge,
    )
    axes.text(
        left + length / 2, bottom - 0.02 * height, f"{round_size:g} {unit}",
        color="white", ha="center", va="bottom", path_effects=text_edge,
    )  # fmt: skip


def round_length(at_most: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above ``at_most``."""
    decade = 10.0 ** np.floor(np.log10(at_most))
    return float(decade * max(step for step in (1, 2, 5) if step * decade <= at_most * (1 + 1e-12)))


def colour_bar(axes: Axes, image: AxesImage, label: str, extend: str = "both") -> Axes:
    """Draw a colour bar that is as high as the image; return its axes.

    Its ends are pointed (``extend``) where the limits of the image are `robust_limits`.
    """
    place = axes.inset_axes((1.03, 0.0, 0.045, 1.0))
    bar = axes.get_figure(root=True).colorbar(image, cax=place, label=label, extend=extend)  # type: ignore[union-attr]
    # As shapes: what is rasterised stays where it was when a figure is moved onto a page.
    if bar.solids is not None:
        bar.solids.set(rasterized=False, edgecolor="face")
    place.spines["outline"].set_linewidth(0.4)
    return place


def plain_log(axis: Axis) -> None:
    """Give a logarithmic axis ticks at round multiples of the decades, written as plain numbers."""
    low, high = sorted(axis.get_view_interval())
    steps = (1.0, 2.0, 3.0, 5.0, 7.0) if high < 8 * low else (1.0, 2.0, 5.0) if high < 300 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def image_axes(axes: Axes) -> None:
    """Give an image a thin frame and no ticks: its scale is the scale bar."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, linewidth=0.4)


def shrink(values: npt.NDArray[np.float64], at_most: int) -> npt.NDArray[np.float64]:
    """Average square blocks until no side is longer than ``at_most``, without NaN and a rest at the end."""
    factor = -(-max(values.shape) // at_most)
    if factor == 1:
        return values
    rows, columns = (side // factor for side in values.shape)
    blocks = values[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    count = np.isfinite(blocks).sum(axis=(1, 3))
    return np.where(count > 0, np.nansum(blocks, axis=(1, 3)) / np.maximum(count, 1), np.nan)


def robust_limits(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the 1st and 99th percentile of what is finite; (0, 1) when there is nothing."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(finite, (1, 99)))
    return (low, high) if high > low else (low, low + 1e-9 + 1e-6 * abs(low))
