"""Reads what an ECM movie has led to: curves, fits, drift, two-time correlation, map, picture."""

from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import numpy as np

from annealscope.analysis.fit_spec import UNUSABLE, FitFlag
from annealscope.controller.report.summary import (
    Correlation,
    DriftTrace,
    Fit,
    Picture,
    TauMap,
    Truth,
    TwoTimeCorrelation,
)
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, FloatArray

ESTIMATORS = ("pixel", "ratio", "roi", "ttcf")
FIT_NUMBERS = ("tau_s", "beta", "amplitude", "baseline", "sigma_tau_s", "sigma_beta")
PICTURE_FRAMES = 16
"""Frames averaged for the dark-field image: short against any tau, and one row of tiles."""


def ecm_parts(entry: Any, message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `HoldSummary` that a movie fills; empty where the file has nothing.

    Parameters
    ----------
    entry
        The ``/entry`` of an open hold file.
    message
        What was announced when the hold was opened; may be empty.
    """
    pixel_nm = message.get("camera", {}).get("pixel_nm")
    return {
        "correlation": _correlation(entry),
        "fits": dict(_fits(entry)),
        "drift": _drift(entry, message.get("settings", {}).get("drift", {})),
        "two_time": _two_time(entry),
        "tau_map": _tau_map(entry, pixel_nm),
        "picture": _picture(entry, pixel_nm),
        "truth": _truth(entry),
    }


def array_of(entry: Any, path: str) -> FloatArray | None:
    """Return a dataset as float64; None when it is not there."""
    return np.asarray(entry[path][()], dtype=np.float64) if path in entry else None


def _correlation(entry: Any) -> Correlation | None:
    lag_s = array_of(entry, "g2/lag")
    curves = {name: curve for name in ESTIMATORS if (curve := array_of(entry, f"g2/{name}")) is not None}
    if lag_s is None or not curves:
        return None
    n_speckles = entry["g2"].attrs.get("n_speckles", NOT_A_NUMBER)
    return Correlation(lag_s, curves, array_of(entry, "g2/pairs"), float(n_speckles))


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
        array_of(entry, f"drift/{name}_nm") for name in ("measured", "applied", "residual")
    )
    t_s = array_of(entry, "drift/t")
    columns = [column for column in (measured, applied, residual) if column is not None]
    if t_s is None or not t_s.size or not columns or any(len(column) != len(t_s) for column in columns):
        return None
    return DriftTrace(t_s, measured, applied, residual, limits.get("warn_nm"), limits.get("limit_nm"))


def _two_time(entry: Any) -> TwoTimeCorrelation | None:
    value, t_s, segment = (array_of(entry, f"ttcf/{name}") for name in ("value", "t", "segment"))
    if value is None or t_s is None or not value.size:
        return None
    whole = np.zeros(len(t_s)) if segment is None else segment
    return TwoTimeCorrelation(t_s, value, whole.astype(np.int64))


def _tau_map(entry: Any, pixel_nm: float | None) -> TauMap | None:
    tau_s, flags = array_of(entry, "map/tau_s"), array_of(entry, "map/flags")
    if tau_s is None:
        return None
    bits = np.zeros(tau_s.shape, dtype=np.int64) if flags is None else flags.astype(np.int64)
    good = np.isfinite(tau_s) & (tau_s > 0) & (bits & int(UNUSABLE) == 0)
    fitted = bits & int(FitFlag.MASKED) == 0
    flagged = 1.0 - float(good[fitted].mean()) if fitted.any() else 1.0
    x_nm = array_of(entry, "map/x_nm")
    # Large frames are binned before their pixels are fitted: the map's own axis knows.
    pixel_nm = float(x_nm[1] - x_nm[0]) if x_nm is not None and len(x_nm) > 1 else pixel_nm
    return TauMap(np.where(good, tau_s, np.nan), pixel_nm, flagged)


def _picture(entry: Any, pixel_nm: float | None) -> Picture | None:
    frames = entry.get("instrument/detector/data")
    if frames is None or not len(frames):
        return None
    last = frames[-PICTURE_FRAMES:]
    return Picture(np.asarray(last, dtype=np.float64).mean(axis=0), pixel_nm, len(last))
