"""Maps of the relaxation time: one KWW fit for every pixel."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annealscope.analysis.fit_spec import FitSpec, duration_of, resampling, slot_s
from annealscope.analysis.kww_batch import UNUSABLE, FitFlag, fit_curves, fit_limits
from annealscope.analysis.values import FloatArray, InvalidData

_PIXELS_AT_ONCE = 1 << 16

Map = npt.NDArray[np.float32]


@dataclass(frozen=True)
class KwwMaps:
    """Fitted values of every pixel, all (ny, nx); NaN where there is no result."""

    tau_s: Map
    beta: Map
    amplitude: Map
    flags: npt.NDArray[np.uint16]
    """`FitFlag` bits of every pixel."""

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Pixels with nothing flagged but perhaps the residual-runs hint, shape (ny, nx)."""
        return np.asarray((self.flags & int(UNUSABLE)) == 0)


@dataclass(frozen=True)
class MapSummary:
    """What a map says as a whole. A map of one uniform tau is wide too: compare with a simulated null."""

    flagged_fraction: float
    """Fraction of the fitted (not masked) pixels that are not usable."""

    median_tau_s: float
    sd_ln_tau: float
    """Median of tau and standard deviation of ln(tau) over the usable pixels; NaN without any."""


def fit_maps(
    lag_s: npt.ArrayLike,
    y: npt.NDArray[np.floating],
    pairs: npt.ArrayLike | None = None,
    *,
    spec: FitSpec | None = None,
    duration_s: float | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
) -> KwwMaps:
    """Fit ``A exp[-2 (t/tau)^beta]`` to every pixel, on all threads that numba may use.

    Parameters
    ----------
    lag_s
        Lags in s, increasing, shape (L,).
    y
        g2 - 1 of every pixel, shape (L, ny, nx), float32 or float64.
    pairs
        Number of pairs behind each lag, shape (L,); lags without pairs are dropped.
    spec
        Range, resampling, weights; None: the default, but up to the first crossing g2 = 1 of each pixel.
    duration_s
        Duration T of the record; None: the lag axis spans it.
    mask
        True where a pixel is valid, shape (ny, nx); None: everywhere.

    Raises
    ------
    InvalidData
        Shapes that do not fit together, or fewer than 3 lags.
    """
    spec = FitSpec(range="first1") if spec is None else spec
    lag = np.asarray(lag_s, dtype=np.float64)
    valid = _valid_pixels(lag, y, mask)
    points = resampling(lag, pairs, spec, duration_s)
    limits = fit_limits(spec, slot_s(lag), duration_of(lag) if duration_s is None else duration_s)
    weights = points.weights(spec)
    curves, inside = y.reshape(lag.size, -1), np.flatnonzero(valid)
    parameters = np.full((3, valid.size), np.nan, dtype=np.float32)
    flags = np.full(valid.size, int(FitFlag.MASKED), dtype=np.uint16)
    for start in range(0, inside.size, _PIXELS_AT_ONCE):
        pixels = inside[start : start + _PIXELS_AT_ONCE]
        fits = fit_curves(points.lag_s, points(curves[:, pixels]).T, weights, spec=spec, limits=limits)
        parameters[:, pixels] = fits.parameters[:, :3].T
        flags[pixels] = fits.flags
    amplitude, tau_s = np.exp(parameters[:2]).reshape(2, *valid.shape)
    return KwwMaps(
        tau_s=tau_s,
        beta=parameters[2].reshape(valid.shape),
        amplitude=amplitude,
        flags=flags.reshape(valid.shape),
    )


def map_summary(maps: KwwMaps) -> MapSummary:
    """Summarise a map: flagged fraction, median tau and spread of ln(tau) of a map."""
    fitted = (maps.flags & int(FitFlag.MASKED)) == 0
    ln_tau = np.log(maps.tau_s[maps.usable].astype(np.float64))
    if ln_tau.size == 0:
        return MapSummary(1.0 if fitted.any() else float("nan"), float("nan"), float("nan"))
    return MapSummary(
        flagged_fraction=float(1.0 - ln_tau.size / fitted.sum()),
        median_tau_s=float(np.exp(np.median(ln_tau))),
        sd_ln_tau=float(np.std(ln_tau)),
    )


def _valid_pixels(
    lag_s: FloatArray, y: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_]:
    """Check the shapes and return the mask."""
    if y.ndim != 3 or lag_s.shape != y.shape[:1]:
        raise InvalidData(
            f"map: y must be (lags, ny, nx) with one lag time each, got {y.shape} for {lag_s.shape} lags; "
            "use fit_kww for one curve"
        )
    valid = np.ones(y.shape[1:], dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if valid.shape != y.shape[1:]:
        raise InvalidData(f"map: the mask must have the shape of a frame {y.shape[1:]}, got {valid.shape}")
    return valid
