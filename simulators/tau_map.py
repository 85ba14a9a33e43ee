"""A map of relaxation times: uneven everywhere, with a few slow domains when it is hot."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from annealscope.simulators.glass import SlowDomains
from annealscope.simulators.world_spec import WorldSpec

FloatArray = npt.NDArray[np.float64]
Shape = tuple[int, int]

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))

BAND_OF_LENGTH = 1.5
"""A map with a correlation of FWHM 1 has nothing beyond this spatial frequency: 4 sigma of its spectrum."""


@dataclass(frozen=True)
class TauMap:
    """Deviation of ln tau from its median, on a grid with the period of the field."""

    uneven: FloatArray
    """At every temperature, shape (ny, nx)."""

    slow: FloatArray
    """What slow domains add when they are there in full, shape (ny, nx)."""

    @property
    def shape(self) -> Shape:
        """Points of the grid (ny, nx)."""
        ny, nx = self.uneven.shape
        return ny, nx

    def ln_tau(self, fade: float) -> FloatArray:
        """Return the deviation with slow domains as far as they are there, 0 ... 1; shape (ny, nx)."""
        return np.asarray(self.uneven + fade * self.slow)

    def in_frame(
        self, fade: float, period_px: Shape, frame: Shape, displacement_px: FloatArray
    ) -> FloatArray:
        """Return the deviation at those points that lie in a frame, shape (n,).

        Parameters
        ----------
        fade
            As for `ln_tau`.
        period_px
            Extent of the grid in pixels of the frame.
        frame
            Pixels of the frame (ny, nx); it begins where the grid does.
        displacement_px
            How far the specimen has moved in the frame, (y, x).
        """
        inside_y, inside_x = (
            (np.arange(points) * period / points + moved) % period < pixels
            for points, period, moved, pixels in zip(
                self.shape, period_px, displacement_px, frame, strict=True
            )
        )
        return self.ln_tau(fade)[np.ix_(inside_y, inside_x)].ravel()


def draw_tau_map(
    period_px: Shape, spec: WorldSpec, domains: SlowDomains | None, rng: np.random.Generator
) -> TauMap:
    """Draw the map of a place on the specimen, on as coarse a grid as holds a field times the map.

    Parameters
    ----------
    period_px
        Extent in pixels of the imaging camera.
    spec
        Says how uneven the glass is, and the size of a pixel.
    domains
        Slow domains of the glass, if it has some.
    rng
        Where the randomness comes from.
    """
    uneven = spec.heterogeneity
    shape = map_shape(period_px, spec.aperture_per_nm * spec.pixel_nm, uneven.length_nm / spec.pixel_nm)
    size_nm = (period_px[0] * spec.pixel_nm, period_px[1] * spec.pixel_nm)
    field = gaussian_random_field(shape, size_nm, uneven.length_nm, rng)
    slow = np.zeros(shape)
    if domains is not None:
        slow = domains.ln_tau * blobs(shape, size_nm, domains, rng)
    return TauMap(uneven.sigma_ln_tau * field, slow)


def map_shape(period_px: Shape, aperture_per_px: float, length_px: float) -> Shape:
    """Return the coarsest grid that holds a field times a map with this correlation length (FWHM)."""
    band = aperture_per_px + BAND_OF_LENGTH / length_px
    ny, nx = (min(n, scipy.fft.next_fast_len(math.ceil(2 * band * n) + 1)) for n in period_px)
    return ny, nx


def gaussian_random_field(
    shape: Shape, size_nm: tuple[float, float], length_nm: float, rng: np.random.Generator
) -> FloatArray:
    """Draw a periodic Gaussian random field of unit variance with a Gaussian correlation.

    Parameters
    ----------
    shape, size_nm
        Points and extent of the grid (y, x).
    length_nm
        FWHM of the correlation.
    rng
        Where the randomness comes from.
    """
    qy, qx = (scipy.fft.fftfreq(n, size / n) for n, size in zip(shape, size_nm, strict=True))
    amplitude = np.exp(-((math.pi * length_nm / FWHM_PER_SIGMA) ** 2) * (qy[:, None] ** 2 + qx**2))
    amplitude /= math.sqrt(np.mean(amplitude**2))
    white = scipy.fft.fft2(rng.standard_normal(shape))
    return np.asarray(scipy.fft.ifft2(white * amplitude).real)


def blobs(
    shape: Shape, size_nm: tuple[float, float], domains: SlowDomains, rng: np.random.Generator
) -> FloatArray:
    """Draw blobs with soft edges at random places of a periodic grid: 1 in the middle of each, 0 outside.

    Parameters
    ----------
    shape, size_nm
        Points and extent of the grid (y, x).
    domains
        Says how large they are at half height, and how much of the area they cover together.
    rng
        Where the randomness comes from.
    """
    smallest, largest = domains.diameter_nm
    mean_area = math.pi / 12 * (smallest**2 + smallest * largest + largest**2)
    n_blobs = round(domains.area * size_nm[0] * size_nm[1] / mean_area)
    image = np.zeros(shape)
    for _ in range(n_blobs):
        centre_nm, radius_nm = rng.random(2) * size_nm, rng.uniform(smallest, largest) / 2
        away_y, away_x = (
            (np.arange(n) * size / n - middle + size / 2) % size - size / 2
            for n, size, middle in zip(shape, size_nm, centre_nm.tolist(), strict=True)
        )
        image = np.maximum(image, np.exp(-math.log(2) * (np.hypot(away_y[:, None], away_x) / radius_nm) ** 4))
    return image
