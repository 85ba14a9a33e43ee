"""Relaxation times at several dose rates, and what is left of them without a beam (docs/methods/dose.md)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares
from scipy.stats import norm, t

from annealscope.analysis.values import FloatArray, InvalidData

LEAST_RATES = 3
"""Different dose rates: a law of two parameters goes through two points whatever they are."""

CLEARLY_POSITIVE = 2.0
"""Standard errors by which the rate at zero dose must differ from zero, if the errors are known well."""

NO_ZERO_DOSE = "a power of the dose rate has no zero dose: tau grows beyond all bounds there"


@dataclass(frozen=True)
class Agreement:
    """How well a law agrees with n times, in the logarithm of tau."""

    chi2: float
    """About `dof` when the law and the errors of the times are right."""

    dof: int

    bic: float
    """``chi2 + parameters ln n``: a law is the better supported, the smaller it is."""

    @property
    def excess(self) -> float:
        """What squares of errors are multiplied with: chi2 per degree of freedom where that is above 1.

        The times differ by more than their errors say, as places of a specimen do.
        """
        return max(self.chi2 / self.dof, 1.0) if self.dof > 0 else 1.0

    @property
    def clear(self) -> float:
        """Standard errors by which a number must differ from zero to be clearly something else.

        `CLEARLY_POSITIVE` for errors of the times themselves. Errors that were taken from the scatter of a
        few times are not known well: the quantile of Student's t distribution with the same probability.
        """
        if self.excess > 1.0:
            return float(t.ppf(norm.cdf(CLEARLY_POSITIVE), self.dof))
        return CLEARLY_POSITIVE


@dataclass(frozen=True)
class AdditiveRates:
    """The law ``1/tau = 1/tau_0 + b phi``: the glass and the beam each at its own rate."""

    tau_0_s: float
    """Relaxation time at zero dose; NaN when the rate there is not clearly above zero."""
    sigma_tau_0_s: float
    rate_0_per_s: float
    """``1/tau_0``, which may come out negative."""
    sigma_rate_0_per_s: float
    b_nm2: float
    """Rate for each unit of dose rate."""
    sigma_b_nm2: float
    lower_bound_s: float
    """tau_0 when its rate is `Agreement.clear` standard errors larger: what can be said even when it is
    hardly above zero."""
    agreement: Agreement
    why: str = ""
    """Why there is no tau_0; empty when there is one."""


@dataclass(frozen=True)
class PowerLaw:
    """The law ``tau = tau_ref (phi / phi_ref)^power``, the power negative when the beam makes atoms move."""

    power: float
    sigma_power: float
    tau_ref_s: float
    phi_ref_per_nm2_s: float
    """The geometric mean of the dose rates."""
    agreement: Agreement
    why: str = NO_ZERO_DOSE
    """Why there is no time at zero dose, or no power at all."""


def additive_rates(
    phi_per_nm2_s: npt.ArrayLike, tau_s: npt.ArrayLike, sigma_tau_s: npt.ArrayLike
) -> AdditiveRates:
    """Extrapolate relaxation rates to zero dose: ``1/tau = 1/tau_0 + b phi``.

    Least squares of ln tau over its errors: what a fit of a decay scatters in is ln tau. In rates, the points
    that happen to be slow would have the smaller errors, and draw the line towards them.

    Parameters
    ----------
    phi_per_nm2_s
        Dose rates in electrons/nm^2/s, > 0, shape (n,).
    tau_s, sigma_tau_s
        Relaxation times and their standard errors in s, shape (n,). Points with NaN are left out.

    Returns
    -------
    AdditiveRates
        With NaN and a reason when fewer than 3 dose rates differ, or the rate at zero dose is not clearly
        above zero, see `Agreement.clear`.

    Raises
    ------
    InvalidData
        The arrays do not fit each other, or a dose rate, a time or an error is not > 0.
    """
    phi, ln_tau, sigma = _points(phi_per_nm2_s, tau_s, sigma_tau_s)
    if np.unique(phi).size < LEAST_RATES:
        nan = float("nan")
        return AdditiveRates(nan, nan, nan, nan, nan, nan, nan, _agreement(np.empty(0), 2), _too_few(phi))
    rates, covariance, residuals = _rates_at_ends(phi, ln_tau, sigma)
    agreement = _agreement(residuals, 2)
    covariance = covariance * agreement.excess
    rate_0, sigma_0 = _sum(np.array([phi.max(), -phi.min()]) / np.ptp(phi), rates, covariance)
    b, sigma_b = _sum(np.array([-1.0, 1.0]) / np.ptp(phi), rates, covariance)
    error = agreement.clear * sigma_0
    bound_s = 1.0 / (rate_0 + error) if rate_0 + error > 0.0 else np.inf
    clear = rate_0 > error
    tau_0_s = 1.0 / rate_0 if clear else np.nan
    return AdditiveRates(
        tau_0_s=tau_0_s,
        sigma_tau_0_s=tau_0_s**2 * sigma_0,
        rate_0_per_s=rate_0,
        sigma_rate_0_per_s=sigma_0,
        b_nm2=b,
        sigma_b_nm2=sigma_b,
        lower_bound_s=bound_s,
        agreement=agreement,
        why="" if clear else _not_clear(rate_0, sigma_0, bound_s, agreement.clear),
    )


def power_law(phi_per_nm2_s: npt.ArrayLike, tau_s: npt.ArrayLike, sigma_tau_s: npt.ArrayLike) -> PowerLaw:
    """Fit a power of the dose rate, by least squares of ln tau over its errors.

    Parameters, errors and too few points are those of `additive_rates`.
    """
    phi, ln_tau, sigma = _points(phi_per_nm2_s, tau_s, sigma_tau_s)
    if np.unique(phi).size < LEAST_RATES:
        nan = float("nan")
        return PowerLaw(nan, nan, nan, nan, _agreement(np.empty(0), 2), _too_few(phi))
    middle = np.log(phi).mean()
    ln_phi = np.log(phi) - middle
    (slope, start), covariance = np.polyfit(ln_phi, ln_tau, 1, w=1.0 / sigma, cov="unscaled")
    agreement = _agreement((ln_tau - start - slope * ln_phi) / sigma, 2)
    return PowerLaw(
        power=float(slope),
        sigma_power=float(np.sqrt(covariance[0, 0] * agreement.excess)),
        tau_ref_s=float(np.exp(start)),
        phi_ref_per_nm2_s=float(np.exp(middle)),
        agreement=agreement,
    )


def no_dose_dependence(
    phi_per_nm2_s: npt.ArrayLike, tau_s: npt.ArrayLike, sigma_tau_s: npt.ArrayLike
) -> Agreement:
    """Say how well one tau for all dose rates agrees: what the two laws have to beat."""
    _, ln_tau, sigma = _points(phi_per_nm2_s, tau_s, sigma_tau_s)
    weights = sigma**-2.0
    mean = (weights * ln_tau).sum() / weights.sum()
    return _agreement((ln_tau - mean) / sigma, 1)


def _points(
    phi: npt.ArrayLike, tau: npt.ArrayLike, sigma: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return dose rate, ln tau and its error of the points where all is known."""
    arrays = [np.asarray(values, dtype=np.float64) for values in (phi, tau, sigma)]
    if arrays[0].ndim != 1 or len({array.shape for array in arrays}) != 1:
        raise InvalidData(
            "dose series: dose rate, time and error must be three arrays of one equal length, got shapes "
            f"{[array.shape for array in arrays]}"
        )
    known = np.isfinite(arrays).all(axis=0)
    rate, time, error = (array[known] for array in arrays)
    if not all(np.all(array > 0.0) for array in (rate, time, error)):
        raise InvalidData(
            "dose series: dose rates, times and standard errors must be > 0, got dose rates "
            f"{rate.tolist()}, times {time.tolist()} s, errors {error.tolist()} s; leave out unknown ones"
        )
    return rate, np.log(time), error / time


def _rates_at_ends(
    phi: FloatArray, ln_tau: FloatArray, sigma: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the rates at the smallest and the largest dose rate, their covariance, and the residuals.

    A line through the data is positive at both ends, whatever it is at zero: their logarithms are free.
    """
    share = (phi - phi.min()) / np.ptp(phi)

    def rates_of(ends: FloatArray) -> FloatArray:
        return np.asarray((1.0 - share) * np.exp(ends[0]) + share * np.exp(ends[1]))

    def residuals(ends: FloatArray) -> FloatArray:
        return np.asarray((ln_tau + np.log(rates_of(ends))) / sigma)

    start = [-ln_tau[phi.argmin()], -ln_tau[phi.argmax()]]
    ends = least_squares(residuals, start, xtol=1e-12, ftol=1e-14).x
    rates = np.asarray(np.exp(ends))
    weighted = np.stack([1.0 - share, share], axis=1) / (rates_of(ends) * sigma)[:, np.newaxis]
    return rates, np.asarray(np.linalg.inv(weighted.T @ weighted)), residuals(ends)


def _sum(factors: FloatArray, values: FloatArray, covariance: FloatArray) -> tuple[float, float]:
    """Return a linear combination of values, and its standard error."""
    return float(factors @ values), float(np.sqrt(factors @ covariance @ factors))


def _not_clear(rate_0: float, sigma_0: float, bound_s: float, errors: float) -> str:
    if not np.isfinite(bound_s):
        return (
            f"the rate at zero dose comes out as {rate_0:.3g} 1/s, more than {errors:.2g} standard "
            "errors below zero: rates do not add up here"
        )
    return (
        f"the rate at zero dose, {rate_0:.3g} 1/s, is not above {errors:.2g} standard errors of "
        f"{sigma_0:.3g} 1/s: tau there is longer than {bound_s:.4g} s"
    )


def _agreement(residuals: FloatArray, parameters: int) -> Agreement:
    n = residuals.size
    if n == 0:
        return Agreement(np.nan, 0, np.nan)
    chi2 = float(residuals @ residuals)
    return Agreement(chi2, n - parameters, chi2 + parameters * float(np.log(n)))


def _too_few(phi: FloatArray) -> str:
    return f"a law needs at least {LEAST_RATES} different dose rates: got {np.unique(phi).size}"
