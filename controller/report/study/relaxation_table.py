"""Table 1: relaxation times and exponents by temperature, by every estimator, beside the paper's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annealscope.analysis.precision import record_bias
from annealscope.analysis.values import InvalidData
from annealscope.controller.report import cells
from annealscope.controller.report.across import near
from annealscope.controller.report.cells import UNKNOWN, Cell
from annealscope.controller.report.numbers import beside, pm
from annealscope.controller.report.overview import Fact
from annealscope.controller.report.paper import Paper, Relaxation
from annealscope.controller.report.study.summary import StudySummary
from annealscope.controller.report.style import Table
from annealscope.controller.report.summary import Expected, Fit, HoldSummary
from annealscope.controller.report.tables import VERDICT_KINDS, NamedCells, check_cells
from annealscope.controller.report.verdicts import Check, checks

STEPS, SETTLED = 20, 1e-3
"""Of undoing the bias at most, and the relative change of tau at which it ends."""

FEWEST_TAU = 4.0
"""Relaxation times in a record below which its bias cannot be undone."""


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    hold: HoldSummary
    published: Relaxation | None
    """The paper's row at this temperature."""

    of_truth: Expected | None
    """What the paper's estimator makes of the truth in a record as long as this one, on average."""

    undone: Expected | None
    """What of which the paper's estimator makes the paper's values; None in too short a record."""

    checks: Mapping[str, Check]
    """Against the truth, by ``tau`` and ``beta``; empty for a real specimen."""


def lines(holds: Sequence[HoldSummary], paper: Paper | None) -> list[Line]:
    """Return one line per movie, in their order."""
    return [_line(hold, paper) for hold in holds]


def _line(hold: HoldSummary, paper: Paper | None) -> Line:
    published = next((row for row in paper.relaxation if near(row, hold)), None) if paper else None
    truth = biased(hold, hold.truth.tau_s, hold.truth.beta) if hold.truth else None
    undone = unbiased(hold, published.tau_s, published.beta) if published else None
    return Line(hold, published, truth, undone, {check.quantity: check for check in checks([hold])})


def biased(hold: HoldSummary, tau_s: float, beta: float) -> Expected | None:
    """Return what a plain fit shows, on average, in a record as long as a hold; None where it cannot fit."""
    try:
        return Expected(*record_bias(tau_s, beta, sum(hold.segment_slots), hold.period_s))
    except InvalidData:
        return None


def unbiased(hold: HoldSummary, tau_s: float, beta: float) -> Expected | None:
    """Return what a plain fit shows as these values, on average, in a record as long as a hold.

    None where there are too few relaxation times in the record: many values then look alike.
    """
    found = Expected(tau_s, beta)
    for _ in range(STEPS):
        seen = biased(hold, found.tau_s, found.beta)
        if seen is None:
            return None
        found = Expected(found.tau_s * tau_s / seen.tau_s, found.beta + beta - seen.beta)
        if hold.duration_s < FEWEST_TAU * found.tau_s:
            return None
        if abs(seen.tau_s / tau_s - 1) < SETTLED:
            break
    return found


@dataclass(frozen=True)
class Quantity:
    """What a table is of: a field of fits, truths and published values."""

    symbol: str
    words: str
    field: str
    unit: str
    cell: Callable[[HoldSummary], Cell]
    """The corrected value with its error."""


TAU = Quantity("tau", "Relaxation time τ", "tau_s", "s", cells.tau)
BETA = Quantity("beta", "Exponent β", "beta", "", cells.beta)


def line_cells(line: Line, quantity: Quantity, simulated: bool, paper: bool) -> NamedCells:
    """Return what a line says of tau or beta as the page shows it, each cell with its name."""

    def plain(found: Fit | Expected | Relaxation | None) -> Cell:
        value = np.nan if found is None else float(getattr(found, quantity.field))
        return _estimate(value, None, quantity.unit)

    hold = line.hold
    return [
        *_head(hold),
        ("Corrected: believe", quantity.cell(hold)),
        *(_truth(line, quantity) if simulated else ()),
        ("Two-time", _two_time(hold.fits.get("ttcf"), quantity)),
        ("Per pixel: the paper's estimator", plain(hold.fits.get("pixel"))),
        ("expected of the corrected", plain(hold.expected)),
        *([("expected of the truth", plain(line.of_truth))] if simulated else ()),
        *([("Paper", plain(line.published)), ("Paper, bias undone", _undone(line, plain(line.undone)))]
          if paper else ()),
    ]  # fmt: skip


def _head(hold: HoldSummary) -> NamedCells:
    record = Cell(f"{hold.duration_s:.0f} s", hold.duration_s)
    return [
        ("T", Cell(hold.temperature_label, hold.setpoint_degC)),
        ("Record", record),
        ("T/τ", cells.lengths(hold)),
    ]


def _truth(line: Line, quantity: Quantity) -> NamedCells:
    """Return the truth with the digits of the value that it is compared with, and the verdict."""
    truth, best = line.hold.truth, line.hold.fits.get("corrected")
    value = getattr(truth, quantity.field) if truth else np.nan
    sigma = getattr(best, f"sigma_{quantity.field}") if best else np.nan
    cell = Cell(beside(value, sigma, quantity.unit), value) if np.isfinite(value) else UNKNOWN
    return [("Truth", cell), ("Verdict", _verdict(line.checks.get(quantity.symbol)))]


def _two_time(fit: Fit | None, quantity: Quantity) -> Cell:
    if fit is None:
        return UNKNOWN
    value, sigma = getattr(fit, quantity.field), getattr(fit, f"sigma_{quantity.field}")
    cell = _estimate(value, sigma, quantity.unit)
    return Cell(cell.text, cell.value, note=fit.flagged)


def _estimate(value: float, sigma: float | None, unit: str) -> Cell:
    """Write a value with its error; an exponent without one as the paper does, with two digits."""
    if not np.isfinite(value):
        return UNKNOWN
    if sigma is None:
        return Cell(f"{value:.0f} {unit}" if unit else f"{value:.2f}", value)
    return Cell(pm(value, sigma, unit), value)


def _undone(line: Line, cell: Cell) -> Cell:
    short = line.published is not None and line.undone is None
    return Cell("–", aside=f"fewer than {FEWEST_TAU:g} τ") if short else cell


def _verdict(check: Check | None) -> Cell:
    if check is None:
        return UNKNOWN
    return Cell(check.verdict, None, VERDICT_KINDS.get(check.verdict, ""), check.flagged)


def table_relaxation(found: Iterable[Line]) -> Table:
    """Return one row per movie with everything in it."""
    header = (
        "hold", "set temperature / degC", "length of the record / s", "tau corrected / s",
        "sigma tau corrected / s", "tau truth / s", "verdict on tau", "tau pixel / s",
        "tau pixel expected of the bias / s", "tau pixel expected of the truth / s", "tau published / s",
        "tau published, bias undone / s", "beta corrected / 1", "sigma beta corrected / 1", "beta truth / 1",
        "verdict on beta", "beta pixel / 1", "beta pixel expected of the bias / 1",
        "beta pixel expected of the truth / 1", "beta published / 1", "beta published, bias undone / 1",
        "tau ttcf / s", "sigma tau ttcf / s", "beta ttcf / 1", "sigma beta ttcf / 1",
    )  # fmt: skip
    return header, [_row(line) for line in found]


def _row(line: Line) -> tuple[Any, ...]:
    hold = line.hold
    unknown = Fit(np.nan, np.nan)
    corrected, plain, ttcf = (hold.fits.get(name, unknown) for name in ("corrected", "pixel", "ttcf"))
    pairs = [
        (value.tau_s, value.beta) if value else (np.nan, np.nan)
        for value in (hold.truth, hold.expected, line.of_truth, line.published, line.undone)
    ]
    truth, expected, of_truth, published, undone = pairs
    verdicts = [line.checks[name].verdict if name in line.checks else "" for name in ("tau", "beta")]
    return (
        hold.name, hold.setpoint_degC, hold.duration_s, corrected.tau_s, corrected.sigma_tau_s, truth[0],
        verdicts[0], plain.tau_s, expected[0], of_truth[0], published[0], undone[0],
        corrected.beta, corrected.sigma_beta, truth[1], verdicts[1], plain.beta, expected[1], of_truth[1],
        published[1], undone[1], ttcf.tau_s, ttcf.sigma_tau_s, ttcf.beta, ttcf.sigma_beta,
    )  # fmt: skip


def failed_cells(study: StudySummary) -> list[NamedCells]:
    """Return the numbers of all acquisitions that are further from the truth than they may be."""
    return [
        [("Run", Cell(name)), *check_cells(check)]
        for name, role in study.roles.items()
        for check in checks(role.run.holds if role.run else ())
        if check.verdict == "fail"
    ]


def tiles(study: StudySummary, found: Sequence[Line]) -> list[Fact]:
    """Return the few numbers that say how a study stands."""
    there, asked = sum(role.run is not None for role in study.roles.values()), len(study.roles)
    facts = [Fact(f"{there} of {asked}", "runs are there", "good" if there == asked else "bad")]
    of_table = [check for line in found for check in line.checks.values()]
    for text, every in (("Table 1", of_table), ("all acquisitions", checks(study.holds))):
        judged = [check for check in every if check.verdict != "not judged"]
        passed = sum(check.verdict == "pass" for check in judged)
        if judged:
            kind = "good" if passed == len(judged) else "bad"
            facts.append(Fact(f"{passed} of {len(judged)}", f"values of {text} agree with the truth", kind))
    return facts
