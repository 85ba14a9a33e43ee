"""From expected electrons to counts: shot noise, point spread, gain, read noise."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft

FloatImage = npt.NDArray[np.float32]

EDGE_PX = 4
"""The point spread reaches no farther, so that a frame cut from a wider one has true edges."""

SMALLEST_GAUSSIAN_E = 16.0
"""Expected electrons above which three moments describe a Poisson distribution well enough."""


def mtf(shape: tuple[int, int], half_nyquist: float) -> FloatImage:
    """Return a squared Lorentzian modulation transfer function on the half plane of a real FFT.

    Parameters
    ----------
    shape
        Pixels of the image (ny, nx).
    half_nyquist
        Its value at 0.25 cycles per pixel, in (0, 1]; 1 is a perfect camera.

    Returns
    -------
    float32, shape (ny, nx // 2 + 1)
    """
    steepness = (half_nyquist**-0.5 - 1) / 0.25**2
    qy = scipy.fft.fftfreq(shape[0])[:, None]
    qx = scipy.fft.rfftfreq(shape[1])[None, :]
    return np.asarray((1 + steepness * (qy**2 + qx**2)) ** -2, dtype=np.float32)


def noise_power_factor(half_nyquist: float) -> float:
    """Return eta, the factor <= 1 by which the point spread lowers the shot-noise variance of a pixel."""
    q = (np.arange(512) + 0.5) / 1024
    steepness = (half_nyquist**-0.5 - 1) / 0.25**2
    return float(np.mean((1 + steepness * (q[:, None] ** 2 + q**2)) ** -4))


@dataclass(frozen=True)
class Sensor:
    """A camera sensor."""

    shape: tuple[int, int]
    """Pixels of a frame (ny, nx)."""

    gain_counts_per_e: float
    offset_counts: float
    read_noise_e: float
    mtf_half_nyquist: float

    @property
    def wide_shape(self) -> tuple[int, int]:
        """Pixels of the image that `record` wants: a frame with a margin for the point spread."""
        ny, nx = (scipy.fft.next_fast_len(n + 2 * EDGE_PX) for n in self.shape)
        return ny, nx

    def record(self, expected_e: FloatImage, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
        """Return the counts of one exposure.

        Electrons arrive first and are spread after, so the shot noise is correlated between neighbours as in
        a scintillator camera.

        Parameters
        ----------
        expected_e
            Expected electrons per pixel, shape `wide_shape`.
        rng
            Where the noise comes from.
        """
        ny, nx = self.shape
        electrons = self._spread(shot_noise(expected_e, rng))[EDGE_PX : EDGE_PX + ny, EDGE_PX : EDGE_PX + nx]
        counts = rng.standard_normal(self.shape, dtype=np.float32)
        counts *= np.float32(self.read_noise_e)
        counts += electrons
        counts *= np.float32(self.gain_counts_per_e)
        counts += np.float32(self.offset_counts)
        np.rint(counts, out=counts)
        np.clip(counts, 0, 65535, out=counts)
        return counts.astype(np.uint16)

    def dark(self, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
        """Return the counts of an exposure without beam."""
        return self.record(np.zeros(self.wide_shape, dtype=np.float32), rng)

    def _spread(self, electrons: FloatImage) -> FloatImage:
        spectrum = scipy.fft.rfft2(electrons)
        spectrum *= self._mtf
        return np.asarray(scipy.fft.irfft2(spectrum, electrons.shape, overwrite_x=True))

    @cached_property
    def _mtf(self) -> FloatImage:
        return mtf(self.wide_shape, self.mtf_half_nyquist)


def shot_noise(expected_e: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Draw electrons around their expected number.

    Poisson numbers while few electrons are expected somewhere. Else, because drawing those takes most of
    the time of a frame, n = m + sqrt(m - 1/18) z + (z^2 - 1)/6 with a normal z: mean and variance are m, the
    third cumulant is m - 1/54, and only whole numbers are lost, which the point spread hides anyway.
    """
    darkest_e = float(expected_e.min())
    if darkest_e < SMALLEST_GAUSSIAN_E:
        return rng.poisson(expected_e).astype(np.float32)
    z = rng.standard_normal(expected_e.shape, dtype=np.float32)
    electrons = expected_e - np.float32(1 / 18)
    np.sqrt(electrons, out=electrons)
    electrons *= z
    electrons += expected_e
    z *= z
    z -= 1
    z *= np.float32(1 / 6)
    electrons += z
    return np.asarray(np.maximum(electrons, 0, out=electrons))
