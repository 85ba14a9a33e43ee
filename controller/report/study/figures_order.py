"""Figures 4 a and b: the variance in situ, by temperature; A.10: the rings."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.analysis.diffraction import SHARP_SIGMA
from annealscope.controller.report.figures_fem import SHOWN_PER_NM
from annealscope.controller.report.figures_temperature import (
    Point,
    figure_variance_of_temperature,
    first_peaks,
    points_of,
    table_variance_of_temperature,
)
from annealscope.controller.report.study.colours import of_temperature
from annealscope.controller.report.study.summary import StudySummary
from annealscope.controller.report.style import DOUBLE_MM, GREY, SINGLE_MM, Table, new_figure, plain_log
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import FloatArray
from annealscope.controller.report.summary_run import ScaledVariance


def scaled(study: StudySummary) -> ScaledVariance | None:
    """Return the heights in situ at one thickness, where that is known."""
    run = study.role("in_situ").run
    return run.scaled_variance if run else None


def points(study: StudySummary) -> list[Point]:
    """Return the first peaks in situ, of the probe size that most grids have."""
    return first_peaks(study.role("in_situ").holds("fem"), scaled(study))


def against_temperature(study: StudySummary) -> list[Point]:
    """Return the first peaks in situ when they have several temperatures; none otherwise."""
    return points_of(study.role("in_situ").holds("fem"), scaled(study))


def figure_variances(study: StudySummary) -> Figure:
    """Draw V(k) in situ, one curve for each temperature, at one thickness where that is known."""
    figure = new_figure(SINGLE_MM, 84)
    axes = figure.add_subplot()
    for point in points(study):
        color, k = of_temperature(point.hold.setpoint_degC), point.variance.k_per_nm
        V, sigma = curve(point)
        axes.plot(k, V, color=color, label=point.hold.temperature_label)
        axes.fill_between(k, V - sigma, V + sigma, color=color, alpha=0.12, lw=0)
    axes.set(xlabel="k / nm⁻¹", ylabel="Normalised variance V", xlim=SHOWN_PER_NM)
    axes.set_ylim(-0.003, 1.15 * max(point.V for point in points(study)))
    axes.legend(loc="upper right")
    return figure


def curve(point: Point) -> tuple[FloatArray, FloatArray]:
    """Return V(k) of a grid and its error, brought to the thickness of its height."""
    scale, variance = point.V / point.peak.V_max, point.variance
    sigma = np.zeros_like(variance.corrected) if variance.sigma is None else variance.sigma
    return scale * variance.corrected, scale * sigma


def table_variances(study: StudySummary) -> Table:
    """Return V(k) and its error at every temperature, as drawn."""
    header = (
        "hold", "set temperature / degC", "k / 1/nm", "V at one thickness / 1", "sigma V / 1",
        "V as measured / 1",
    )  # fmt: skip
    return header, [row for point in points(study) for row in _rows(point)]


def _rows(point: Point) -> Iterable[tuple[str | float, ...]]:
    V, sigma = curve(point)
    for row in zip(point.variance.k_per_nm, V, sigma, point.variance.corrected, strict=True):
        yield point.hold.name, point.hold.setpoint_degC, *(float(value) for value in row)


def figure_heights(study: StudySummary) -> Figure:
    """Draw the height of the first peak against temperature."""
    return figure_variance_of_temperature(against_temperature(study), study.paper, scaled(study) is not None)


def table_heights(study: StudySummary) -> Table:
    """Return one row per grid with its peak, its integral and its truth."""
    found = against_temperature(study)
    header, rows = table_variance_of_temperature(found, scaled(study))
    integrals = [integral_per_nm(point) for point in found]
    return (*header, "integral of the first peak above its base / 1/nm"), [
        (*row, value) for row, value in zip(rows, integrals, strict=True)
    ]


def integral_per_nm(point: Point) -> float:
    """Return the area of the Gaussian of the first peak above its base, at the thickness of its height."""
    peak = point.peak
    scale = point.V / peak.V_max
    return float(scale * peak.height_above_base * peak.width_per_nm * np.sqrt(2 * np.pi))


def rings(study: StudySummary) -> list[HoldSummary]:
    """Return the patterns of areas in situ that have a ring profile, by temperature."""
    return [hold for hold in study.role("in_situ").holds("diffraction") if hold.rings is not None]


def figure_rings(study: StudySummary) -> Figure:
    """Draw the ring profiles by temperature, a factor apart, and the sharp part of their differences."""
    found = rings(study)
    figure = new_figure(DOUBLE_MM, 92)
    left, right = figure.subplots(1, 2, sharex=True)
    for place, hold in enumerate(found):
        color = of_temperature(hold.setpoint_degC)
        _profile(left, hold, color, 2.0**place)
        if hold.ring_difference is not None:
            _difference(right, hold, color, place)
        elif not hold.ring_reference:
            right.text(
                0.5,
                STEP * place,
                "the reference",
                color=color,
                transform=right.get_yaxis_transform(),
                ha="center",
                va="center",
            )
    left.set(
        title="Profiles, each twice the one below", xlabel="k / nm⁻¹", ylabel="Intensity / electrons × 2ⁿ"
    )
    left.set_yscale("log")
    plain_log(left.yaxis)
    names = [hold.temperature_label for hold in found]
    right.set(
        title="Sharp part of the difference", xlabel="k / nm⁻¹", ylabel=f"Temperature; one step is {STEP:g} σ"
    )
    right.set_yticks(STEP * np.arange(len(found)), names)
    right.set_ylim(-0.6 * STEP, STEP * (len(found) - 0.2))
    left.margins(x=0)
    return figure


STEP = 4.0 * SHARP_SIGMA
"""Distance of the zero lines of two differences, in standard errors."""


def _profile(axes: Axes, hold: HoldSummary, color: str, factor: float) -> None:
    if hold.rings is None:
        return
    there = hold.rings.intensity > 0
    k, intensity = hold.rings.k_per_nm[there], factor * hold.rings.intensity[there]
    axes.plot(k, intensity, color=color)
    axes.annotate(
        hold.temperature_label, (k[-1], intensity[-1]), (3, 0), textcoords="offset points", color=color,
        va="center", fontsize=6.5, annotation_clip=False,
    )  # fmt: skip


def _difference(axes: Axes, hold: HoldSummary, color: str, place: int) -> None:
    if hold.rings is None or hold.ring_difference is None:
        return
    zero = STEP * place
    axes.axhline(zero, color=GREY, lw=0.4)
    axes.axhline(zero + SHARP_SIGMA, color=GREY, lw=0.5, ls=(0, (4, 3)))
    axes.plot(hold.rings.k_per_nm, zero + hold.ring_difference.difference, color=color, lw=0.7)


def table_rings(study: StudySummary) -> Table:
    """Return the profiles and differences as drawn, without their offsets."""
    header = (
        "hold", "set temperature / degC", "k / 1/nm", "I / electrons", "sigma I / electrons",
        "sharp difference from the reference over sigma / 1",
    )  # fmt: skip
    return header, [row for hold in rings(study) for row in _ring_rows(hold)]


def _ring_rows(hold: HoldSummary) -> Iterable[tuple[str | float, ...]]:
    if hold.rings is None:
        return
    unknown = np.full_like(hold.rings.k_per_nm, np.nan)
    sigma = unknown if hold.rings.sigma is None else hold.rings.sigma
    difference = unknown if hold.ring_difference is None else hold.ring_difference.difference
    for row in zip(hold.rings.k_per_nm, hold.rings.intensity, sigma, difference, strict=True):
        yield hold.name, hold.setpoint_degC, *(float(value) for value in row)
