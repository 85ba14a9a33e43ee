"""What a journal says of a run: its end, its temperature, and the times in which the plan stood still."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from annealscope.controller.report.summary_run import Interruption, TemperatureTrace
from annealscope.controller.units import ZERO_CELSIUS_K

Record = Mapping[str, Any]
Records = list[dict[str, Any]]

STANDING = frozenset({"paused", "suspended", "parked"})
"""States of the engine in which the plan stands still."""

GOING = frozenset({"arming", "running"})
"""States that end a park: in between the process may have ended and begun again."""


def first(records: Records, kind: str) -> dict[str, Any]:
    """Return the first record of a kind; empty when there is none."""
    return next((record for record in records if record["kind"] == kind), {})


def number(value: Any) -> float:
    """Return a number of a record; NaN when it is none."""
    return float(value) if isinstance(value, int | float) else float("nan")


def outcome(records: Records) -> tuple[str, str]:
    """Return how the run ended, and why."""
    ends = [record for record in records if record["kind"] in ("run_ended", "run_continued")]
    if ends and ends[-1]["kind"] == "run_ended":
        return _ending(ends[-1])
    if not records:
        return "unfinished", "There is no readable journal."
    return "unfinished", "The journal has no end: the run still goes on, or its process died."


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
    now: tuple[str, float, str] | None = None
    for record in records:
        state, why = reading(record, now[0] if now else "")
        if now and state != now[0]:
            yield Interruption(now[0], now[1], float(record["t_s"]), now[2])
            now = None
        if state and now is None:
            now = (state, float(record["t_s"]), why)
    if now:
        yield Interruption(now[0], now[1], float(records[-1]["t_s"]), now[2])


def _standing(record: Record, before: str) -> tuple[str, str]:
    """Return the standing state after a record, given the one before it, and why."""
    why = str(record.get("why") or record.get("message") or "")
    match record:
        case {"kind": "state", "state": state} if state in STANDING:
            return str(state), why
        case {"kind": "parked"} | {"kind": "run_ended", "outcome": "parked"}:
            return "parked", why
        case {"kind": "run_continued"}:
            return "", ""
        case {"kind": "state", "state": state} if before != "parked" or state in GOING:
            return "", ""
    return before, ""


def _asked(record: Record, before: str) -> tuple[str, str]:
    match record:
        case {"kind": "prompt"}:
            return "prompt", str(record.get("message") or "")
        case {"kind": "answered"} | {"kind": "run_ended"} | {"kind": "step"}:
            return "", ""
    return before, ""
