"""The kernel of the batch fitter: bounded Levenberg-Marquardt, one curve after the other.

All helpers are in this file: numba's cache watches a kernel's own file only. They are loops, not array
expressions, which halves the time to compile them, and what they hand on are tuples, which live in registers:
a fit takes about a microsecond, as long as a few small arrays take to make.

Curves in single precision are summed in single precision, which is twice as fast; parameters, and equations
that are solved, are in double precision always.
"""

import math
from typing import Any

import numpy as np
from numba import njit, prange, types
from numba.extending import overload

from annealscope.analysis.fit_spec import FitFlag

# Kernels know plain integers only.
_NOT_CONVERGED, _FEW_POINTS = int(FitFlag.NOT_CONVERGED), int(FitFlag.FEW_POINTS)
_TAU_AT_BOUND, _BETA_AT_BOUND = int(FitFlag.TAU_AT_BOUND), int(FitFlag.BETA_AT_BOUND)
_TOO_FAST, _TOO_SLOW = int(FitFlag.TOO_FAST), int(FitFlag.TOO_SLOW)
_LOW_AMPLITUDE, _RESIDUAL_RUNS = int(FitFlag.LOW_AMPLITUDE), int(FitFlag.RESIDUAL_RUNS)
_BASELINE_AT_BOUND = int(FitFlag.BASELINE_AT_BOUND)

_MIN_POINTS = 6
_START_BETA = 0.8
_MIN_LOG_AMPLITUDE, _MAX_LOG_AMPLITUDE = math.log(1e-6), math.log(10.0)
"""Bounds of ln A, from that of the start."""
_RUNS_Z = -3.0
_LOWEST, _GONE = -80.0, 3.7
"""Logarithms of (t/tau)^beta below which the decay is 1, and beyond which, below 1e-35, it counts as over."""
_E_MINUS_2 = math.exp(-2.0)
"""What is left of a decay at t = tau."""
_MAX_ITERATIONS = 300
_GAIN_TOLERANCE = 1e-6
"""Relative gain in cost below which a fit is finished: about 0.005 of the error of a parameter."""
_ROWS_AT_ONCE = 256


@njit(cache=True, parallel=True)
def fit_rows(log_t, y, weights, limits, options, values, errors, cost, flags):  # type: ignore[no-untyped-def]
    """Fit every row of y; see `CurveFits` for values, errors, cost and flags, which are filled in."""
    for group in prange(-(-y.shape[0] // _ROWS_AT_ONCE)):
        space = np.empty((4, _whole_vectors(y.shape[1])), dtype=y.dtype)
        for row in range(group * _ROWS_AT_ONCE, min((group + 1) * _ROWS_AT_ONCE, y.shape[0])):
            flags[row] = _fit_row(
                log_t, y[row], weights, limits, options, space, values[row], errors[row], cost[row : row + 1]
            )


@njit(cache=True)
def _fit_row(log_t, y, weights, limits, options, space, values, errors, cost):  # type: ignore[no-untyped-def]
    first1, free_baseline = options
    positive = _crossing(y)
    n = min(positive + 1, y.size) if first1 else y.size
    amplitude = (np.float64(y[0]) + np.float64(y[1]) + np.float64(y[2])) / 3.0
    if n < (5 if free_baseline else 4) or not amplitude > 0.0 or not _all_finite(y[:n]):
        return _NOT_CONVERGED | (_FEW_POINTS if positive < _MIN_POINTS else 0)

    points, residuals = _used_points(log_t, y, weights, n, space)
    low, high = parameter_bounds(amplitude, limits, free_baseline)
    start = (np.log(amplitude), _start_log_tau(log_t, y, n, amplitude), _START_BETA, 0.0)
    p, equations, converged = _minimise(points, _clip(start, low, high), low, high)
    if not converged:
        return _NOT_CONVERGED

    values[:], cost[0] = p, equations[0]
    errors[0], errors[1] = _covariance_errors(n, equations, p, low, high)
    _set_residuals(points, p, residuals)
    return judge(y, residuals[:n], p, low, high, limits)


@njit(cache=True)
def _whole_vectors(n):  # type: ignore[no-untyped-def]
    return -(-n // 16) * 16


@njit(cache=True)
def _used_points(log_t, y, weights, n, space):  # type: ignore[no-untyped-def]
    """Copy n points; points without weight fill up the last vector of the processor.

    Returns (log_t, y, weights), and the space for the residuals.
    """
    size = _whole_vectors(n)
    axis, values, weight, residuals = space[0][:size], space[1][:size], space[2][:size], space[3][:size]
    for j in range(np.uintp(n)):
        axis[j], values[j], weight[j] = log_t[j], y[j], weights[j]
    for j in range(np.uintp(n), np.uintp(size)):
        axis[j], values[j], weight[j] = log_t[0], 0.0, 0.0
    return (axis, values, weight), residuals


@njit(cache=True)
def judge(y, residuals, p, low, high, limits):  # type: ignore[no-untyped-def]
    """Flag a finished fit.

    ``p`` = (ln A, ln tau, beta, C) with bounds ``low`` and ``high``; ``limits`` = (slot_s, duration_s,
    smallest beta, largest beta); ``residuals`` of the points used.
    """
    flags = _FEW_POINTS if _crossing(y) < _MIN_POINTS else 0
    slot_s, duration_s, _, _ = limits
    amplitude, tau_s = np.exp(p[0]), np.exp(p[1])
    rms = _root_mean_square(residuals)
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
    log_start = np.log(start_amplitude)
    low = (log_start + _MIN_LOG_AMPLITUDE, np.log(slot_s / 10.0), beta_low, -largest_baseline)
    high = (log_start + _MAX_LOG_AMPLITUDE, np.log(100.0 * duration_s), beta_high, largest_baseline)
    return low, high


@njit(cache=True)
def _crossing(y):  # type: ignore[no-untyped-def]
    """Count the points before the first one that is not above zero."""
    for j in range(y.size):
        if y[j] <= 0.0:
            return j
    return y.size


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _all_finite(y):  # type: ignore[no-untyped-def]
    nothing = y.dtype.type(0.0)
    for j in range(np.uintp(y.size)):
        nothing += y[j] * y.dtype.type(0.0)
    return nothing == 0.0


@njit(cache=True)
def _start_log_tau(log_t, y, n, amplitude):  # type: ignore[no-untyped-def]
    """Log of the first lag at which the curve is below e^-2 of its start."""
    for j in range(n):
        if y[j] < amplitude * _E_MINUS_2:
            return np.float64(log_t[j])
    return np.float64(log_t[n - 1])


@njit(cache=True)
def _clip(p, low, high):  # type: ignore[no-untyped-def]
    return (
        min(max(p[0], low[0]), high[0]),
        min(max(p[1], low[1]), high[1]),
        min(max(p[2], low[2]), high[2]),
        min(max(p[3], low[3]), high[3]),
    )


@njit(cache=True)
def _minimise(points, p, low, high):  # type: ignore[no-untyped-def]
    """Levenberg-Marquardt with steps clipped to the bounds; returns (p, normal equations, converged).

    The damping follows Nielsen's rule: after a good step times 1 - (2 rho - 1)^3, with rho the ratio of the
    gain to the foreseen one, here within 0.1 ... 2; after bad ones it grows faster and faster.
    """
    shortest = 4.0 * np.finfo(points[0].dtype).eps
    free_baseline = low[3] < high[3]
    equations = _normal_equations(points, p, free_baseline)
    damping, growth = 1e-2, 4.0
    for _ in range(_MAX_ITERATIONS):
        cost, gradient, hessian = equations
        step = _solve(hessian, gradient, damping, p, low, high)
        foreseen = _foreseen(step, gradient, hessian, damping)
        trial = _clip((p[0] + step[0], p[1] + step[1], p[2] + step[2], p[3] + step[3]), low, high)
        moved = _moved(p, trial)
        # A strongly damped step is short without being near the minimum.
        if damping < 10.0 and (foreseen < _GAIN_TOLERANCE * cost or moved < shortest):
            return p, equations, True
        trial_equations = _normal_equations(points, trial, free_baseline)
        gain = cost - trial_equations[0]
        if not gain > 0.0:
            damping *= growth
            growth *= 2.0
            if damping > 1e10:
                return p, equations, True
            continue
        p, equations, growth = trial, trial_equations, 4.0
        rho = gain / foreseen if foreseen > 0.0 else 0.5
        damping = max(damping * min(max(1.0 - (2.0 * rho - 1.0) ** 3, 0.1), 2.0), 1e-12)
    return p, equations, False


@njit(cache=True)
def _moved(p, trial):  # type: ignore[no-untyped-def]
    moved = 0.0
    for i in range(4):
        moved = max(moved, abs(trial[i] - p[i]) / (1.0 + abs(trial[i])))
    return moved


def _exp(x: Any) -> Any:
    """Return e^x to the precision of x, if it does not overflow; unlike the library's, loops vectorise."""


@overload(_exp, inline="always")
def _exp_for(x):  # type: ignore[no-untyped-def]
    return _exp_single if x == types.float32 else _exp_double


def _exp_single(x):  # type: ignore[no-untyped-def]
    k = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    # The logarithm of 2 in two parts: k times the first is exact.
    r = x - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
    series = np.float32(1.0 / 720.0)
    series = (series * r + np.float32(1.0 / 120.0)) * r + np.float32(1.0 / 24.0)
    series = (series * r + np.float32(1.0 / 6.0)) * r + np.float32(0.5)
    series = (series * r + np.float32(1.0)) * r + np.float32(1.0)
    power_of_2 = np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
    return series * power_of_2


def _exp_double(x):  # type: ignore[no-untyped-def]
    k = np.floor(x * 1.4426950408889634 + 0.5)
    # The logarithm of 2 in two parts: k times the first is exact.
    r = x - k * 0.693145751953125 - k * 1.42860682030941723212e-6
    series = 1.0 / 479001600.0
    series = (series * r + 1.0 / 39916800.0) * r + 1.0 / 3628800.0
    series = (series * r + 1.0 / 362880.0) * r + 1.0 / 40320.0
    series = (series * r + 1.0 / 5040.0) * r + 1.0 / 720.0
    series = (series * r + 1.0 / 120.0) * r + 1.0 / 24.0
    series = (series * r + 1.0 / 6.0) * r + 0.5
    series = (series * r + 1.0) * r + 1.0
    power_of_2 = np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return series * power_of_2


@njit(cache=True, fastmath={"contract", "reassoc", "arcp", "nsz"})
def _normal_equations(points, p, free_baseline):  # type: ignore[no-untyped-def]
    """Return cost, J^T r and the lower triangle of J^T J, of r = y - model in (ln A, ln tau, beta, C).

    With u = (t/tau)^beta, f = A e^(-2 u), g = 2 u f and x = ln(t/tau) the derivatives are f, beta g, -x g, 1.
    """
    log_t, y, weights = points
    real = y.dtype.type
    amplitude, log_tau, beta, baseline = real(np.exp(p[0])), real(p[1]), real(p[2]), real(p[3])
    cost = fr = gr = gxr = real(0.0)
    ff = gf = gxf = gg = gxg = gxgx = real(0.0)
    for j in range(np.uintp(y.size)):
        x = log_t[j] - log_tau
        u = _exp(min(max(beta * x, real(_LOWEST)), real(_GONE)))
        f = amplitude * _exp(real(-2.0) * u)
        g = real(2.0) * u * f
        gx = g * x
        r, w = y[j] - f - baseline, weights[j]
        wr, wf, wg, wgx = w * r, w * f, w * g, w * gx
        cost += wr * r
        fr += wf * r
        gr += wg * r
        gxr += wgx * r
        ff += wf * f
        gf += wg * f
        gxf += wgx * f
        gg += wg * g
        gxg += wgx * g
        gxgx += wgx * gx
    sr = sf = sg = sgx = s = 0.0
    if free_baseline:
        sr, sf, sg, sgx, s = _baseline_sums(points, amplitude, log_tau, beta, baseline)
    b = np.float64(beta)
    gradient = (np.float64(fr), b * gr, -np.float64(gxr), sr)
    rows = (np.float64(ff), b * gf, b * b * gg, -np.float64(gxf), -b * gxg, np.float64(gxgx))
    baseline_row = (sf, b * sg, -sgx, s)
    return np.float64(cost), gradient, rows + baseline_row


@njit(cache=True, fastmath={"contract", "reassoc", "arcp", "nsz"})
def _baseline_sums(points, amplitude, log_tau, beta, baseline):  # type: ignore[no-untyped-def]
    """Sums of r, f, g, x g and 1 for a free baseline; a pass of its own, because it is rarely free."""
    log_t, y, weights = points
    real = y.dtype.type
    sr = sf = sg = sgx = s = real(0.0)
    for j in range(np.uintp(y.size)):
        x, w = log_t[j] - log_tau, weights[j]
        u = _exp(min(max(beta * x, real(_LOWEST)), real(_GONE)))
        f = amplitude * _exp(real(-2.0) * u)
        wg = w * real(2.0) * u * f
        sr += w * (y[j] - f - baseline)
        sf += w * f
        sg += wg
        sgx += wg * x
        s += w
    return np.float64(sr), np.float64(sf), np.float64(sg), np.float64(sgx), np.float64(s)


@njit(cache=True)
def _set_residuals(points, p, residuals):  # type: ignore[no-untyped-def]
    log_t, y, _ = points
    real = y.dtype.type
    amplitude, log_tau, beta, baseline = real(np.exp(p[0])), real(p[1]), real(p[2]), real(p[3])
    for j in range(np.uintp(y.size)):
        u = _exp(min(max(beta * (log_t[j] - log_tau), real(_LOWEST)), real(_GONE)))
        residuals[j] = y[j] - amplitude * _exp(real(-2.0) * u) - baseline


@njit(cache=True)
def _free(i, gradient, p, low, high):  # type: ignore[no-untyped-def]
    """1, or 0 for a parameter that rests on a bound it is being pushed against, or has no room at all."""
    at_low, at_high = p[i] <= low[i] and gradient[i] <= 0.0, p[i] >= high[i] and gradient[i] >= 0.0
    return 0.0 if at_low or at_high else 1.0


@njit(cache=True)
def _solve(hessian, gradient, damping, p, low, high):  # type: ignore[no-untyped-def]
    """Solve the damped equations for the free parameters, as L D L^T; others get no step.

    A direction the data say nothing about keeps its own scale instead of a pivot of <= 0.
    """
    h00, h10, h11, h20, h21, h22, h30, h31, h32, h33 = hessian
    f0, f1 = _free(0, gradient, p, low, high), _free(1, gradient, p, low, high)
    f2, f3 = _free(2, gradient, p, low, high), _free(3, gradient, p, low, high)
    more = 1.0 + damping
    h00, h11 = (h00 * more + 1e-300 if f0 else 1.0), (h11 * more + 1e-300 if f1 else 1.0)
    h22, h33 = (h22 * more + 1e-300 if f2 else 1.0), (h33 * more + 1e-300 if f3 else 1.0)
    h10, h20, h30 = h10 * f1 * f0, h20 * f2 * f0, h30 * f3 * f0
    h21, h31, h32 = h21 * f2 * f1, h31 * f3 * f1, h32 * f3 * f2

    inverse0 = 1.0 / h00
    l10, l20, l30 = h10 * inverse0, h20 * inverse0, h30 * inverse0
    inverse1 = 1.0 / max(h11 - l10 * h10, 1e-14 * h11)
    h21, h31 = h21 - l20 * h10, h31 - l30 * h10
    l21, l31 = h21 * inverse1, h31 * inverse1
    inverse2 = 1.0 / max(h22 - l20 * h20 - l21 * h21, 1e-14 * h22)
    h32 = h32 - l30 * h20 - l31 * h21
    l32 = h32 * inverse2
    inverse3 = 1.0 / max(h33 - l30 * h30 - l31 * h31 - l32 * h32, 1e-14 * h33)

    y0 = f0 * gradient[0]
    y1 = f1 * gradient[1] - l10 * y0
    y2 = f2 * gradient[2] - l20 * y0 - l21 * y1
    y3 = f3 * gradient[3] - l30 * y0 - l31 * y1 - l32 * y2
    s3 = y3 * inverse3
    s2 = y2 * inverse2 - l32 * s3
    s1 = y1 * inverse1 - l21 * s2 - l31 * s3
    return y0 * inverse0 - l10 * s1 - l20 * s2 - l30 * s3, s1, s2, s3


@njit(cache=True)
def _foreseen(step, gradient, hessian, damping):  # type: ignore[no-untyped-def]
    """Gain in cost of a step, if the model were linear."""
    gain = 0.0
    for i, diagonal in enumerate((0, 2, 5, 9)):
        gain += step[i] * (gradient[i] + damping * hessian[diagonal] * step[i])
    return gain


@njit(cache=True)
def _covariance_errors(n, equations, p, low, high):  # type: ignore[no-untyped-def]
    """Errors of ln tau and beta from the fit covariance; NaN for a parameter at its bound."""
    cost, _, hessian = equations
    free = 0
    for i in range(4):
        free += low[i] < p[i] < high[i]
    variance = cost / max(n - free, 1)
    # With no damping and a unit gradient the step is a column of the inverse matrix.
    tau_column = _solve(hessian, (0.0, 1.0, 0.0, 0.0), 0.0, p, low, high)
    beta_column = _solve(hessian, (0.0, 0.0, 1.0, 0.0), 0.0, p, low, high)
    tau_error = np.sqrt(variance * tau_column[1]) if low[1] < p[1] < high[1] else np.nan
    beta_error = np.sqrt(variance * beta_column[2]) if low[2] < p[2] < high[2] else np.nan
    return tau_error, beta_error


@njit(cache=True, fastmath={"contract", "reassoc", "arcp", "nsz"})
def _root_mean_square(residuals):  # type: ignore[no-untyped-def]
    squares = residuals.dtype.type(0.0)
    for j in range(np.uintp(residuals.size)):
        squares += residuals[j] * residuals[j]
    return np.sqrt(np.float64(squares) / residuals.size)


@njit(cache=True)
def _runs_z(residuals):  # type: ignore[no-untyped-def]
    """Return the z score of the number of sign runs (Wald-Wolfowitz); very negative: too few runs."""
    above, runs = np.int32(residuals[0] > 0.0), np.int32(1)
    for j in range(np.uintp(1), np.uintp(residuals.size)):
        above += np.int32(residuals[j] > 0.0)
        runs += np.int32((residuals[j] > 0.0) != (residuals[j - np.uintp(1)] > 0.0))
    n, product = float(residuals.size), 2.0 * above * (residuals.size - above)
    variance = product * (product - n) / (n * n * (n - 1.0))
    return (runs - 1.0 - product / n) / np.sqrt(variance) if variance > 0.0 else 0.0
