"""The one fitter of plain KWW curves: bounded Levenberg-Marquardt over many curves at once.

All helpers of the kernel are in this file: numba's cache watches a kernel's own file only. They are loops,
not array expressions, which halves the time to compile them.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from annealscope.analysis.fit_spec import FitFlag, FitSpec
from annealscope.analysis.values import FloatArray, InvalidData

# Kernels know plain integers only.
_NOT_CONVERGED = int(FitFlag.NOT_CONVERGED)
_TAU_AT_BOUND = int(FitFlag.TAU_AT_BOUND)
_BETA_AT_BOUND = int(FitFlag.BETA_AT_BOUND)
_LOW_AMPLITUDE = int(FitFlag.LOW_AMPLITUDE)
_TOO_FAST = int(FitFlag.TOO_FAST)
_TOO_SLOW = int(FitFlag.TOO_SLOW)
_FEW_POINTS = int(FitFlag.FEW_POINTS)
_RESIDUAL_RUNS = int(FitFlag.RESIDUAL_RUNS)
_BASELINE_AT_BOUND = int(FitFlag.BASELINE_AT_BOUND)

_MIN_POINTS = 6
_START_BETA = 0.8
_MAX_RELATIVE_AMPLITUDE = 10.0
_MIN_RELATIVE_AMPLITUDE = 1e-6
_RUNS_Z = -3.0
_GONE = 5.8
"""Logarithm of (t/tau)^beta beyond which the decay, below 1e-280, counts as over."""
_E_MINUS_2 = math.exp(-2.0)
"""What is left of a decay at t = tau."""
_MAX_ITERATIONS = 300
_STEP_TOLERANCE = 1e-7
_GAIN_TOLERANCE = 1e-9


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
        Values g2 - 1, shape (n, P), float32 or float64.
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
    # One precision inside: one compiled kernel, and exact curves fitted exactly.
    rows = np.ascontiguousarray(y, dtype=np.float64)
    _fit_rows(
        np.log(lag_s), rows, weights, limits, options, fits.parameters, fits.errors, fits.cost, fits.flags
    )
    return fits


def fit_limits(spec: FitSpec, slot_s: float, duration_s: float) -> FloatArray:
    """Numbers the bounds and flags come from: (slot_s, duration_s, smallest beta, largest beta)."""
    return np.array([slot_s, duration_s, *spec.beta_bounds], dtype=np.float64)


@njit(cache=True, parallel=True)
def _fit_rows(log_t, y, weights, limits, options, values, errors, cost, flags):  # type: ignore[no-untyped-def]
    for row in prange(y.shape[0]):
        flags[row] = _fit_row(
            log_t, y[row], weights, limits, options, values[row], errors[row], cost[row : row + 1]
        )


@njit(cache=True)
def _fit_row(log_t, y, weights, limits, options, values, errors, cost):  # type: ignore[no-untyped-def]
    first1, free_baseline = options
    positive = _crossing(y)
    n = min(positive + 1, y.size) if first1 else y.size
    start_amplitude = (y[0] + y[1] + y[2]) / 3.0
    if n < (5 if free_baseline else 4) or not start_amplitude > 0.0 or not _all_finite(y[:n]):
        return _NOT_CONVERGED | (_FEW_POINTS if positive < _MIN_POINTS else 0)

    low, high = parameter_bounds(start_amplitude, limits, free_baseline)
    p = np.array([np.log(start_amplitude), _start_log_tau(log_t, y, n, start_amplitude), _START_BETA, 0.0])
    for i in range(4):
        p[i] = min(max(p[i], low[i]), high[i])
    best, converged = _minimise(log_t[:n], y[:n], weights[:n], p, low, high)
    if not converged:
        return _NOT_CONVERGED

    for i in range(4):
        values[i] = p[i]
    cost[0] = best
    _covariance(log_t[:n], y[:n], weights[:n], p, low, high, errors)
    residuals = np.empty(n)
    for j in range(n):
        residuals[j] = y[j] - p[3] - np.exp(p[0] - 2.0 * np.exp(p[2] * (log_t[j] - p[1])))
    return judge(y, residuals, p, low, high, limits)


@njit(cache=True)
def judge(y, residuals, p, low, high, limits):  # type: ignore[no-untyped-def]
    """Flag a finished fit.

    ``p`` = (ln A, ln tau, beta, C) with bounds ``low`` and ``high``; ``limits`` = (slot_s, duration_s,
    smallest beta, largest beta); ``residuals`` of the points used.
    """
    flags = _FEW_POINTS if _crossing(y) < _MIN_POINTS else 0
    slot_s, duration_s, _, _ = limits
    amplitude, tau_s = np.exp(p[0]), np.exp(p[1])
    squares = 0.0
    for j in range(residuals.size):
        squares += residuals[j] * residuals[j]
    rms = np.sqrt(squares / residuals.size)
    if p[1] - low[1] < 1e-6 or high[1] - p[1] < 1e-6:
        flags |= _TAU_AT_BOUND
    if p[2] - low[2] < 1e-6 or high[2] - p[2] < 1e-6:
        flags |= _BETA_AT_BOUND
    if low[3] < high[3] and (p[3] <= low[3] or p[3] >= high[3]):
        flags |= _BASELINE_AT_BOUND
    if amplitude < 3.0 * rms:
        flags |= _LOW_AMPLITUDE
    if tau_s < 3.0 * slot_s:
        flags |= _TOO_FAST
    if tau_s > duration_s / 3.0:
        flags |= _TOO_SLOW
    if rms > 1e-6 * amplitude and _runs_z(residuals) < _RUNS_Z:
        flags |= _RESIDUAL_RUNS
    return flags


@njit(cache=True)
def parameter_bounds(start_amplitude, limits, free_baseline):  # type: ignore[no-untyped-def]
    """Lower and upper bounds of (ln A, ln tau, beta, C); ``limits`` as in `judge`."""
    slot_s, duration_s, beta_low, beta_high = limits
    largest_baseline = start_amplitude if free_baseline else 0.0
    low_amplitude = np.log(start_amplitude * _MIN_RELATIVE_AMPLITUDE)
    high_amplitude = np.log(start_amplitude * _MAX_RELATIVE_AMPLITUDE)
    low = np.array([low_amplitude, np.log(slot_s / 10.0), beta_low, -largest_baseline])
    high = np.array([high_amplitude, np.log(100.0 * duration_s), beta_high, largest_baseline])
    return low, high


@njit(cache=True)
def _crossing(y):  # type: ignore[no-untyped-def]
    """Count the points before the first one that is not above zero."""
    for j in range(y.size):
        if y[j] <= 0.0:
            return j
    return y.size


@njit(cache=True)
def _all_finite(y):  # type: ignore[no-untyped-def]
    for j in range(y.size):  # noqa: SIM110  (numba has no generators here)
        if not np.isfinite(y[j]):
            return False
    return True


@njit(cache=True)
def _start_log_tau(log_t, y, n, amplitude):  # type: ignore[no-untyped-def]
    """Log of the first lag at which the curve is below e^-2 of its start."""
    for j in range(n):
        if y[j] < amplitude * _E_MINUS_2:
            return log_t[j]
    return log_t[n - 1]


@njit(cache=True)
def _minimise(log_t, y, weights, p, low, high):  # type: ignore[no-untyped-def]
    """Levenberg-Marquardt with steps clipped to the bounds; changes p, returns (cost, converged).

    The damping follows Nielsen's rule: after a good step times 1 - (2 rho - 1)^3, with rho the ratio of the
    gain to the foreseen one, here within 0.1 ... 2; after a bad one it grows.
    """
    hessian, trial_hessian = np.empty((4, 4)), np.empty((4, 4))
    gradient, trial_gradient = np.empty(4), np.empty(4)
    step, trial, work = np.empty(4), np.empty(4), np.empty((4, 4))
    cost = _normal_equations(log_t, y, weights, p, hessian, gradient)
    damping = 1e-3
    for _ in range(_MAX_ITERATIONS):
        _solve(hessian, gradient, damping, p, low, high, work, step)
        for i in range(4):
            trial[i] = min(max(p[i] + step[i], low[i]), high[i])
        trial_cost = _normal_equations(log_t, y, weights, trial, trial_hessian, trial_gradient)
        if not trial_cost < cost:
            damping *= 4.0
            if damping > 1e10:
                return cost, True
            continue
        moved = 0.0
        for i in range(4):
            moved = max(moved, abs(trial[i] - p[i]) / (1.0 + abs(trial[i])))
        gain = cost - trial_cost
        foreseen = 0.0
        for i in range(4):
            foreseen += step[i] * (gradient[i] + damping * hessian[i, i] * step[i])
        rho = gain / foreseen if foreseen > 0.0 else 0.5
        for i in range(4):
            p[i] = trial[i]
        hessian, trial_hessian = trial_hessian, hessian
        gradient, trial_gradient = trial_gradient, gradient
        cost = trial_cost
        # A strongly damped step is short without being near the minimum.
        if damping < 10.0 and (moved < _STEP_TOLERANCE or gain < _GAIN_TOLERANCE * cost):
            return cost, True
        damping = max(damping * min(max(1.0 - (2.0 * rho - 1.0) ** 3, 0.1), 2.0), 1e-12)
    return cost, False


@njit(cache=True, inline="always")
def _exp(x):  # type: ignore[no-untyped-def]
    """Return e^x to double precision for abs(x) <= 700; unlike the library's, loops over it vectorise."""
    k = np.floor(x * 1.4426950408889634 + 0.5)
    # The logarithm of 2 in two parts: k times the first is exact.
    r = x - k * 0.693145751953125 - k * 1.42860682030941723212e-6
    series = 1.0 / 479001600.0
    series = series * r + 1.0 / 39916800.0
    series = series * r + 1.0 / 3628800.0
    series = series * r + 1.0 / 362880.0
    series = series * r + 1.0 / 40320.0
    series = series * r + 1.0 / 5040.0
    series = series * r + 1.0 / 720.0
    series = series * r + 1.0 / 120.0
    series = series * r + 1.0 / 24.0
    series = series * r + 1.0 / 6.0
    series = series * r + 0.5
    series = series * r + 1.0
    series = series * r + 1.0
    power_of_2 = np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return series * power_of_2


@njit(cache=True)
def _normal_equations(log_t, y, weights, p, hessian, gradient):  # type: ignore[no-untyped-def]
    """Gauss-Newton matrix and J^T r of r = y - model in (ln A, ln tau, beta, C); returns the cost."""
    amplitude, log_tau, beta, baseline = np.exp(p[0]), p[1], p[2], p[3]
    aa = at = ab = ac = tt = tb = tc = bb = bc = cc = 0.0
    ga = gt = gb = gc = cost = 0.0
    for j in range(np.uintp(y.size)):
        x = log_t[j] - log_tau
        u = _exp(min(max(beta * x, -700.0), _GONE))
        f = amplitude * _exp(-2.0 * u)
        r = y[j] - f - baseline
        w = weights[j]
        d_tau = 2.0 * beta * u * f
        d_beta = -2.0 * u * x * f
        cost += w * r * r
        aa += w * f * f
        at += w * f * d_tau
        ab += w * f * d_beta
        ac += w * f
        tt += w * d_tau * d_tau
        tb += w * d_tau * d_beta
        tc += w * d_tau
        bb += w * d_beta * d_beta
        bc += w * d_beta
        cc += w
        ga += w * f * r
        gt += w * d_tau * r
        gb += w * d_beta * r
        gc += w * r
    hessian[0, 0], hessian[1, 1], hessian[2, 2], hessian[3, 3] = aa, tt, bb, cc
    hessian[1, 0], hessian[2, 0], hessian[3, 0] = at, ab, ac
    hessian[2, 1], hessian[3, 1], hessian[3, 2] = tb, tc, bc
    gradient[0], gradient[1], gradient[2], gradient[3] = ga, gt, gb, gc
    return cost


@njit(cache=True)
def _fixed(i, gradient, p, low, high):  # type: ignore[no-untyped-def]
    """Whether parameter i rests on a bound it is being pushed against (or has no room at all)."""
    return (p[i] <= low[i] and gradient[i] <= 0.0) or (p[i] >= high[i] and gradient[i] >= 0.0)


@njit(cache=True)
def _solve(hessian, gradient, damping, p, low, high, work, step):  # type: ignore[no-untyped-def]
    """Solve the damped equations for the free parameters by Cholesky decomposition; others get no step."""
    for i in range(4):
        fixed_i = _fixed(i, gradient, p, low, high)
        step[i] = 0.0 if fixed_i else gradient[i]
        for k in range(i):
            both_free = not fixed_i and not _fixed(k, gradient, p, low, high)
            work[i, k] = hessian[i, k] if both_free else 0.0
        work[i, i] = 1.0 if fixed_i else hessian[i, i] * (1.0 + damping) + 1e-300
    for i in range(4):
        for k in range(i + 1):
            total = work[i, k]
            for m in range(k):
                total -= work[i, m] * work[k, m]
            if i == k:
                # A direction the data say nothing about keeps its own scale instead of a root of <= 0.
                work[i, i] = np.sqrt(max(total, 1e-14 * work[i, i]))
            else:
                work[i, k] = total / work[k, k]
    for i in range(4):
        for m in range(i):
            step[i] -= work[i, m] * step[m]
        step[i] /= work[i, i]
    for i in range(3, -1, -1):
        for m in range(i + 1, 4):
            step[i] -= work[m, i] * step[m]
        step[i] /= work[i, i]


@njit(cache=True)
def _covariance(log_t, y, weights, p, low, high, errors):  # type: ignore[no-untyped-def]
    """Errors of ln tau and beta from the fit covariance; NaN for a parameter at its bound."""
    hessian, gradient, work, column = np.empty((4, 4)), np.empty(4), np.empty((4, 4)), np.empty(4)
    cost = _normal_equations(log_t, y, weights, p, hessian, gradient)
    free = 0
    for i in range(4):
        free += low[i] < p[i] < high[i]
    variance = cost / max(y.size - free, 1)
    # With no damping and a unit gradient the step is a column of the inverse matrix.
    for i in range(1, 3):
        if low[i] < p[i] < high[i]:
            for k in range(4):
                gradient[k] = 1.0 if k == i else 0.0
            _solve(hessian, gradient, 0.0, p, low, high, work, column)
            errors[i - 1] = np.sqrt(variance * column[i])


@njit(cache=True)
def _runs_z(residuals):  # type: ignore[no-untyped-def]
    """Return the z score of the number of sign runs (Wald-Wolfowitz); very negative: too few runs."""
    above = 0
    runs = 1
    for j in range(residuals.size):
        above += residuals[j] > 0.0
        runs += j > 0 and (residuals[j] > 0.0) != (residuals[j - 1] > 0.0)
    n, product = float(residuals.size), 2.0 * above * (residuals.size - above)
    variance = product * (product - n) / (n * n * (n - 1.0))
    return (runs - 1.0 - product / n) / np.sqrt(variance) if variance > 0.0 else 0.0
