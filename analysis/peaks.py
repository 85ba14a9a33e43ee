"""Peaks of V(k): position, height, integrals (docs/methods/fem.md)."""

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from annealscope.analysis.values import FloatArray

FIRST_WINDOW = (3.6, 5.0)
SECOND_WINDOW = (6.6, 7.9)
"""Where the peaks of a metallic glass are looked for, 1/nm."""

WIDTHS = (0.1, 1.5)
"""Bounds of the standard deviation of a Gaussian, 1/nm."""

SHOULDER, SHOULDER_SIDES = (5.1, 5.5), (4.9, 5.8)
MARGIN = 0.3
"""Beyond the sides, 1/nm, so that points on either side of them are known."""

LEAST_POINTS = 6
CLEAR_BIC = 10.0


class PeakFlag(IntFlag):
    """What is to be known of a fitted peak."""

    NOT_CONVERGED = 1
    """There is no fit: the numbers are NaN."""
    CENTRE_AT_BOUND = 2
    WIDTH_AT_BOUND = 4
    WEAK = 8
    """The height above the base is less than 3 times the scatter about the fit."""
    TRUNCATED = 16
    """The curve does not cover the whole window."""


@dataclass(frozen=True)
class Peak:
    """A Gaussian on a constant base, ``V(k) = base + height exp[-(k - k0)^2 / (2 width^2)]``."""

    k_per_nm: float
    V_max: float
    """Value of the profile at its maximum: base + height."""
    height_above_base: float
    base: float
    width_per_nm: float
    """Standard deviation of the Gaussian."""
    integral_gauss: float
    """Area of the Gaussian, 1/nm."""
    integral_window: float
    """Area between curve and base in the window, 1/nm."""
    fit_sigma_k_per_nm: float
    """What the least-squares fit claims; neighbouring points are alike, so it is several times too small."""
    fit_sigma_V_max: float
    flags: PeakFlag


@dataclass(frozen=True)
class SplitPeak:
    """Two Gaussians of one width on a constant base, against one."""

    k_per_nm: tuple[float, float]
    V: tuple[float, float]
    """Value of the profile at the two positions."""
    delta_bic: float
    """How much better two are than one; NaN without a fit."""

    @property
    def resolved(self) -> bool:
        """Whether two peaks may be claimed: a difference of more than 10."""
        return self.delta_bic > CLEAR_BIC


@dataclass(frozen=True)
class _Fit:
    parameters: FloatArray
    covariance: FloatArray
    residual: FloatArray


def fit_peak(k: npt.ArrayLike, V: npt.ArrayLike, window: tuple[float, float] = FIRST_WINDOW) -> Peak:
    """Fit a Gaussian on a constant base to the part of a curve inside a window.

    Least squares without weights, height > 0, centre in the window, width 0.1 ... 1.5 / nm. NaN in the curve
    is left out.

    Parameters
    ----------
    k
        Spatial frequency in 1/nm, shape (n,), increasing.
    V
        Normalised variance, shape (n,).
    window
        Lower and upper end, 1/nm.

    Returns
    -------
    Peak
        With NaN and the flag NOT_CONVERGED where there is no fit.
    """
    x, y = _inside(k, V, window)
    flags = PeakFlag(0)
    spacing = float(np.median(np.diff(x))) if x.size > 1 else 0.0
    if not x.size or x[0] > window[0] + 2 * spacing or x[-1] < window[1] - 2 * spacing:
        flags |= PeakFlag.TRUNCATED
    fit = _fit_gaussians(x, y, window, [_start(x, y)]) if x.size >= LEAST_POINTS else None
    if fit is None:
        nan = float("nan")
        return Peak(nan, nan, nan, nan, nan, nan, nan, nan, nan, flags | PeakFlag.NOT_CONVERGED)
    base, width, k0, height = (float(p) for p in fit.parameters)
    to_V_max = np.array([1.0, 0.0, 0.0, 1.0])
    return Peak(
        k_per_nm=k0,
        V_max=base + height,
        height_above_base=height,
        base=base,
        width_per_nm=width,
        integral_gauss=height * width * float(np.sqrt(2.0 * np.pi)),
        integral_window=float(np.sum((y[1:] + y[:-1] - 2.0 * base) * np.diff(x)) / 2.0),
        fit_sigma_k_per_nm=float(np.sqrt(fit.covariance[2, 2])),
        fit_sigma_V_max=float(np.sqrt(to_V_max @ fit.covariance @ to_V_max)),
        flags=flags | _warnings(fit, window),
    )


def fit_split_peak(
    k: npt.ArrayLike,
    V: npt.ArrayLike,
    window: tuple[float, float] = FIRST_WINDOW,
    correlation_per_nm: float = 0.0,
) -> SplitPeak:
    """Fit two Gaussians of one width, and compare with one by the Bayesian information criterion.

    Parameters
    ----------
    k, V, window
        As in `fit_peak`.
    correlation_per_nm
        Distance over which points of the curve vary together, about the radius of the diffraction disc.
        Points closer than that do not count as independent evidence.
    """
    nan = float("nan")
    x, y = _inside(k, V, window)
    if x.size < 2 * LEAST_POINTS:
        return SplitPeak((nan, nan), (nan, nan), nan)
    k0, height = _start(x, y)
    apart = 0.1
    one = _fit_gaussians(x, y, window, [(k0, height)])
    two = _fit_gaussians(x, y, window, [(k0 - apart, height), (k0 + apart, height)])
    if one is None or two is None:
        return SplitPeak((nan, nan), (nan, nan), nan)
    spacing = float(np.median(np.diff(x)))
    n = x.size * min(1.0, spacing / max(correlation_per_nm, spacing))
    at = np.sort(two.parameters[2::2])
    value = _model(at, two.parameters)
    return SplitPeak(
        (float(at[0]), float(at[1])), (float(value[0]), float(value[1])), _bic(one, n) - _bic(two, n)
    )


def shoulder(k: npt.ArrayLike, V: npt.ArrayLike) -> float:
    """Mean of V over 5.1 ... 5.5 / nm less the straight line between its values at 4.9 and 5.8 / nm.

    A third peak at 5.3 / nm raises it; NaN where the curve does not reach.
    """
    x, y = _inside(k, V, (SHOULDER_SIDES[0] - MARGIN, SHOULDER_SIDES[1] + MARGIN))
    inside = (x >= SHOULDER[0]) & (x <= SHOULDER[1])
    if not inside.any() or x[0] > SHOULDER_SIDES[0] or x[-1] < SHOULDER_SIDES[1]:
        return float("nan")
    left, right = np.interp(SHOULDER_SIDES, x, y)
    return float(np.mean(y[inside] - np.interp(x[inside], SHOULDER_SIDES, [left, right])))


def _inside(k: npt.ArrayLike, V: npt.ArrayLike, window: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    x, y = np.asarray(k, dtype=np.float64), np.asarray(V, dtype=np.float64)
    inside = (x >= window[0]) & (x <= window[1]) & np.isfinite(y)
    return x[inside], y[inside]


def _start(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    top = int(np.argmax(y))
    return float(x[top]), max(float(np.ptp(y)), 1e-12)


def _fit_gaussians(
    x: FloatArray, y: FloatArray, window: tuple[float, float], starts: list[tuple[float, float]]
) -> _Fit | None:
    """Fit base, width and (centre, height) of each Gaussian; None where that fails."""
    scale = float(np.ptp(y))
    if not scale > 0:
        return None
    lower = [-np.inf, WIDTHS[0], *[window[0], 0.0] * len(starts)]
    upper = [np.inf, WIDTHS[1], *[window[1], np.inf] * len(starts)]
    centres = [(min(max(c, window[0] + 1e-6), window[1] - 1e-6), h / scale) for c, h in starts]
    first = [float(y.min()) / scale, 0.35, *[p for pair in centres for p in pair]]

    def residuals(p: FloatArray) -> FloatArray:
        return _model(x, p) - y / scale

    fit = least_squares(residuals, first, bounds=(lower, upper), x_scale="jac")
    if not fit.success or not np.all(np.isfinite(fit.x)):
        return None
    variance = np.sum(fit.fun**2) / max(x.size - fit.x.size, 1)
    units = np.array([scale, 1.0, *[1.0, scale] * len(starts)])
    jacobian = np.asarray(fit.jac)
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * variance * np.outer(units, units)
    return _Fit(fit.x * units, covariance, fit.fun * scale)


def _model(x: FloatArray, p: FloatArray) -> FloatArray:
    total = np.full(x.shape, p[0])
    for centre, height in zip(p[2::2], p[3::2], strict=True):
        total += height * np.exp(-((x - centre) ** 2) / (2.0 * p[1] ** 2))
    return total


def _warnings(fit: _Fit, window: tuple[float, float]) -> PeakFlag:
    _, width, k0, height = fit.parameters
    flags = PeakFlag(0)
    if min(k0 - window[0], window[1] - k0) < 1e-3:
        flags |= PeakFlag.CENTRE_AT_BOUND
    if width < WIDTHS[0] * 1.001 or width > WIDTHS[1] * 0.999:
        flags |= PeakFlag.WIDTH_AT_BOUND
    if height < 3.0 * float(np.std(fit.residual)):
        flags |= PeakFlag.WEAK
    return flags


def _bic(fit: _Fit, n: float) -> float:
    mean_square = max(float(np.mean(fit.residual**2)), 1e-30)
    return n * float(np.log(mean_square)) + fit.parameters.size * float(np.log(n))
