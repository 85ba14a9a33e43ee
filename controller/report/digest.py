"""The report for programs: the numbers of a run as plain JSON values."""

from dataclasses import asdict
from typing import Any

from annealscope.controller.plain import plain
from annealscope.controller.report.ledger import counts
from annealscope.controller.report.summary import HoldSummary, TauMap
from annealscope.controller.report.summary_run import RunSummary
from annealscope.controller.report.verdicts import checks

FIT_FIELDS = ("tau_s", "sigma_tau_s", "beta", "sigma_beta", "errors")
DURATION_FIELDS = ("law", "tau_asym_s", "sigma_tau_asym_s", "T0_s", "rms_s", "other_laws_s", "why")
AGING_FIELDS = ("verdict", "slope", "sigma_slope")


def digest(run: RunSummary) -> dict[str, Any]:
    """Return outcome, results of every hold, comparison with the truth, dose and ledger as JSON values.

    Numbers that are not known are None. ``checks`` is empty for a real specimen; its ``verdict`` is ``pass``,
    ``fail`` or ``not judged``.
    """
    found = checks(run.holds)
    value: dict[str, Any] = {
        "title": run.title,
        "outcome": run.outcome,
        "why": run.why,
        "holds": [_hold(hold) for hold in run.holds],
        "checks": [asdict(check) | {"ratio": check.ratio, "verdict": check.verdict} for check in found],
        "dose": asdict(run.dose),
        "counts": counts(run.holds, run.ledger, run.holds_planned),
        "ledger": [asdict(entry) for entry in run.ledger],
        "missing": list(run.missing),
        "provenance": dict(run.provenance),
    }
    cleaned: dict[str, Any] = plain(value)
    return cleaned


def _hold(hold: HoldSummary) -> dict[str, Any]:
    return {
        "name": hold.name,
        "method": hold.method,
        "temperature_degC": hold.setpoint_degC,
        "age_s": hold.age_s,
        "frames": hold.frames,
        "frames_lost": hold.frames_lost,
        "frames_unused": hold.frames_unused,
        "duration_s": hold.duration_s,
        "relaxation": {
            name: {field: getattr(fit, field) for field in FIT_FIELDS} | {"flagged": fit.flagged}
            for name, fit in hold.fits.items()
        },
        "expected_of_the_bias": asdict(hold.expected) if hold.expected else None,
        **_along_time(hold),
        "map": _map(hold.tau_map),
        "peaks": {name: asdict(peak) for name, peak in hold.variance.peaks.items()} if hold.variance else {},
        "crystalline": hold.ring_difference.crystalline if hold.ring_difference else None,
        "missing": list(hold.missing),
    }


def _along_time(hold: HoldSummary) -> dict[str, Any]:
    """Return what the record says of its length and of the age, None where it says nothing."""
    durations, aging = hold.durations, hold.aging
    return {
        "duration": {name: getattr(durations, name) for name in DURATION_FIELDS} if durations else None,
        "aging": {name: getattr(aging, name) for name in AGING_FIELDS} | {"jumps_s": aging.jumps_s.tolist()}
        if aging
        else None,
    }


def _map(tau_map: TauMap | None) -> dict[str, Any] | None:
    if tau_map is None:
        return None
    statistics = tau_map.statistics
    known = (
        asdict(statistics)
        | {
            "sigma_sigma_het": statistics.sigma_sigma_het,
            "verdict": statistics.verdict,
        }
        if statistics
        else {}
    )
    return {"flagged_fraction": tau_map.flagged_fraction} | known
