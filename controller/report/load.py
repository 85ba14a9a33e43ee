"""Reads a run folder into a RunSummary; whatever is absent or damaged becomes a sentence, never an error."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from annealscope.controller.config.wording import counted
from annealscope.controller.journal import read_journal
from annealscope.controller.report.apart import told_apart
from annealscope.controller.report.compare import with_ring_differences
from annealscope.controller.report.ledger import ledger
from annealscope.controller.report.load_arrays import number
from annealscope.controller.report.load_dose import load_dose
from annealscope.controller.report.load_hold import load_hold
from annealscope.controller.report.load_journal import (
    Record,
    Records,
    first,
    goes_on,
    interruptions,
    outcome,
    temperature_trace,
)
from annealscope.controller.report.load_probes import load_probes, load_scaled
from annealscope.controller.report.provenance import json_of, provenance, text_of
from annealscope.controller.report.summary import HoldSummary, Loss
from annealscope.controller.report.summary_run import RunSummary

Planned = dict[str, str]
"""Method of every planned acquisition, by name."""

LISTS = frozenset({"position_nm", "by_hand"})
"""Fields of the journal that are lists; all others are single values."""


def load_run(folder: Path) -> RunSummary:
    """Read what there is of a run.

    Parameters
    ----------
    folder
        A run folder, finished or not. ``journal.jsonl``, ``protocol.yaml``, ``environment.json``,
        ``run.nxs`` and ``holds/*.nxs`` are all optional; what is missing is listed in the summary.
    """
    journal = list(read_journal(folder / "journal.jsonl"))
    records = [_usable(record) for record in journal if math.isfinite(number(record.get("t_s")))]
    started, plan = first(records, "run_started"), json_of(folder / "plan.json")
    planned = _planned(plan)
    holds = with_ring_differences(told_apart(list(_holds(folder, records, planned))))
    standing = tuple(interruptions(records))
    end, why = outcome(records)
    stratton_voyles, pair_persistence = load_probes(folder / "run.nxs")
    return RunSummary(
        folder=folder,
        title=str(started.get("protocol") or folder.name),
        outcome=end,
        why=why,
        goes_on=goes_on(records),
        started_s=float(started.get("t_s", 0.0)),
        ended_s=float(records[-1]["t_s"]) if records else float("nan"),
        started_utc=str(started.get("utc", "")),
        records=records,
        trace=temperature_trace(records),
        interruptions=standing,
        ledger=tuple(ledger(records, holds, standing)),
        holds=holds,
        holds_planned=len(planned),
        dose=load_dose(folder, records, plan),
        scaled_variance=load_scaled(folder / "run.nxs"),
        stratton_voyles=stratton_voyles,
        pair_persistence=pair_persistence,
        protocol_text=text_of(folder / "protocol.yaml"),
        provenance=provenance(folder, started),
        missing=tuple(_missing(folder, journal, records, planned)),
    )


def _usable(record: Record) -> dict[str, Any]:
    """Return a record without the fields that have another shape than in a journal."""
    return {key: value for key, value in record.items() if _is_field(key, value)}


def _is_field(key: str, value: Any) -> bool:
    if key == "utc":
        return _is_utc(value)
    return isinstance(value, list) if key in LISTS else not isinstance(value, list | dict)


def _is_utc(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _planned(plan: Mapping[str, Any]) -> Planned:
    try:
        steps = [entry.get("step", {}) for entry in plan.get("steps", ())]
        return {
            str(step.get("name")): str(step.get("method", "ecm"))
            for step in steps
            if step.get("kind") == "acquire"
        }
    except (AttributeError, TypeError):  # a plan that is damaged
        return {}


def _holds(folder: Path, records: Records, planned: Planned) -> Iterable[HoldSummary]:
    opened = {str(record.get("name")): record for record in records if record["kind"] == "hold_opened"}
    closed = {record.get("hold"): record for record in records if record["kind"] == "hold_closed"}
    on_disk = {path.stem for path in (folder / "holds").glob("*.nxs")}
    for name in sorted(on_disk | set(opened)):
        start = opened.get(name, {})
        end = closed.get(start.get("hold"), {}) if start else {}
        method = {"method": planned[name]} if name in planned else {}
        hold = load_hold(folder / "holds" / f"{name}.nxs", method | start, end)
        yield replace(hold, losses=tuple(_explained(hold, records)))


def _explained(hold: HoldSummary, records: Records) -> Iterable[Loss]:
    """Yield the losses of a hold with the reason that the journal gives, where it does."""
    reasons = {
        record.get("first_seq"): str(record.get("why"))
        for record in records
        if record["kind"] == "lost" and record.get("hold") == hold.ordinal
    }
    for loss in hold.losses:
        yield loss if loss.recorded else replace(loss, why=reasons.get(loss.first, loss.why))


def _damage(journal: Path, records: int) -> Iterable[str]:
    """Say so when a journal has more lines, a torn last one included, than intact records."""
    if not journal.is_file():
        return
    content = journal.read_bytes()
    if not content:
        yield "journal.jsonl is empty."
    elif content.count(b"\n", 0, -1) + 1 > records:
        yield f"journal.jsonl is damaged after record {records}; what follows was not used."


def _missing(folder: Path, journal: Records, records: Records, planned: Planned) -> Iterable[str]:
    for name in ("journal.jsonl", "protocol.yaml", "plan.json", "environment.json"):
        if not (folder / name).is_file():
            yield f"{name} is not in the run folder."
    yield from _damage(folder / "journal.jsonl", len(journal))
    if len(records) < len(journal):
        without = counted(len(journal) - len(records), "record")
        yield f"journal.jsonl has {without} without a time on the run's clock, not used."
    names = {str(record.get("name")) for record in records if record["kind"] == "hold_opened"}
    for name in planned:
        if name not in names:
            yield f"{name} was planned, but not reached."
    for log in sorted((folder / "holds").glob("*.frames")):
        yield f"holds/{log.name} was never closed: `annealscope analyze` reads its frame log."
