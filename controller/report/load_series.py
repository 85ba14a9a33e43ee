"""Reads what a record says of tau in its parts: along its length, and along the age of the specimen."""

from typing import Any

import numpy as np

from annealscope.analysis.ecm_spec import DURATION_COLUMNS
from annealscope.controller.report.load_arrays import array_along, array_of, attributes, numbers
from annealscope.controller.report.summary_ecm import AgeSeries, DurationSeries
from annealscope.controller.report.summary_patterns import FloatArray

OTHER_LAWS = ("exp", "invT", "pow")


def durations(entry: Any) -> DurationSeries | None:
    """Return tau of the beginnings of a record; None when the file does not have them."""
    T_s = array_of(entry, "duration/T_s")
    if T_s is None or T_s.ndim != 1 or not T_s.size or not {"tau_s", "sigma_tau_s"} <= set(entry["duration"]):
        return None
    known = attributes(entry["duration"])
    others = numbers(known, [f"tau_asym_{law}_s" for law in OTHER_LAWS])

    def column(name: str) -> FloatArray:
        return _column(entry, f"duration/{name}", T_s)

    def columns(name: str) -> dict[str, FloatArray]:
        return {estimator: column(f"{start}{name}") for estimator, start in DURATION_COLUMNS.items()}

    return DurationSeries(
        T_s=T_s,
        tau_s=columns("tau_s"),
        sigma_tau_s=columns("sigma_tau_s"),
        beta=columns("beta"),
        sigma_beta=columns("sigma_beta"),
        expected_tau_s=column("expected_tau_s"),
        expected_beta=column("expected_beta"),
        law=str(known.get("law", "")),
        why=str(known.get("why", "")),
        other_laws_s=dict(zip(OTHER_LAWS, others.values(), strict=True)),
        **numbers(known, ("tau_asym_s", "sigma_tau_asym_s", "T0_s", "rms_s")),
    )


def aging(entry: Any) -> AgeSeries | None:
    """Return tau along the age; None when the file does not have it."""
    t_s = array_of(entry, "age/t_age_s")
    if t_s is None or t_s.ndim != 1 or not t_s.size:
        return None
    tau_s, sigma_s, reach_s = (_column(entry, f"age/{name}", t_s) for name in ("tau_s", "sigma_s", "reach_s"))
    known = attributes(entry["age"])
    return AgeSeries(
        t_s=t_s,
        tau_s=tau_s,
        sigma_s=sigma_s,
        reach_s=reach_s,
        verdict=str(known.get("verdict", "")).replace("_", " "),
        jumps_s=np.atleast_1d(np.asarray(known.get("jumps_s", ()), dtype=np.float64)),
        **numbers(known, ("slope", "sigma_slope")),
    )


def _column(entry: Any, path: str, axis: FloatArray) -> FloatArray:
    """Return a column that is as long as its axis; all NaN when it is not there or was cut."""
    column = array_along(entry, path, axis)
    return np.full_like(axis, np.nan) if column is None else column
