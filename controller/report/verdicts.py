"""Simulated runs against their truth: every number with what it may be off by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from annealscope.analysis.precision import error_scale
from annealscope.analysis.variance import variance_error_scale
from annealscope.controller.report.style import Table
from annealscope.controller.report.summary import Fit, HoldSummary, Truth
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, PatternTruth, Peak, Variance

ECM_SIGMAS, TAU_BIAS, BETA_BIAS = 4.0, 0.03, 0.02
"""Standard errors that a relaxation may be off by, and what is left of the bias of a finite record."""

FEM_SIGMAS, VARIANCE_BIAS = 3.0, 0.01
"""The same for the height of the first peak of V(k), in standard errors that so many patterns should have."""

PEAK_TOLERANCE_PER_NM, RATIO_TOLERANCE = 0.02, 0.04
"""What position and ratio of the peaks may be off by."""


@dataclass(frozen=True)
class Check:
    """One number of one hold beside its truth."""

    hold: str
    label: str
    """Temperature of the hold in words."""

    method: str
    """``ECM`` or ``FEM``."""

    temperature_degC: float
    age_s: float
    quantity: str
    """``tau``, ``beta``, ``V_max``, ``k`` or ``V_ratio``."""

    unit: str
    value: float
    sigma: float
    truth: float
    off_by: float
    """Of tau and V_max relative to the truth (ln of the ratio for tau); of the others the difference."""

    tolerance: float
    """Largest ``|off_by|`` that passes."""

    flagged: str = ""
    """Why the number is not to be believed, in words; such a number is not judged."""

    @property
    def ratio(self) -> float:
        """Value over truth."""
        return self.value / self.truth if self.truth else NOT_A_NUMBER

    @property
    def verdict(self) -> str:
        """``pass``, ``fail``, or ``not judged``."""
        if self.flagged or not np.isfinite(self.off_by) or not np.isfinite(self.tolerance):
            return "not judged"
        return "pass" if abs(self.off_by) <= self.tolerance else "fail"


def checks(holds: Iterable[HoldSummary]) -> list[Check]:
    """Return every number that has a truth, hold by hold."""
    found: list[Check] = []
    for hold in holds:
        if hold.truth is not None:
            found += _relaxation(hold, hold.fits.get("corrected"), hold.truth)
        if hold.pattern_truth is not None and hold.method == "fem":
            found += _variance(hold, hold.variance, hold.pattern_truth)
    return found


def _check(
    hold: HoldSummary, quantity: str, unit: str, *, value: float, sigma: float, truth: float,
    off_by: float, tolerance: float, flagged: str = "",
) -> Check:  # fmt: skip
    return Check(
        hold.name, hold.label, hold.method.upper(), hold.setpoint_degC, hold.age_s,
        quantity, unit, value, sigma, truth, off_by, tolerance, flagged,
    )  # fmt: skip


def _relaxation(hold: HoldSummary, fit: Fit | None, truth: Truth) -> Iterable[Check]:
    if fit is None:
        fit = Fit(NOT_A_NUMBER, NOT_A_NUMBER)
    n_speckles = hold.correlation.n_speckles if hold.correlation else NOT_A_NUMBER
    sigma_ln_tau, sigma_beta = (
        float(sigma) for sigma in error_scale(n_speckles, hold.duration_s, truth.tau_s)
    )
    yield _check(
        hold, "tau", "s", value=fit.tau_s, sigma=fit.sigma_tau_s, truth=truth.tau_s,
        off_by=float(np.log(fit.tau_s / truth.tau_s)) if fit.tau_s > 0 else NOT_A_NUMBER,
        tolerance=ECM_SIGMAS * sigma_ln_tau + TAU_BIAS, flagged=fit.flagged,
    )  # fmt: skip
    yield _check(
        hold, "beta", "", value=fit.beta, sigma=fit.sigma_beta, truth=truth.beta,
        off_by=fit.beta - truth.beta, tolerance=ECM_SIGMAS * sigma_beta + BETA_BIAS, flagged=fit.flagged,
    )  # fmt: skip


def _variance(hold: HoldSummary, variance: Variance | None, truth: PatternTruth) -> Iterable[Check]:
    peak = (variance.peaks.get("first") if variance else None) or Peak(NOT_A_NUMBER, NOT_A_NUMBER)
    scale = float(variance_error_scale(max(hold.frames, 1), truth.k0_per_nm, hold.probe_nm))
    yield _check(
        hold, "V_max", "", value=peak.V_max, sigma=peak.sigma_V_max, truth=truth.V_max,
        off_by=peak.V_max / truth.V_max - 1,
        tolerance=FEM_SIGMAS * scale + VARIANCE_BIAS, flagged=peak.flagged,
    )  # fmt: skip
    if variance is None:
        return
    yield _check(
        hold, "k", "1/nm", value=peak.k_per_nm, sigma=peak.sigma_k_per_nm, truth=truth.k0_per_nm,
        off_by=peak.k_per_nm - truth.k0_per_nm, tolerance=PEAK_TOLERANCE_PER_NM, flagged=peak.flagged,
    )  # fmt: skip
    second = variance.peaks.get("second")
    yield _check(
        hold, "V_ratio", "", value=variance.ratio, sigma=variance.sigma_ratio, truth=truth.V_ratio,
        off_by=variance.ratio - truth.V_ratio, tolerance=RATIO_TOLERANCE,
        flagged=second.flagged if second else "",
    )  # fmt: skip


def table_checks(found: Sequence[Check]) -> Table:
    """Return one row per check."""
    header = (
        "hold", "set temperature / degC", "age at start / s", "quantity", "unit", "value", "sigma", "truth",
        "value over truth / 1", "off by", "tolerance", "verdict",
    )  # fmt: skip
    return header, [_row(check) for check in found]


def _row(check: Check) -> tuple[str | float, ...]:
    return (
        check.hold, check.temperature_degC, check.age_s, check.quantity, check.unit or "1",
        check.value, check.sigma, check.truth, check.ratio, check.off_by, check.tolerance, check.verdict,
    )  # fmt: skip
