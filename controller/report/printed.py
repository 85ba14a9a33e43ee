"""The report of a run on paper: which parts it has, in the order of the page."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from annealscope.controller.config.wording import duration
from annealscope.controller.report.numbers import sentence
from annealscope.controller.report.overview import METHODS, Column, Row
from annealscope.controller.report.pdf import CellTable, Cover, Section, write_pdf
from annealscope.controller.report.summary_run import RunSummary
from annealscope.controller.report.tables import NamedCells

HEADLINE = (
    "τ corrected: the number to believe unless it is flagged; its model contains the finite length of the "
    "record. T/τ: relaxation times in the record. τ per pixel: the published estimator, which reads short on "
    "a finite record. ± is a statistical standard error."
)

TRUTH = "The specimen was simulated, so the truth is known. A flagged number is not judged."

GENERATED = "The methods of the run, generated from its record. What is not in the record is left out."

PROVENANCE = ("rig", "version", "seed", "clock", "protocol sha256", "rig sha256")
"""Facts for the first page; the others are on the HTML page."""


def write_run_pdf(path: Path, run: RunSummary, values: Mapping[str, Any]) -> None:
    """Write the report of a run as PDF.

    Parameters
    ----------
    path
        The file.
    run
        The run.
    values
        What the HTML page is filled with: tables and drawn figures by their place.
    """
    write_pdf(path, _cover(run, values), _sections(run, values))


def _cover(run: RunSummary, values: Mapping[str, Any]) -> Cover:
    facts = [
        ("run", run.folder.name),
        ("begun", f"{run.started_utc[:16].replace('T', ' ')} UTC" if run.started_utc else ""),
        ("lasted", duration(run.ended_s - run.started_s)),
        *((name, str(run.provenance[name])) for name in PROVENANCE if name in run.provenance),
    ]
    outcome = f"{values['outcome']} {sentence(run.why)}"
    simulated = " Simulated specimen." if run.simulated else ""
    return Cover(run.title, outcome.strip() + simulated, values["facts"], [fact for fact in facts if fact[1]])


def _sections(run: RunSummary, values: Mapping[str, Any]) -> Iterator[Section]:
    table = [headline(row, values["columns"]) for row in values["rows"]]
    yield Section(
        "What the glass did", [CellTable(table, HEADLINE)] if table else ["No hold was opened in this run."]
    )
    yield Section("The run", values["course"])
    yield Section(values["results_title"], values["results"])
    yield Section("Against the truth", _tables([cells for _, cells in values["checks"]], TRUTH))
    yield Section("Dose", _tables(values["doses"], "In e/nm²; thickness in mean free paths."))
    for _, holds in values["stays"]:
        for hold, plates in holds:
            words = " · ".join(
                [METHODS.get(hold.method, hold.method), hold.name, *values["descriptions"][hold.name]]
            )
            estimates = _tables(values["estimates"][hold.name])
            yield Section(hold.heading, [*hold.missing, *estimates, *plates], words)

    yield Section("For the manuscript", values["methods_text"], GENERATED)


def _tables(rows: list[NamedCells], note: str = "") -> list[CellTable]:
    return [CellTable(rows, note)] if rows else []


def headline(row: Row, columns: list[Column]) -> NamedCells:
    """Return a line of the first table, each cell with its name."""
    numbers = zip((column.title for column in columns), row.cells, strict=True)
    return [("Hold", row.temperature), *numbers, ("Lost frames", row.lost)]
