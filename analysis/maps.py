"""Maps of the relaxation time: one KWW fit for every pixel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annealscope.analysis.fit_spec import FitFlag, FitSpec
from annealscope.analysis.kww import fit_each, fit_each_finite
from annealscope.analysis.kww_batch import CurveFits
from annealscope.analysis.kww_gaps import UsedSlots
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
    return _maps(lag_s, y, mask, lambda rows: fit_each(lag_s, rows, pairs, spec=spec, duration_s=duration_s))


def fit_maps_finite(
    lag_s: npt.ArrayLike,
    y: npt.NDArray[np.floating],
    *,
    n_slots: int,
    spacing_s: float,
    pairs: npt.ArrayLike | None = None,
    spec: FitSpec | None = None,
    segments: Sequence[int] | None = None,
    segment_starts: Sequence[int] | None = None,
    used: UsedSlots | None = None,
    width_slots: npt.ArrayLike | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
) -> KwwMaps:
    """Fit the finite-duration model ``A [f - B_N]`` to every pixel (docs/methods/kww.md).

    Parameters
    ----------
    y
        g2 - 1 of every pixel, shape (L, ny, nx), float32 or float64.
    mask
        True where a pixel is valid, shape (ny, nx), bool; None: everywhere.
    lag_s, n_slots, spacing_s, pairs, spec, segments, segment_starts, used, width_slots
        See `fit_kww_finite`.

    Returns
    -------
    KwwMaps
        Maps of shape (ny, nx), float32, and their flags, uint16; tau in s.

    Raises
    ------
    InvalidData
        As `fit_kww_finite`, and for a mask of another shape.
    """

    def fit(rows: npt.NDArray[np.floating]) -> CurveFits:
        return fit_each_finite(
            lag_s,
            rows,
            n_slots=n_slots,
            spacing_s=spacing_s,
            pairs=pairs,
            spec=spec,
            segments=segments,
            segment_starts=segment_starts,
            used=used,
            width_slots=width_slots,
        )

    return _maps(lag_s, y, mask, fit)


def _maps(
    lag_s: npt.ArrayLike,
    y: npt.NDArray[np.floating],
    mask: npt.NDArray[np.bool_] | None,
    fit: Callable[[npt.NDArray[np.floating]], CurveFits],
) -> KwwMaps:
    """Fit the valid pixels, some at a time, and lay the results out as maps."""
    lag = np.asarray(lag_s, dtype=np.float64)
    valid = _valid_pixels(lag, y, mask)
    curves, inside = y.reshape(lag.size, -1), np.flatnonzero(valid)
    parameters = np.full((3, valid.size), np.nan, dtype=np.float32)
    flags = np.full(valid.size, int(FitFlag.MASKED), dtype=np.uint16)
    for start in range(0, inside.size, _PIXELS_AT_ONCE):
        pixels = inside[start : start + _PIXELS_AT_ONCE]
        fits = fit(curves[:, pixels].T)
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
