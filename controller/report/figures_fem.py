"""Figures of a grid of diffraction patterns: two images, the variance with its peaks, the dark-field map."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from annealscope.controller.report.numbers import pm
from annealscope.controller.report.style import (
    BLUE,
    DOUBLE_MM,
    GREEN,
    LIGHT,
    MASKED,
    ORANGE,
    PURPLE,
    Table,
    colour_bar,
    image_axes,
    new_figure,
    plain_log,
    robust_limits,
    scale_bar,
    shrink,
)
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import FloatArray, Haadf, PatternImage, Peak, Variance

PIXELS_DRAWN = 256
"""Longest side of a drawn pattern: what a printed column can show."""

SHOWN_PER_NM = (2.5, 8.5)
"""Largest range of k that the variance is drawn over; the direct beam is not of interest."""

FAINTEST = 0.03
"""Of the brightest that a logarithmic pattern shows: the rings, not what is left behind the beam stop."""

PEAK_COLOURS = {"first": ORANGE, "second": PURPLE}


def draw_pattern(axes: Axes, image: PatternImage, label: str, log: bool) -> None:
    """Draw a picture in reciprocal space with a bar of length and a bar of colours."""
    value = shrink(image.value, PIXELS_DRAWN)
    pixel = image.pixel_per_nm and image.pixel_per_nm * image.value.shape[1] / value.shape[1]
    low, high = robust_limits(value)
    norm: Normalize = LogNorm(max(low, high * FAINTEST), high) if log and high > 0 else Normalize(low, high)
    axes.set_facecolor(MASKED if not log else "black")
    drawn = axes.imshow(value, norm=norm, cmap="magma" if log else "viridis")
    scale_bar(axes, value.shape, pixel, "nm⁻¹")
    image_axes(axes)
    bar = colour_bar(axes, drawn, label)
    if log:
        plain_log(bar.yaxis)


def figure_patterns(hold: HoldSummary) -> Figure:
    """Draw the mean pattern, the variance of each pixel, and the dark-field signal over the grid."""
    figure = new_figure(DOUBLE_MM, 53)
    mean, variance, dark_field = figure.subplots(1, 3)
    mean.set_title(hold.label)
    for axes in (mean, variance, dark_field):
        image_axes(axes)
    if hold.mean_pattern is not None:
        draw_pattern(mean, hold.mean_pattern, "Mean / electrons", log=True)
    if hold.variance_image is not None:
        draw_pattern(variance, hold.variance_image, "Normalised variance", log=False)
    if hold.haadf is not None:
        draw_haadf(dark_field, hold.haadf)
    else:
        dark_field.set_visible(False)
    return figure


def draw_haadf(axes: Axes, haadf: Haadf) -> None:
    """Draw the dark-field signal over the positions of the scan."""
    low, high = float(np.nanmin(haadf.value)), float(np.nanmax(haadf.value))
    drawn = axes.imshow(haadf.value, cmap="cividis", vmin=low, vmax=max(high, low + 1e-9))
    scale_bar(axes, haadf.value.shape, haadf.pitch_nm)
    colour_bar(axes, drawn, "HAADF / counts", extend="neither")


def table_patterns(hold: HoldSummary) -> Table:
    """Return mean and variance of every drawn pixel."""
    header = ["y / px", "x / px"]
    columns: list[FloatArray] = []
    for name, image in (("mean / electrons", hold.mean_pattern), ("variance / 1", hold.variance_image)):
        if image is None:
            continue
        value = shrink(image.value, PIXELS_DRAWN // 4)
        if not columns:
            step = image.value.shape[0] / value.shape[0]
            places = (np.indices(value.shape) + 0.5) * step - 0.5
            columns += [places[0].ravel(), places[1].ravel()]
        if value.size == columns[0].size:
            header.append(name)
            columns.append(value.ravel())
    return header, np.column_stack(columns) if columns else ()


def figure_variance(hold: HoldSummary) -> Figure:
    """Draw V(k), as it is and without noise, with its jackknife band, and the fitted peaks."""
    figure = new_figure(DOUBLE_MM, 66)
    axes = figure.add_subplot()
    axes.set(title=_probe(hold), xlabel="k / nm⁻¹", ylabel="Normalised variance V")
    variance = hold.variance
    if variance is None:
        return figure
    shown = _shown(variance)
    k = variance.k_per_nm[shown]
    if variance.naive is not None:
        axes.plot(k, variance.naive[shown], color=LIGHT, lw=2.4, label="with the noise")
    corrected = variance.corrected[shown]
    axes.plot(k, corrected, color=BLUE, label="noise subtracted ± σ")
    if variance.sigma is not None:
        sigma = variance.sigma[shown]
        axes.fill_between(k, corrected - sigma, corrected + sigma, color=BLUE, alpha=0.22, lw=0)
    for name, peak in variance.peaks.items():
        _draw_peak(axes, name, peak, k)
    _truth(axes, hold)
    axes.set_ylim(_limits(variance, shown))
    axes.margins(x=0)
    figure.legend(loc="outside right upper", labelspacing=0.9)
    return figure


def _probe(hold: HoldSummary) -> str:
    known = np.isfinite(hold.probe_nm) and "probe" not in hold.label
    return f"{hold.label}, probe {hold.probe_nm:g} nm" if known else hold.label


def _shown(variance: Variance) -> FloatArray:
    low, high = SHOWN_PER_NM
    k = variance.k_per_nm
    return np.asarray((k >= low) & (k <= high) & np.isfinite(variance.corrected))


def _limits(variance: Variance, shown: FloatArray) -> tuple[float, float]:
    """Return limits that contain the corrected curve; the noise may leave them at large k."""
    values = variance.corrected[shown]
    if not values.size:
        return 0.0, 1.0
    return min(0.0, 1.2 * float(values.min())), 1.6 * max(float(values.max()), 1e-9)


def peak_curve(peak: Peak, k_per_nm: FloatArray) -> FloatArray:
    """Evaluate the fit of a peak."""
    exponent = -((k_per_nm - peak.k_per_nm) ** 2) / (2 * peak.width_per_nm**2)
    return np.asarray(peak.base + peak.height_above_base * np.exp(exponent))


def _draw_peak(axes: Axes, name: str, peak: Peak, k_per_nm: FloatArray) -> None:
    label = "\n".join(
        filter(None, (
            f"{name} peak: V = {pm(peak.V_max, peak.sigma_V_max)}",
            f"at {pm(peak.k_per_nm, peak.sigma_k_per_nm, 'nm⁻¹')}, width {pm(peak.width_per_nm)}",
            peak.flagged,
            "not seen whole by the camera" if peak.truncated else "",
        ))
    )  # fmt: skip
    k = k_per_nm[np.abs(k_per_nm - peak.k_per_nm) < 2 * peak.width_per_nm]
    axes.plot(k, peak_curve(peak, k), color=PEAK_COLOURS.get(name, GREEN), lw=1.2, ls="--", label=label)


def _truth(axes: Axes, hold: HoldSummary) -> None:
    truth = hold.pattern_truth
    if truth is not None:
        axes.plot(
            truth.k0_per_nm, truth.V_max, "_", color=GREEN, ms=13, mew=2.2,
            label=f"truth (simulated)\nV = {truth.V_max:.3g} at {truth.k0_per_nm:.3g} nm⁻¹",
        )  # fmt: skip


def table_variance(hold: HoldSummary) -> Table:
    """Return k, V with and without noise, its standard error and the mean intensity."""
    if hold.variance is None:
        return ("k / 1/nm",), ()
    variance = hold.variance
    columns = {
        "k / 1/nm": variance.k_per_nm,
        "V corrected / 1": variance.corrected,
        "sigma V corrected / 1": variance.sigma,
        "V with noise / 1": variance.naive,
        "mean / electrons": variance.mean_e,
    }
    there = {name: column for name, column in columns.items() if column is not None}
    return tuple(there), np.column_stack(list(there.values()))
