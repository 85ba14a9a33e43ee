"""Maps of the relaxation time: one KWW fit for every pixel."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annealscope.analysis.fit_spec import FitFlag, FitSpec, duration_of, resampling, slot_s
from annealscope.analysis.kww_batch import fit_curves, fit_limits
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
    """`FitFlag` bits of every pixel; `UNUSABLE` ones exclude it from a summary."""


def fit_maps(
    lag_s: npt.ArrayLike,
    y: npt.NDArray[np.floating],
    pairs: npt.ArrayLike | None = None,
    *,
    spec: FitSpec | None = None,
    duration_s: float | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
) -> KwwMaps:
    """Fit ``A exp[-2 (t/tau)^beta]`` to every pixel, on all threads that numba may use (docs/methods/kww.md).

    Parameters
    ----------
    lag_s
        Lags in s, increasing, shape (L,), any real type.
    y
        g2 - 1 of every pixel, shape (L, ny, nx), float32 or float64.
    pairs
        Number of pairs behind each lag, shape (L,); lags without pairs are dropped.
    spec
        Range, resampling, weights; None: the default, but up to the first crossing g2 = 1 of each pixel.
    duration_s
        Duration T of the record; None: the lag axis spans it.
    mask
        True where a pixel is valid, shape (ny, nx), bool; None: everywhere.

    Returns
    -------
    KwwMaps
        Maps of shape (ny, nx), float32, and their flags, uint16; tau in s.

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
