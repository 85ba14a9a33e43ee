"""Medium-range order from the variance at many probe sizes (docs/methods/order.md)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import FloatArray, InvalidData

DISC = 0.61
"""Radius of the diffraction disc times the FWHM of the probe: Q = 0.61 / R."""

NEIGHBOURS = 2
"""Points on either side of the largest one that the parabola goes through."""

LEAST_POINTS_ON_LINE = 4
CLEARLY_POSITIVE = 2.0
"""Standard errors by which the intercept must differ from zero."""

DRAWS, SEED = 2000, 20240
ONE_SIGMA = (15.87, 84.13)
"""Percentiles."""


@dataclass(frozen=True)
class StrattonVoyles:
    """The plot of V_max against 1/R^2, and the probe size at which V_max is largest."""

    inverse_square_per_nm2: FloatArray
    """1/R^2, for increasing R."""
    V: FloatArray
    sigma_V: FloatArray
    R_max_nm: float
    """NaN when there is no maximum inside the range of probe sizes."""
    sigma_R_max_nm: float
    """Scatter of V and half the distance of the probe sizes around the maximum, added in squares."""
    why: str = ""
    """Why there is no number; empty when there is one."""


@dataclass(frozen=True)
class PairPersistence:
    """The line Q^2 / V = m Q^2 + c, and the length that it gives."""

    m: float
    c_per_nm2: float
    sigma_m: float
    sigma_c_per_nm2: float
    covariance: float
    """Of m and c; negative."""
    length_nm: float
    """Pair persistence length, ``sqrt(m / c) / (2 pi)``; NaN when the line does not say."""
    sigma_length_nm: float
    interval_nm: tuple[float, float]
    """68 % interval from resampling; lopsided, because c is near 0. The upper end may be infinite."""
    lower_bound_nm: float
    """The length when c is 2 standard errors larger: what can be said even when c is hardly above 0."""
    probes_nm: tuple[float, ...]
    """Probe sizes on the line."""
    chi2_per_dof: float
    why: str = ""
    """Why there is no length; empty when there is one."""


def stratton_voyles(probe_nm: npt.ArrayLike, V_max: npt.ArrayLike, sigma_V: npt.ArrayLike) -> StrattonVoyles:
    """Find the probe size at which the variance of the first peak is largest.

    A parabola in ln R through the largest point and up to two neighbours on either side. Only the position of
    the maximum is used: no absolute amount of order is derived.

    Parameters
    ----------
    probe_nm
        FWHM R of the probes, shape (n,); all different.
    V_max, sigma_V
        Height of the first peak, base included, and its standard error (from the jackknife), shape (n,).
        Points with NaN are left out.

    Raises
    ------
    InvalidData
        When the arrays do not fit each other, or one probe size occurs twice (states mixed).
    """
    R, V, sigma = _points(probe_nm, V_max, sigma_V)
    nan = float("nan")
    plot = (R**-2, V, sigma)
    if R.size < 3:
        return StrattonVoyles(*plot, nan, nan, f"a maximum needs at least 3 probe sizes: got {R.size}")
    best = _maximum_nm(R, V)
    if not np.isfinite(best):
        return StrattonVoyles(
            *plot, nan, nan, f"V has no maximum between R = {R[0]:g} and {R[-1]:g} nm: use more probe sizes"
        )
    random = np.random.Generator(np.random.Philox(SEED))
    draws = np.array([_maximum_nm(R, V + sigma * random.standard_normal(R.size)) for _ in range(DRAWS // 4)])
    scatter = float(np.nanstd(draws)) if np.isfinite(draws).sum() > 1 else nan
    top = min(max(int(np.searchsorted(R, best)), 1), R.size - 1)
    return StrattonVoyles(*plot, best, float(np.hypot(scatter, (R[top] - R[top - 1]) / 2.0)))


def pair_persistence(
    probe_nm: npt.ArrayLike,
    V_max: npt.ArrayLike,
    sigma_V: npt.ArrayLike,
    *,
    R_max_nm: float | None = None,
    sigma_probe_nm: npt.ArrayLike = 0.0,
) -> PairPersistence:
    """Fit the pair persistence line, eq. (2) of the paper: Q^2 / V = m Q^2 + c with Q = 0.61 / R.

    Weighted least squares over the probes larger than the one at which V is largest: only there does the law
    hold. The covariance of m and c goes into the error of the length, which it makes larger. When the points
    scatter more than their errors say, the errors are scaled up.

    Parameters
    ----------
    probe_nm
        FWHM R of the probes, shape (n,); all different.
    V_max, sigma_V
        Height of the first peak, base included, and its standard error (from the jackknife), shape (n,).
    R_max_nm
        Probe size with the largest variance; None: from `stratton_voyles`.
    sigma_probe_nm
        Standard error of R, a number or one for each probe; enters the interval.

    Returns
    -------
    PairPersistence
        With NaN and a reason when fewer than 4 points are on the line, m <= 0 or c <= 2 sigma.

    Raises
    ------
    InvalidData
        As `stratton_voyles`; and when an error is not positive.
    """
    sigma_R = np.broadcast_to(np.asarray(sigma_probe_nm, dtype=np.float64), np.shape(probe_nm))
    R, V, sigma, sigma_R = _points(probe_nm, V_max, sigma_V, sigma_R)
    if not np.all(sigma > 0):
        raise InvalidData(f"standard errors of V must be > 0: got {sigma.tolist()}")
    if R_max_nm is None:
        peak = stratton_voyles(R, V, sigma)
        if not np.isfinite(peak.R_max_nm):
            return _no_length(R[:0], peak.why)
        R_max_nm = peak.R_max_nm
    on_line = np.greater(R, R_max_nm)
    R, V, sigma, sigma_R = R[on_line], V[on_line], sigma[on_line], sigma_R[on_line]
    if R.size < LEAST_POINTS_ON_LINE:
        return _no_length(
            R, f"the line needs {LEAST_POINTS_ON_LINE} probe sizes above R = {R_max_nm:.2f} nm: got {R.size}"
        )
    return _length(R, V, sigma, sigma_R)


def _points(*columns: npt.ArrayLike) -> list[FloatArray]:
    """Return the columns R, V, ... of the finite points, in order of R."""
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    shapes, R = [array.shape for array in arrays], arrays[0]
    if R.ndim != 1 or any(shape != R.shape for shape in shapes):
        raise InvalidData(f"one V and one error for each probe: got shapes {shapes}")
    if np.any(R <= 0) or np.unique(R).size < R.size:
        raise InvalidData(
            f"probe sizes must be > 0 nm and all different: got {R.tolist()}; points of different states or "
            f"thicknesses belong in different plots"
        )
    known = np.all(np.isfinite(arrays), axis=0)
    order = np.argsort(R[known])
    return [array[known][order] for array in arrays]


def _maximum_nm(R: FloatArray, V: FloatArray) -> float:
    """Maximum of the parabola in ln R around the largest point; NaN when it is not between the points."""
    top = int(np.argmax(V))
    if top in (0, R.size - 1):
        return float("nan")
    near = slice(max(top - NEIGHBOURS, 0), top + NEIGHBOURS + 1)
    curvature, slope, _ = np.polyfit(np.log(R[near]), V[near], 2)
    if curvature >= 0:
        return float("nan")
    best = float(np.exp(-slope / (2.0 * curvature)))
    return best if R[near][0] < best < R[near][-1] else float("nan")


@dataclass(frozen=True)
class _Line:
    """Weighted straight line through one set of points, or through many at once (last axis: points)."""

    m: FloatArray
    c: FloatArray
    var_m: FloatArray
    var_c: FloatArray
    covariance: FloatArray
    chi2: FloatArray


def _line(R: FloatArray, V: FloatArray, sigma: FloatArray) -> _Line:
    x = (DISC / R) ** 2
    y, weight = x / V, (V**2 / (x * sigma)) ** 2
    n, sx, sy, sxx, sxy = (np.sum(weight * term, axis=-1) for term in (1.0, x, y, x * x, x * y))
    determinant = n * sxx - sx**2
    m, c = (n * sxy - sx * sy) / determinant, (sxx * sy - sx * sxy) / determinant
    residual = y - m[..., None] * x - c[..., None]
    chi2 = np.sum(weight * residual**2, axis=-1)
    return _Line(m, c, n / determinant, sxx / determinant, -sx / determinant, chi2)


def _length(R: FloatArray, V: FloatArray, sigma: FloatArray, sigma_R: FloatArray) -> PairPersistence:
    line = _line(R, V, sigma)
    excess = float(line.chi2) / (R.size - 2)
    scale = max(excess, 1.0)
    m, c, covariance = float(line.m), float(line.c), scale * float(line.covariance)
    sigma_m, sigma_c = float(np.sqrt(scale * line.var_m)), float(np.sqrt(scale * line.var_c))
    numbers = (m, c, sigma_m, sigma_c, covariance)
    nan, probes = float("nan"), tuple(R.tolist())
    lower = _lambda_nm(m, c + CLEARLY_POSITIVE * sigma_c)
    if m <= 0 or c <= CLEARLY_POSITIVE * sigma_c:
        why = (
            f"the slope m = {m:.3g} is not positive"
            if m <= 0
            else f"the intercept c = {c:.3g} +- {sigma_c:.2g} / nm^2 cannot be told from 0: use larger probes"
        )
        return PairPersistence(*numbers, nan, nan, (nan, nan), lower, probes, excess, why)
    length = _lambda_nm(m, c)
    relative = (sigma_m / m) ** 2 + (sigma_c / c) ** 2 - 2.0 * covariance / (m * c)
    interval = _interval(R, V, sigma * np.sqrt(scale), sigma_R)
    return PairPersistence(
        *numbers, length, float(length / 2.0 * np.sqrt(relative)), interval, lower, probes, excess
    )


def _interval(R: FloatArray, V: FloatArray, sigma: FloatArray, sigma_R: FloatArray) -> tuple[float, float]:
    """Resample V and R within their errors; a line with c <= 0 has no finite length."""
    random = np.random.Generator(np.random.Philox(SEED))
    R_drawn = np.maximum(R + sigma_R * random.standard_normal((DRAWS, R.size)), 1e-3 * R)
    line = _line(R_drawn, V + sigma * random.standard_normal((DRAWS, R.size)), sigma)
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = np.sqrt(line.m / line.c) / (2.0 * np.pi)
    lengths[line.m <= 0] = np.nan
    lengths[(line.c <= 0) & (line.m > 0)] = np.inf
    known = lengths[~np.isnan(lengths)]
    low, high = np.percentile(known, ONE_SIGMA, method="nearest") if known.size else (np.nan, np.nan)
    return float(low), float(high)


def _lambda_nm(m: float, c: float) -> float:
    """Pair persistence length of a line; NaN where there is none."""
    return float(np.sqrt(m / c) / (2.0 * np.pi)) if m > 0 and c > 0 else float("nan")


def _no_length(R: FloatArray, why: str) -> PairPersistence:
    nan = float("nan")
    return PairPersistence(nan, nan, nan, nan, nan, nan, nan, (nan, nan), nan, tuple(R.tolist()), nan, why)
