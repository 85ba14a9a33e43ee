"""The report of a study as PDF: its tables and figures in the order of the paper."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from annealscope.controller.config.wording import counted
from annealscope.controller.report.pdf import CellTable, Cover, Part, Section, write_pdf
from annealscope.controller.report.save import DrawnPlate
from annealscope.controller.report.study.figures import CHAPTERS, Shown
from annealscope.controller.report.study.summary import StudySummary

TABLE_1 = (
    "Corrected: the number to believe unless it is flagged; its model contains the finite length of the "
    "record. Two-time: from the two-time correlation with a free baseline. ± is a standard error. Per "
    "pixel, a plain fit: the paper's estimator, which reads short on a finite record; beside it what the "
    "length of the record alone makes of the corrected values, on average."
)
UNDONE = (
    "Paper: its Table 1. Bias undone: the values of a glass in a steady state of which the paper's "
    "estimator makes the paper's values in a record as long as this one."
)

TABLE_2 = "± is the standard error of the estimator named."
APART = (
    "Apart: the difference from the paper's value in standard errors of the difference. The simulated glass "
    "has the values of Table 1 of the paper as its true ones, and not the asymptotes, which are larger."
)
FAILED = "Numbers of the simulated specimen that are further from the truth than they may be."

Drawn = tuple[Shown, Sequence[DrawnPlate]]
"""A figure of the paper, and its plate where there are data for it."""


def write_paper(path: Path, study: StudySummary, values: Mapping[str, Any], figures: Sequence[Drawn]) -> None:
    """Write the report as PDF; the figures are of no other use afterwards.

    Parameters
    ----------
    path
        The file.
    study
        The study.
    values
        The tables that the HTML page is filled with.
    figures
        The figures of the paper.
    """
    runs = f"{counted(len(study.roles), 'run')}{', simulated specimen' if study.simulated else ''}"
    facts = [(role.name, role.missing or str(role.folder)) for role in study.roles.values()]
    write_pdf(path, Cover(study.title, runs, values["facts"], facts), _sections(study, values, figures))


def _sections(study: StudySummary, values: Mapping[str, Any], figures: Sequence[Drawn]) -> Iterable[Section]:
    yield from _tables(study, values)
    for chapter in CHAPTERS:
        of_chapter = [each for each in figures if each[0].chapter == chapter]
        yield Section(chapter, [part for each in of_chapter for part in _parts(*each)])


def _tables(study: StudySummary, values: Mapping[str, Any]) -> Iterable[Section]:
    (tau, of_tau), (beta, of_beta) = values["tables"]
    yield Section(f"Table 1 · {tau}", [CellTable(of_tau)])
    note = f"{TABLE_1} {UNDONE}" if study.paper else TABLE_1
    yield Section(f"Table 1 · {beta}", [CellTable(of_beta, note)])
    note = f"{TABLE_2} {APART}" if study.paper and study.simulated else TABLE_2
    yield Section("Table 2 · Other numbers", [CellTable(values["numbers"], note)])
    if values["failed"]:
        yield Section("Beyond the tolerance", [CellTable(values["failed"], FAILED)])


def _parts(shown: Shown, plates: Sequence[DrawnPlate]) -> Iterable[Part]:
    yield from plates
    if shown.missing:
        yield " ".join([f"{shown.heading}:", *shown.missing])
