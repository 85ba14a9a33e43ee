"""The report of a study: one offline page, its figures and tables as files."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annealscope.controller.config.study import StudyFile
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.report.page import drawn, publish, template, write_text
from annealscope.controller.report.provenance import fingerprints, sha256_of
from annealscope.controller.report.save import write_csv
from annealscope.controller.report.study.digest import digest
from annealscope.controller.report.study.figures import CHAPTERS, TABLE_1_NEEDS, study_figures
from annealscope.controller.report.study.load import load_study_runs
from annealscope.controller.report.study.numbers_table import Number, number_cells, numbers, table_numbers
from annealscope.controller.report.study.on_paper import Drawn, write_paper
from annealscope.controller.report.study.relaxation_table import (
    BETA,
    TAU,
    Line,
    Quantity,
    failed_cells,
    line_cells,
    lines,
    table_relaxation,
    tiles,
)
from annealscope.controller.report.study.summary import RoleSummary, StudySummary
from annealscope.controller.report.tables import NamedCells

PAGE, NUMBERS, PAPER, EXTRACTS = "index.html", "study.json", "study.pdf", "extracts"
"""What the folder of a report has besides its figures; the last may be there before the others."""


def check_place(folder: Path) -> None:
    """Refuse a folder that has anything but an earlier report of a study.

    Raises
    ------
    RunError
        Something else is there.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; give a folder with -o", ExitCode.USAGE)
    others = {path.name for path in folder.iterdir()} - {EXTRACTS} if folder.is_dir() else set()
    if others and NUMBERS not in others:
        raise RunError(
            f"{folder} has other files in it: the report of a study needs a new folder, or that of an "
            "earlier one; name it with -o",
            ExitCode.USAGE,
        )


def write_study(given: StudyFile, folder: Path, extracts: Mapping[str, Path]) -> Path:
    """Write the report of a study.

    Everything is drawn beside the report and moved into place at the end, the page last.

    Parameters
    ----------
    given
        The study file.
    folder
        Where the report is written, see `check_place`.
    extracts
        Files of results of the beginnings of movies, by role.

    Returns
    -------
    Path of the page.

    Raises
    ------
    RunError
        The folder is used for something else.
    """
    check_place(folder)
    study = load_study_runs(given, extracts)
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".report-", dir=folder))
    try:
        (draft / "figures").mkdir()
        table, found = lines(study.compared(), study.paper), numbers(study)
        figures, values = _drawn(study, draft / "figures"), tables(study, table, found)
        known = digest(study, table, found, [shown for shown, _ in figures])
        write_text(draft / NUMBERS, json.dumps(known, indent=1, ensure_ascii=False))
        write_csv(draft / "figures" / "table_1.csv", table_relaxation(table))
        write_csv(draft / "figures" / "table_2.csv", table_numbers(found))
        write_text(draft / PAGE, _render(study, values, figures))
        write_paper(draft / PAPER, study, values, figures)
        return publish(draft, folder, (NUMBERS, PAPER, PAGE))
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _drawn(study: StudySummary, folder: Path) -> list[Drawn]:
    """Draw every figure that there are data for into a folder."""
    return [(each, drawn([each.plate], folder) if each.plate else []) for each in study_figures(study)]


def _render(study: StudySummary, values: dict[str, Any], figures: list[Drawn]) -> str:
    """Return the page."""
    with ThreadPoolExecutor(1) as aside:  # hashing needs the disk, the rest the processor
        prints = aside.submit(_fingerprints, study)
        shown = values | {"figures": figures, "groups": _groups(figures)}
        runs = [(role, _facts(role)) for role in study.roles.values()]
        return str(
            template("study.html").render(study=study, runs=runs, fingerprints=prints.result(), **shown)
        )


def tables(study: StudySummary, table: list[Line], found: list[Number]) -> dict[str, Any]:
    """Return both tables of the paper and what stands around them, for the page and the PDF."""
    return {
        "facts": tiles(study, table),
        "tables": [(quantity.words, _cells(study, table, quantity)) for quantity in (TAU, BETA)],
        "numbers": [number_cells(each) for each in found],
        "failed": failed_cells(study),
        "lacking": dict.fromkeys(TABLE_1_NEEDS.lacking(study)),
    }


@dataclass(frozen=True)
class Group:
    """A chapter of figures."""

    title: str
    rows: list[list[Drawn]]
    """A wide one alone, narrow ones in pairs."""


def _groups(figures: list[Drawn]) -> list[Group]:
    return [Group(title, _rows([each for each in figures if each[0].chapter == title])) for title in CHAPTERS]


def _rows(found: list[Drawn]) -> list[list[Drawn]]:
    rows: list[list[Drawn]] = []
    for each in found:
        if each[0].wide or not rows or rows[-1][-1][0].wide or len(rows[-1]) == 2:
            rows.append([each])
        else:
            rows[-1].append(each)
    return rows


def _cells(study: StudySummary, table: list[Line], quantity: Quantity) -> list[NamedCells]:
    return [line_cells(line, quantity, study.simulated, study.paper is not None) for line in table]


def _fingerprints(study: StudySummary) -> dict[str, str]:
    """Return the SHA-256 of every hold file by run and name."""
    return {
        f"{role.name}/{name}": value
        for role in study.roles.values()
        if role.run is not None
        for name, value in fingerprints(role.folder).items()
    }


def _facts(role: RoleSummary) -> list[tuple[str, str]]:
    """Return what a run was, in a few words each."""
    run = role.run
    if run is None:
        return []
    known = run.provenance
    names = ("version", "rig", "seed", "protocol sha256", "rig sha256")
    facts = [
        ("folder", str(role.folder)),
        ("protocol", run.title),
        ("outcome", run.outcome),
        *((name, str(known[name])) for name in names if name in known),
    ]
    journal = role.folder / "journal.jsonl"
    if journal.is_file():
        facts.append(("journal sha256", sha256_of(journal)))
    if role.command and "seed" in known:
        facts.append(("command", role.command))
    return facts
