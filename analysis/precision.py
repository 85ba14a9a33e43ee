"""How precise and how biased a record of given size and duration is."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from annealscope.analysis.fit_spec import FitSpec, resampling
from annealscope.analysis.kww_model import finite_kww, kww
from annealscope.analysis.values import FloatArray

Model = Literal["kww", "kww+baseline", "finite"]
"""A fit: plain, with a free baseline, or with the finite duration of the record in it."""

_LN_TAU_SCALE = 2.5
_BETA_SCALE = 1.0

_SCATTER: dict[Model | None, tuple[float, float]] = {
    None: (1.0, 0.0),
    "kww": (0.9, 13.0),
    "finite": (1.3, 27.0),
    "kww+baseline": (1.7, 27.0),
}
"""By the model of a fit, measured: scatter of ln(tau) in units of the universal scale; number of slots in tau
at which that of beta is twice its scale."""


def error_scale(
    n_speckles: npt.ArrayLike,
    duration_s: npt.ArrayLike,
    tau_s: npt.ArrayLike,
    *,
    model: Model | None = None,
    spacing_s: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Statistical standard errors of ln(tau) and of beta from one record, good to 30 %.

    The universal scale is ``2.5 / sqrt(N T/tau)`` and ``1.0 / sqrt(N T/tau)``: the number of independent
    speckles N times the number of relaxation times counts the independent events. A fit with more to find out
    scatters more, and with few slots in tau the beginning of the decay, which tells beta from the amplitude,
    is missing. How much more was measured on simulated records (docs/methods/kww.md). Inputs broadcast; where
    they are not positive and finite the result is NaN.

    Parameters
    ----------
    n_speckles
        Independent speckles in the field of view, see `geometry.speckle_count`.
    duration_s, tau_s
        Duration of the record and relaxation time in s; of a plain fit the tau it shows, not the true one.
    model
        The fit, as in `KwwFit.model`; None: the universal scale itself.
    spacing_s
        Slot spacing in s; 0: tau has very many slots.

    Returns
    -------
    sigma_ln_tau, sigma_beta
        float64 of the common shape of the inputs.
    """
    factor, few_slots = _SCATTER[model]
    tau = np.asarray(tau_s, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        events = np.asarray(n_speckles, float) * np.asarray(duration_s, float) / tau
        root = np.sqrt(np.where((events > 0.0) & np.isfinite(events), events, np.nan))
        beta_factor = 1.0 + few_slots * spacing_s / tau
    return np.asarray(factor * _LN_TAU_SCALE / root), np.asarray(beta_factor * _BETA_SCALE / root)


def record_bias(
    tau_s: float, beta: float, n_slots: int, spacing_s: float, spec: FitSpec | None = None
) -> tuple[float, float]:
    """Values a plain KWW fit is expected to show for a record of finite duration.

    Fits the KWW decay to the expected `ratio` curve ``f - B_N`` of one segment. Unlike `fit_kww` it needs no
    compiled code.

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

    Raises
    ------
    InvalidData
        The record has fewer than 3 lags in the range of ``spec``.
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
