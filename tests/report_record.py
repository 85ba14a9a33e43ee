"""A run as the report knows it, with its journal and its plan, made by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from annealscope.controller.report.summary import Correlation, DriftTrace, Fit, HoldSummary, Truth
from annealscope.controller.report.summary_patterns import Peak, Variance
from annealscope.controller.report.summary_run import (
    DoseLedger,
    Interruption,
    LedgerEntry,
    RegionDose,
    RunSummary,
    TemperatureTrace,
)

UTC = "2026-11-23T02:42:{:06.3f}+00:00"


def announcement(**changes: Any) -> dict[str, Any]:
    """Return what was announced of a movie."""
    settings = {
        "sample": {
            "name": "AMZ4", "composition": {"Zr": 59.3, "Cu": 40.7}, "state": "as-cast",
            "glass_transition_K": 674.15,
        },
        "optics": {"name": "dark_field", "mode": "tem_dark_field", "high_tension_kV": 300.0},
        "beam_in_pause": True,
    }  # fmt: skip
    camera = {"shape": [128, 96], "pixel_nm": 0.1647}
    return {"camera": camera, "exposure_s": 1.0, "settings": settings} | changes


def movie(**changes: Any) -> HoldSummary:
    """Return a movie of 100 frames at 100 degC, with results."""
    t_s = np.arange(100) * 2.0
    left_nm = np.full((100, 2), 0.03)
    fields: dict[str, Any] = {
        "ordinal": 1, "name": "01_ecm_100C", "title": "ecm at 100 degC", "setpoint_K": 373.15,
        "age_s": 2000.0, "opened_s": 30.0, "closed_s": 50.0, "frames": 99, "frames_lost": 1,
        "segment_slots": (100,), "period_s": 2.0001, "dose_rate_per_nm2_s": 4.4e5,
        "correlation": Correlation(t_s, {}, n_speckles=563.4),
        "fits": {
            "corrected": Fit(527.1, 0.6651, sigma_tau_s=26.0, sigma_beta=0.0102, model="finite", range="half",
                             errors="jackknife"),
        },
        "drift": DriftTrace(t_s, left_nm, left_nm, left_nm), "announcement": announcement(),
    }  # fmt: skip
    return HoldSummary(**fields | changes)


def grid(**changes: Any) -> HoldSummary:
    """Return a grid of patterns with its variance."""
    known = announcement(camera={"shape": [512, 512], "pixel_per_nm": 0.0284}, exposure_s=4.0)
    known["grid"] = {"points": [10, 8], "pitch_nm": 5.0}
    k = np.linspace(3, 6, 9)
    peak = Peak(4.27, 0.1188, 0.0066, 0.0026)
    fields: dict[str, Any] = {
        "ordinal": 2, "name": "02_fem_100C", "method": "fem", "setpoint_K": 373.15, "opened_s": 60.0,
        "closed_s": 70.0, "frames": 80, "segment_slots": (80,), "period_s": 4.0, "probe_nm": 0.91,
        "variance": Variance(k, k, peaks={"first": peak}), "announcement": known,
    }  # fmt: skip
    return HoldSummary(**fields | changes)


def run(folder: Path, *holds: HoldSummary, simulated: bool = False, **changes: Any) -> RunSummary:
    """Return a run of these acquisitions, in a folder with its plan."""
    (folder / "plan.json").write_text(json.dumps(PLAN))
    t_s = np.arange(0.0, 100.0, 2.0)
    degC = 100.0 + 0.1 * (-1.0) ** np.arange(50)
    truth = {"truth": Truth(500.0, 0.7)} if simulated else {}
    names = tuple(hold.name for hold in holds)
    region = RegionDose(2, (0.0, 250.0), 0.79, 4e7, 8e7, names)
    fields: dict[str, Any] = {
        "folder": folder, "title": "AMZ4 | test", "outcome": "success", "started_utc": UTC.format(0),
        "trace": TemperatureTrace(t_s, degC, np.full(50, 100.0)),
        "holds": tuple(HoldSummary(**vars(hold) | truth) for hold in holds),
        "interruptions": (Interruption("parked", 80.0, 90.0),),
        "ledger": (LedgerEntry(41.0, "lost", "frame 6", "the camera lost it", "01_ecm_100C"),),
        "dose": DoseLedger((region,), 7e9),
        "provenance": {"run": "test", "rig": "hand", "version": "0.1.0", "packages numpy": "2.1.0"},
        "records": RECORDS,
    }  # fmt: skip
    return RunSummary(**fields | changes)


PLAN: dict[str, Any] = {
    "settle": {"within_K": 0.5, "for_s": 30.0},
    "steps": [
        {"index": 0, "step": {"kind": "ramp", "target_K": 373.15, "rate_K_per_s": 1 / 3}},
        {"index": 1, "step": {"kind": "wait", "until_age_s": 2000.0, "drift_below_nm_per_s": 1 / 60}},
        {"index": 2, "step": {"kind": "acquire", "name": "01_ecm_100C"}},
        {"index": 3, "step": {"kind": "cool", "target_K": 298.15, "rate_K_per_s": 5 / 6}},
    ],
}


def record(t_s: float, kind: str, **fields: Any) -> dict[str, Any]:
    """Return a record of the journal."""
    return {"t_s": t_s, "utc": UTC.format(t_s), "kind": kind} | fields


RECORDS = [
    record(0.0, "run_started", protocol="AMZ4 | test", rig="hand"),
    record(1.0, "step", index=0, step="ramp", label="ramp to 100 °C"),
    record(20.0, "settled", setpoint_K=373.15),
    record(21.0, "step", index=1, step="wait", label="wait to age 2000 s"),
    record(30.0, "step", index=2, step="acquire", label="acquire ecm at 100 °C"),
    record(30.0, "hold_opened", hold=1, name="01_ecm_100C"),
    record(50.0, "dose", hold=1, region=2, exposed_per_nm2=2e7, beam_on_per_nm2=4.4e7),
    record(50.0, "hold_closed", hold=1),
]
