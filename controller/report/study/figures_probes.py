"""Figures 3 a to d: grids with several probe sizes, as cast and annealed."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.controller.report.figures_fem import SHOWN_PER_NM
from annealscope.controller.report.figures_probes import on_the_line
from annealscope.controller.report.load_arrays import number
from annealscope.controller.report.numbers import pm
from annealscope.controller.report.paper import Paper
from annealscope.controller.report.study.colours import STATE_COLOURS, of_place
from annealscope.controller.report.study.summary import STATES, StudySummary
from annealscope.controller.report.style import DOUBLE_MM, GREY, SINGLE_MM, Table, new_figure
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import FloatArray, Variance
from annealscope.controller.report.summary_run import ProbeSeries

Curve = tuple[HoldSummary, Variance]

MARKERS = {"as_cast": "o", "annealed": "s"}


def scans(study: StudySummary, state: str) -> list[Curve]:
    """Return the grids of a state with their variance, from the smallest probe to the largest."""
    holds = study.role(f"{state}_fem").holds("fem")
    found = [(hold, hold.variance) for hold in holds if hold.variance is not None]
    return sorted(found, key=lambda curve: curve[0].probe_nm)


def figure_variances(study: StudySummary) -> Figure:
    """Draw V(k) of every probe size, one panel for each state, on one scale."""
    curves = {state: found for state in STATES if (found := scans(study, state))}
    figure = new_figure(DOUBLE_MM, 78)
    panels = figure.subplots(1, len(curves), sharex=True, sharey=True, squeeze=False)[0]
    sizes = sorted({hold.probe_nm for found in curves.values() for hold, _ in found})
    for axes, (state, found) in zip(panels, curves.items(), strict=True):
        axes.set(title=STATES[state], xlabel="k / nm⁻¹")
        for hold, variance in found:
            _draw_variance(axes, variance, of_place(sizes.index(hold.probe_nm), len(sizes)), hold.probe_nm)
    panels[0].set(ylabel="Normalised variance V", xlim=SHOWN_PER_NM)
    panels[0].set_ylim(_highest(curves))
    handles, labels = panels[
        int(np.argmax([len(found) for found in curves.values()]))
    ].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", title="Probe R", title_fontsize=6.5)
    return figure


def _draw_variance(axes: Axes, variance: Variance, color: str, probe_nm: float) -> None:
    k, V = variance.k_per_nm, variance.corrected
    axes.plot(k, V, color=color, lw=0.9, label=f"{probe_nm:g} nm")
    if variance.sigma is not None:
        axes.fill_between(k, V - variance.sigma, V + variance.sigma, color=color, alpha=0.15, lw=0)


def _highest(curves: Mapping[str, Sequence[Curve]]) -> tuple[float, float]:
    """Return limits for all curves; beside the peaks the noise of large k may leave them."""
    low, high = SHOWN_PER_NM
    tops = [
        float(np.nanmax(variance.corrected[(variance.k_per_nm > low) & (variance.k_per_nm < high)]))
        for found in curves.values()
        for _, variance in found
    ]
    return -0.03 * max(tops), 1.1 * max(tops)


def table_variances(study: StudySummary) -> Table:
    """Return V(k) and its error of every probe size and state, one row per k."""
    header = ("state", "probe / nm", "k / 1/nm", "V corrected / 1", "sigma V corrected / 1")
    return header, [row for state in STATES for curve in scans(study, state) for row in _rows(state, *curve)]


def _rows(state: str, hold: HoldSummary, variance: Variance) -> Iterable[tuple[str | float, ...]]:
    sigma = np.full_like(variance.k_per_nm, np.nan) if variance.sigma is None else variance.sigma
    for k, V, error in zip(variance.k_per_nm, variance.corrected, sigma, strict=True):
        yield STATES[state], hold.probe_nm, k, V, error


def stratton_voyles(study: StudySummary) -> dict[str, ProbeSeries]:
    """Return the heights of the first peak against 1/R^2, by state."""
    found = {state: study.role(f"{state}_fem").stratton_voyles for state in STATES}
    return {state: series for state, series in found.items() if series is not None}


def figure_stratton_voyles(study: StudySummary) -> Figure:
    """Draw the height of the first peak against 1/R^2 for both states, and where it is largest."""
    figure = new_figure(SINGLE_MM, 84)
    axes = figure.add_subplot()
    if study.paper is not None:
        value, error = study.paper.mro_size_nm
        low, high = 1 / (value + error) ** 2, 1 / (value - error) ** 2
        axes.axvspan(low, high, color=GREY, alpha=0.2, lw=0, label=f"published, R = {value:g} ± {error:g} nm")
    for state, series in stratton_voyles(study).items():
        color = STATE_COLOURS[state]
        axes.errorbar(
            series.x, series.y, yerr=series.sigma, fmt=MARKERS[state], color=color, ms=4, capsize=2.5,
            elinewidth=0.7, label=STATES[state],
        )  # fmt: skip
        radius, sigma = number(series.numbers.get("R_max_nm")), number(series.numbers.get("sigma_R_max_nm"))
        if radius > 0:
            label = f"largest at R = {pm(radius, sigma, 'nm')}"
            axes.axvline(1 / radius**2, color=color, lw=0.9, ls=(0, (4, 3)), label=label)
    axes.set(xlabel="1/R² / nm⁻²", ylabel="V at the first peak", ylim=(0, None))
    _probe_sizes(axes, [size for series in stratton_voyles(study).values() for size in series.x])
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _probe_sizes(axes: Axes, inverse_squares: Sequence[float]) -> None:
    """Write the probe sizes themselves along the top, where there is room for them."""
    sizes = sorted(1 / np.sqrt(np.array(inverse_squares)))
    shown: list[float] = []
    for size in sizes:
        if all(abs(1 / size**2 - 1 / other**2) > 0.085 / min(sizes) ** 2 for other in shown):
            shown.append(size)
    top = axes.secondary_xaxis("top")
    top.set_xticks([1 / size**2 for size in shown], [f"{size:.3g}" for size in shown])
    top.set_xlabel("Probe size R / nm")


def pair_persistence(study: StudySummary) -> dict[str, ProbeSeries]:
    """Return Q^2/V against Q^2, by state."""
    found = {state: study.role(f"{state}_fem").pair_persistence for state in STATES}
    return {state: series for state, series in found.items() if series is not None}


def figure_pair_persistence(study: StudySummary) -> Figure:
    """Draw Q^2/V against Q^2 for both states with the lines whose slopes and intercepts give Lambda."""
    figure = new_figure(SINGLE_MM, 84)
    axes = figure.add_subplot()
    found = pair_persistence(study)
    end = 1.05 * max(float(series.x.max()) for series in found.values())
    for state, series in found.items():
        _draw_persistence(axes, series, state, np.array([0.0, end]))
        _published_line(axes, study.paper, state, np.array([0.0, end]))
    axes.set(xlabel="Q² / nm⁻²", ylabel="Q²/V / nm⁻²", xlim=(0, None), ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _draw_persistence(axes: Axes, series: ProbeSeries, state: str, x: FloatArray) -> None:
    fitted, color = on_the_line(series), STATE_COLOURS[state]
    for chosen, face in ((fitted, color), (~fitted, "white")):
        errors = None if series.sigma is None else series.sigma[chosen]
        axes.errorbar(
            series.x[chosen], series.y[chosen], yerr=errors, fmt=MARKERS[state], color=color, mfc=face, ms=4,
            capsize=2.5, elinewidth=0.7, zorder=3,
        )  # fmt: skip
    slope, intercept = number(series.numbers.get("slope")), number(series.numbers.get("intercept_per_nm2"))
    if np.isfinite(slope * intercept):
        length, sigma = (number(series.numbers.get(name)) for name in ("length_nm", "sigma_length_nm"))
        label = f"{STATES[state]}, Λ = {pm(length, sigma, 'nm')}"
        axes.plot(x, slope * x + intercept, color=color, label=label)


def _published_line(axes: Axes, paper: Paper | None, state: str, x: FloatArray) -> None:
    if paper is not None:
        (value, error), (slope, intercept) = (
            paper.states[state].persistence_nm,
            paper.states[state].persistence_line,
        )
        label = f"published, {value:g} ± {error:g} nm"
        axes.plot(x, slope * x + intercept, ":", color=STATE_COLOURS[state], lw=1.0, label=label)


def table_series(found: Mapping[str, ProbeSeries], x: str, y: str) -> Table:
    """Return the points of both states with their errors, and whether a line was fitted to them."""
    header = ("state", x, y, f"sigma {y}", "fitted / 1")
    return header, [row for state, series in found.items() for row in _points(state, series)]


def _points(state: str, series: ProbeSeries) -> Iterable[tuple[str | float, ...]]:
    sigma = np.full_like(series.x, np.nan) if series.sigma is None else series.sigma
    fitted = on_the_line(series).astype(float)
    for point in zip(series.x, series.y, sigma, fitted, strict=True):
        yield STATES[state], *(float(value) for value in point)
