"""Slow domains: connected areas of a map whose tau is well above that of the image (docs/methods/maps.md)."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from annealscope.analysis.fit_spec import UNUSABLE, FitFlag
from annealscope.analysis.values import FloatArray

SLOW_FACTOR = 2.0
"""A pixel is slow when its tau is longer than so many times that of the image."""


@dataclass(frozen=True)
class SlowDomains:
    """The domains of a map; NaN when there is no threshold or no pixel to judge."""

    diameters_nm: FloatArray
    """Of circles of the same area, largest first, shape (n,)."""

    area_fraction: float
    """Area of the domains over the area that could be judged."""

    above_fraction: float
    """Pixels above the threshold over pixels that could be judged, domains or not."""

    @property
    def mean_diameter_nm(self) -> float:
        """Mean diameter, weighted with the areas; NaN without a domain."""
        areas = self.diameters_nm**2
        return float(areas @ self.diameters_nm / areas.sum()) if areas.size else math.nan


def slow_domains(
    tau_s: npt.NDArray[np.floating],
    flags: npt.NDArray[np.integer],
    threshold_s: float,
    pixel_nm: float,
    smallest_nm2: float,
) -> SlowDomains:
    """Find connected areas (4 neighbours) of pixels with tau above a threshold.

    Parameters
    ----------
    tau_s, flags
        Of a `KwwMaps`, shape (ny, nx). A pixel counts as judged when it is unflagged or only `TOO_SLOW`: such
        a time is not known well, but it is long.
    threshold_s
        `SLOW_FACTOR` times tau of the image, by the same estimator and fit as the map.
    pixel_nm
        Side of a pixel of the map.
    smallest_nm2
        Smaller areas are dropped: one speckle shows one value.
    """
    judged = (flags & int(UNUSABLE & ~FitFlag.TOO_SLOW) == 0) & np.isfinite(tau_s)
    n_judged = np.count_nonzero(judged)
    if not n_judged or not math.isfinite(threshold_s):
        return SlowDomains(np.empty(0), math.nan, math.nan)
    slow = judged & (np.nan_to_num(tau_s) > threshold_s)
    labels, _ = ndimage.label(slow)
    areas = np.sort(np.bincount(labels.ravel())[1:])[::-1]
    areas = areas[areas * pixel_nm**2 >= smallest_nm2]
    return SlowDomains(
        diameters_nm=np.sqrt(4 * areas / np.pi) * pixel_nm,
        area_fraction=float(areas.sum() / n_judged),
        above_fraction=float(np.count_nonzero(slow) / n_judged),
    )
