"""What a journal says of a run: its end, its temperature, and the times in which the plan stood still."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from annealscope.controller.errors import may_go_on
from annealscope.controller.journal import GOING, STANDING
from annealscope.controller.report.load_arrays import number
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER
from annealscope.controller.report.summary_run import Interruption, TemperatureTrace
from annealscope.controller.units import ZERO_CELSIUS_K

Record = Mapping[str, Any]
Records = list[dict[str, Any]]

Change = tuple[str, str] | None
"""A state that begins, empty where one only ends, and why; None where nothing changes."""


def first(records: Records, kind: str) -> dict[str, Any]:
    """Return the first record of a kind; empty when there is none."""
    return next((record for record in records if record["kind"] == kind), {})


def outcome(records: Records) -> tuple[str, str]:
    """Return how the run ended, and why."""
    end = _end(records)
    if end:
        return _ending(end)
    if not records:
        return "unfinished", "There is no readable journal."
    return "unfinished", "The journal has no end: the run still goes on, or its process died."


def goes_on(records: Records) -> bool:
    """Say whether a run that has ended may be continued."""
    end = _end(records)
    return may_go_on(str(end.get("outcome", "")), end.get("exit_code"))


def _end(records: Records) -> Record:
    """Return the record of the end; empty when there is none, or the run was continued after it."""
    ends = [record for record in records if record["kind"] in ("run_ended", "run_continued")]
    return ends[-1] if ends and ends[-1]["kind"] == "run_ended" else {}


def _ending(end: Record) -> tuple[str, str]:
    result, why = str(end.get("outcome", "unfinished")), str(end.get("why") or "")
    if result != "success":
        return result, why
    # What a complete success says of itself is the outcome again.
    return ("incomplete", why) if end.get("exit_code") else ("success", "")


def temperature_trace(records: Records) -> TemperatureTrace | None:
    """Return all readings; None when there are none."""
    readings = [record for record in records if record["kind"] == "reading"]
    if not readings:
        return None

    def column(key: str, zero: float = 0.0) -> Any:
        return np.array([number(record.get(key)) - zero for record in readings])

    return TemperatureTrace(
        column("t_s"), column("temperature_K", ZERO_CELSIUS_K), column("setpoint_K", ZERO_CELSIUS_K)
    )


def interruptions(records: Records) -> Iterable[Interruption]:
    """Yield pauses, suspensions and parks, then the times in which the operator was asked."""
    yield from _stretches(records, _standing)
    yield from _stretches(records, _asked)


def _stretches(records: Records, reading: Any) -> Iterable[Interruption]:
    """Yield the stretches that a reading of the records finds; what is open at the end ends there."""
    now: Interruption | None = None
    for record in records:
        change = reading(record, now.state if now else "")
        if change is None:
            continue
        if now:
            yield replace(now, end_s=float(record["t_s"]))
        state, why = change
        now = Interruption(state, float(record["t_s"]), NOT_A_NUMBER, why) if state else None
    if now:
        yield replace(now, end_s=float(records[-1]["t_s"]))


def _standing(record: Record, before: str) -> Change:
    """Return the standing state that a record begins, given the one before it."""
    why = str(record.get("why") or "")
    match record:
        case {"kind": "state", "state": state} if state in STANDING:
            after = str(state)
        case {"kind": "run_ended", "outcome": "parked"}:
            after = "parked"
        case {"kind": "run_ended" | "run_continued"}:
            after = ""
        case {"kind": "state", "state": state} if before != "parked" or state in GOING:
            after = ""
        case _:
            return None
    return None if after == before else (after, why)


def _asked(record: Record, before: str) -> Change:
    """Return what the operator is asked by a record; another question begins anew."""
    match record:
        case {"kind": "prompt"}:
            return "prompt", str(record.get("message") or "")
        case {"kind": "answered" | "run_ended" | "step"}:
            return "", ""
    return None
