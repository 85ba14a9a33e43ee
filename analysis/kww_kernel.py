"""The kernel of the batch fitter: bounded Levenberg-Marquardt on many curves side by side.

Every curve has a lane: a column in each array of a group. Loops go over the lanes and do the same to each of
them, which the compiler turns into vector instructions without changing the order of any sum. So a result
depends on nothing but its own curve, to the last bit. Lanes that are finished move behind those that are not.

Curves in single precision are summed in single precision, which takes half the time; parameters, and the
equations solved for them, are in double precision always. All helpers but `fma` are in this file: numba's
cache watches a kernel's own file only.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import overload

from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.fused import fma

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
_SINGLE_TOLERANCE, _DOUBLE_TOLERANCE = 1e-6, 1e-12
"""Relative gain in cost below which a fit is finished; 1e-6 is about 0.005 of the error of a parameter."""
_VECTOR = 16
"""Lanes are iterated in whole vectors of the processor."""
_MOST_LANES = 1024
_VALUES_AT_ONCE = 131072
"""Size of a group in values of its curves and decays: the cache of a core takes it, and the last few lanes,
which do not fill the vectors, are few among many."""


class Model(NamedTuple):
    """What is the same for every curve; all in the precision of the curves."""

    log_t: Any
    """Logarithms of the lags of the points, shape (P,)."""
    weights: Any
    """Weights of the points, shape (P,)."""
    node_log_t: Any
    """Logarithms of the times that the decay is evaluated at, shape (Q,), if it is not at the points."""
    matrix: Any
    """What makes the points from the decay at these times, shape (P, Q); (0, 0): the points are the decay."""


class _Group(NamedTuple):
    """Curves that are fitted side by side; the last axis is the lane."""

    state: Any
    """The rows named below, float64."""
    y: Any
    """Points, (P, lanes)."""
    sums: Any
    """What `_add_point` sums at the parameters, (15, lanes)."""
    trial_sums: Any
    shown: Any
    """A, ln tau, beta, C that the model is evaluated at, number of points used, (5, lanes)."""
    decay: Any
    """f, g and x g of one point, (3, lanes): u = (t/tau)^beta, f = A e^(-2 u), g = 2 u f, x = ln(t/tau)."""
    nodes: Any
    """The same at the times of the model, (Q, 3, lanes), when a matrix makes the points of them."""


# Rows of the state of a lane. Parameters are (ln A, ln tau, beta, C).
_P, _LOW, _HIGH = 0, 4, 8
_STEP, _TRIAL = 12, 16
_FREE = 20  # 0 for a parameter that rests on a bound it is being pushed against, or has no room; else 1
_DAMPING, _GROWTH, _FORESEEN = 24, 25, 26  # damping, what it is multiplied with, foreseen gain in cost
_DONE = 27  # whether the lane is finished; in between, whether its step is taken
_CURVE, _USED, _POSITIVE = 28, 29, 30  # which curve it is, points used, points before the first <= 0
_ROWS = 31


def lanes_at_once(points: int, nodes: int) -> int:
    """Return how many curves make a group that stays in the cache."""
    fitting = _VALUES_AT_ONCE // (points + 3 * nodes) // _VECTOR * _VECTOR
    return min(max(fitting, _VECTOR), _MOST_LANES)


@njit(cache=True, nogil=True)
def fit_columns(model, y, first, lanes, limits, options, values, errors, cost, flags):  # type: ignore[no-untyped-def]
    """Fit columns of y, from ``first`` on, a group of lanes after the other.

    The results to fill in, see `CurveFits`, say how many columns.
    """
    for start in range(0, flags.size, lanes):
        end = min(start + lanes, flags.size)
        group = _new_group(model, y, first + start, end - start)
        for i in range(end - start):
            _start(model.log_t, group, i, limits, options)
        _minimise(model, group, end - start, options[1])
        _finish(model, group, limits, values[start:end], errors[start:end], cost[start:end], flags[start:end])


@njit(cache=True)
def _new_group(model, y, first, count):  # type: ignore[no-untyped-def]
    real = y.dtype
    # One vector more, because rows of 2^n bytes would fall on each other in the cache.
    lanes = _whole_vectors(count) + _VECTOR
    own = np.zeros((y.shape[0], lanes), real)
    for j in range(y.shape[0]):
        for i in range(np.uintp(count)):
            own[j, i] = y[j, first + i]
    return _Group(
        np.zeros((_ROWS, lanes)),
        own,
        np.zeros((15, lanes), real),
        np.zeros((15, lanes), real),
        np.zeros((5, lanes), real),
        np.zeros((3, lanes), real),
        np.zeros((model.node_log_t.size, 3, lanes), real),
    )


@njit(cache=True)
def _start(log_t, group, i, limits, options):  # type: ignore[no-untyped-def]
    """Give a curve its start and its bounds; one that cannot be fitted is finished at once, with NaN."""
    first1, free_baseline = options
    state, y = group.state, group.y[:, i]
    positive = _crossing(y)
    used = min(positive + 1, y.size) if first1 else y.size
    amplitude = (np.float64(y[0]) + np.float64(y[1]) + np.float64(y[2])) / 3.0
    state[_CURVE, i], state[_POSITIVE, i], state[_USED, i] = i, positive, used
    state[_DAMPING, i], state[_GROWTH, i] = 1e-2, 4.0
    if used < (5 if free_baseline else 4) or not amplitude > 0.0 or not _all_finite(y, used):
        state[_DONE, i], state[_P, i] = 1.0, np.nan
        return
    for j in range(used, y.size):
        y[j] = 0.0
    slot_s, duration_s, beta_low, beta_high = limits
    log_amplitude, baseline = np.log(amplitude), amplitude if free_baseline else 0.0
    start = (log_amplitude, _start_log_tau(log_t, y, used, amplitude), _START_BETA, 0.0)
    low = (log_amplitude + _MIN_LOG_AMPLITUDE, np.log(slot_s / 10.0), beta_low, -baseline)
    high = (log_amplitude + _MAX_LOG_AMPLITUDE, np.log(100.0 * duration_s), beta_high, baseline)
    for k in range(4):
        state[_LOW + k, i], state[_HIGH + k, i] = low[k], high[k]
        state[_P + k, i] = min(max(start[k], low[k]), high[k])


@njit(cache=True)
def _crossing(y):  # type: ignore[no-untyped-def]
    """Count the points before the first one that is not above zero."""
    for j in range(y.size):
        if y[j] <= 0.0:
            return j
    return y.size


@njit(cache=True)
def _all_finite(y, used):  # type: ignore[no-untyped-def]
    for j in range(used):  # noqa: SIM110  (numba has no generators here)
        if not np.isfinite(y[j]):
            return False
    return True


@njit(cache=True)
def _start_log_tau(log_t, y, used, amplitude):  # type: ignore[no-untyped-def]
    """Log of the first lag at which the curve is below e^-2 of its start."""
    for j in range(used):
        if y[j] < amplitude * _E_MINUS_2:
            return np.float64(log_t[j])
    return np.float64(log_t[used - 1])


@njit(cache=True)
def _minimise(model, group, count, free_baseline):  # type: ignore[no-untyped-def]
    """Levenberg-Marquardt with steps clipped to the bounds; lanes that never finish get NaN."""
    p, trial = group.state[_P : _P + 4], group.state[_TRIAL : _TRIAL + 4]
    shortest = 4.0 * np.finfo(group.y.dtype).eps
    tolerance = _SINGLE_TOLERANCE if shortest > 1e-10 else _DOUBLE_TOLERANCE
    active = _retire(group, count)
    _evaluate(model, group, p, group.sums, free_baseline, _whole_vectors(active))
    for _ in range(_MAX_ITERATIONS):
        _propose(group.state, group.sums, _whole_vectors(active))
        _look_for_finished(group.state, group.sums, shortest, tolerance, _whole_vectors(active))
        active = _retire(group, active)
        if active == 0:
            return
        _evaluate(model, group, trial, group.trial_sums, free_baseline, _whole_vectors(active))
        # A lane that fills up the last vector is finished: it must not move any more.
        _decide(group.state, group.sums, group.trial_sums, active)
    for i in range(active):
        group.state[_P, i] = np.nan


@njit(cache=True)
def _whole_vectors(lanes):  # type: ignore[no-untyped-def]
    return -(-lanes // _VECTOR) * _VECTOR


@njit(cache=True)
def _retire(group, active):  # type: ignore[no-untyped-def]
    """Move finished lanes behind the others; return the number of the others."""
    i = 0
    while i < active:
        if group.state[_DONE, i] == 0.0:
            i += 1
            continue
        active -= 1
        _swap(group.state, i, active)
        _swap(group.y, i, active)
        _swap(group.sums, i, active)
    return active


@njit(cache=True)
def _swap(rows, a, b):  # type: ignore[no-untyped-def]
    for k in range(rows.shape[0]):
        rows[k, a], rows[k, b] = rows[k, b], rows[k, a]


def _exp(x: Any) -> Any:
    """Return e^x to the precision of x, if it does not overflow; unlike the library's, loops vectorise."""


@overload(_exp, inline="always")
def _exp_for(x):  # type: ignore[no-untyped-def]
    return _exp_single if x == types.float32 else _exp_double


def _exp_single(x):  # type: ignore[no-untyped-def]
    k = np.floor(fma(x, np.float32(1.44269504), np.float32(0.5)))
    # The logarithm of 2 in two parts: k times the first is exact.
    r = fma(k, np.float32(2.12194440e-4), fma(k, np.float32(-0.693359375), x))
    series = fma(np.float32(1.0 / 720.0), r, np.float32(1.0 / 120.0))
    series = fma(fma(series, r, np.float32(1.0 / 24.0)), r, np.float32(1.0 / 6.0))
    series = fma(fma(series, r, np.float32(0.5)), r, np.float32(1.0))
    series = fma(series, r, np.float32(1.0))
    power_of_2 = np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
    return series * power_of_2


def _exp_double(x):  # type: ignore[no-untyped-def]
    k = np.floor(fma(x, 1.4426950408889634, 0.5))
    # The logarithm of 2 in two parts: k times the first is exact.
    r = fma(k, -1.42860682030941723212e-6, fma(k, -0.693145751953125, x))
    series = fma(1.0 / 479001600.0, r, 1.0 / 39916800.0)
    series = fma(fma(series, r, 1.0 / 3628800.0), r, 1.0 / 362880.0)
    series = fma(fma(series, r, 1.0 / 40320.0), r, 1.0 / 5040.0)
    series = fma(fma(series, r, 1.0 / 720.0), r, 1.0 / 120.0)
    series = fma(fma(series, r, 1.0 / 24.0), r, 1.0 / 6.0)
    series = fma(fma(series, r, 0.5), r, 1.0)
    series = fma(series, r, 1.0)
    power_of_2 = np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return series * power_of_2


@njit(cache=True)
def _evaluate(model, group, p, sums, free_baseline, width):  # type: ignore[no-untyped-def]
    """Sum what the normal equations need, at the parameters p, point after point."""
    for k in range(sums.shape[0]):
        for i in range(np.uintp(width)):
            sums[k, i] = 0.0
    _show(model, group, p, width)
    for j in range(model.log_t.size):
        decay = _point(model, group, j, width)
        _add_point(j, group.y[j], model.weights[j], group.shown, decay, sums, width)
        if free_baseline:
            _add_baseline(j, group.y[j], model.weights[j], group.shown, decay, sums, width)


@njit(cache=True)
def _show(model, group, p, width):  # type: ignore[no-untyped-def]
    """Take over the parameters; evaluate the decay now if it is not evaluated at the points."""
    state, shown = group.state, group.shown
    for i in range(np.uintp(width)):
        shown[0, i] = np.exp(p[0, i])
        shown[1, i], shown[2, i], shown[3, i] = p[1, i], p[2, i], p[3, i]
        shown[4, i] = state[_USED, i]
    for q in range(model.node_log_t.size):
        _set_decay(model.node_log_t[q], shown, group.nodes[q], width)


@njit(cache=True)
def _point(model, group, j, width):  # type: ignore[no-untyped-def]
    """Return the decay at a point."""
    if model.matrix.size == 0:
        return group.nodes[j]
    _combine(model.matrix[j], group.nodes, group.decay, width)
    return group.decay


@njit(cache=True)
def _set_decay(log_t, shown, decay, width):  # type: ignore[no-untyped-def]
    real = shown.dtype.type
    lowest, gone, two = real(_LOWEST), real(_GONE), real(2.0)
    for i in range(np.uintp(width)):
        x = log_t - shown[1, i]
        u = _exp(min(max(shown[2, i] * x, lowest), gone))
        f = shown[0, i] * _exp(-two * u)
        g = two * u * f
        decay[0, i] = f
        decay[1, i] = g
        decay[2, i] = g * x


@njit(cache=True)
def _combine(factors, nodes, decay, width):  # type: ignore[no-untyped-def]
    """Add up the decay at the times of the model, each times its factor, four of them in one go."""
    for k in range(3):
        total = decay[k]
        for i in range(np.uintp(width)):
            total[i] = 0.0
        for q in range(0, factors.size, 4):
            a, b, c, d = factors[q], factors[q + 1], factors[q + 2], factors[q + 3]
            n0, n1, n2, n3 = nodes[q, k], nodes[q + 1, k], nodes[q + 2, k], nodes[q + 3, k]
            for i in range(np.uintp(width)):
                total[i] = fma(d, n3[i], fma(c, n2[i], fma(b, n1[i], fma(a, n0[i], total[i]))))


@njit(cache=True)
def _add_point(j, y, weight, shown, decay, sums, width):  # type: ignore[no-untyped-def]
    """Add the products of r = y - model and of the derivatives f, g, x g; beta is multiplied in later."""
    nothing, place = y.dtype.type(0.0), y.dtype.type(j)
    for i in range(np.uintp(width)):
        f, g, gx = decay[0, i], decay[1, i], decay[2, i]
        r = y[i] - f - shown[3, i]
        w = weight if place < shown[4, i] else nothing
        wr, wf, wg, wgx = w * r, w * f, w * g, w * gx
        sums[0, i] = fma(wr, r, sums[0, i])
        sums[1, i] = fma(wr, f, sums[1, i])
        sums[2, i] = fma(wr, g, sums[2, i])
        sums[3, i] = fma(wr, gx, sums[3, i])
        sums[4, i] = fma(wf, f, sums[4, i])
        sums[5, i] = fma(wf, g, sums[5, i])
        sums[6, i] = fma(wf, gx, sums[6, i])
        sums[7, i] = fma(wg, g, sums[7, i])
        sums[8, i] = fma(wg, gx, sums[8, i])
        sums[9, i] = fma(wgx, gx, sums[9, i])


@njit(cache=True)
def _add_baseline(j, y, weight, shown, decay, sums, width):  # type: ignore[no-untyped-def]
    """Add the products with the derivative of the baseline, which is 1."""
    nothing, place = y.dtype.type(0.0), y.dtype.type(j)
    for i in range(np.uintp(width)):
        w = weight if place < shown[4, i] else nothing
        sums[10, i] = fma(w, y[i] - decay[0, i] - shown[3, i], sums[10, i])
        sums[11, i] = fma(w, decay[0, i], sums[11, i])
        sums[12, i] = fma(w, decay[1, i], sums[12, i])
        sums[13, i] = fma(w, decay[2, i], sums[13, i])
        sums[14, i] += w


@njit(cache=True, error_model="numpy")
def _propose(state, sums, width):  # type: ignore[no-untyped-def]
    """Find the step of every lane and the gain in cost it foresees; then the parameters after it."""
    # For each parameter, the row of its derivative in the sums, and its sign.
    for k, row, sign in ((0, 1, 1.0), (1, 2, 1.0), (2, 3, -1.0), (3, 10, 1.0)):
        for i in range(np.uintp(width)):
            p, uphill = state[_P + k, i], sign * sums[row, i]
            held = ((p <= state[_LOW + k, i]) & (uphill <= 0.0)) | (
                (p >= state[_HIGH + k, i]) & (uphill >= 0.0)
            )
            state[_FREE + k, i] = 0.0 if held else 1.0
    for i in range(np.uintp(width)):
        gradient, hessian = _equations(sums, state[_P + 2, i], i)
        damping = state[_DAMPING, i]
        free = (state[_FREE, i], state[_FREE + 1, i], state[_FREE + 2, i], state[_FREE + 3, i])
        step = _solve(gradient, hessian, free, damping)
        state[_STEP, i], state[_STEP + 1, i], state[_STEP + 2, i], state[_STEP + 3, i] = step
        state[_FORESEEN, i] = (
            step[0] * (gradient[0] + damping * hessian[0] * step[0])
            + step[1] * (gradient[1] + damping * hessian[2] * step[1])
            + step[2] * (gradient[2] + damping * hessian[5] * step[2])
            + step[3] * (gradient[3] + damping * hessian[9] * step[3])
        )
    for k in range(4):
        for i in range(np.uintp(width)):
            trial = state[_P + k, i] + state[_STEP + k, i]
            state[_TRIAL + k, i] = min(max(trial, state[_LOW + k, i]), state[_HIGH + k, i])


@njit(cache=True, forceinline=True)
def _equations(sums, beta, i):  # type: ignore[no-untyped-def]
    """J^T r and the lower triangle of J^T J of one lane: the derivatives are f, beta g, -x g and 1."""
    gradient = (np.float64(sums[1, i]), beta * sums[2, i], -np.float64(sums[3, i]), np.float64(sums[10, i]))
    hessian = (
        np.float64(sums[4, i]),
        beta * sums[5, i],
        beta * beta * sums[7, i],
        -np.float64(sums[6, i]),
        -beta * sums[8, i],
        np.float64(sums[9, i]),
        np.float64(sums[11, i]),
        beta * sums[12, i],
        -np.float64(sums[13, i]),
        np.float64(sums[14, i]),
    )
    return gradient, hessian


@njit(cache=True, forceinline=True, error_model="numpy")
def _solve(gradient, hessian, free, damping):  # type: ignore[no-untyped-def]
    """Solve the damped equations for the free parameters, as L D L^T; others get no step.

    A direction the data say nothing about keeps its own scale instead of a pivot of <= 0.
    """
    h00, h10, h11, h20, h21, h22, h30, h31, h32, h33 = hessian
    f0, f1, f2, f3 = free
    more = 1.0 + damping
    h00, h11 = (h00 * more + 1e-300 if f0 > 0.0 else 1.0), (h11 * more + 1e-300 if f1 > 0.0 else 1.0)
    h22, h33 = (h22 * more + 1e-300 if f2 > 0.0 else 1.0), (h33 * more + 1e-300 if f3 > 0.0 else 1.0)
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


@njit(cache=True, error_model="numpy")
def _look_for_finished(state, sums, shortest, tolerance, width):  # type: ignore[no-untyped-def]
    """Find lanes whose next step gains nothing, or that have not found a way down for long."""
    for i in range(np.uintp(width)):
        moved = 0.0
        for k in range(4):
            trial = state[_TRIAL + k, i]
            moved = max(moved, abs(trial - state[_P + k, i]) / (1.0 + abs(trial)))
        nothing_left = (state[_FORESEEN, i] < tolerance * sums[0, i]) | (moved < shortest)
        # A strongly damped step is short without being near the minimum.
        done = (nothing_left & (state[_DAMPING, i] < 10.0)) | (state[_DAMPING, i] > 1e10)
        state[_DONE, i] = 1.0 if done else 0.0


@njit(cache=True, error_model="numpy")
def _decide(state, sums, trial_sums, width):  # type: ignore[no-untyped-def]
    """Take the steps that lower the cost, and set the damping.

    Nielsen's rule: after a good step times 1 - (2 rho - 1)^3, with rho the ratio of the gain to the foreseen
    one, here within 0.1 ... 2; after bad ones it grows faster and faster.
    """
    for i in range(np.uintp(width)):
        gain, foreseen = np.float64(sums[0, i]) - np.float64(trial_sums[0, i]), state[_FORESEEN, i]
        better, damping, growth = gain > 0.0, state[_DAMPING, i], state[_GROWTH, i]
        twice = 2.0 * (gain / foreseen if foreseen > 0.0 else 0.5) - 1.0
        smaller = max(damping * min(max(1.0 - twice * twice * twice, 0.1), 2.0), 1e-12)
        state[_DAMPING, i] = smaller if better else damping * growth
        state[_GROWTH, i] = 4.0 if better else 2.0 * growth
        state[_DONE, i] = 1.0 if better else 0.0
    for k in range(4):
        for i in range(np.uintp(width)):
            p, trial = state[_P + k, i], state[_TRIAL + k, i]
            state[_P + k, i] = trial if state[_DONE, i] > 0.0 else p
    for k in range(sums.shape[0]):
        for i in range(np.uintp(width)):
            old, new = sums[k, i], trial_sums[k, i]
            sums[k, i] = new if state[_DONE, i] > 0.0 else old


@njit(cache=True, error_model="numpy")
def _finish(model, group, limits, values, errors, cost, flags):  # type: ignore[no-untyped-def]
    """Judge every lane and hand out its results in the order of the curves."""
    state, residuals = group.state, group.trial_sums
    _sum_residuals(model, group, residuals, _whole_vectors(flags.size))
    for i in range(flags.size):
        curve, used = int(state[_CURVE, i]), state[_USED, i]
        few = _FEW_POINTS if state[_POSITIVE, i] < _MIN_POINTS else 0
        if not np.isfinite(state[_P, i]):
            flags[curve] = few | _NOT_CONVERGED
            continue
        rms = np.sqrt(residuals[0, i] / used)
        z = _runs_z(residuals[1, i], residuals[2, i], used)
        flags[curve] = few | _judge(state[:, i], limits, rms, z)
        for k in range(4):
            values[curve, k] = state[_P + k, i]
        cost[curve] = group.sums[0, i]
        _, hessian = _equations(group.sums, state[_P + 2, i], i)
        errors[curve, 0], errors[curve, 1] = _covariance_errors(state[:, i], hessian, cost[curve])


@njit(cache=True)
def _sum_residuals(model, group, sums, width):  # type: ignore[no-untyped-def]
    """Sum squares of residuals, residuals above zero, and runs of one sign; the last row is the last sign."""
    shown = group.shown
    nothing, one = sums.dtype.type(0.0), sums.dtype.type(1.0)
    for i in range(np.uintp(width)):
        sums[0, i] = sums[1, i] = sums[2, i] = nothing
        sums[3, i] = -one
    _show(model, group, group.state[_P : _P + 4], width)
    for j in range(model.log_t.size):
        y, f, place = group.y[j], _point(model, group, j, width)[0], sums.dtype.type(j)
        for i in range(np.uintp(width)):
            counts = one if place < shown[4, i] else nothing
            r = counts * (y[i] - f[i] - shown[3, i])
            above = one if r > nothing else nothing
            sums[0, i] += r * r
            sums[1, i] += above
            sums[2, i] += counts if above != sums[3, i] else nothing
            sums[3, i] = above


@njit(cache=True, error_model="numpy")
def _runs_z(above, runs, n):  # type: ignore[no-untyped-def]
    """Return the z score of the number of sign runs (Wald-Wolfowitz); very negative: too few runs."""
    product = 2.0 * above * (n - above)
    variance = product * (product - n) / (n * n * (n - 1.0))
    return (runs - 1.0 - product / n) / np.sqrt(variance) if variance > 0.0 else 0.0


@njit(cache=True)
def _judge(lane, limits, rms, runs_z):  # type: ignore[no-untyped-def]
    """Flags of a finished lane; a parameter without room is at no bound."""
    slot_s, duration_s, _, _ = limits
    p, low, high = lane[_P : _P + 4], lane[_LOW : _LOW + 4], lane[_HIGH : _HIGH + 4]
    amplitude, tau_s = np.exp(p[0]), np.exp(p[1])
    flags = 0
    if p[1] - low[1] < 1e-6 or high[1] - p[1] < 1e-6:
        flags |= _TAU_AT_BOUND
    if low[2] < high[2] and (p[2] - low[2] < 1e-6 or high[2] - p[2] < 1e-6):
        flags |= _BETA_AT_BOUND
    if low[3] < high[3] and (p[3] <= low[3] or p[3] >= high[3]):
        flags |= _BASELINE_AT_BOUND
    if amplitude < 3.0 * rms:
        flags |= _LOW_AMPLITUDE
    if tau_s < 3.0 * slot_s:
        flags |= _TOO_FAST
    if tau_s > duration_s / 3.0:
        flags |= _TOO_SLOW
    if rms > 1e-6 * amplitude and runs_z < _RUNS_Z:
        flags |= _RESIDUAL_RUNS
    return flags


@njit(cache=True, error_model="numpy")
def _covariance_errors(lane, hessian, cost):  # type: ignore[no-untyped-def]
    """Errors of ln tau and beta from the fit covariance; NaN for a parameter at its bound."""
    free = (_inside(lane, 0), _inside(lane, 1), _inside(lane, 2), _inside(lane, 3))
    variance = cost / max(lane[_USED] - (free[0] + free[1] + free[2] + free[3]), 1.0)
    # With no damping and a unit gradient the step is a column of the inverse matrix.
    of_tau = _solve((0.0, 1.0, 0.0, 0.0), hessian, free, 0.0)[1]
    of_beta = _solve((0.0, 0.0, 1.0, 0.0), hessian, free, 0.0)[2]
    return (
        np.sqrt(variance * of_tau) if free[1] > 0.0 else np.nan,
        np.sqrt(variance * of_beta) if free[2] > 0.0 else np.nan,
    )


@njit(cache=True, forceinline=True)
def _inside(lane, k):  # type: ignore[no-untyped-def]
    return 1.0 if lane[_LOW + k] < lane[_P + k] < lane[_HIGH + k] else 0.0
