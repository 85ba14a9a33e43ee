"""The report: one offline HTML page, and its figures as files."""

import os
import shutil
import tempfile
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from annealscope.controller.report.load import load_run
from annealscope.controller.report.numbers import duration, pm, sentence
from annealscope.controller.report.plates import Plate, hold_plates, run_plates, save_plate
from annealscope.controller.report.summary import Fit, HoldSummary, RunSummary, Truth

AGREES_Z, DISAGREES_Z = 2.0, 4.0
"""Standard deviations up to which an estimate agrees with the truth, and from which it does not."""

OUTCOMES = {
    "success": "Finished as planned.",
    "incomplete": "Finished, but the record is not complete.",
    "stopped": "Stopped before the plan was through.",
    "aborted": "Aborted.",
    "failed": "Failed.",
    "unfinished": "Not finished.",
}


@dataclass(frozen=True)
class DrawnPlate:
    """A figure as the page shows it."""

    plate: Plate
    data_uri: str


def write_report(run_folder: Path) -> Path:
    """Write ``report/index.html`` and ``report/figures/*`` of a run.

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
        figures = draft / "figures"
        figures.mkdir()
        page = render_page(run, figures)
        (draft / "index.html").write_text(page, encoding="utf-8", newline="\n")
        return _publish(draft, run_folder / "report")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, report: Path) -> Path:
    """Move a draft into the report, the page last, and remove figures that are no longer made."""
    (report / "figures").mkdir(parents=True, exist_ok=True)
    made = {path.name for path in (draft / "figures").iterdir()}
    for name in sorted(made):
        os.replace(draft / "figures" / name, report / "figures" / name)
    for path in (report / "figures").iterdir():
        if path.name not in made:
            path.unlink()
    os.replace(draft / "index.html", report / "index.html")
    return report / "index.html"


def render_page(run: RunSummary, figures: Path) -> str:
    """Draw all figures into a folder and return the page that embeds them."""

    def drawn(plates: Iterable[Plate]) -> list[DrawnPlate]:
        return [DrawnPlate(plate, _data_uri(save_plate(plate, figures))) for plate in plates]

    # Nothing but the page's own text is trusted: names and messages come from files.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"duration": duration, "sentence": sentence}
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        run=run,
        outcome=_outcome(run),
        good=_outcome(run) == OUTCOMES["success"],
        rows=[headline(hold) for hold in run.holds],
        run_plates=drawn(run_plates(run)),
        holds=[(hold, drawn(hold_plates(hold))) for hold in run.holds],
        losses=[(hold, loss) for hold in run.holds for loss in hold.losses],
        missing=[*run.missing, *(f"{hold.name}: {text}" for hold in run.holds for text in hold.missing)],
        simulated=any(hold.truth for hold in run.holds),
    )


def _outcome(run: RunSummary) -> str:
    if run.outcome == "success" and not all(hold.fits for hold in run.holds):
        return "Finished, but results are missing."
    return OUTCOMES.get(run.outcome, run.outcome)


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"


@dataclass(frozen=True)
class Cell:
    """A number as it is read, with the number itself."""

    text: str
    value: float | None = None
    kind: str = ""
    """How it is shown: ``best``, ``good``, ``bad``, or like any other."""

    note: str = ""
    """What has to be known about the number, below it."""


UNKNOWN = Cell("–")


def headline(hold: HoldSummary) -> Mapping[str, Cell]:
    """Return a hold's row of the first table."""
    best, plain, truth = hold.fits.get("corrected"), hold.fits.get("pixel"), hold.truth
    residual_nm = hold.drift.largest_residual_nm if hold.drift else float("nan")
    return {
        "temperature": Cell(hold.label, hold.setpoint_degC),
        "frames": Cell(_frames(hold), hold.frames),
        "duration": Cell(duration(hold.duration_s), hold.duration_s),
        "tau": _estimate(best, "tau_s", "s"),
        "beta": replace(_estimate(best, "beta"), note=""),
        "lengths": _lengths(hold, best),
        "tau_pixel": _reads_short(plain),
        "truth": Cell(f"{truth.tau_s:.4g} s, β {truth.beta:.3g}", truth.tau_s) if truth else UNKNOWN,
        "verdict": _verdict(best, truth),
        "residual": Cell(f"{residual_nm:.2f} nm", residual_nm) if np.isfinite(residual_nm) else UNKNOWN,
        "lost": Cell(_lost(hold), hold.frames_lost, "bad" if hold.frames_lost else ""),
    }


def _frames(hold: HoldSummary) -> str:
    short = hold.frames_planned is not None and hold.frames + hold.frames_lost < hold.frames_planned
    return f"{hold.frames} of {hold.frames_planned}" if short else str(hold.frames)


def _lost(hold: HoldSummary) -> str:
    return f"{hold.frames_lost}, {hold.frames_unused} unused" if hold.frames_unused else str(hold.frames_lost)


def _estimate(fit: Fit | None, name: str, unit: str = "") -> Cell:
    """Write a corrected value: the one to believe, unless the fit was flagged."""
    if fit is None or not np.isfinite(getattr(fit, name)):
        return Cell("–", note=fit.flagged if fit else "")
    value = getattr(fit, name)
    text = pm(value, getattr(fit, f"sigma_{name}"), unit)
    return Cell(text, value, note=fit.flagged) if fit.flagged else Cell(text, value, "best")


def _reads_short(fit: Fit | None) -> Cell:
    """Write a plain relaxation time without its statistical error, which is not what it is wrong by."""
    if fit is None or not np.isfinite(fit.tau_s):
        return UNKNOWN
    return Cell(pm(fit.tau_s, unit="s"), fit.tau_s)


def _lengths(hold: HoldSummary, fit: Fit | None) -> Cell:
    """Return how many relaxation times fit into the record."""
    ratio = hold.duration_s / fit.tau_s if fit and fit.tau_s > 0 else float("nan")
    return Cell(f"{ratio:.1f}", ratio) if np.isfinite(ratio) else UNKNOWN


def _verdict(fit: Fit | None, truth: Truth | None) -> Cell:
    """Say how far the corrected time is from the true one, in its standard deviations."""
    z: Any = fit.z_score(truth) if fit and truth and not fit.flagged else float("nan")
    if not np.isfinite(z):
        return UNKNOWN
    answer, kind = ("yes", "good") if abs(z) <= AGREES_Z else ("unclear", "")
    if abs(z) > DISAGREES_Z:
        answer, kind = "no", "bad"
    return Cell(f"{answer} (z = {z:+.1f})".replace("-", "−"), z, kind)
