"""The first table of a report, what every stay at a temperature has led to, and the run in a few numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from annealscope.controller.config.wording import scientific
from annealscope.controller.report import cells
from annealscope.controller.report.cells import UNKNOWN, Cell
from annealscope.controller.report.numbers import percent
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import DoseLedger, RunSummary
from annealscope.controller.report.verdicts import Check

METHODS = {"ecm": "ECM", "fem": "FEM", "diffraction": "Diffraction"}
"""What people call the methods, in the order in which they are shown."""


@dataclass(frozen=True)
class Column:
    """A column of the first table, filled by the acquisition of one method."""

    key: str
    title: str
    method: str
    cell: Callable[[HoldSummary], Cell]
    always: bool = True
    """Whether it is shown even when no hold has it, as it is in files of before."""


COLUMNS = (
    Column("tau", "τ corrected ± σ", "ecm", cells.tau),
    Column("beta", "β ± σ", "ecm", cells.beta),
    Column("lengths", "T/τ", "ecm", cells.lengths),
    Column("tau_pixel", "τ per pixel (reads short)", "ecm", cells.tau_pixel),
    Column("age", "Over the hold", "ecm", cells.over_the_hold, always=False),
    Column("residual", "Residual drift", "ecm", cells.residual_drift),
    Column("V_max", "V₁ ± σ", "fem", cells.peak_height),
    Column("ratio", "V₂/V₁", "fem", cells.peak_ratio),
    Column("crystals", "Rings", "diffraction", cells.crystals),
)


@dataclass(frozen=True)
class Stay:
    """Neighbouring acquisitions at one set temperature."""

    label: str
    holds: tuple[HoldSummary, ...]

    @property
    def anchor(self) -> str:
        """Name of its place on the page."""
        return f"stay-{self.holds[0].ordinal}"


@dataclass(frozen=True)
class Row:
    """One line of the first table."""

    stay: Stay
    temperature: Cell
    cells: tuple[Cell, ...]
    """In the order of the columns that are shown."""

    lost: Cell


def stays(holds: Iterable[HoldSummary]) -> list[Stay]:
    """Return the acquisitions by temperature, in the order of the run."""
    in_order = sorted(holds, key=lambda hold: hold.ordinal)
    groups = [tuple(group) for _, group in groupby(in_order, key=lambda hold: hold.label)]
    return [Stay(group[0].label, group) for group in groups]


def columns(holds: Sequence[HoldSummary]) -> list[Column]:
    """Return the columns for the methods that the run has."""
    return [column for column in COLUMNS if _shown(column, [h for h in holds if h.method == column.method])]


def _shown(column: Column, holds: Sequence[HoldSummary]) -> bool:
    return any(column.always or column.cell(hold) != UNKNOWN for hold in holds)


def rows(holds: Sequence[HoldSummary], shown: Sequence[Column]) -> list[Row]:
    """Return the first table: one line per stay, more when a method was used more than once in it."""
    return [row for stay in stays(holds) for row in _lines(stay, shown)]


def _lines(stay: Stay, shown: Sequence[Column]) -> Iterable[Row]:
    by_method = [[hold for hold in stay.holds if hold.method == method] for method in METHODS]
    for line in zip_longest(*by_method):
        holds = dict(zip(METHODS, line, strict=True))
        numbers = tuple(column.cell(hold) if (hold := holds[column.method]) else UNKNOWN for column in shown)
        present = [hold for hold in line if hold is not None]
        yield Row(stay, cells.temperature(present[0]), numbers, _lost(present))


def _lost(holds: Sequence[HoldSummary]) -> Cell:
    lost, unused = (sum(getattr(hold, name) for hold in holds) for name in ("frames_lost", "frames_unused"))
    return Cell(f"{lost}, {unused} unused" if unused else str(lost), lost, "bad" if lost else "")


@dataclass(frozen=True)
class Fact:
    """A tile above the first table."""

    number: str
    text: str
    kind: str = ""
    """``good``, ``bad``, or neither."""


def facts(run: RunSummary, found: Sequence[Check]) -> list[Fact]:
    """Return the few numbers that say how the run went."""
    tiles = [_recorded(run), _lost_frames(run)]
    if judged := [check for check in found if check.verdict != "not judged"]:
        passed = sum(check.verdict == "pass" for check in judged)
        tiles.append(
            Fact(f"{passed} of {len(judged)}", "numbers agree with the truth", _kind(passed == len(judged)))
        )
    if verdicts := [hold.ring_difference.crystalline for hold in run.holds if hold.ring_difference]:
        clean = f"{verdicts.count(False)} of {len(verdicts)}"
        tiles.append(Fact(clean, "ring profiles without crystals", _kind(not any(verdicts))))
    return [*tiles, *_largest_dose(run.dose)]


def _kind(good: bool) -> str:
    return "good" if good else "bad"


def _recorded(run: RunSummary) -> Fact:
    planned, done = max(run.holds_planned, len(run.holds)), sum(hold.analysed for hold in run.holds)
    return Fact(f"{done} of {planned}", "acquisitions recorded and analysed", _kind(done == planned))


def _lost_frames(run: RunSummary) -> Fact:
    lost, kept = (sum(getattr(hold, name) for hold in run.holds) for name in ("frames_lost", "frames"))
    return Fact(str(lost), f"frames lost of {lost + kept}", "" if lost else "good")


def _largest_dose(dose: DoseLedger) -> Iterable[Fact]:
    known = [region for region in dose.regions if dose.counted_per_nm2(region) >= 0]
    if not known:
        return
    worst = max(known, key=dose.counted_per_nm2)
    share = dose.share(worst)
    limit = f", {percent(share)} of the limit" if share >= 0 else ""
    kind = "bad" if share > 1 else ""
    yield Fact(
        scientific(dose.counted_per_nm2(worst)), f"e/nm² at most, on region {worst.number}{limit}", kind
    )
