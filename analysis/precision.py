"""How precise and how biased a record of given size and duration is."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from annealscope.analysis.fit_spec import FitSpec, resampling
from annealscope.analysis.kww_model import finite_kww, kww
from annealscope.analysis.values import FloatArray

_LN_TAU_SCALE = 2.5
_BETA_SCALE = 1.0


def error_scale(
    n_speckles: npt.ArrayLike, duration_s: npt.ArrayLike, tau_s: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Statistical standard errors of ln(tau) and of beta from one record, good to 30 %.

    ``2.5 / sqrt(N T/tau)`` and ``1.0 / sqrt(N T/tau)``: the number of independent speckles N times the number
    of relaxation times counts the independent events (docs/methods/kww.md). Inputs broadcast; where they are
    not positive and finite the result is NaN.

    Parameters
    ----------
    n_speckles
        Independent speckles in the field of view, see `speckle_count`.
    duration_s, tau_s
        Duration of the record and relaxation time in s.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        events = np.asarray(n_speckles, float) * np.asarray(duration_s, float) / np.asarray(tau_s, float)
        root = np.sqrt(np.where((events > 0.0) & np.isfinite(events), events, np.nan))
    return np.asarray(_LN_TAU_SCALE / root), np.asarray(_BETA_SCALE / root)


def speckle_count(area_nm2: float, aperture_per_nm: float) -> float:
    """Independent speckles in an area: area times ``pi q_a^2``, with the aperture radius q_a in 1/nm."""
    return area_nm2 * np.pi * aperture_per_nm**2


def speckle_fwhm_nm(aperture_per_nm: float) -> float:
    """Full width at half maximum in nm of the intensity correlation ``[2 J1(x)/x]^2``, x = 2 pi q_a r."""
    return 0.514 / aperture_per_nm


def record_bias(
    tau_s: float, beta: float, n_slots: int, spacing_s: float, spec: FitSpec | None = None
) -> tuple[float, float]:
    """Values a plain KWW fit is expected to show for a record of finite duration.

    Fits the KWW decay to the expected `ratio` curve ``f - B_N`` of one segment. Unlike `fit_kww` it needs no
    compiled code, so that planning a run stays quick.

    Parameters
    ----------
    tau_s, beta
        The true values.
    n_slots, spacing_s
        Length of the record in slots and slot spacing in s.
    spec
        The plain fit; None: `FitSpec.default`.

    Returns
    -------
    tau_seen_s, beta_seen
    """
    spec = FitSpec.default() if spec is None else spec
    slots = np.arange(1, n_slots)
    points = resampling(slots * spacing_s, n_slots - slots, spec, n_slots * spacing_s)
    y = points(finite_kww(slots, tau_s, beta, spacing_s=spacing_s, segments=[n_slots]))
    end = int(np.argmax(y <= 0.0)) + 1 if spec.range == "first1" and np.any(y <= 0.0) else y.size
    root_weights = np.sqrt(points.weights(spec)[:end])

    def residuals(p: FloatArray) -> FloatArray:
        model = p[0] * kww(points.lag_s[:end], np.exp(p[1]), p[2]) + p[3:].sum()
        return np.asarray(root_weights * (model - y[:end]))

    start = [y[0], np.log(tau_s), beta] + [0.0] * spec.free_baseline
    fit = least_squares(residuals, start, x_scale="jac", xtol=1e-10, ftol=1e-12)
    return float(np.exp(fit.x[1])), float(fit.x[2])
