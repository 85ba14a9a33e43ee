"""Fits of one correlation curve: plain, and with the finite duration of the record in the model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

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
from annealscope.analysis.kww_batch import CurveFits, Decays, fit_curves, fit_limits
from annealscope.analysis.kww_finite import SlotRecord, finite_decays
from annealscope.analysis.kww_gaps import UsedSlots
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
    curves = _one_curve(lag_s, y)[np.newaxis]
    free_baseline = spec is not None and spec.free_baseline
    model: Model = "kww+baseline" if free_baseline else "kww"
    return _kww_fit(_plain_fitter(lag_s, curves, pairs, spec, duration_s), model, n_speckles)


def fit_each(
    lag_s: npt.ArrayLike,
    y: npt.NDArray[np.floating],
    pairs: npt.ArrayLike | None = None,
    *,
    spec: FitSpec | None = None,
    duration_s: float | None = None,
) -> CurveFits:
    """Fit many curves of one lag axis like `fit_kww`, without the statistical errors of each.

    Parameters
    ----------
    y
        g2 - 1, one curve a row, shape (n, L), float32 or float64.
    lag_s, pairs, spec, duration_s
        See `fit_kww`.

    Raises
    ------
    InvalidData
        Wrong shapes or fewer than 3 lags.
    """
    return _plain_fitter(lag_s, _curves(lag_s, y), pairs, spec, duration_s)()


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
    used: UsedSlots | None = None,
    width_slots: npt.ArrayLike | None = None,
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
    used, width_slots
        Which slots have a frame, None: all; and with lost slots, how many slots a sample of each lag is the
        mean of, as in `LagSums`, shape (L,), None: 1.
    n_speckles
        Independent speckles averaged over, for the statistical errors.

    Returns
    -------
    KwwFit
        Times in s; the model is "finite", the baseline 0.

    Raises
    ------
    InvalidData
        Wrong shapes, too few lags, lags off the slot grid or without pairs, segments that do not add up, a
        free baseline.
    """
    curves = _one_curve(lag_s, y)[np.newaxis]
    parts = [n_slots] if segments is None else segments
    record = SlotRecord(n_slots, spacing_s, parts, segment_starts, used)
    return _kww_fit(_finite_fitter(lag_s, curves, pairs, spec, record, width_slots), "finite", n_speckles)


def fit_each_finite(
    lag_s: npt.ArrayLike,
    y: npt.NDArray[np.floating],
    *,
    n_slots: int,
    spacing_s: float,
    pairs: npt.ArrayLike | None = None,
    spec: FitSpec | None = None,
    segments: Sequence[int] | None = None,
    segment_starts: Sequence[int] | None = None,
    used: UsedSlots | None = None,
    width_slots: npt.ArrayLike | None = None,
) -> CurveFits:
    """Fit many curves of one record like `fit_kww_finite`, without the statistical errors of each.

    Parameters
    ----------
    y
        g2 - 1 of the `ratio` estimator, one curve a row, shape (n, L), float32 or float64.
    lag_s, n_slots, spacing_s, pairs, spec, segments, segment_starts, used, width_slots
        See `fit_kww_finite`.

    Raises
    ------
    InvalidData
        Wrong shapes, too few lags, lags off the slot grid or without pairs, segments that do not add up, a
        free baseline.
    """
    parts = [n_slots] if segments is None else segments
    record = SlotRecord(n_slots, spacing_s, parts, segment_starts, used)
    return _finite_fitter(lag_s, _curves(lag_s, y), pairs, spec, record, width_slots)()


@dataclass(frozen=True)
class _Fitter:
    """Curves, resampled, and everything else that a fit of them needs."""

    points: Resampling
    y: npt.NDArray[np.floating]
    spec: FitSpec
    limits: FloatArray
    decays: Decays | None = None
    record: SlotRecord | None = None

    def __call__(self, beta_bounds: tuple[float, float] | None = None) -> CurveFits:
        limits = self.limits if beta_bounds is None else np.array([*self.limits[:2], *beta_bounds])
        weights = self.points.weights(self.spec)
        return fit_curves(
            self.points.lag_s, self.y, weights, spec=self.spec, limits=limits, decays=self.decays
        )


def _plain_fitter(
    lag_s: npt.ArrayLike,
    curves: npt.NDArray[np.floating],
    pairs: npt.ArrayLike | None,
    spec: FitSpec | None,
    duration_s: float | None,
) -> _Fitter:
    spec = FitSpec.default() if spec is None else spec
    lag = np.asarray(lag_s, dtype=np.float64)
    points = resampling(lag, pairs, spec, duration_s)
    limits = fit_limits(spec, slot_s(lag), duration_of(lag) if duration_s is None else duration_s)
    return _Fitter(points, points(curves.T), spec, limits)


def _finite_fitter(
    lag_s: npt.ArrayLike,
    curves: npt.NDArray[np.floating],
    pairs: npt.ArrayLike | None,
    spec: FitSpec | None,
    record: SlotRecord,
    width_slots: npt.ArrayLike | None,
) -> _Fitter:
    spec = FitSpec.default() if spec is None else spec
    if spec.free_baseline:
        raise InvalidData(
            "fit specification: the finite-duration model has no free baseline; use fit_kww for one"
        )
    spec = replace(spec, range="half")
    lag = np.asarray(lag_s, dtype=np.float64)
    points = resampling(lag, pairs, spec, max(record.segments) * record.spacing_s)
    limits = fit_limits(spec, record.spacing_s, record.duration_s)
    decays = finite_decays(points, lag, record, width_slots)
    return _Fitter(points, points(curves.T), spec, limits, decays, record)


def _one_curve(lag_s: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    curve = np.asarray(y, dtype=np.float64)
    if curve.ndim != 1 or curve.shape != np.shape(lag_s):
        raise InvalidData(
            f"curve: y must be one value for each lag, got shape {curve.shape} for lags {np.shape(lag_s)}; "
            "use fit_maps for many curves"
        )
    return curve


def _curves(lag_s: npt.ArrayLike, y: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    if y.ndim != 2 or y.shape[1:] != np.shape(lag_s):
        raise InvalidData(
            f"curves: y must have a row for each curve and a column for each lag, got shape {y.shape} for "
            f"lags {np.shape(lag_s)}; use fit_kww for one curve"
        )
    return y


def _kww_fit(fitter: _Fitter, model: Model, n_speckles: float | None) -> KwwFit:
    fits = fitter()
    parameters, errors = fits.parameters[0], fits.errors[0]
    amplitude, tau_s = np.exp(parameters[:2])
    spacing_s, duration_s, _, _ = fitter.limits
    if fitter.record is not None:
        duration_s = fitter.record.seen_s(tau_s)
    sigma_ln_tau, sigma_beta = error_scale(
        n_speckles or np.nan, duration_s, tau_s, model=model, spacing_s=spacing_s
    )
    return KwwFit(
        tau_s=float(tau_s),
        beta=float(parameters[2]),
        amplitude=float(amplitude),
        baseline=float(parameters[3]),
        sigma_tau_s=float(tau_s * sigma_ln_tau),
        sigma_beta=float(sigma_beta),
        fit_sigma_tau_s=float(tau_s * errors[0]),
        fit_sigma_beta=float(errors[1]),
        flags=FitFlag(int(fits.flags[0])),
        model=model,
        range=fitter.spec.range,
        tau_at_beta_s=tuple(_tau_at(fitter, parameters[2] + step) for step in BETA_STEPS),
    )


def _tau_at(fitter: _Fitter, beta: float) -> float:
    """Return tau in s with beta held; NaN where it is outside its bounds."""
    lowest, highest = fitter.spec.beta_bounds
    if not lowest <= beta <= highest:
        return np.nan
    return float(np.exp(fitter((beta, beta)).parameters[0, 1]))
