"""What a record of the journal means, as one line of the log."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from annealscope.controller.config.wording import with_reason

Record = Mapping[str, Any]

GRAVE = frozenset(
    {"alarm", "every device made safe"}
    | {"aborting", "faulted", "aborted", "failed", "crashed", "stopped", "parked"}
)
"""What a guard does that somebody should see."""


class Line(NamedTuple):
    """A line of the log without its time."""

    level: str
    """info, notice, lost or alarm."""
    text: str


class _Form(NamedTuple):
    level: str
    text: str
    """With the fields of the record, and ``of``: the name of its hold."""
    reason: str = ""
    """The field that says why."""


_FORMS: Mapping[str, _Form] = {
    "run_started": _Form("info", "run started: {protocol}, rig {rig}"),
    "run_continued": _Form("notice", "run continued", "why"),
    "step": _Form("info", "step: {label}"),
    "settled": _Form("info", "the temperature has settled"),
    "region": _Form("info", "moved to region {number}"),
    "optics": _Form("info", "column set: {name}"),
    "prompt": _Form("notice", "asked of the operator", "message"),
    "answered": _Form("notice", "answered by {by}"),
    "hold_opened": _Form("info", "{name} begins: {frames_planned} frames in region {region}"),
    "segment": _Form("notice", "{of}: segment {segment} begins", "why"),
    "decision": _Form("info", "{of} ends as the protocol asked", "why"),
    "drift_rate": _Form("info", "the specimen drifts at {nm_per_min} nm/min"),
    "parked": _Form("notice", "parked"),
    "drill": _Form("info", "drill: the heater froze {froze_after_s} s after its last command"),
}


def said(kind: str) -> bool:
    """Say whether records of a kind are told in the log."""
    return kind in _FORMS or kind in _SPECIAL


def line_of(record: Record, names: Mapping[int, str]) -> Line | None:
    """Return what a record means to whoever looks on; None: not worth a line.

    Parameters
    ----------
    record
        Of a kind that is `said`.
    names
        Names of the holds, by number.
    """
    special = _SPECIAL.get(record["kind"])
    try:
        fields = {**record, "of": names.get(record.get("hold", 0), "drift watch")}
        return special(fields) if special is not None else _formed(_FORMS[record["kind"]], fields)
    except (KeyError, TypeError, ValueError):  # of another version
        return Line("info", str(record["kind"]))


def _formed(form: _Form, fields: Record) -> Line:
    return Line(form.level, with_reason(form.text.format_map(fields), fields.get(form.reason)))


def _state(fields: Record) -> Line:
    state = str(fields["state"])
    level = (
        "alarm"
        if state in ("aborting", "faulted")
        else "info"
        if state in ("arming", "running")
        else "notice"
    )
    return Line(level, with_reason(state, fields.get("why")))


def _lost(fields: Record) -> Line:
    """Losses that follow each other for the same reason are one line."""
    frames, first, places = fields["frames"], fields["first_seq"], fields.get("places", 1)
    what = f"frame {first} lost" if frames == 1 else f"{frames} frames lost, from no. {first}"
    what += f" on, in {places} places" if places > 1 else ""
    return Line("lost", with_reason(f"{fields['of']}: {what}", fields.get("why")))


def _hold_closed(fields: Record) -> Line:
    lost = f", {fields['lost']} lost" if fields.get("lost") else ""
    reason = "" if fields["reason"] == "complete" else f", {fields['reason']}"
    missing = "; without results" if fields["analysis"] == "missing" else ""
    level = "lost" if missing else "notice" if reason else "info"
    return Line(level, f"{fields['of']} is closed: {fields['frames']} frames{lost}{reason}{missing}")


def _results(fields: Record) -> Line | None:
    if "tau_s" in fields:
        return Line("info", f"{fields['of']}: τ = {fields['tau_s']:.0f} ± {fields['sigma_tau_s']:.0f} s")
    if "V_max" in fields:
        return Line("info", f"{fields['of']}: V = {fields['V_max']:.4f} ± {fields['sigma_V_max']:.4f}")
    return None


def _command(fields: Record) -> Line:
    refused = "" if fields.get("accepted", True) else f", refused: {fields.get('why', '')}"
    return Line("notice", f"{fields['command']}, by {fields['source']}{refused}")


def _guard(fields: Record) -> Line:
    level = "alarm" if fields["action"] in GRAVE else "notice"
    return Line(level, f"guard {fields['guard']}: {fields['message']} ({fields['action']})")


def _child(fields: Record) -> Line | None:
    if fields["event"] == "started":
        return None
    return Line("notice", with_reason(f"{fields['role']} {fields['event']}", fields.get("detail")))


def _run_ended(fields: Record) -> Line:
    outcome = str(fields["outcome"])
    level = "alarm" if outcome in ("aborted", "failed", "crashed") else "notice"
    return Line(level, with_reason(f"run ended, {outcome}", fields.get("why")))


_SPECIAL: Mapping[str, Callable[[Record], Line | None]] = {
    "state": _state,
    "lost": _lost,
    "results": _results,
    "hold_closed": _hold_closed,
    "command": _command,
    "guard": _guard,
    "child": _child,
    "run_ended": _run_ended,
}
