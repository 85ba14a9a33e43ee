"""The fits of an ECM record: one for each average of g2, and the one to believe (docs/methods/ecm.md)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.analysis.averages import BlockTotals
from annealscope.analysis.ecm_rows import Timeline
from annealscope.analysis.ecm_spec import ESTIMATORS, EcmSpec
from annealscope.analysis.fit_spec import FitFlag, FitSpec
from annealscope.analysis.jackknife import LEAST_BLOCKS, left_out_error
from annealscope.analysis.kww import BETA_STEPS, KwwFit, fit_each, fit_each_finite, fit_kww, fit_kww_finite
from annealscope.analysis.kww_batch import CurveFits
from annealscope.analysis.kww_model import finite_kww
from annealscope.analysis.map_curves import ROUNDING
from annealscope.analysis.multitau import LagSums
from annealscope.analysis.precision import Model
from annealscope.analysis.slots import Integers
from annealscope.analysis.values import FloatArray, InvalidData, Result, Results


@dataclass(frozen=True)
class Estimate:
    """A fit, and how far it moves when parts of the image are left out."""

    fit: KwwFit

    tau_without_s: FloatArray
    """tau with one block of the image left out, shape (B,)."""

    beta_without: FloatArray
    """The same of beta."""

    @property
    def jackknifed(self) -> bool:
        """Whether the errors come from the image itself, not from the error scale."""
        return bool(np.isfinite(self.sigma_tau_s))

    @property
    def sigma_tau_s(self) -> float:
        """Jackknife error; NaN when there are too few blocks, or one of the fits failed."""
        return float(left_out_error(self.tau_without_s))

    @property
    def sigma_beta(self) -> float:
        """Jackknife error; NaN like `sigma_tau_s`."""
        return float(left_out_error(self.beta_without))


def estimates(totals: BlockTotals, time: Timeline, spec: EcmSpec) -> dict[str, Estimate]:
    """Fit the four averages and, as `corrected`, the `ratio` curve with the duration in the model.

    Parameters
    ----------
    totals
        Of the whole record, or of its beginning.
    time
        Slots of the same part of the record.
    spec
        The acquisition.

    Returns
    -------
    dict of Estimate
        By the names in `ESTIMATORS`, and ``corrected``.
    """
    curves, without = totals.g2(), totals.g2_without()
    found = {name: _plain(totals, curves[name], without[name], time, spec, name) for name in ESTIMATORS}
    return found | {"corrected": _corrected(totals, curves["ratio"], without["ratio"], time, spec)}


def corrected_fit(totals: BlockTotals, ratio: FloatArray, time: Timeline, spec: EcmSpec) -> KwwFit:
    """Fit a `ratio` curve with the finite duration of the record in the model: the number to believe."""
    if np.abs(ratio - 1).max() < ROUNDING:
        return _no_fit("finite", "half")
    lag_s = totals.lag_slots * time.spacing_s
    return fit_kww_finite(lag_s, ratio - 1, **finite_record(totals, time, spec), n_speckles=spec.n_speckles)


def corrected_curve(fit: KwwFit, totals: BlockTotals, time: Timeline) -> FloatArray:
    """Return g2 as the corrected fit has it at all lags, shape (L,); NaN where the record has no pair."""
    decay = finite_kww(totals.lag_slots, fit.tau_s, fit.beta, width_slots=totals.width_slots, **time.layout)
    return 1 + fit.amplitude * decay


def fit_results(found: dict[str, Estimate]) -> Results:
    """Return the groups ``kww/<estimator>`` of a hold file."""
    return {f"kww/{name}": _group(estimate) for name, estimate in found.items()}


def _corrected(
    totals: BlockTotals, ratio: FloatArray, without: FloatArray, time: Timeline, spec: EcmSpec
) -> Estimate:
    try:
        fit = corrected_fit(totals, ratio, time, spec)
    except InvalidData:  # too few lags
        fit = _no_fit("finite", "half")
    if not _worth_leaving_out(fit, without):
        return _without_errors(fit, len(without))
    lag_s = totals.lag_slots * time.spacing_s
    return _estimate(fit, fit_each_finite(lag_s, without - 1, **finite_record(totals, time, spec)))


def _plain(
    totals: BlockTotals, g2: FloatArray, without: FloatArray, time: Timeline, spec: EcmSpec, name: str
) -> Estimate:
    chosen = _plain_spec(spec.fit, name)
    lag_s, duration_s = totals.lag_slots * time.spacing_s, time.n_slots * time.spacing_s
    fit = _plain_fit(lag_s, g2 - 1, totals.pairs, chosen, duration_s, spec.n_speckles)
    fit = _of_what_is_seen(fit, time)
    if not _worth_leaving_out(fit, without):
        return _without_errors(fit, len(without))
    return _estimate(fit, fit_each(lag_s, without - 1, totals.pairs, spec=chosen, duration_s=duration_s))


def _plain_fit(
    lag_s: npt.NDArray[np.floating],
    y: FloatArray,
    pairs: Integers,
    spec: FitSpec,
    duration_s: float,
    n_speckles: float,
) -> KwwFit:
    no_fit = _no_fit("kww+baseline" if spec.free_baseline else "kww", spec.range)
    if np.abs(y).max() < ROUNDING:
        return no_fit
    try:
        fit = fit_kww(lag_s, y, pairs, spec=spec, duration_s=duration_s, n_speckles=n_speckles)
    except InvalidData:  # too few lags
        return no_fit
    # A record that outgrew its plan: the lags do not show where the decay ends, and the baseline begins.
    blind = spec.free_baseline and lag_s[-1] < fit.tau_s
    return replace(fit, flags=fit.flags | FitFlag.TOO_SLOW) if blind else fit


def _of_what_is_seen(fit: KwwFit, time: Timeline) -> KwwFit:
    """Increase the errors of a plain fit, which does not know of lost slots, by what these cost."""
    factor = np.sqrt(time.n_slots * time.spacing_s / time.seen_s(fit.tau_s))
    return replace(
        fit, sigma_tau_s=float(factor * fit.sigma_tau_s), sigma_beta=float(factor * fit.sigma_beta)
    )


def _plain_spec(fit: FitSpec, name: str) -> FitSpec:
    """Return how a curve is fitted: static structure adds a constant to those divided by image means."""
    return fit if name in ("pixel", "ratio") else replace(fit, range="quarter", free_baseline=True)


def finite_record(sums: BlockTotals | LagSums, time: Timeline, spec: EcmSpec) -> dict[str, Any]:
    """Return what a fit with the finite-duration model must know, see `fit_kww_finite`."""
    fit = replace(spec.fit, range="half", free_baseline=False)
    of_lags = {"pairs": sums.pairs, "width_slots": sums.width_slots}
    return {"n_slots": time.n_slots, "spec": fit, **of_lags, **time.layout}


def _worth_leaving_out(fit: KwwFit, without: FloatArray) -> bool:
    return len(without) >= LEAST_BLOCKS and bool(np.isfinite(fit.tau_s))


def _estimate(fit: KwwFit, each: CurveFits) -> Estimate:
    return Estimate(fit, np.exp(each.parameters[:, 1]), each.parameters[:, 2])


def _without_errors(fit: KwwFit, n_blocks: int) -> Estimate:
    return Estimate(fit, np.full(n_blocks, np.nan), np.full(n_blocks, np.nan))


def _no_fit(model: Model, range: str) -> KwwFit:
    nan = float("nan")
    return KwwFit(
        tau_s=nan,
        beta=nan,
        amplitude=nan,
        baseline=nan,
        sigma_tau_s=nan,
        sigma_beta=nan,
        fit_sigma_tau_s=nan,
        fit_sigma_beta=nan,
        flags=FitFlag.NOT_CONVERGED,
        model=model,
        range=range,
    )


def _group(estimate: Estimate) -> Result:
    fit = estimate.fit
    names = ("tau_s", "beta", "amplitude", "baseline", "fit_sigma_tau_s", "fit_sigma_beta", "model", "range")
    attrs: dict[str, Any] = {name: getattr(fit, name) for name in names}
    attrs |= {"scale_sigma_tau_s": fit.sigma_tau_s, "scale_sigma_beta": fit.sigma_beta}
    best: Any = estimate if estimate.jackknifed else fit
    attrs |= {"sigma_tau_s": best.sigma_tau_s, "sigma_beta": best.sigma_beta}
    attrs |= {"errors": "jackknife" if estimate.jackknifed else "error scale"}
    attrs |= {"blocks": len(estimate.tau_without_s), "flags": int(fit.flags)}
    attrs |= {"beta_steps": list(BETA_STEPS), "tau_at_beta_s": list(fit.tau_at_beta_s)}
    return Result(None, attrs=attrs)
