"""Table 2: the other numbers of the paper, found and published, each with its estimator."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from annealscope.controller.report.cells import UNKNOWN, Cell
from annealscope.controller.report.figures_duration import LAWS
from annealscope.controller.report.figures_temperature import Point
from annealscope.controller.report.load_arrays import number
from annealscope.controller.report.numbers import pm
from annealscope.controller.report.study.figures_order import points
from annealscope.controller.report.study.figures_probes import pair_persistence, stratton_voyles
from annealscope.controller.report.study.figures_relaxation import rooms
from annealscope.controller.report.study.summary import STATES, StudySummary
from annealscope.controller.report.style import Table
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER
from annealscope.controller.report.summary_run import ProbeSeries

NONE = (NOT_A_NUMBER, NOT_A_NUMBER)
SAME_TO = 0.01
"""Of probe sizes that are one."""

COLD_DEGC, WARM_DEGC = 25.0, 150.0
"""Between which the published variance grows."""


@dataclass(frozen=True)
class Number:
    """A number of the study beside the paper's."""

    figure: str
    what: str
    estimator: str
    unit: str
    value: float
    sigma: float
    published: tuple[float, float] = NONE
    """With its error, NaN where none is printed."""

    limit: bool = False
    """Whether the published one is an upper limit."""

    @property
    def apart(self) -> float:
        """Difference from the published value in standard errors of the difference; NaN without errors."""
        return float((self.value - self.published[0]) / np.hypot(self.sigma, self.published[1]))


def numbers(study: StudySummary) -> list[Number]:
    """Return the numbers that there are data for, in the order of the figures."""
    return [*_lengths(study), *_anneal(study), *_in_situ(study), *_asymptotes(study)]


def _lengths(study: StudySummary) -> Iterable[Number]:
    paper = study.paper
    for state, series in stratton_voyles(study).items():
        yield Number(
            "3 c", f"R of the largest variance, {STATES[state]}", "maximum of a parabola through the heights",
            "nm", number(series.numbers.get("R_max_nm")), number(series.numbers.get("sigma_R_max_nm")),
            paper.mro_size_nm if paper else NONE,
        )  # fmt: skip
    for state, series in pair_persistence(study).items():
        yield Number(
            "3 d", f"pair-persistence length Λ, {STATES[state]}", "√(slope/intercept)/2π",
            "nm", number(series.numbers.get("length_nm")), number(series.numbers.get("sigma_length_nm")),
            paper.states[state].persistence_nm if paper else NONE,
        )  # fmt: skip


def _anneal(study: StudySummary) -> Iterable[Number]:
    found = stratton_voyles(study)
    if len(found) == len(STATES):
        value, sigma = relative_change(found["as_cast"], found["annealed"])
        published = (study.paper.change_by_anneal, NOT_A_NUMBER) if study.paper else NONE
        yield Number(
            "3 c", "change of V by the anneal", "weighted mean over the probes, of V at one thickness each",
            "", value, sigma, published,
        )  # fmt: skip


def relative_change(before: ProbeSeries, after: ProbeSeries) -> tuple[float, float]:
    """Return the mean change of V over the probe sizes that both have, weighted, and its error.

    Both series are brought to the thickness of the first.
    """
    same = np.isclose(before.x[:, None], after.x, rtol=2 * SAME_TO)
    i, j = np.nonzero(same)
    if not i.size:
        return NONE
    thickness = [number(series.numbers.get("scaled_to_thickness")) for series in (before, after)]
    scale = thickness[1] / thickness[0] if all(value > 0 for value in thickness) else 1.0
    ratio = scale * after.y[j] / before.y[i]
    errors = [
        np.full(i.size, 1.0) if series.sigma is None else series.sigma[rows] / series.y[rows]
        for series, rows in ((before, i), (after, j))
    ]
    variance = (ratio * np.hypot(*errors)) ** 2
    weight = 1 / variance
    sigma = NOT_A_NUMBER if before.sigma is None or after.sigma is None else float(weight.sum() ** -0.5)
    return float((weight * ratio).sum() / weight.sum()) - 1, sigma


def _in_situ(study: StudySummary) -> Iterable[Number]:
    found, paper = points(study), study.paper
    cold, warm = (_at(found, temperature) for temperature in (COLD_DEGC, WARM_DEGC))
    if cold is not None:
        peak, ratio = cold.peak, cold.variance
        yield Number(
            "4 a", "first peak at 25 °C", "Gaussian on a constant base", "nm⁻¹", peak.k_per_nm,
            peak.sigma_k_per_nm, (paper.first_peak_per_nm, NOT_A_NUMBER) if paper else NONE,
        )  # fmt: skip
        yield Number(
            "4 a", "second peak over first at 25 °C", "heights, bases included", "", ratio.ratio,
            ratio.sigma_ratio, paper.second_to_first_peak if paper else NONE,
        )  # fmt: skip
        yield Number(
            "4 b", "V at 25 °C", "height of the first peak, base included", "", cold.V, cold.sigma_V,
            (paper.variance_limit_25degC, NOT_A_NUMBER) if paper else NONE, limit=True,
        )  # fmt: skip
    if cold is not None and warm is not None:
        change = warm.V / cold.V
        sigma = change * np.hypot(warm.sigma_V / warm.V, cold.sigma_V / cold.V)
        yield Number(
            "4 b", "change of V from 25 to 150 °C", "heights of the first peak at one thickness", "",
            change - 1, float(sigma), (paper.variance_step, NOT_A_NUMBER) if paper else NONE,
        )  # fmt: skip


def _at(found: Sequence[Point], temperature_degC: float) -> Point | None:
    near = [point for point in found if abs(point.hold.setpoint_degC - temperature_degC) < 1]
    return near[0] if near else None


def _asymptotes(study: StudySummary) -> Iterable[Number]:
    for state, hold in rooms(study):
        published = study.paper.states[state].tau_asymptote_s if study.paper else NONE
        data, corrected = hold.durations, hold.fits.get("corrected")
        if data is not None:
            yield Number(
                "5", f"asymptote of τ, {STATES[state]}",
                f"per pixel, plain fits of growing lengths; {LAWS.get(data.law, data.law)} law", "s",
                data.tau_asym_s, data.sigma_tau_asym_s, published,
            )  # fmt: skip
        if corrected is not None:
            yield Number(
                "5", f"τ of the whole movie, {STATES[state]}", "corrected: no asymptote needed", "s",
                corrected.tau_s, corrected.sigma_tau_s, published,
            )  # fmt: skip


def number_cells(found: Number) -> list[tuple[str, Cell]]:
    """Return one line as the page shows it, each cell with its name."""
    return [
        ("Fig.", Cell(found.figure)),
        ("Number", Cell(found.what)),
        ("Estimator", Cell(found.estimator)),
        ("Found ± σ", _cell(found.value, pm(found.value, found.sigma, found.unit), "best")),
        ("Paper", _cell(found.published[0], _as_printed(found))),
        ("Apart", _cell(found.apart, f"{found.apart:+.1f} σ".replace("-", "−"))),
    ]


def _as_printed(found: Number) -> str:
    value, error = found.published
    text = f"{value:g} ± {error:g}" if np.isfinite(error) else f"{'< ' if found.limit else ''}{value:g}"
    return f"{text} {found.unit}".rstrip()


def _cell(value: float, text: str, kind: str = "") -> Cell:
    return Cell(text, value, kind) if np.isfinite(value) else UNKNOWN


def table_numbers(found: Iterable[Number]) -> Table:
    """Return one row per number."""
    header = (
        "figure", "number", "estimator", "unit", "value", "sigma", "published", "sigma published",
        "apart / sigma",
    )  # fmt: skip
    return header, [
        (
            each.figure, each.what, each.estimator, each.unit or "1", each.value, each.sigma,
            *each.published, each.apart,
        )
        for each in found
    ]  # fmt: skip
