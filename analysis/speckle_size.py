"""How large the speckles of a movie are, when nobody knows the aperture that made them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from annealscope.analysis.geometry import FWHM_TIMES_APERTURE
from annealscope.analysis.values import InvalidData

LEAST_SIDE_PX = 4
"""Of a frame: correlations are used out to half of it, and two points make no width."""


def speckle_fwhm_px(frames: npt.NDArray[Any]) -> float:
    """Estimate the full width at half maximum of the speckles.

    Frames are correlated with their successors, not with themselves: noise, which differs from frame to
    frame, adds no spike at the origin.

    Parameters
    ----------
    frames
        Counts, shape (n, ny, nx), n >= 2, consecutive and little changed from one to the next.

    Returns
    -------
    float
        FWHM in pixels, the mean over all directions.

    Raises
    ------
    InvalidData
        Fewer than two frames, frames too small, or no correlation from one to the next.
    """
    if frames.ndim != 3 or len(frames) < 2:
        raise InvalidData(
            f"speckle size: at least 2 frames of shape (ny, nx) needed, got shape {frames.shape}"
        )
    if min(frames.shape[1:]) < LEAST_SIDE_PX:
        raise InvalidData(
            f"speckle size: frames of at least {LEAST_SIDE_PX} x {LEAST_SIDE_PX} pixels needed, "
            f"got {frames.shape[1]} x {frames.shape[2]}"
        )
    radius_px, profile = _radial_mean(_mean_cross_correlation(frames))
    if not profile[0] > 0:
        raise InvalidData("speckle size: successive frames are not correlated; give the aperture instead")
    below = np.flatnonzero(profile < 0.5 * profile[0])
    if len(below) == 0:
        raise InvalidData("speckle size: no speckle smaller than the frame; give the aperture instead")
    around = slice(below[0], below[0] - 2 if below[0] > 1 else None, -1)
    return float(2 * np.interp(0.5 * profile[0], profile[around], radius_px[around]))


def aperture_from_speckles(frames: npt.NDArray[Any], pixel_nm: float) -> float:
    """Return the radius in 1/nm of the aperture that makes speckles of this size. Raises InvalidData."""
    return FWHM_TIMES_APERTURE / (speckle_fwhm_px(frames) * pixel_nm)


def _mean_cross_correlation(frames: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Correlation of each frame with the next, averaged, origin at [0, 0]; padded: nothing wraps around."""
    ny, nx = frames.shape[1:]
    size = (2 * ny, 2 * nx)
    deviations = frames.astype(np.float64) - frames.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    spectra = fft.rfft2(deviations, size)
    cross = np.asarray(fft.irfft2((np.conj(spectra[:-1]) * spectra[1:]).mean(axis=0), size))
    overlap = np.outer(_overlap(ny), _overlap(nx))
    return np.asarray(np.where(overlap > 0, cross / np.maximum(overlap, 1), 0.0))


def _overlap(n: int) -> npt.NDArray[np.float64]:
    return np.asarray(n - np.abs(np.fft.fftfreq(2 * n, 1 / (2 * n))))


def _radial_mean(
    correlation: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means of distance and correlation over rings one pixel wide, out to a quarter of the padded frame."""
    ny, nx = correlation.shape
    y, x = np.fft.fftfreq(ny, 1 / ny), np.fft.fftfreq(nx, 1 / nx)
    distance = np.hypot(y[:, None], x[None, :]).ravel()
    ring = np.rint(distance).astype(np.int64)
    rings = slice(min(ny, nx) // 4)
    pixels = np.maximum(np.bincount(ring), 1)[rings]
    radius, mean = (np.bincount(ring, values)[rings] / pixels for values in (distance, correlation.ravel()))
    return radius, mean
