"""Fits of one correlation curve: plain, and with the finite duration of the record in the model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from annealscope.analysis.fit_spec import (
    UNUSABLE,
    FitFlag,
    FitSpec,
    Resampling,
    duration_of,
    resample,
    resampling,
    slot_s,
)
from annealscope.analysis.kww_batch import CurveFits, fit_curves, fit_limits, judge, parameter_bounds
from annealscope.analysis.kww_model import finite_kww, kww, mean_subtraction
from annealscope.analysis.precision import Model, error_scale
from annealscope.analysis.values import FloatArray, InvalidData

__all__ = [
    "BETA_STEPS",
    "UNUSABLE",
    "CurveFits",
    "FitFlag",
    "FitSpec",
    "KwwFit",
    "finite_kww",
    "fit_each",
    "fit_each_finite",
    "fit_kww",
    "fit_kww_finite",
    "kww",
    "mean_subtraction",
    "resample",
]

BETA_STEPS = (-0.10, -0.05, 0.05, 0.10)
"""How far beta is moved to see how much tau depends on it, see `KwwFit.tau_at_beta_s`."""


@dataclass(frozen=True)
class KwwFit:
    """Result of one fit; a failed fit is NaN and flagged, never 0."""

    tau_s: float
    beta: float
    amplitude: float
    baseline: float
    """Fitted constant C; 0 when it was not free."""

    sigma_tau_s: float
    sigma_beta: float
    """Statistical standard errors of this kind of fit, see `error_scale`; NaN when the number of speckles is
    not known. The bias of a plain fit is not in them."""

    fit_sigma_tau_s: float
    fit_sigma_beta: float
    """From the fit covariance: NOT the statistical uncertainty. Too small where the model fits, because
    neighbouring lags are correlated; inflated by the misfit where it does not."""

    flags: FitFlag
    model: Model

    range: str
    """The range of the `FitSpec`."""

    tau_at_beta_s: tuple[float, ...] = (np.nan,) * len(BETA_STEPS)
    """tau fitted again with beta held at the fitted value plus each of `BETA_STEPS`; NaN where that beta is
    outside its bounds."""

    @property
    def usable(self) -> bool:
        """Whether nothing but perhaps the residual-runs hint is flagged."""
        return not self.flags & UNUSABLE


def fit_kww(
    lag_s: npt.ArrayLike,
    y: npt.ArrayLike,
    pairs: npt.ArrayLike | None = None,
    *,
    spec: FitSpec | None = None,
    duration_s: float | None = None,
    n_speckles: float | None = None,
) -> KwwFit:
    """Fit ``A exp[-2 (t/tau)^beta] (+ C)`` to one curve (docs/methods/kww.md).

    Parameters
    ----------
    lag_s
        Lags in s, increasing, shape (L,), any real type. Lag 0 is never fitted.
    y
        g2 - 1 at these lags, shape (L,), any real type.
    pairs
        Number of pairs behind each lag, shape (L,); lags without pairs are dropped.
    spec
        Range, resampling, weights; None: `FitSpec.default`.
    duration_s
        Duration T of the record. Needed when the lag axis does not reach it (multi-tau); None: the axis spans
        T.
    n_speckles
        Independent speckles averaged over, for the statistical errors.

    Returns
    -------
    KwwFit
        Times in s. The model is "kww", or "kww+baseline" when the baseline was free.

    Raises
    ------
    InvalidData
        Wrong shapes or fewer than 3 lags. Bad numbers are not an error but a flagged, NaN result.
    """
    spec = FitSpec.default() if spec is None else spec
    lag, curve = np.asarray(lag_s, dtype=np.float64), _one_curve(lag_s, y)
    points = resampling(lag, pairs, spec, duration_s)
    limits = fit_limits(spec, slot_s(lag), duration_of(lag) if duration_s is None else duration_s)
    fitted = _fit_points(points, points(curve), spec, limits)
    model: Model = "kww+baseline" if spec.free_baseline else "kww"
    return _kww_fit(fitted, spec, model, n_speckles, limits)


def fit_kww_finite(
    lag_s: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    n_slots: int,
    spacing_s: float,
    pairs: npt.ArrayLike | None = None,
    spec: FitSpec | None = None,
    segments: Sequence[int] | None = None,
    segment_starts: Sequence[int] | None = None,
    n_speckles: float | None = None,
) -> KwwFit:
    """Fit ``A [f(t) - B(t; tau, beta)]``, the expected `ratio` curve of a record of finite duration.

    See "Finite duration" in docs/methods/kww.md.
    The model goes through the same resampling as the data. That the samples of long multi-tau lags are means
    over some slots is not in it; this is a matter of less than one part in a thousand.

    Parameters
    ----------
    lag_s, y
        Lags in s, whole multiples of the slot spacing, and g2 - 1 of the `ratio` estimator, shape (L,), any
        real type.
    n_slots, spacing_s
        Number of slots of the record, segments together, and slot spacing in s.
    pairs
        Number of pairs behind each lag, shape (L,).
    spec
        Resampling, weights, bounds. Lags beyond half the longest segment are dropped whatever the range.
    segments, segment_starts
        Slots per segment and, if known, their first slots on a common grid; see `mean_subtraction`.
    n_speckles
        Independent speckles averaged over, for the statistical errors.

    Returns
    -------
    KwwFit
        Times in s; the model is "finite", the baseline 0.

    Raises
    ------
    InvalidData
        Wrong shapes, too few lags, lags off the slot grid, segments that do not add up, a free baseline.
    """
    spec = FitSpec.default() if spec is None else spec
    if spec.free_baseline:
        raise InvalidData(
            "fit specification: the finite-duration model has no free baseline; use fit_kww for one"
        )
    record = _Record(spacing_s, [n_slots] if segments is None else list(segments), segment_starts)
    record.check(n_slots)
    lag, curve = np.asarray(lag_s, dtype=np.float64), _one_curve(lag_s, y)
    spec = replace(spec, range="half")
    points = resampling(lag, pairs, spec, max(record.segments) * spacing_s)
    limits = fit_limits(spec, spacing_s, record.duration_s)
    slots = record.slots(lag[points.kept])
    fitted = _fit_finite(points, slots, points(curve), record, spec, limits)
    return _kww_fit(fitted, spec, "finite", n_speckles, limits)


@dataclass(frozen=True)
class _Fitted:
    """Parameters (ln A, ln tau, beta, C), covariance errors of (ln tau, beta), flags."""

    parameters: FloatArray
    errors: FloatArray
    flags: int


_FAILED = _Fitted(np.full(4, np.nan), np.full(2, np.nan), int(FitFlag.NOT_CONVERGED))


@dataclass(frozen=True)
class _Record:
    """When the slots of a record are, as the finite model needs it."""

    spacing_s: float
    segments: Sequence[int]
    segment_starts: Sequence[int] | None

    @property
    def duration_s(self) -> float:
        return sum(self.segments) * self.spacing_s

    def check(self, n_slots: int) -> None:
        if not self.spacing_s > 0.0 or min(self.segments, default=0) < 1 or sum(self.segments) != n_slots:
            raise InvalidData(
                "record: n_slots must be the sum of segments of at least 1 slot, with a spacing > 0 s, got "
                f"{n_slots} slots, segments {list(self.segments)}, spacing {self.spacing_s} s; take all from "
                "one record"
            )

    def slots(self, lag_s: FloatArray) -> npt.NDArray[np.int64]:
        slots = np.rint(lag_s / self.spacing_s).astype(np.int64)
        if np.any(np.abs(lag_s / self.spacing_s - slots) > 0.01):
            raise InvalidData(
                f"lags: the finite-duration model needs whole multiples of the spacing {self.spacing_s} s, "
                f"got {lag_s[:3]} ... s; use the mean spacing the lags were made with"
            )
        return slots

    def curve(self, slots: npt.NDArray[np.int64], tau_s: float, beta: float) -> FloatArray:
        starts = self.segment_starts
        return finite_kww(
            slots, tau_s, beta, spacing_s=self.spacing_s, segments=self.segments, segment_starts=starts
        )


def _fit_points(points: Resampling, y: FloatArray, spec: FitSpec, limits: FloatArray) -> _Fitted:
    fits = fit_curves(points.lag_s, y[np.newaxis], points.weights(spec), spec=spec, limits=limits)
    return _Fitted(fits.parameters[0], fits.errors[0], int(fits.flags[0]))


def _fit_finite(
    points: Resampling,
    slots: npt.NDArray[np.int64],
    y: FloatArray,
    record: _Record,
    spec: FitSpec,
    limits: FloatArray,
) -> _Fitted:
    """Fit the finite-duration model, starting from a plain fit up to the first crossing."""
    plain = _fit_points(points, y, replace(spec, range="first1"), limits)
    if plain.flags & FitFlag.NOT_CONVERGED or not np.all(np.isfinite(y)):
        return _FAILED
    root_weights = np.sqrt(points.weights(spec))

    def residuals(p: FloatArray) -> FloatArray:
        model = record.curve(slots, float(np.exp(p[1])), float(p[2]))
        return np.asarray(root_weights * (y - np.exp(p[0]) * (points.matrix @ model)))

    low, high = parameter_bounds(float(np.mean(y[:3])), limits, False)
    # Subtracting the mean made tau of the plain fit shorter and its beta larger.
    start = plain.parameters[:3] * [1.0, 1.0, 0.9] + [0.0, 0.2, 0.0]
    fit = least_squares(
        residuals,
        np.clip(start, low[:3] + 1e-3, high[:3] - 1e-3),
        bounds=(low[:3], high[:3]),
        x_scale="jac",
        xtol=1e-9,
        ftol=1e-12,
    )
    if not fit.success:
        return _FAILED
    parameters = np.append(fit.x, 0.0)
    flags = judge(y, fit.fun / root_weights, parameters, low, high, limits)
    return _Fitted(parameters, _covariance_errors(np.asarray(fit.jac), 2.0 * fit.cost), flags)


def _covariance_errors(jacobian: FloatArray, cost: float) -> FloatArray:
    """Errors of (ln tau, beta) from the Jacobian in (ln A, ln tau, beta)."""
    variance = cost / max(len(jacobian) - 3, 1)
    covariance = variance * np.linalg.pinv(jacobian.T @ jacobian)
    return np.sqrt(np.diag(covariance)[1:])


def _one_curve(lag_s: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    curve = np.asarray(y, dtype=np.float64)
    if curve.ndim != 1 or curve.shape != np.shape(lag_s):
        raise InvalidData(
            f"curve: y must be one value for each lag, got shape {curve.shape} for lags {np.shape(lag_s)}; "
            "use fit_maps for many curves"
        )
    return curve


def _kww_fit(
    fitted: _Fitted, spec: FitSpec, model: Model, n_speckles: float | None, limits: FloatArray
) -> KwwFit:
    amplitude, tau_s = np.exp(fitted.parameters[:2])
    spacing_s, duration_s, _, _ = limits
    sigma_ln_tau, sigma_beta = error_scale(
        n_speckles or np.nan, duration_s, tau_s, model=model, spacing_s=spacing_s
    )
    return KwwFit(
        tau_s=float(tau_s),
        beta=float(fitted.parameters[2]),
        amplitude=float(amplitude),
        baseline=float(fitted.parameters[3]),
        sigma_tau_s=float(tau_s * sigma_ln_tau),
        sigma_beta=float(sigma_beta),
        fit_sigma_tau_s=float(tau_s * fitted.errors[0]),
        fit_sigma_beta=float(fitted.errors[1]),
        flags=FitFlag(fitted.flags),
        model=model,
        range=spec.range,
    )
