"""The one fitter of KWW curves: many curves at once, each of them fitted on its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import get_num_threads

from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.kww_kernel import Model, fit_columns, lanes_at_once
from annealscope.analysis.values import FloatArray, InvalidData

_GROUPS_AT_ONCE = 16
"""Groups of lanes that a thread takes at once, so that handing them out costs nothing."""


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


@dataclass(frozen=True)
class Decays:
    """Points made of the decay at other times: ``matrix @ exp[-2 (t/tau)^beta]``."""

    t_s: FloatArray
    """Times in s, shape (Q,), > 0."""

    matrix: FloatArray
    """Shape (P, Q)."""


def fit_curves(
    lag_s: FloatArray,
    y: npt.NDArray[np.floating],
    weights: FloatArray,
    *,
    spec: FitSpec,
    limits: FloatArray,
    decays: Decays | None = None,
) -> CurveFits:
    """Fit ``A exp[-2 (t/tau)^beta] (+ C)``, or another model made of such decays, to every column of ``y``.

    Parameters
    ----------
    lag_s
        Lags > 0 in s, increasing, shape (P,).
    y
        Values g2 - 1, shape (P, n), float32 or float64. Single precision is fitted in single precision, which
        takes half the time.
    weights
        Weight of each squared residual, shape (P,), > 0.
    spec
        The cut "first1" and the free baseline are read from it.
    limits
        See `fit_limits`; beta is held when its smallest and largest value are the same.
    decays
        The model, for A = 1 and C = 0; None: the decay at the lags.

    Raises
    ------
    InvalidData
        Shapes that do not fit together, or fewer than 3 points.
    """
    if y.ndim != 2 or lag_s.size < 3 or len(y) != lag_s.size or weights.shape != lag_s.shape:
        raise InvalidData(
            f"curves to fit: y (P, n) must match P >= 3 lags and P weights, got {y.shape}, {lag_s.shape} and "
            f"{weights.shape}; resample curves and lags together"
        )
    n = y.shape[1]
    fits = CurveFits(
        parameters=np.full((n, 4), np.nan),
        errors=np.full((n, 2), np.nan),
        cost=np.full(n, np.nan),
        flags=np.zeros(n, dtype=np.uint16),
    )
    dtype = np.float32 if y.dtype == np.float32 else np.float64
    curves = np.ascontiguousarray(y, dtype=dtype)
    model = _model(lag_s, weights, decays, np.dtype(dtype))
    options = (spec.range == "first1", spec.free_baseline)
    lanes = lanes_at_once(lag_s.size, model.node_log_t.size)

    def fit(first: int) -> None:
        part = slice(first, first + _GROUPS_AT_ONCE * lanes)
        results = fits.parameters[part], fits.errors[part], fits.cost[part], fits.flags[part]
        fit_columns(model, curves, first, lanes, limits, options, *results)

    _on_all_threads(fit, range(0, n, _GROUPS_AT_ONCE * lanes))
    return fits


def fit_limits(spec: FitSpec, slot_s: float, duration_s: float) -> FloatArray:
    """Numbers the bounds and flags come from: (slot_s, duration_s, smallest beta, largest beta)."""
    return np.array([slot_s, duration_s, *spec.beta_bounds], dtype=np.float64)


def _model(
    lag_s: FloatArray, weights: FloatArray, decays: Decays | None, dtype: np.dtype[np.floating]
) -> Model:
    """Bring everything to the precision of the curves; times are filled up to whole fours."""
    if decays is None:
        parts = [np.log(lag_s), weights, np.log(lag_s), np.empty((0, 0))]
    else:
        more = -decays.t_s.size % 4
        node_log_t = np.pad(np.log(decays.t_s), (0, more))
        parts = [np.log(lag_s), weights, node_log_t, np.pad(decays.matrix, ((0, 0), (0, more)))]
    return Model(*(np.ascontiguousarray(part, dtype=dtype) for part in parts))


def _on_all_threads(work: Callable[[int], None], items: range) -> None:
    """Call ``work`` for every item; the kernel in it runs without the lock of the interpreter."""
    if len(items) <= 1 or get_num_threads() == 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(get_num_threads()) as threads:
        for _ in threads.map(work, items):
            pass
