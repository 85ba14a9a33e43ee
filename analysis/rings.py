"""Where the rings of a diffraction pattern are: geometry, annuli, beam stop (docs/methods/fem.md)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from annealscope.analysis.values import ROBUST_SIGMA, FloatArray

BoolArray = npt.NDArray[np.bool_]

COVERAGE = 0.5
"""An annulus of which less than this share of its circle is seen is left out."""

SHADOW = 0.1
"""Of the brightest annulus further out: what is darker than that is in the shadow of the beam stop."""

DARK = 0.5
"""Of the median of its annulus: a pixel of a mean pattern that is darker is dead, or in a half-shadow."""

GROW_PX = 3
"""What is added to a shadow on all sides: its edge moves with the pattern, and that is no variance."""


@dataclass(frozen=True)
class Geometry:
    """From pixels to k."""

    centre_px: tuple[float, float]
    """Of the rings, (y, x)."""

    pixel_per_nm: float
    """Size of a pixel in 1/nm."""

    ellipse: tuple[float, float] = (1.0, 0.0)
    """Of the rings: (long over short axis, angle in degrees of the long one from +x towards +y)."""

    def radius_px(self, shape: tuple[int, int]) -> FloatArray:
        """Radius of the ring through each pixel: the geometric mean of its half-axes, px."""
        y, x = self.offsets_px(shape)
        ratio, angle = self.ellipse[0], np.deg2rad(self.ellipse[1])
        along = (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(ratio)
        across = (y * np.cos(angle) - x * np.sin(angle)) * np.sqrt(ratio)
        return np.asarray(np.hypot(along, across))

    def angle(self, shape: tuple[int, int]) -> FloatArray:
        """Azimuth of each pixel, from +x towards +y, in radians from -pi to pi."""
        y, x = self.offsets_px(shape)
        return np.asarray(np.arctan2(y, x))

    def offsets_px(self, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """Distances (y, x) of each pixel from the centre, shapes (ny, 1) and (1, nx)."""
        y = np.arange(shape[0], dtype=np.float64)[:, None] - self.centre_px[0]
        x = np.arange(shape[1], dtype=np.float64)[None, :] - self.centre_px[1]
        return y, x


class Annuli:
    """Rings of one width: annulus j holds the pixels whose radius rounds to j widths.

    Parameters
    ----------
    geometry
        Centre, ellipse and scale.
    valid
        True for pixels that count, shape (ny, nx).
    width_px
        Width of an annulus.
    """

    def __init__(self, geometry: Geometry, valid: BoolArray, width_px: float = 1.0) -> None:
        radius = geometry.radius_px(valid.shape) / width_px
        self.index = np.rint(radius).astype(np.intp)
        self.size = int(self.index.max()) + 1
        self._valid = valid
        self._labels = self.index[valid]
        self.n_px = np.bincount(self._labels, minlength=self.size)
        rings = np.arange(self.size, dtype=np.float64)
        self.k = rings * width_px * geometry.pixel_per_nm
        whole = 2.0 * np.pi * rings * width_px**2
        whole[0] = np.pi / 4.0 * width_px**2
        self.coverage = np.minimum(self.n_px / whole, 1.0)
        self.kept: BoolArray = (self.coverage >= COVERAGE) & (self.n_px > 0)

    def mean(self, image: npt.NDArray[np.generic]) -> FloatArray:
        """Mean of an image over the valid pixels of each annulus, shape (size,); NaN where there are none."""
        total = np.bincount(self._labels, weights=image[self._valid], minlength=self.size)
        with np.errstate(invalid="ignore"):
            return np.asarray(total / np.where(self.n_px > 0, self.n_px, np.nan))

    def sector_means(self, image: npt.NDArray[np.generic], angle: FloatArray, sectors: int) -> FloatArray:
        """Means of each annulus in equal parts of the circle, shape (sectors, size); NaN where empty."""
        sector = ((angle[self._valid] / (2.0 * np.pi)) % 1.0 * sectors).astype(np.intp) % sectors
        cell = sector * self.size + self._labels
        count = np.bincount(cell, minlength=sectors * self.size)
        total = np.bincount(cell, weights=image[self._valid], minlength=sectors * self.size)
        with np.errstate(invalid="ignore"):
            return np.asarray(total / np.where(count > 0, count, np.nan)).reshape(sectors, self.size)


def usable_pixels(signal: FloatArray, geometry: Geometry, grow_px: int = GROW_PX) -> BoolArray:
    """Tell the pixels that see the pattern from dead ones and from those behind the beam stop.

    A pixel is not used when the mean of its 3 x 3 neighbourhood is below a tenth of the brightest annulus
    that lies further out (rings of a glass are not that weak, the shadow of a beam stop is, and near the
    centre it may fill whole annuli), or when it is below half of the median of its annulus and that is more
    than 5 standard deviations of the annulus away. The shadow is then grown.

    Parameters
    ----------
    signal
        A pattern or the mean of many, in counts above the offset; the more patterns, the surer.
    geometry
        Of the rings; an error of a few pixels in the centre does no harm.
    grow_px
        How far shadows are grown.

    Returns
    -------
    numpy.ndarray
        True for pixels to use.
    """
    index = np.rint(geometry.radius_px(signal.shape)).astype(np.intp)
    rings = np.arange(index.max() + 1)
    median = np.nan_to_num(ndimage.median(signal, index, rings))
    spread = ROBUST_SIGMA * np.nan_to_num(ndimage.median(np.abs(signal - median[index]), index, rings))
    brightest_outside = np.maximum.accumulate(median[::-1])[::-1]
    shadow = ndimage.uniform_filter(signal, 3) < SHADOW * brightest_outside[index]
    lone = signal < np.minimum(DARK * median, median - 5.0 * spread)[index]
    grown = ndimage.binary_dilation(shadow | lone, iterations=grow_px) if grow_px else shadow | lone
    return np.asarray(~grown)
