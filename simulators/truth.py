"""What an unbiased analysis of a simulated movie should find."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import curve_fit

FloatArray = npt.NDArray[np.float64]

LAGS = (0.003, 5.0, 120)
"""Of the fit to an average: first and last in units of the median tau, and how many."""

QUANTILES = 1000
"""Of the relaxation times in the frame, which stand for all of them."""


def ecm_truth(tau_median_s: float, beta: float, ln_slope: float, ln_tau: FloatArray) -> dict[str, float]:
    """Return the planted numbers of a movie (docs/methods/simulator.md).

    Parameters
    ----------
    tau_median_s
        The law's relaxation time at mid-record.
    beta
        Stretching exponent of every pixel.
    ln_slope
        Growth of ln tau from the beginning to the end of the record.
    ln_tau
        Deviations of ln tau from the law at points of the frame, shape (n,); zeros where there is no map.
    """
    slower, beta_seen = image_average(ln_tau, beta)
    return {
        "tau_s": tau_median_s * slower,
        "beta": beta_seen,
        "tau_median_s": tau_median_s * float(np.exp(np.median(ln_tau))),
        "sigma_ln_tau": float(np.std(ln_tau)),
        "ln_slope": ln_slope,
    }


def image_average(ln_tau: FloatArray, beta: float) -> tuple[float, float]:
    """Return (tau, beta) of the stretched exponential that is closest to an average of others.

    The average is that of exp[-2 (t/tau)^beta] over the points of the image; the fit is least squares over
    lags that are evenly spaced in ln t, with a free amplitude.

    Parameters
    ----------
    ln_tau
        ln tau of each point, shape (n,).
    beta
        Stretching exponent of each point.
    """
    if np.ptp(ln_tau) == 0:
        return float(np.exp(ln_tau[0])), beta
    tau = np.exp(np.quantile(ln_tau, (np.arange(QUANTILES) + 0.5) / QUANTILES))
    lags = np.geomspace(*LAGS)
    average = np.mean(np.exp(-2 * (lags[:, None] / tau) ** beta), axis=1)
    limits = ((0.0, 0.01, 0.01), (2.0, 100.0, 2.0))
    (_, tau_seen, beta_seen), _ = curve_fit(_kww, lags, average, p0=(1.0, 1.0, beta), bounds=limits)
    return float(tau_seen), float(beta_seen)


def _kww(lags: FloatArray, amplitude: float, tau: float, beta: float) -> FloatArray:
    return np.asarray(amplitude * np.exp(-2 * (lags / tau) ** beta))
