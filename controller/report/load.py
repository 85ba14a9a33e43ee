"""Reads a run folder into a RunSummary; whatever is absent or damaged becomes a sentence, never an error."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from annealscope.controller.journal import read_journal
from annealscope.controller.report.load_hold import load_hold
from annealscope.controller.report.summary import Event, HoldSummary, RunSummary, TemperatureTrace
from annealscope.controller.units import ZERO_CELSIUS_K

Records = list[dict[str, Any]]

INTERRUPTIONS = frozenset({"paused", "suspended", "parked", "aborting", "faulted"})
"""States of the engine that a reader of the results should know of."""

PRIVATE = frozenset(
    {"cwd", "executable", "home", "host", "hostname", "node", "path", "pid", "prefix", "user", "username"}
)
"""Keys of the environment that say whose machine it was: of no use to a reader of the numbers."""

TWINS = {"packages annealscope": "version", "speed": "clock"}
"""Keys of the environment that repeat a fact of the journal under another name."""


def load_run(folder: Path) -> RunSummary:
    """Read what there is of a run.

    Parameters
    ----------
    folder
        A run folder, finished or not. ``journal.jsonl``, ``protocol.yaml``, ``environment.json`` and
        ``holds/*.nxs`` are all optional; what is missing is listed in the summary.
    """
    records = list(read_journal(folder / "journal.jsonl"))
    started = _first(records, "run_started")
    protocol = _text(folder / "protocol.yaml")
    outcome, why = _outcome(records)
    return RunSummary(
        folder=folder,
        title=str(started.get("protocol") or folder.name),
        outcome=outcome,
        why=why,
        started_s=float(started.get("t_s", 0.0)),
        ended_s=float(records[-1]["t_s"]) if records else float("nan"),
        started_utc=str(started.get("utc", "")),
        trace=_trace(records),
        events=tuple(_events(records)),
        holds=tuple(_holds(folder, records)),
        protocol_text=protocol,
        provenance=_provenance(folder, started, protocol),
        missing=tuple(_missing(folder, records)),
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _json(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(_text(path) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _first(records: Records, kind: str) -> dict[str, Any]:
    return next((record for record in records if record["kind"] == kind), {})


def _outcome(records: Records) -> tuple[str, str]:
    ends = [record for record in records if record["kind"] == "run_ended"]
    if ends:
        return _ending(ends[-1])
    if not records:
        return "unfinished", "There is no readable journal."
    return "unfinished", "The journal has no end: the run still goes on, or its process died."


def _ending(end: Mapping[str, Any]) -> tuple[str, str]:
    outcome, why = str(end.get("outcome", "unfinished")), str(end.get("why") or "")
    if outcome != "success":
        return outcome, why
    # What a complete success says of itself is the outcome again.
    return ("incomplete", why) if end.get("exit_code") else ("success", "")


def _trace(records: Records) -> TemperatureTrace | None:
    readings = [record for record in records if record["kind"] == "reading"]
    if not readings:
        return None

    def column(key: str, zero: float = 0.0) -> Any:
        return np.array([_number(record.get(key)) - zero for record in readings])

    return TemperatureTrace(
        column("t_s"), column("temperature_K", ZERO_CELSIUS_K), column("setpoint_K", ZERO_CELSIUS_K)
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _events(records: Records) -> Iterable[Event]:
    for record in records:
        text = _event_text(record)
        if text:
            yield Event(float(record["t_s"]), *text)


def _event_text(record: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what happened and why, for the records that a reader of the results has to know."""
    match record:
        case {"kind": "guard", "guard": guard}:
            return f"guard {guard}: {record.get('action', '')}", str(record.get("message", ""))
        case {"kind": "child", "event": "died" | "restarted" as event, "role": role}:
            return f"{role} {event}", str(record.get("detail") or "")
        case {"kind": "command", "command": command}:
            return f"command: {command}", f"from {record.get('source', 'unknown')}"
        case {"kind": "state", "state": state} if state in INTERRUPTIONS:
            return str(state), str(record.get("why") or "")
        case {"kind": "hold_closed", "analysis": "missing"}:
            return f"hold {record.get('hold')} closed without results", str(record.get("reason") or "")
    return None


def _holds(folder: Path, records: Records) -> Iterable[HoldSummary]:
    opened = {str(record.get("name")): record for record in records if record["kind"] == "hold_opened"}
    closed = {record.get("hold"): record for record in records if record["kind"] == "hold_closed"}
    on_disk = {path.stem for path in (folder / "holds").glob("*.nxs")}
    for name in sorted(on_disk | set(opened)):
        start = opened.get(name, {})
        end = closed.get(start.get("hold"), {}) if start else {}
        yield load_hold(folder / "holds" / f"{name}.nxs", start, end)


def _provenance(folder: Path, started: Mapping[str, Any], protocol: str) -> dict[str, Any]:
    facts = {key: started[key] for key in ("run", "rig", "version", "seed", "clock") if key in started}
    if protocol:
        facts["protocol sha256"] = sha256((folder / "protocol.yaml").read_bytes()).hexdigest()
    environment = _flat(_json(folder / "environment.json"))
    return facts | {key: value for key, value in environment if facts.get(TWINS.get(key, key)) != value}


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, item in value.items():
        if str(key).lower() in PRIVATE:
            continue
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{key} ")
        else:
            yield f"{prefix}{key}", item


def _planned_holds(folder: Path) -> Iterable[str]:
    for planned in _json(folder / "plan.json").get("steps", ()):
        step = planned.get("step", {})
        if step.get("kind") == "acquire":
            yield str(step.get("name"))


def _damage(journal: Path, records: int) -> Iterable[str]:
    """Say so when a journal has more lines, a torn last one included, than intact records."""
    if not journal.is_file():
        return
    content = journal.read_bytes()
    if not content:
        yield "journal.jsonl is empty."
    elif content.count(b"\n", 0, -1) + 1 > records:
        yield f"journal.jsonl is damaged after record {records}; what follows was not used."


def _missing(folder: Path, records: Records) -> Iterable[str]:
    for name in ("journal.jsonl", "protocol.yaml", "plan.json", "environment.json"):
        if not (folder / name).is_file():
            yield f"{name} is not in the run folder."
    yield from _damage(folder / "journal.jsonl", len(records))
    names = {str(record.get("name")) for record in records if record["kind"] == "hold_opened"}
    for name in _planned_holds(folder):
        if name not in names:
            yield f"{name} was planned, but not reached."
    for log in sorted((folder / "holds").glob("*.frames")):
        yield f"holds/{log.name} was never closed: `annealscope analyze` reads its frame log."
