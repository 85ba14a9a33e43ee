"""The report: one offline HTML page, and its figures as files."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from annealscope.controller.config.wording import duration, scientific
from annealscope.controller.report import overview
from annealscope.controller.report.across import TEMPERATURE, changes
from annealscope.controller.report.digest import digest
from annealscope.controller.report.estimates import estimate_cells, table_estimates
from annealscope.controller.report.ledger import counts
from annealscope.controller.report.load import load_run
from annealscope.controller.report.logbook import logbook, markdown, table_logbook
from annealscope.controller.report.manuscript import methods_text
from annealscope.controller.report.numbers import sentence
from annealscope.controller.report.plates import Plate, hold_plates, run_plates
from annealscope.controller.report.printed import write_run_pdf
from annealscope.controller.report.provenance import fingerprints, recipe
from annealscope.controller.report.save import DrawnPlate, save_plate, write_csv
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import RunSummary
from annealscope.controller.report.tables import check_cells, description, dose_cells, table_dose
from annealscope.controller.report.verdicts import Check, checks, table_checks

FILES = ("summary.json", "methods.txt", "logbook.csv", "logbook.md", "report.pdf", "index.html")
"""What a report has besides its figures, in the order in which it is put into place."""

FOLDED_FROM = 5
"""Acquisitions from which on the page shows them folded, by temperature."""

OUTCOMES = {
    "success": "Finished as planned.",
    "incomplete": "Finished, but the record is not complete.",
    "stopped": "Stopped before the plan was through.",
    "aborted": "Aborted.",
    "failed": "Failed.",
    "crashed": "Crashed.",
    "parked": "Parked.",
    "unfinished": "Not finished.",
}

GOES_ON = "`annealscope continue` goes on."
"""Said of a run that has ended, but may be continued."""


def write_report(run_folder: Path) -> Path:
    """Write the report of a run: the page ``report/index.html``, `FILES`, and ``report/figures/*``.

    Everything is drawn beside the report and moved into place at the end, the page last: a reader never
    sees half a report, and a failed one leaves the previous one as it was.

    Parameters
    ----------
    run_folder
        Any run folder, finished or not, with or without results.

    Returns
    -------
    Path of the page.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    """
    if not run_folder.is_dir():
        raise FileNotFoundError(
            f"report: a run folder is needed, {run_folder} is not a folder; check the path"
        )
    run = load_run(run_folder)
    draft = Path(tempfile.mkdtemp(prefix=".report-", dir=run_folder))
    try:
        (draft / "figures").mkdir()
        write_text(draft / "summary.json", json.dumps(digest(run), indent=1, ensure_ascii=False))
        methods = methods_text(run)
        write_text(draft / "methods.txt", methods)
        _write_logbook(run, draft)
        write_text(draft / "index.html", render_page(run, methods, draft))
        return publish(draft, run_folder / "report", FILES)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_logbook(run: RunSummary, draft: Path) -> None:
    """Write the logbook for programs and for people."""
    book = logbook(run)
    write_csv(draft / "logbook.csv", table_logbook(book))
    write_text(draft / "logbook.md", markdown(book))


def write_text(path: Path, text: str) -> None:
    """Write a text, the same on every platform."""
    path.write_text(text, encoding="utf-8", newline="\n")


def publish(draft: Path, report: Path, names: Sequence[str]) -> Path:
    """Move a draft into the report, the files of those names last, and remove figures no longer made.

    Returns
    -------
    Path of the last one: the page.
    """
    (report / "figures").mkdir(parents=True, exist_ok=True)
    made = {path.name for path in (draft / "figures").iterdir()}
    for name in sorted(made):
        os.replace(draft / "figures" / name, report / "figures" / name)
    for path in (report / "figures").iterdir():
        if path.name not in made:
            path.unlink()
    for name in names:
        os.replace(draft / name, report / name)
    return report / names[-1]


def render_page(run: RunSummary, methods: str, draft: Path) -> str:
    """Draw all figures into a draft, print them with the methods, and return the page that embeds them."""
    figures = draft / "figures"
    # Large files are read while the figures are drawn: hashing needs the disk, drawing the processor.
    with ThreadPoolExecutor(1) as aside:
        digests = aside.submit(fingerprints, run.folder)
        found = checks(run.holds)
        _write_tables(run, found, figures)
        values = _figures(run, figures) | _numbers(run, found) | {"methods_text": methods.splitlines()}
        write_run_pdf(draft / "report.pdf", run, values)
        return str(template("page.html").render(run=run, fingerprints=digests.result(), **values))


def template(name: str) -> Any:
    """Return a page to be filled in."""
    # Nothing but the page's own text is trusted: names and messages come from files.
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_resource),
    )
    environment.filters |= {"duration": duration, "sentence": sentence, "scientific": scientific}
    environment.globals["css"] = _resource("page.css")
    return environment.get_template(name)


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _write_tables(run: RunSummary, found: list[Check], figures: Path) -> None:
    if found:
        write_csv(figures / "truth.csv", table_checks(found))
    if run.dose.regions:
        write_csv(figures / "dose.csv", table_dose(run.dose))
    for hold in run.holds:
        if hold.fits:
            write_csv(figures / f"{hold.name}_estimates.csv", table_estimates(hold))


def drawn(plates: Iterable[Plate], figures: Path) -> list[DrawnPlate]:
    """Draw figures into a folder, and return them as the page shows them."""
    return [save_plate(plate, figures) for plate in plates]


def _figures(run: RunSummary, figures: Path) -> dict[str, Any]:
    """Draw everything, and return it by its place on the page."""
    of_run = drawn(run_plates(run), figures)
    return {
        "course": [each for each in of_run if each.plate.wide],
        "results": [each for each in of_run if not each.plate.wide],
        "stays": [
            (stay, [(hold, drawn(hold_plates(hold), figures)) for hold in stay.holds])
            for stay in overview.stays(run.holds)
        ],
    }


def _numbers(run: RunSummary, found: list[Check]) -> dict[str, Any]:
    """Return what the page shows beside its figures."""
    columns = overview.columns(run.holds)
    labels = {hold.name: f"{overview.METHODS.get(hold.method, '')} {hold.label}" for hold in run.holds}
    return {
        "outcome": _outcome(run),
        "good": _outcome(run) == OUTCOMES["success"],
        "facts": overview.facts(run, found),
        "methods": overview.METHODS,
        "columns": columns,
        "results_title": results_title(run.holds),
        "shown": {column.key for column in columns},
        "rows": overview.rows(run.holds, columns),
        "checks": [(check, check_cells(check)) for check in found],
        "doses": [dose_cells(run.dose, region, labels) for region in run.dose.regions],
        "estimates": {hold.name: estimate_cells(hold) for hold in run.holds},
        "descriptions": {hold.name: list(description(hold, run.dose.regions)) for hold in run.holds},
        "counts": counts(run.holds, run.ledger, run.holds_planned),
        "missing": _missing(run),
        "nothing_lost": _nothing_lost(run),
        "unfolded": len(run.holds) < FOLDED_FROM,
        "recipe": recipe(run.provenance, run.simulated),
    }


def results_title(holds: Sequence[HoldSummary]) -> str:
    """Return the heading of the figures that compare the holds."""
    if changes(holds, TEMPERATURE):
        return "Against temperature"
    return "Across the holds" if len(holds) > 1 else "The result"


def _missing(run: RunSummary) -> list[str]:
    return [*run.missing, *(f"{hold.name}: {text}" for hold in run.holds for text in hold.missing)]


def _nothing_lost(run: RunSummary) -> bool:
    return not _missing(run) and not any(entry.weight == "lost" for entry in run.ledger)


def _outcome(run: RunSummary) -> str:
    if run.outcome == "success" and not all(hold.analysed for hold in run.holds):
        return "Finished, but results are missing."
    text = OUTCOMES.get(run.outcome, run.outcome)
    return f"{text.removesuffix('.')}: {GOES_ON}" if run.goes_on else text
