"""Movies at one temperature and several dose rates: what is left of the relaxation without a beam."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from annealscope.analysis.dose import (
    LEAST_RATES,
    additive_rates,
    no_dose_dependence,
    power_law,
)
from annealscope.analysis.fit_spec import UNUSABLE, FitFlag
from annealscope.analysis.values import FloatArray, Result, Results
from annealscope.controller.record.holdresults import HoldResults

BELIEVED = "corrected"
"""The estimator whose relaxation times are the ones to believe."""

SAME_DUTY = 0.01
"""Relative difference of duty cycles below which they are one."""


def dose_series_results(holds: list[HoldResults]) -> Results:
    """Return the relaxation times against the dose rate, and the laws through them, of every dose series.

    The first series has the plain name ``tau_of_dose_rate``; that of a later one ends in ``_2`` and so on.
    """
    results: Results = {}
    for number, series in enumerate(dose_series(holds), start=1):
        results |= _results_of(series, f"tau_of_dose_rate{'' if number == 1 else f'_{number}'}")
    return results


def dose_series(holds: list[HoldResults]) -> Iterator[list[HoldResults]]:
    """Yield the movies of each state with at least three dose rates, by increasing dose rate.

    A series ends when the setpoint changes: what was heated in between is another glass. Only holds with a
    relaxation time that nothing is flagged against take part.
    """
    for _, state in groupby(holds, key=lambda hold: hold.info.setpoint_K):
        series = sorted(filter(_usable, state), key=_rate)
        if len({_rate(hold) for hold in series}) >= LEAST_RATES:
            yield series


def _usable(hold: HoldResults) -> bool:
    fit = _fit(hold)
    numbers = [_rate(hold), fit.get("tau_s", np.nan), fit.get("sigma_tau_s", np.nan)]
    flagged = FitFlag(int(fit.get("flags", 0))) & UNUSABLE
    return not flagged and bool(np.isfinite(numbers).all()) and min(numbers) > 0.0


def _fit(hold: HoldResults) -> dict[str, Any]:
    return hold.attrs(f"kww/{BELIEVED}")


def _rate(hold: HoldResults) -> float:
    """Return the electrons per nm^2 and s while the beam is on; NaN when it is not known."""
    rate = hold.info.settings.get("dose_rate_per_nm2_s")
    return float("nan") if rate is None else float(rate)


def _duty(hold: HoldResults) -> float:
    return hold.info.exposure_s / hold.info.period_s


def _results_of(series: list[HoldResults], group: str) -> Results:
    fits = [_fit(hold) for hold in series]
    tau_s, sigma_s = (np.array([float(fit[name]) for fit in fits]) for name in ("tau_s", "sigma_tau_s"))
    rate = np.array([_rate(hold) for hold in series])
    duty = np.array([_duty(hold) for hold in series])
    duty_differs = bool(np.ptp(duty) > SAME_DUTY * duty.max())
    attrs = {"signal": "tau_s", "axes": ["dose_rate"], "setpoint_K": series[0].info.setpoint_K}
    attrs |= {"duty_differs": duty_differs, **_laws(rate, tau_s, sigma_s)}
    if duty_differs:
        attrs |= {f"mean_{name}": value for name, value in _laws(rate * duty, tau_s, sigma_s).items()}
    return {
        group: Result(None, attrs=attrs),
        f"{group}/hold": Result(np.array([hold.name.encode() for hold in series], dtype="S")),
        f"{group}/dose_rate": Result(rate, "1/nm^2/s", {"long_name": "dose rate during exposures"}),
        f"{group}/mean_dose_rate": Result(rate * duty, "1/nm^2/s", {"long_name": "exposed dose over time"}),
        f"{group}/tau_s": Result(tau_s, "s", {"long_name": "corrected relaxation time"}),
        f"{group}/tau_s_errors": Result(sigma_s, "s"),
    }


def _laws(phi: FloatArray, tau_s: FloatArray, sigma_s: FloatArray) -> dict[str, Any]:
    """Return the numbers of both laws, and how well they and one tau for all agree with the times."""
    points = phi, tau_s, sigma_s
    additive, power, constant = additive_rates(*points), power_law(*points), no_dose_dependence(*points)
    agreements = {"additive": additive.agreement, "power": power.agreement, "constant": constant}
    return {
        "tau_0_s": additive.tau_0_s,
        "sigma_tau_0_s": additive.sigma_tau_0_s,
        "lower_bound_tau_0_s": additive.lower_bound_s,
        "rate_0_per_s": additive.rate_0_per_s,
        "sigma_rate_0_per_s": additive.sigma_rate_0_per_s,
        "b_nm2": additive.b_nm2,
        "sigma_b_nm2": additive.sigma_b_nm2,
        "why": additive.why,
        "power": power.power,
        "sigma_power": power.sigma_power,
        "tau_ref_s": power.tau_ref_s,
        "dose_rate_ref_per_nm2_s": power.phi_ref_per_nm2_s,
        "why_power": power.why,
        **{f"chi2_{law}": agreement.chi2 for law, agreement in agreements.items()},
        **{f"dof_{law}": agreement.dof for law, agreement in agreements.items()},
        **{f"bic_{law}": agreement.bic for law, agreement in agreements.items()},
    }
