"""The logbook of a run: one line per acquisition, and per event that a reader should know, in time order."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from annealscope.controller.config.wording import duration, scientific
from annealscope.controller.report.cells import UNKNOWN, Cell, beta, crystals, peak_height, tau
from annealscope.controller.report.load_arrays import number
from annealscope.controller.report.load_journal import Record, Records
from annealscope.controller.report.numbers import sentence
from annealscope.controller.report.overview import METHODS
from annealscope.controller.report.style import Table
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER
from annealscope.controller.report.summary_run import RegionDose, RunSummary

STEPS = frozenset({"ramp", "cool", "wait", "prepare"})
"""Steps of a protocol that have a line; others have one by what comes of them."""


@dataclass(frozen=True)
class Line:
    """One line; what does not apply is NaN or empty."""

    t_s: float
    """On the run's clock."""

    what: str
    why: str = ""
    where: str = ""
    """The acquisition it belongs to."""

    hold: HoldSummary | None = None
    """The acquisition that it is."""


@dataclass(frozen=True)
class Logbook:
    """The lines of a run, and what else is known of their moments."""

    run: RunSummary
    lines: tuple[Line, ...]
    stamps: Sequence[tuple[float, str]]
    """Times on the run's clock, rising, with their UTC."""

    doses_per_nm2: Mapping[int, float]
    """Of the region of an acquisition when it had ended, by ordinal."""

    def utc(self, t_s: float) -> str:
        """Return the UTC of a time, counted from the record before; empty when there is none."""
        place = bisect_right(self.stamps, (t_s, "~")) - 1
        if math.isnan(t_s) or place < 0:
            return ""
        before_s, utc = self.stamps[place]
        return (datetime.fromisoformat(utc) + timedelta(seconds=t_s - before_s)).isoformat(timespec="seconds")

    def temperature_degC(self, line: Line) -> float:
        """Return the mean reading of an acquisition, of an event the last one before; NaN if unknown."""
        hold, trace = line.hold, self.run.trace
        if trace is None or math.isnan(line.t_s):
            return hold.setpoint_degC if hold else NOT_A_NUMBER
        until_s = hold.closed_s if hold else line.t_s
        first, last = np.searchsorted(trace.t_s, (line.t_s, until_s), "right")
        readings = trace.measured_degC[max(min(first, last - 1), 0) : max(last, 1)]
        return float(np.nanmean(readings)) if np.isfinite(readings).any() else NOT_A_NUMBER

    def region(self, hold: HoldSummary) -> RegionDose | None:
        """Return the region of an acquisition."""
        found = [region for region in self.run.dose.regions if hold.name in region.holds]
        return found[-1] if found else None


def logbook(run: RunSummary) -> Logbook:
    """Return the logbook of a run."""
    lines = [*_acquisitions(run), *_events(run.records), *_ledger(run)]
    doses, key = (record for record in run.records if record["kind"] == "dose"), f"{run.dose.counts}_per_nm2"
    return Logbook(
        run,
        tuple(sorted(lines, key=lambda line: (math.isnan(line.t_s), line.t_s))),
        sorted((float(record["t_s"]), str(record["utc"])) for record in run.records if "utc" in record),
        {record.get("hold", 0): number(record.get(key)) for record in doses},
    )


def _acquisitions(run: RunSummary) -> Iterator[Line]:
    for hold in run.holds:
        method = METHODS.get(hold.method, hold.method)
        yield Line(hold.opened_s, f"acquisition: {method} · {hold.heading}", "", hold.name, hold)


def _events(records: Records) -> Iterator[Line]:
    for record in records:
        what, why = _event(record)
        if what:
            yield Line(float(record["t_s"]), what, why)


def _event(record: Record) -> tuple[str, str]:
    """Return what a record of the journal means to a reader, and why; nothing for most."""
    match record:
        case {"kind": "run_started"}:
            return "run started", f"{record.get('protocol', '')}, rig {record.get('rig', 'unknown')}"
        case {"kind": "run_ended", "outcome": outcome}:
            return f"run ended: {outcome}", str(record.get("why") or "")
        case {"kind": "step", "step": step, "label": label} if step in STEPS:
            return str(label), ""
        case {"kind": "settled"}:
            return "temperature reached", ""
        case {"kind": "optics", "name": name}:
            by_hand = record.get("by_hand") or ()
            return f"optics {name}", f"set by hand: {', '.join(map(str, by_hand))}" if by_hand else ""
        case {"kind": "region", "number": region}:
            return f"fresh region {region}", ""
        case {"kind": "drift_rate", "nm_per_min": rate}:
            return f"drift {number(rate):.3g} nm/min", ""
        case {"kind": "prompt"}:
            return "operator asked", str(record.get("message") or "")
    return "", ""


def _ledger(run: RunSummary) -> Iterator[Line]:
    for entry in run.ledger:
        yield Line(entry.t_s, entry.what, entry.why, entry.where)


def table_logbook(book: Logbook) -> Table:
    """Return the logbook with one column per number."""
    header = (
        "UTC", "run time / s", "what", "why", "acquisition", "temperature / degC", "region", "optics",
        "exposure / s", "period / s", "frames", "frames lost", "dose of the region so far / 1/nm^2",
        "thickness / mean free paths", "tau / s", "sigma tau / s", "beta / 1", "sigma beta / 1",
        "V first peak / 1", "sigma V / 1", "crystals", "estimator", "flagged",
    )  # fmt: skip
    return header, [_row(book, line) for line in book.lines]


def _row(book: Logbook, line: Line) -> tuple[Any, ...]:
    start = (
        book.utc(line.t_s), line.t_s - book.run.started_s, line.what, line.why, line.where,
        book.temperature_degC(line),
    )  # fmt: skip
    hold = line.hold
    if hold is None:
        return (*start, *("",) * 17)
    region = book.region(hold)
    exposure_s = number(hold.announcement.get("exposure_s"))
    return (
        *start, str(region.number) if region else "", optics(hold), exposure_s, hold.period_s, hold.frames,
        hold.frames_lost, book.doses_per_nm2.get(hold.ordinal, NOT_A_NUMBER),
        region.thickness if region else NOT_A_NUMBER, *_numbers(hold),
    )  # fmt: skip


def optics(hold: HoldSummary) -> str:
    """Return the name of the state of the column."""
    state = hold.announcement.get("settings", {}).get("optics") or {}
    return str(state.get("name") or state.get("mode") or "")


def _numbers(hold: HoldSummary) -> tuple[Any, ...]:
    """Return the results of an acquisition."""
    fit = hold.fits.get("corrected")
    peak = hold.variance.peaks.get("first") if hold.variance else None
    verdict = hold.ring_difference
    fitted = (fit.tau_s, fit.sigma_tau_s, fit.beta, fit.sigma_beta) if fit else (NOT_A_NUMBER,) * 4
    of_peak = (peak.V_max, peak.sigma_V_max) if peak else (NOT_A_NUMBER,) * 2
    flagged = fit.flagged if fit else peak.flagged if peak else ""
    return (*fitted, *of_peak, crystals(hold).text if verdict else "", estimator(hold), flagged)


def estimator(hold: HoldSummary) -> str:
    """Say where the result of an acquisition comes from."""
    if "corrected" in hold.fits:
        return "ratio, length in the model"
    if hold.variance:
        return "variance of each pixel, noise subtracted"
    return "ring profile against the reference" if hold.ring_difference else ""


def _rehearsed(run: RunSummary) -> str:
    """Say that a specimen was simulated, and that hours of virtual time have not passed."""
    if not run.simulated:
        return ""
    virtual = run.provenance.get("clock") == "max"
    return " The specimen was simulated." + (" All times after the start are virtual." if virtual else "")


HEADER = ("UTC", "Run time", "What", "T / °C", "Region", "Optics", "Exposure", "Frames", "Dose", "Result ± σ")


def markdown(book: Logbook) -> str:
    """Return the logbook as a page of an electronic notebook: a table in Markdown."""
    run = book.run
    rows = [_entry(book, line) for line in book.lines]
    table = [f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
    table += [f"| {' | '.join(_escaped(text) for text in row)} |" for row in rows]
    names = ("run", "rig", "version", "seed")
    facts = [f"{name} {run.provenance[name]}" for name in names if name in run.provenance]
    paragraphs = [
        f"# {_escaped(run.title)}",
        _escaped(f"{sentence(run.outcome)} {sentence(run.why)}".strip()),
        _escaped(sentence(", ".join(facts))) + _rehearsed(run),
        "\n".join(table),
        "T: mean during an acquisition, else the last reading. Dose: of the region up to then, in e/nm². "
        "Thickness in mean free paths. ±: standard error.",
    ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _entry(book: Logbook, line: Line) -> tuple[str, ...]:
    what = f"{sentence(line.what)} {sentence(line.why)}".strip()
    temperature = book.temperature_degC(line)
    start = (
        book.utc(line.t_s)[:19].replace("T", " "),
        duration(line.t_s - book.run.started_s),
        what if line.hold or not line.where else f"{line.where}: {what}",
        f"{temperature:.1f}" if math.isfinite(temperature) else "",
    )
    hold = line.hold
    if hold is None:
        return (*start, *("",) * 6)
    exposure_s = number(hold.announcement.get("exposure_s"))
    dose = book.doses_per_nm2.get(hold.ordinal, NOT_A_NUMBER)
    return (
        *start, _place(book.region(hold)), optics(hold), f"{exposure_s:g} s" if exposure_s > 0 else "",
        f"{hold.frames}{f', {hold.frames_lost} lost' if hold.frames_lost else ''}",
        scientific(dose) if math.isfinite(dose) else "", _result(hold),
    )  # fmt: skip


def _place(region: RegionDose | None) -> str:
    if region is None:
        return ""
    thickness = f", thickness {region.thickness:.2f}" if math.isfinite(region.thickness) else ""
    return f"{region.number}{thickness}"


def _result(hold: HoldSummary) -> str:
    """Return the results of an acquisition in words."""
    cells: Iterable[tuple[str, Cell]] = {
        "ecm": (("τ = ", tau(hold)), ("β = ", beta(hold))),
        "fem": (("V₁ = ", peak_height(hold)),),
        "diffraction": (("", crystals(hold)),),
    }.get(hold.method, ())
    known = [(name, cell) for name, cell in cells if cell != UNKNOWN]
    found = ", ".join(f"{name}{cell.text}{f' ({cell.note})' if cell.note else ''}" for name, cell in known)
    return f"{found} [{estimator(hold)}]" if found and estimator(hold) else found


def _escaped(text: str) -> str:
    """Return a text that stays in its cell and is taken for nothing but text."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\|`*_<>[]#" else letter for letter in flat)
