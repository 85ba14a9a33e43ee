"""Figure 5: tau against the length of the record; 7 a: correlation functions; 7 b: tau of pixels."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annealscope.controller.report.figures_duration import draw_durations, table_durations
from annealscope.controller.report.figures_hold import SHOWN, model_curve, range_end_s
from annealscope.controller.report.figures_tau_map import fractions
from annealscope.controller.report.numbers import pm
from annealscope.controller.report.paper import Paper
from annealscope.controller.report.study.colours import of_temperature
from annealscope.controller.report.study.summary import STATES, StudySummary
from annealscope.controller.report.style import DOUBLE_MM, GREY, INK, Table, new_figure, plain_log
from annealscope.controller.report.summary import Correlation, Fit, HoldSummary, TauMap
from annealscope.controller.report.summary_ecm import PixelFractions

PANELS = {"pixel": "per pixel, plain fit: as published", "ratio": "ratio, the length in the model: believe"}
"""Both estimators of Fig. 7 a, by the curve that they fit."""


def rooms(study: StudySummary) -> list[tuple[str, HoldSummary]]:
    """Return the movies at room temperature that have tau against their length, by state."""
    found = [(state, study.role(f"{state}_ecm").movie) for state in STATES]
    return [(state, hold) for state, hold in found if hold is not None and hold.durations is not None]


def figure_durations(study: StudySummary) -> Figure:
    """Draw tau and, below, beta against the length of the record, one column for each state."""
    found = rooms(study)
    figure = new_figure(DOUBLE_MM, 118)
    panels = figure.subplots(2, len(found), sharex=True, sharey="row", height_ratios=(3, 1.6), squeeze=False)
    limits = []
    for column, (state, hold) in enumerate(found):
        top, bottom = panels[:, column]
        top.set_title(STATES[state])
        draw_durations(top, bottom, hold)
        limits.append((top.get_ylim(), bottom.get_ylim()))
        _published(top, bottom, study.paper, state)
        top.legend(*top.get_legend_handles_labels(), loc="lower right", fontsize=6)
    for row in (0, 1):
        panels[row, 0].set_ylim(min(pair[row][0] for pair in limits), max(pair[row][1] for pair in limits))
    panels[0, 0].set_ylabel("Relaxation time τ / s")
    panels[1, 0].set_ylabel("Exponent β")
    figure.align_ylabels(panels[:, 0])
    return figure


def _published(top: Axes, bottom: Axes, paper: Paper | None, state: str) -> None:
    if paper is not None:
        value, error = paper.states[state].tau_asymptote_s
        label = f"published asymptote\n{value:g} ± {error:g} s"
        top.axhspan(value - error, value + error, color=INK, alpha=0.15, lw=0, label=label)
        bottom.axhline(paper.states[state].beta_limit, color=INK, lw=0.8, ls=(0, (1, 2)))


def table_lengths(study: StudySummary) -> Table:
    """Return tau and beta by every estimator against the length of the record, both states."""
    found = [(state, table_durations(hold)) for state, hold in rooms(study)]
    header = ("state", *found[0][1][0]) if found else ("state",)
    return header, [(STATES[state], *map(float, row)) for state, (_, rows) in found for row in rows]


def movies(study: StudySummary) -> list[tuple[HoldSummary, Correlation]]:
    """Return the movies that are compared and have correlation functions, by temperature."""
    return [(hold, hold.correlation) for hold in study.compared() if hold.correlation is not None]


def figure_correlations(study: StudySummary) -> Figure:
    """Draw g2 - 1 over its amplitude with the fits, one panel for each estimator."""
    figure = new_figure(DOUBLE_MM, 92)
    panels = figure.subplots(1, len(PANELS), sharex=True, sharey=True)
    for axes, (curve, title) in zip(panels, PANELS.items(), strict=True):
        axes.set(title=title, xlabel="Lag / s", xscale="log")
        axes.axhline(0, color=GREY, lw=0.5)
        for hold, data in movies(study):
            _draw_correlation(axes, hold, data, curve)
        if len(axes.lines) > 1:
            axes.legend(loc="upper right")
    panels[0].set(ylabel="(g₂ − 1) / amplitude of the fit", ylim=(-0.12, 1.1))
    plain_log(panels[0].xaxis)
    return figure


def _draw_correlation(axes: Axes, hold: HoldSummary, data: Correlation, curve: str) -> None:
    fit = hold.fits.get(SHOWN[curve][0])
    if curve not in data.curves or fit is None or not fit.amplitude > 0:
        return
    color, shown = of_temperature(hold.setpoint_degC), data.lag_s > 0
    lag_s = data.lag_s[shown]
    axes.plot(lag_s, (data.curves[curve][shown] - 1) / fit.amplitude, "o", color=color, ms=1.8, mew=0)
    used = lag_s[lag_s <= range_end_s(hold, data, data.curves[curve] - 1, fit)]
    model = model_curve(fit, used, hold) / fit.amplitude
    axes.plot(used, model, color=color, label=_label(hold, fit, curve))


def _label(hold: HoldSummary, fit: Fit, curve: str) -> str:
    # The plain fit is wrong by more than its statistical error: that would say nothing.
    sigma = np.nan if curve == "pixel" else fit.sigma_tau_s
    return f"{hold.temperature_label}, τ = {pm(fit.tau_s, sigma, 's')}{' (flagged)' if fit.flagged else ''}"


def table_correlations(study: StudySummary) -> Table:
    """Return lag, curve and fit of both estimators at every temperature."""
    header = (
        "hold", "set temperature / degC", "lag / s", "g2 - 1 pixel / 1", "fit pixel / 1", "g2 - 1 ratio / 1",
        "fit corrected / 1",
    )  # fmt: skip
    return header, [row for hold, data in movies(study) for row in _correlation_rows(hold, data)]


def _correlation_rows(hold: HoldSummary, data: Correlation) -> Iterable[tuple[str | float, ...]]:
    unknown = np.full_like(data.lag_s, np.nan)
    columns = [data.lag_s]
    for curve, (name, _) in SHOWN.items():
        columns.append(data.curves[curve] - 1 if curve in data.curves else unknown)
        columns.append(model_curve(hold.fits[name], data.lag_s, hold) if name in hold.fits else unknown)
    for row in zip(*columns, strict=True):
        yield hold.name, hold.setpoint_degC, *(float(value) for value in row)


def maps(study: StudySummary) -> list[tuple[HoldSummary, TauMap]]:
    """Return the movies that are compared and have a map of relaxation times, by temperature."""
    return [(hold, hold.tau_map) for hold in study.compared() if hold.tau_map is not None]


def figure_fractions(study: StudySummary) -> Figure:
    """Draw the distribution of tau over the pixels by temperature, beside those of uniform glasses."""
    figure = new_figure(DOUBLE_MM, 78)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    found = [(hold, tau_map, fractions(tau_map)) for hold, tau_map in maps(study)]
    for hold, tau_map, shown in found:
        color, numbers = of_temperature(hold.setpoint_degC), tau_map.statistics
        middle_s = np.sqrt(shown.edges_s[1:] * shown.edges_s[:-1])
        widths = (numbers.sigma_ln_tau, numbers.null_sigma_ln_tau) if numbers else (np.nan, np.nan)
        for axes, values, width in ((left, shown.seen, widths[0]), (right, shown.null, widths[1])):
            if values is not None:
                label = f"{hold.temperature_label}, {width:.3f}" if width > 0 else hold.temperature_label
                axes.plot(middle_s, values, "o-", color=color, lw=0.9, ms=1.8, label=label)
    left.set(title="measured", xscale="log", ylabel="Fraction of pixels in a bin", ylim=(0, None))
    left.set_xlim(*_reach([shown for _, _, shown in found]))
    right.set_title("uniform glass with the corrected values (null)")
    for axes in (left, right):
        axes.set_xlabel("τ of single pixels / s")
        if axes.lines:
            axes.legend(title="T, σ(ln τ)", title_fontsize=6.5, loc="upper right")
        else:
            axes.text(0.5, 0.5, "not simulated", color=GREY, ha="center", transform=axes.transAxes)
    plain_log(left.xaxis)
    return figure


def _reach(found: Sequence[PixelFractions]) -> tuple[float, float]:
    """Return the times between which all but one pixel in a thousand lie."""
    low, high = [], []
    for shown in found:
        share = np.cumsum(shown.seen) / max(float(shown.seen.sum()), 1e-12)
        low.append(shown.edges_s[int(np.searchsorted(share, 0.001))])
        high.append(shown.edges_s[min(int(np.searchsorted(share, 0.999)) + 1, len(shown.edges_s) - 1)])
    return float(min(low)) / 1.6, float(max(high))


def table_fractions(study: StudySummary) -> Table:
    """Return the distributions as drawn."""
    header = (
        "hold", "set temperature / degC", "tau from / s", "tau to / s", "fraction of valid pixels / 1",
        "fraction in a uniform glass / 1",
    )  # fmt: skip
    return header, [row for hold, tau_map in maps(study) for row in _fraction_rows(hold, fractions(tau_map))]


def _fraction_rows(hold: HoldSummary, shown: PixelFractions) -> Iterable[tuple[str | float, ...]]:
    null = np.full_like(shown.seen, np.nan) if shown.null is None else shown.null
    for row in zip(shown.edges_s[:-1], shown.edges_s[1:], shown.seen, null, strict=True):
        yield hold.name, hold.setpoint_degC, *(float(value) for value in row)
