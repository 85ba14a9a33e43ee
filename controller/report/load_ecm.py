"""Reads what an ECM movie has led to: curves, fits, drift, two-time correlation, map, picture."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from annealscope.analysis.ecm_spec import ESTIMATORS
from annealscope.analysis.fit_spec import FitFlag
from annealscope.controller.report.load_arrays import array_along, array_of, attributes
from annealscope.controller.report.load_map import tau_map
from annealscope.controller.report.load_series import aging, durations
from annealscope.controller.report.summary import (
    Correlation,
    DriftTrace,
    Fit,
    Picture,
    Truth,
    TwoTimeCorrelation,
)
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER

FIT_NUMBERS = ("tau_s", "beta", "amplitude", "baseline", "sigma_tau_s", "sigma_beta")
FIT_WORDS = ("model", "range", "errors")
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
        "durations": durations(entry),
        "aging": aging(entry),
        "tau_map": tau_map(entry, pixel_nm),
        "picture": _picture(entry, pixel_nm),
        "truth": _truth(entry),
    }


def _correlation(entry: Any) -> Correlation | None:
    lag_s = array_of(entry, "g2/lag")
    if lag_s is None:
        return None
    found = {name: array_along(entry, f"g2/{name}", lag_s) for name in ESTIMATORS}
    curves = {name: curve for name, curve in found.items() if curve is not None}
    if not curves:
        return None
    n_speckles = entry["g2"].attrs.get("n_speckles", NOT_A_NUMBER)
    bad = array_of(entry, "mask/bad_pixels")
    n_bad = 0 if bad is None else len(bad)
    return Correlation(lag_s, curves, array_along(entry, "g2/pairs", lag_s), float(n_speckles), n_bad)


def _fits(entry: Any) -> Iterable[tuple[str, Fit]]:
    lag_s = array_of(entry, "g2/lag")
    for name, group in entry.get("kww", {}).items():
        known = attributes(group)
        fields: dict[str, Any] = {key: float(known[key]) for key in FIT_NUMBERS if key in known}
        fields |= {key: str(known[key]) for key in FIT_WORDS if key in known}
        if {"tau_s", "beta"} <= set(fields):
            at_beta = dict(_pairs(known.get("beta_steps", ()), known.get("tau_at_beta_s", ())))
            g2 = None if lag_s is None else array_along(entry, f"kww/{name}/curve", lag_s)
            curve = None if g2 is None else g2 - 1
            flags = FitFlag(int(known.get("flags", 0)))
            yield name, Fit(**fields, flags=flags, curve=curve, tau_at_beta_s=at_beta)


def _pairs(steps: Any, tau_s: Any) -> Iterable[tuple[float, float]]:
    """Yield beta steps and the times they lead to, where there is one for each."""
    if np.shape(steps) == np.shape(tau_s):
        yield from zip(map(float, np.ravel(steps)), map(float, np.ravel(tau_s)), strict=True)


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
    value, t_s = array_of(entry, "ttcf/value"), array_of(entry, "ttcf/t")
    if value is None or t_s is None or not value.size or value.shape != t_s.shape * 2:
        return None
    segment = array_along(entry, "ttcf/segment", t_s)
    whole = np.zeros(len(t_s)) if segment is None else segment
    return TwoTimeCorrelation(t_s, value, whole.astype(np.int64))


def _picture(entry: Any, pixel_nm: float | None) -> Picture | None:
    frames = entry.get("instrument/detector/data")
    if frames is None or not len(frames):
        return None
    last = frames[-PICTURE_FRAMES:]
    return Picture(np.asarray(last, dtype=np.float64).mean(axis=0), pixel_nm, len(last))
