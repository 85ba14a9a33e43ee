"""Maps of relaxation times, and the histogram of their pixels beside that of a uniform glass."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from annealscope.controller.report.numbers import pm
from annealscope.controller.report.style import (
    BLUE,
    DOUBLE_MM,
    GAP,
    GREEN,
    INK,
    LIGHT,
    MASKED,
    ORANGE,
    Table,
    colour_bar,
    image_axes,
    new_figure,
    plain_log,
    robust_limits,
    scale_bar,
)
from annealscope.controller.report.summary import HoldSummary, TauMap
from annealscope.controller.report.summary_ecm import PatchMap, PixelFractions
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, FloatArray

HISTOGRAM_STEP = 0.05
"""Width of the bins in log10(tau), where the hold file has none."""


def figure_tau_map(hold: HoldSummary) -> Figure:
    """Draw the maps of pixels and patches, flagged ones in magenta, and the histogram of the pixels."""
    tau_map = hold.tau_map
    patches = tau_map.patches if tau_map else None
    widths = (1, 1, 1.15) if patches else (1, 1.3)
    figure = new_figure(DOUBLE_MM, 74 if patches else 82)
    *panels, right = figure.subplots(1, len(widths), width_ratios=widths)
    panels[0].set_title(f"{hold.label} · pixels" if patches else hold.label)
    for axes in panels:
        image_axes(axes)
    if tau_map is not None:
        _draw_maps(panels, tau_map)
        _draw_histogram(right, hold, tau_map)
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _draw_maps(panels: list[Axes], tau_map: TauMap) -> None:
    """Draw both maps on the scale of the pixels: what differs less than they do looks even."""
    low, high = robust_limits(tau_map.tau_s)
    norm, colours = LogNorm(max(low, 1e-12), high), colormaps["cividis"].with_extremes(bad=MASKED)
    scale: dict[str, Any] = {"norm": norm, "cmap": colours}
    image = panels[0].imshow(tau_map.tau_s, **scale)
    scale_bar(panels[0], tau_map.tau_s.shape, tau_map.pixel_nm)
    if tau_map.patches is not None:
        panels[1].set_title(f"patches of {_length(tau_map.patches.side_px, tau_map.pixel_nm)}, corrected")
        _draw_patches(panels[1], tau_map, tau_map.patches, scale)
    plain_log(colour_bar(panels[-1], image, "τ / s").yaxis)


def _length(length_px: float, pixel_nm: float | None) -> str:
    return f"{length_px:.0f} px" if pixel_nm is None else f"{length_px * pixel_nm:.2g} nm"


def _draw_patches(axes: Axes, tau_map: TauMap, patches: PatchMap, scale: dict[str, Any]) -> None:
    """Draw the patches where they lie in the map of the pixels; a rest at its edges is in none."""
    height, width = tau_map.tau_s.shape
    rows, columns = patches.tau_s.shape
    side = patches.side_px
    axes.set_facecolor(GAP)
    axes.imshow(patches.tau_s, extent=(-0.5, columns * side - 0.5, rows * side - 0.5, -0.5), **scale)
    scale_bar(axes, tau_map.tau_s.shape, tau_map.pixel_nm)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def fractions(tau_map: TauMap) -> PixelFractions:
    """Return the distribution over the unflagged pixels, cut to the bins that hold some.

    Files of before have no distribution: it is then made from the map, with bins equidistant in log10.
    """
    stored = tau_map.fractions
    if stored is None:
        return _counted(tau_map.tau_s)
    filled = stored.seen if stored.null is None else stored.seen + stored.null
    there = np.flatnonzero(filled > 0)
    part = slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 1)
    null = None if stored.null is None else stored.null[part]
    return PixelFractions(stored.edges_s[part.start : part.stop + 1], stored.seen[part], null)


def _counted(tau_s: FloatArray) -> PixelFractions:
    valid = tau_s[np.isfinite(tau_s)]
    if not valid.size:
        return PixelFractions(np.array([1.0, 10.0]), np.zeros(1))
    decades = np.log10(valid) / HISTOGRAM_STEP
    edges = 10.0 ** (HISTOGRAM_STEP * np.arange(np.floor(decades.min()), np.floor(decades.max()) + 2))
    counts, _ = np.histogram(valid, edges)
    return PixelFractions(edges, counts / valid.size)


def _draw_histogram(axes: Axes, hold: HoldSummary, tau_map: TauMap) -> None:
    highest = _distributions(axes, tau_map, fractions(tau_map))
    for name, (tau_s, color) in _marks(hold, tau_map).items():
        style = {GREEN: "--", INK: ":"}.get(color, "-")
        axes.axvline(tau_s, color=color, lw=1.1, ls=style, label=f"{name}: {pm(tau_s, unit='s')}")
    axes.set(xscale="log", xlabel="τ of single pixels / s", ylabel="Fraction of pixels")
    axes.set_ylim(0, 1.15 * max(highest, 1e-9))
    plain_log(axes.xaxis)


def _distributions(axes: Axes, tau_map: TauMap, shown: PixelFractions) -> float:
    """Draw the distribution over the pixels, and over it that of the null; return the highest fraction."""
    numbers = tau_map.statistics
    width = f", σ(ln τ) = {numbers.sigma_ln_tau:.3f}" if numbers else ""
    share = f"{1 - tau_map.flagged_fraction:.1%} of pixels{width}"
    axes.stairs(shown.seen, shown.edges_s, fill=True, color=LIGHT, label=share)
    if shown.null is None:
        return float(shown.seen.max())
    null = f", σ(ln τ) = {numbers.null_sigma_ln_tau:.3f}" if numbers else ""
    axes.stairs(shown.null, shown.edges_s, color=INK, lw=1.1, label=f"uniform glass (null){null}")
    return float(max(shown.seen.max(), shown.null.max()))


def _marks(hold: HoldSummary, tau_map: TauMap) -> dict[str, tuple[float, str]]:
    """Return the times that the histogram is read against, in s, and their colours, by name."""
    marks = {}
    if np.isfinite(tau_map.tau_s).any():
        null_s = tau_map.statistics.null_median_tau_s if tau_map.statistics else NOT_A_NUMBER
        beside = f" (null {pm(null_s, unit='s')})" if np.isfinite(null_s) else ""
        marks[f"median{beside}"] = (float(np.nanmedian(tau_map.tau_s)), INK)
    for name, color in (("pixel", ORANGE), ("corrected", BLUE)):
        fit = hold.fits.get(name)
        if fit is not None and np.isfinite(fit.tau_s):
            marks[f"image, {name}"] = (fit.tau_s, color)
    if hold.truth is not None:
        marks["truth"] = (hold.truth.tau_s, GREEN)
    return marks


def table_tau_map(hold: HoldSummary) -> Table:
    """Return the histogram of the map and of its null; the maps themselves are in the hold file."""
    header = (
        "tau from / s", "tau to / s", "fraction of valid pixels / 1", "fraction in a uniform glass / 1",
    )  # fmt: skip
    if hold.tau_map is None:
        return header, ()
    shown = fractions(hold.tau_map)
    null = np.full_like(shown.seen, np.nan) if shown.null is None else shown.null
    return header, np.column_stack([shown.edges_s[:-1], shown.edges_s[1:], shown.seen, null])
