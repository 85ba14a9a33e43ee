"""Reads one hold file into a HoldSummary."""

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from annealscope.analysis.fit_spec import UNUSABLE, FitFlag
from annealscope.controller.report.summary import (
    Correlation,
    DriftTrace,
    Fit,
    FloatArray,
    HoldSummary,
    Loss,
    Picture,
    TauMap,
    Truth,
    TwoTimeCorrelation,
)

ESTIMATORS = ("pixel", "ratio", "roi", "ttcf")
FIT_NUMBERS = ("tau_s", "beta", "amplitude", "baseline", "sigma_tau_s", "sigma_beta")
PICTURE_FRAMES = 16
"""Frames averaged for the dark-field image: short against any tau, and one row of tiles."""

OPEN_HOLD = "instrument/open_hold"
"""Where the hold file keeps the message it was opened with, as JSON."""


def load_hold(path: Path, opened: Mapping[str, Any], closed: Mapping[str, Any]) -> HoldSummary:
    """Read a hold.

    Parameters
    ----------
    path
        The hold file; need not exist.
    opened, closed
        The journal's ``hold_opened`` and ``hold_closed`` records; may be empty.
    """
    known = _from_journal(path, opened, closed)
    if not path.is_file():
        return HoldSummary(**known, missing=(f"holds/{path.name} is not there: no frames, no results.",))
    try:
        with h5py.File(path, "r") as file:
            return HoldSummary(**known | _from_file(file["entry"], opened, closed))
    except (OSError, KeyError) as error:
        return HoldSummary(**known, missing=(f"holds/{path.name} cannot be read: {error}.",))


def _from_journal(path: Path, opened: Mapping[str, Any], closed: Mapping[str, Any]) -> dict[str, Any]:
    ordinal = path.stem.split("_")[0]
    return {
        "ordinal": int(opened.get("hold", ordinal if ordinal.isdigit() else 0)),
        "name": path.stem,
        "title": str(opened.get("title", "")),
        "setpoint_K": float(opened.get("setpoint_K", "nan")),
        "opened_s": float(opened.get("t_s", "nan")),
        "closed_s": float(closed.get("t_s", "nan")),
        "frames": int(closed.get("frames") or 0),
        "frames_planned": opened.get("frames_planned"),
        "frames_lost": int(closed.get("lost") or 0),
    }


def _from_file(entry: Any, opened: Mapping[str, Any], closed: Mapping[str, Any]) -> dict[str, Any]:
    message = _open_message(entry)
    pixel_nm = message.get("camera", {}).get("pixel_nm")
    settings = message.get("settings", {})
    parts = {
        "correlation": _correlation(entry),
        "fits": dict(_fits(entry)),
        "drift": _drift(entry, settings.get("drift", {})),
        "two_time": _two_time(entry),
        "tau_map": _tau_map(entry, pixel_nm),
        "picture": _picture(entry, pixel_nm),
    }
    timing = _timing(entry, message, opened, closed)
    return timing | parts | {"truth": _truth(entry), "missing": tuple(_missing(parts))}


def _missing(parts: Mapping[str, Any]) -> Iterable[str]:
    names = {
        "correlation": "no g2 curves",
        "fits": "no KWW fits",
        "drift": "no drift record",
        "two_time": "no two-time correlation",
        "tau_map": "no map of relaxation times",
        "picture": "no frames",
    }
    absent = [name for key, name in names.items() if not parts[key]]
    if len(absent) == len(names):
        yield "The hold file is empty."
    elif absent:
        yield f"There is {', '.join(absent)}. `annealscope analyze` computes results from the frames."


def _open_message(entry: Any) -> dict[str, Any]:
    if OPEN_HOLD not in entry:
        return {}
    return dict(json.loads(entry[OPEN_HOLD].asstr()[()]))


def _array(entry: Any, path: str) -> FloatArray | None:
    return np.asarray(entry[path][()], dtype=np.float64) if path in entry else None


def _timing(
    entry: Any, message: Mapping[str, Any], opened: Mapping[str, Any], closed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the frame table says: counts, spacing, losses."""
    table = entry.get("instrument/detector", {})
    found = {
        key: message[key]
        for key in ("title", "setpoint_K", "frames_planned")
        if key in message and key not in opened
    }
    if not {"seq", "slot", "segment", "frame_time"} <= set(table) or not len(table["seq"]):
        return found | {"period_s": float(message.get("period_s", "nan"))}
    seq, slot, segment, time_s = (table[key][()] for key in ("seq", "slot", "segment", "frame_time"))
    period_s = _mean_spacing(slot, segment, time_s, float(message.get("period_s", "nan")))
    members = [segment == number for number in np.unique(segment)]
    # Only the journal knows of frames that were lost after the last recorded one.
    end_seq = max(int(seq[-1]) + 1, len(seq) + int(closed.get("lost") or 0))
    losses = tuple(_losses(seq, time_s - time_s[0], _unused(entry, len(seq)), end_seq))
    return found | {
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


def _unused(entry: Any, rows: int) -> Any:
    """Return why each recorded frame was not used, shape (rows,); empty where it was."""
    state, valid = entry.get("frame_state"), entry.get("instrument/detector/valid")
    why = np.full(rows, "", dtype=object)
    if state is not None and len(state) == rows:
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


def _correlation(entry: Any) -> Correlation | None:
    lag_s = _array(entry, "g2/lag")
    curves = {name: curve for name in ESTIMATORS if (curve := _array(entry, f"g2/{name}")) is not None}
    if lag_s is None or not curves:
        return None
    return Correlation(lag_s, curves, _array(entry, "g2/pairs"))


def _fits(entry: Any) -> Iterable[tuple[str, Fit]]:
    for name, group in entry.get("kww", {}).items():
        known = {key: value for key, value in group.attrs.items() if not isinstance(value, h5py.Empty)}
        fields: dict[str, Any] = {key: float(known[key]) for key in FIT_NUMBERS if key in known}
        fields |= {key: str(known[key]) for key in ("model", "range") if key in known}
        if {"tau_s", "beta"} <= set(fields):
            yield name, Fit(**fields, flags=FitFlag(int(known.get("flags", 0))))


def _truth(entry: Any) -> Truth | None:
    if "sample/truth" not in entry:
        return None
    attrs = entry["sample/truth"].attrs
    return Truth(float(attrs["tau_s"]), float(attrs["beta"])) if {"tau_s", "beta"} <= set(attrs) else None


def _drift(entry: Any, limits: Mapping[str, Any]) -> DriftTrace | None:
    measured, applied, residual = (
        _array(entry, f"drift/{name}_nm") for name in ("measured", "applied", "residual")
    )
    t_s = _array(entry, "drift/t")
    columns = [column for column in (measured, applied, residual) if column is not None]
    if t_s is None or not t_s.size or not columns or any(len(column) != len(t_s) for column in columns):
        return None
    return DriftTrace(t_s, measured, applied, residual, limits.get("warn_nm"), limits.get("limit_nm"))


def _two_time(entry: Any) -> TwoTimeCorrelation | None:
    value, t_s, segment = (_array(entry, f"ttcf/{name}") for name in ("value", "t", "segment"))
    if value is None or t_s is None or not value.size:
        return None
    whole = np.zeros(len(t_s)) if segment is None else segment
    return TwoTimeCorrelation(t_s, value, whole.astype(np.int64))


def _tau_map(entry: Any, pixel_nm: float | None) -> TauMap | None:
    tau_s, flags = _array(entry, "map/tau_s"), _array(entry, "map/flags")
    if tau_s is None:
        return None
    bits = np.zeros(tau_s.shape, dtype=np.int64) if flags is None else flags.astype(np.int64)
    good = np.isfinite(tau_s) & (tau_s > 0) & (bits & int(UNUSABLE) == 0)
    fitted = bits & int(FitFlag.MASKED) == 0
    flagged = 1.0 - float(good[fitted].mean()) if fitted.any() else 1.0
    x_nm = _array(entry, "map/x_nm")
    # Large frames are binned before their pixels are fitted: the map's own axis knows.
    pixel_nm = float(x_nm[1] - x_nm[0]) if x_nm is not None and len(x_nm) > 1 else pixel_nm
    return TauMap(np.where(good, tau_s, np.nan), pixel_nm, flagged)


def _picture(entry: Any, pixel_nm: float | None) -> Picture | None:
    frames = entry.get("instrument/detector/data")
    if frames is None or not len(frames):
        return None
    last = frames[-PICTURE_FRAMES:]
    return Picture(np.asarray(last, dtype=np.float64).mean(axis=0), pixel_nm, len(last))
