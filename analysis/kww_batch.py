"""The one fitter of plain KWW curves: many curves at once, each of them fitted on its own."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.kww_kernel import fit_rows
from annealscope.analysis.values import FloatArray, InvalidData


@dataclass(frozen=True)
class CurveFits:
    """Fits of n curves; NaN where there is no result."""

    parameters: FloatArray
    """(ln A, ln tau_s, beta, C), shape (n, 4); C is 0 when it was not free."""

    errors: FloatArray
    """Errors of (ln tau, beta) from the fit covariance, shape (n, 2): not the statistical uncertainty."""

    cost: FloatArray
    """Weighted sum of squared residuals, shape (n,)."""

    flags: npt.NDArray[np.uint16]
    """`FitFlag` bits, shape (n,)."""


def fit_curves(
    lag_s: FloatArray,
    y: npt.NDArray[np.floating],
    weights: FloatArray,
    *,
    spec: FitSpec,
    limits: FloatArray,
) -> CurveFits:
    """Fit ``A exp[-2 (t/tau)^beta] (+ C)`` to every row of ``y``.

    Parameters
    ----------
    lag_s
        Lags > 0 in s, increasing, shape (P,).
    y
        Values g2 - 1, shape (n, P), float32 or float64; float64 takes twice as long.
    weights
        Weight of each squared residual, shape (P,), > 0.
    spec
        The cut "first1" and the free baseline are read from it.
    limits
        See `fit_limits`.

    Raises
    ------
    InvalidData
        Shapes that do not fit together, or fewer than 3 points.
    """
    if y.ndim != 2 or lag_s.size < 3 or y.shape[1] != lag_s.size or weights.shape != lag_s.shape:
        raise InvalidData(
            f"curves to fit: y (n, P) must match P >= 3 lags and P weights, got {y.shape}, {lag_s.shape} and "
            f"{weights.shape}; resample curves and lags together"
        )
    n = len(y)
    fits = CurveFits(
        parameters=np.full((n, 4), np.nan),
        errors=np.full((n, 2), np.nan),
        cost=np.full(n, np.nan),
        flags=np.zeros(n, dtype=np.uint16),
    )
    options = (spec.range == "first1", spec.free_baseline)
    dtype = np.float32 if y.dtype == np.float32 else np.float64
    rows = np.ascontiguousarray(y, dtype=dtype)
    log_t, weight = np.log(lag_s).astype(dtype), weights.astype(dtype)
    fit_rows(log_t, rows, weight, limits, options, fits.parameters, fits.errors, fits.cost, fits.flags)
    return fits


def fit_limits(spec: FitSpec, slot_s: float, duration_s: float) -> FloatArray:
    """Numbers the bounds and flags come from: (slot_s, duration_s, smallest beta, largest beta)."""
    return np.array([slot_s, duration_s, *spec.beta_bounds], dtype=np.float64)
