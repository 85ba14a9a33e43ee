"""How a relaxation time seen in records of growing duration goes on (docs/methods/duration.md)."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import FloatArray, InvalidData

Law = Literal["hyp", "exp", "invT", "pow"]

LAWS: tuple[Law, ...] = get_args(Law)
"""Hyperbolic, exponential, in the inverse of the duration, with a free power of it."""

LEAST_DURATIONS = 4
"""Fewer points leave nothing over to tell one law from another."""

_LONGEST_T0 = 100.0
"""In longest durations: beyond it tau is proportional to T, and there is no asymptote to see."""
_EXPONENTS = (0.05, 10.0)
_AT_END = 1e-6
_ZOOM_POINTS, _ZOOMS = 33, 9
"""Each zoom keeps two of 32 intervals: 16^-9 of the range is left."""


@dataclass(frozen=True)
class Asymptote:
    """The relaxation time that a law gives for a record without end; NaN and a reason when it gives none."""

    law: Law
    tau_asym_s: float
    T0_s: float
    """Duration that sets the law's approach to the asymptote, see `asymptote`."""

    rms_s: float
    """Root mean square of the residuals. No error of the asymptote follows from it: records that are parts
    of each other share their noise, and a wrong law may leave little."""

    why: str = ""
    """Why there is no number; empty when there is one."""


def asymptote(T_s: npt.ArrayLike, tau_s: npt.ArrayLike, law: Law = "hyp") -> Asymptote:
    """Extrapolate tau(T) to an endless record, by unweighted least squares.

    ====== ============================== ==========================
    hyp    tau_asym T / (T + T0)          default: see the page
    exp    tau_asym - a exp(-T / T0)
    invT   tau_asym - b / T               T0 = b / tau_asym
    pow    tau_asym - a / T^p             T0 = (a / tau_asym)^(1/p)
    ====== ============================== ==========================

    T0 of `hyp` may be negative, for a tau that falls with T.

    Parameters
    ----------
    T_s
        Durations in s, > 0, all different, shape (K,).
    tau_s
        Relaxation time seen in each of them in s, shape (K,).
    law
        One of `LAWS`.

    Returns
    -------
    Asymptote
        NaN with a reason when K < 4, a value is not finite, or the points show no approach to an asymptote.

    Raises
    ------
    InvalidData
        The shapes do not fit, durations are not positive and different, or there is no such law.
    """
    T, tau = np.asarray(T_s, dtype=np.float64), np.asarray(tau_s, dtype=np.float64)
    _check(T, tau, law)
    if T.size < LEAST_DURATIONS:
        return _none(law, f"a law needs at least {LEAST_DURATIONS} durations: got {T.size}")
    if not np.isfinite(tau).all():
        return _none(law, f"{np.count_nonzero(~np.isfinite(tau))} of {T.size} relaxation times are unknown")
    found = _best_shape(law, T, tau)
    if found is None:
        return _none(law, "the relaxation times show no approach to an asymptote of this form")
    tau_asym, amplitude, cost = (float(number[0]) for number in _solve(law, T, tau, np.array([found])))
    if not tau_asym > 0.0:
        return _none(law, f"the asymptote is not a time: got {tau_asym:.4g} s")
    T0_s = _T0_s(law, float(T.min()), found, amplitude / tau_asym)
    return Asymptote(law, tau_asym, T0_s, float(np.sqrt(cost / T.size)))


def _none(law: Law, why: str) -> Asymptote:
    return Asymptote(law, np.nan, np.nan, np.nan, why)


def _check(T: FloatArray, tau: FloatArray, law: Law) -> None:
    if law not in LAWS:
        raise InvalidData(f"law: must be one of {', '.join(LAWS)}: got {law!r}")
    if T.ndim != 1 or T.shape != tau.shape:
        raise InvalidData(
            f"durations: one relaxation time for each of K durations is needed, got shapes {T.shape} and "
            f"{tau.shape}"
        )
    if not np.all((T > 0.0) & np.isfinite(T)) or np.unique(T).size != T.size:
        raise InvalidData(f"durations: must be finite, > 0 s and all different, got {T.tolist()}")


def _best_shape(law: Law, T: FloatArray, tau: FloatArray) -> float | None:
    """Return the one number that a law is not linear in; None when it runs to an end of its range.

    A grid that zooms in: nothing to start from, nothing that fails to converge, the same steps everywhere.
    """
    if law == "invT":
        return 0.0
    first, last = low, high = _shape_range(law, T)
    for _ in range(_ZOOMS):
        shapes = np.linspace(low, high, _ZOOM_POINTS)
        best = int(np.argmin(_solve(law, T, tau, shapes)[2]))
        low, high = shapes[max(best - 1, 0)], shapes[min(best + 1, _ZOOM_POINTS - 1)]
    found = float(shapes[best])
    return found if min(found - first, last - found) > _AT_END else None


def _shape_range(law: Law, T: FloatArray) -> tuple[float, float]:
    """Return the ends of the search: ln(T0 / T_min + 1), ln(T0 / T_min), ln p."""
    longest = float(np.log(_LONGEST_T0 * T.max() / T.min()))
    if law == "pow":
        return float(np.log(_EXPONENTS[0])), float(np.log(_EXPONENTS[1]))
    return float(np.log(0.5 if law == "hyp" else 0.1)), longest


def _solve(
    law: Law, T: FloatArray, tau: FloatArray, shapes: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the best asymptote, amplitude and sum of squares for each shape (S,).

    Sums are written out: those of a linear algebra library may depend on the machine in the last digit.
    """
    g = _basis(law, T / T.min(), shapes[:, np.newaxis])
    if law == "hyp":
        tau_asym = (tau * g).sum(axis=1) / (g * g).sum(axis=1)
        residuals = tau - tau_asym[:, np.newaxis] * g
        return tau_asym, np.zeros_like(tau_asym), (residuals * residuals).sum(axis=1)
    centred = g - g.mean(axis=1, keepdims=True)
    slope = (tau * centred).sum(axis=1) / (centred * centred).sum(axis=1)
    residuals = tau - tau.mean() - slope[:, np.newaxis] * centred
    return tau.mean() - slope * g.mean(axis=1), -slope, (residuals * residuals).sum(axis=1)


def _basis(law: Law, x: FloatArray, shape: FloatArray) -> FloatArray:
    """Return the function of x = T / T_min that a law is linear in, shape (S, K)."""
    if law == "hyp":
        return np.asarray(x / (x + np.expm1(shape)))
    if law == "exp":
        return np.asarray(np.exp(-x / np.exp(shape)))
    return np.asarray(x ** -np.exp(shape))


def _T0_s(law: Law, T_min_s: float, shape: float, relative_amplitude: float) -> float:
    """Return T0 from the shape and from the amplitude, in asymptotes, of a law in units of T_min."""
    if law in ("hyp", "exp"):
        return T_min_s * float(np.expm1(shape) if law == "hyp" else np.exp(shape))
    root = float(np.exp(-shape))
    return T_min_s * float(np.sign(relative_amplitude) * abs(relative_amplitude) ** root)
