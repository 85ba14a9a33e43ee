"""The annular dark-field signal of a scan: is the specimen equally thick? (docs/methods/fem.md)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from annealscope.analysis.values import FloatArray

Verdict = Literal["none", "found", "undetermined"]

SIGNIFICANT = 11.8
"""Of the squared distance of two slopes from zero, in standard errors: 3 sigma for two parameters."""

SMALL_CHANGE = 0.1
"""Of the signal across the scan: less is no gradient worth the name."""


@dataclass(frozen=True)
class Gradient:
    """A plane through the signal, relative to its mean."""

    per_nm: tuple[float, float]
    """Slope along y and x."""
    sigma_per_nm: tuple[float, float]
    change: float
    """Of the plane, from the lowest to the highest corner of the scan, relative to the mean."""
    verdict: Verdict


def gradient(signal: FloatArray, pitch_nm: float) -> Gradient:
    """Fit a plane to a map of the annular dark-field signal and test its slope.

    Parameters
    ----------
    signal
        Counts, shape (rows, columns); NaN where there is none.
    pitch_nm
        Distance of neighbouring positions.

    Returns
    -------
    Gradient
        ``found`` when the slope differs from zero at 3 standard errors; ``none`` when it does not and the
        change across the scan is below 10 % with 2 standard errors to spare; else ``undetermined``.
    """
    rows, columns = (pitch_nm * (np.arange(n) - (n - 1) / 2.0) for n in signal.shape)
    known = np.isfinite(signal)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    design = np.column_stack([np.ones(signal.size), y.ravel(), x.ravel()])[known.ravel()]
    if design.shape[0] < 6 or np.linalg.matrix_rank(design) < 3 or not np.mean(signal[known]) > 0:
        nan = float("nan")
        return Gradient((nan, nan), (nan, nan), nan, "undetermined")
    relative = signal[known] / np.mean(signal[known])
    fit, *_ = np.linalg.lstsq(design, relative, rcond=None)
    variance = np.sum((relative - design @ fit) ** 2) / (len(relative) - 3)
    covariance = np.linalg.inv(design.T @ design)[1:, 1:] * max(variance, 1e-20)
    slope, sigma = fit[1:], np.sqrt(np.diag(covariance))
    span = np.array([np.ptp(rows), np.ptp(columns)])
    change, error = float(np.abs(slope) @ span), float(np.hypot(*(sigma * span)))
    significant = slope @ np.linalg.solve(covariance, slope) > SIGNIFICANT
    small = change + 2.0 * error < SMALL_CHANGE
    verdict: Verdict = "found" if significant else "none" if small else "undetermined"
    return Gradient((float(slope[0]), float(slope[1])), (float(sigma[0]), float(sigma[1])), change, verdict)
