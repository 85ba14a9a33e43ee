"""Reads one hold file into a HoldSummary."""

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from annealscope.controller.report.bias import expected
from annealscope.controller.report.load_arrays import UNREADABLE, number
from annealscope.controller.report.load_ecm import ecm_parts
from annealscope.controller.report.load_patterns import diffraction_parts, fem_parts
from annealscope.controller.report.summary import HoldSummary, Loss

Parts = Callable[[Any, Mapping[str, Any]], dict[str, Any]]

PARTS: Mapping[str, Parts] = {"ecm": ecm_parts, "fem": fem_parts, "diffraction": diffraction_parts}
"""What reads the results of each method."""

EXPECTED = {
    "ecm": {
        "correlation": "no g2 curves",
        "fits": "no KWW fits",
        "drift": "no drift record",
        "two_time": "no two-time correlation",
        "tau_map": "no map of relaxation times",
        "picture": "no frames",
    },
    "fem": {
        "variance": "no variance V(k)",
        "variance_image": "no variance image",
        "mean_pattern": "no mean pattern",
    },
    "diffraction": {"rings": "no ring profile", "mean_pattern": "no mean pattern"},
}
"""What a complete hold of each method has, and how its absence is said."""

STATES = {"ecm": "frame_state", "fem": "fem/pattern_state"}
"""Where the analysis of a method says which frames it did not use, and why; zero is a used one."""

OPEN_HOLD = "instrument/open_hold"
"""Where the hold file keeps the message it was opened with, as JSON."""


def load_hold(path: Path, opened: Mapping[str, Any], closed: Mapping[str, Any]) -> HoldSummary:
    """Read a hold.

    Parameters
    ----------
    path
        The hold file; need not exist.
    opened, closed
        The journal's ``hold_opened`` and ``hold_closed`` records; may be empty. ``opened`` may also have the
        ``method`` that was planned.
    """
    opened = {key: value for key, value in opened.items() if value is not None}
    known = _from_journal(path, opened, closed)
    if not path.is_file():
        return HoldSummary(**known, missing=(f"holds/{path.name} is not there: no frames, no results.",))
    try:
        with h5py.File(path, "r") as file:
            return HoldSummary(**known | _from_file(file["entry"], opened, closed))
    except UNREADABLE as error:
        return HoldSummary(**known, missing=(f"holds/{path.name} cannot be read: {error}.",))


def _from_journal(path: Path, opened: Mapping[str, Any], closed: Mapping[str, Any]) -> dict[str, Any]:
    ordinal = path.stem.split("_")[0]
    opened_s = number(opened.get("t_s"))
    return {
        "ordinal": _count(opened.get("hold")) or int(ordinal if ordinal.isdigit() else 0),
        "name": path.stem,
        "title": str(opened.get("title", "")),
        "method": str(opened.get("method", "ecm")),
        "setpoint_K": number(opened.get("setpoint_K")),
        "age_s": opened_s - number(opened.get("t_settled_s")),
        "opened_s": opened_s,
        "closed_s": number(closed.get("t_s")),
        "frames": _count(closed.get("frames")),
        "frames_planned": _count(opened.get("frames_planned")) or None,
        "frames_lost": _count(closed.get("lost")),
    }


def _count(value: Any) -> int:
    """Return a whole number of a record; zero when it is none."""
    return value if isinstance(value, int) else 0


def _from_file(entry: Any, opened: Mapping[str, Any], closed: Mapping[str, Any]) -> dict[str, Any]:
    message = _open_message(entry)
    announced = _announced(entry, message, opened)
    method = announced.get("method", opened.get("method", "ecm"))
    parts = PARTS.get(method, ecm_parts)(entry, message)
    timing = _timing(entry, method, message, closed)
    missing = tuple(_missing(parts, EXPECTED.get(method, {}), timing, closed))
    return announced | timing | parts | {"missing": missing} | _expected(parts, timing)


def _expected(parts: Mapping[str, Any], timing: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the plain fits should show, in methods that have such fits."""
    fits, slots = parts.get("fits", {}), sum(timing.get("segment_slots", ()))
    fitted = fits.get("corrected"), fits.get("pixel"), parts.get("durations")
    return {"expected": expected(*fitted, slots, timing["period_s"])}


def _missing(
    parts: Mapping[str, Any], names: Mapping[str, str], timing: Mapping[str, Any], closed: Mapping[str, Any]
) -> Iterable[str]:
    absent = [name for key, name in names.items() if not parts[key]]
    if absent and not timing.get("frames") and len(absent) == len(names):
        yield "The hold file is empty."
    elif absent:
        why = f" ({closed['reason']})" if closed.get("analysis") == "missing" and closed.get("reason") else ""
        yield f"There is {', '.join(absent)}{why}. `annealscope analyze` computes results from the frames."


def _open_message(entry: Any) -> dict[str, Any]:
    if OPEN_HOLD not in entry:
        return {}
    return dict(json.loads(entry[OPEN_HOLD].asstr()[()]))


def _announced(entry: Any, message: Mapping[str, Any], opened: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said when the hold was opened; of what the journal says too, the journal's."""
    settings = message.get("settings", {})
    sample = settings.get("sample", {})
    found = {
        key: message[key]
        for key in ("title", "setpoint_K", "frames_planned")
        if key in message and key not in opened
    }
    found |= {key: message[key] for key in ("method", "probe_nm") if message.get(key) is not None}
    times = entry.get("instrument/detector/frame_time", ())
    if "t_settled_s" not in opened and "t_settled_s" in message and len(times):
        found["age_s"] = float(times[0]) - float(message["t_settled_s"])
    return found | {
        "material": str(sample.get("name", "")),
        "state": str(sample.get("state", "")),
        "acquisition": str(settings.get("acquisition", "")),
        "dose_rate_per_nm2_s": number(settings.get("dose_rate_per_nm2_s")),
        "announcement": message,
    }


def _timing(entry: Any, method: str, message: Mapping[str, Any], closed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the frame table says: counts, spacing, losses."""
    table = entry.get("instrument/detector", {})
    if not {"seq", "slot", "segment", "frame_time"} <= set(table) or not len(table["seq"]):
        return {"period_s": float(message.get("period_s", "nan"))}
    seq, slot, segment, time_s = (table[key][()] for key in ("seq", "slot", "segment", "frame_time"))
    period_s = _mean_spacing(slot, segment, time_s, float(message.get("period_s", "nan")))
    members = [segment == number for number in np.unique(segment)]
    # Only the journal knows of frames that were lost after the last recorded one.
    end_seq = max(int(seq[-1]) + 1, len(seq) + _count(closed.get("lost")))
    losses = tuple(_losses(seq, time_s - time_s[0], _unused(entry, len(seq), method), end_seq))
    return {
        "frames": len(seq),
        "segment_slots": tuple(int(np.ptp(slot[member])) + 1 for member in members),
        "segment_starts": tuple(round((time_s[member][0] - time_s[0]) / period_s) for member in members),
        "period_s": period_s,
        "losses": losses,
        "frames_lost": sum(loss.frames for loss in losses if not loss.recorded),
    }


def _mean_spacing(slot: Any, segment: Any, time_s: Any, nominal_s: float) -> float:
    """Return the mean time between slots, over neighbouring frames of one segment."""
    inside = np.diff(segment) == 0
    steps = np.diff(slot)[inside].sum()
    return float(np.diff(time_s)[inside].sum() / steps) if steps else nominal_s


def _unused(entry: Any, rows: int, method: str) -> Any:
    """Return why each recorded frame was not used, shape (rows,); empty where it was."""
    state = entry.get(STATES[method]) if method in STATES else None
    valid = entry.get("instrument/detector/valid")
    why = np.full(rows, "", dtype=object)
    if state is not None and len(state) == rows and "meaning" in state.attrs:
        meaning = np.array([str(name).replace("_", " ") for name in state.attrs["meaning"]], dtype=object)
        why[:] = np.where(state[()] == 0, "", meaning[state[()]])
    if valid is not None:
        why[~valid[()].astype(bool)] = "beam off"
    return why


def _losses(seq: Any, t_s: Any, unused: Any, end_seq: int) -> Iterable[Loss]:
    """Yield the holes in the camera's counter, then the stretches of recorded but unused frames."""
    before, after = np.concatenate([[-1], seq]), np.concatenate([seq, [end_seq]])
    for i in np.flatnonzero(after - before > 1):
        count = int(after[i] - before[i]) - 1
        yield Loss(float(t_s[max(i - 1, 0)]), int(before[i]) + 1, count, "never reached the recorder", False)
    edges = np.concatenate([[0], np.flatnonzero(unused[1:] != unused[:-1]) + 1, [len(unused)]])
    for start, stop in pairwise(edges):
        if unused[start]:
            yield Loss(float(t_s[start]), int(seq[start]), int(stop - start), str(unused[start]), True)
