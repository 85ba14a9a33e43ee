"""Speckle movies with known dynamics: the pupil, and an exact generator for one relaxation time.

A coherent dark-field image of a glass is the squared modulus of a complex Gaussian field whose spatial
frequencies fill the objective aperture (docs/methods/simulator.md).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft

ComplexArray = npt.NDArray[np.complex64]


@dataclass(frozen=True)
class Pupil:
    """The spatial frequencies that an aperture lets through, on a periodic grid."""

    shape: tuple[int, int]
    """Pixels of the grid (ny, nx)."""

    row: npt.NDArray[np.intp]
    """Row of each mode in the grid's FFT, shape (n_modes,)."""

    column: npt.NDArray[np.intp]
    """Column of each mode in the grid's FFT, shape (n_modes,)."""

    reach: int
    """Largest frequency along x: only columns 0 ... reach and -reach ... -1 hold modes."""

    @property
    def n_modes(self) -> int:
        """Number of modes inside the aperture."""
        return len(self.row)

    def field(self, modes: npt.NDArray[np.complexfloating], rows: int | None = None) -> ComplexArray:
        """Transform mode amplitudes of unit variance to a field of unit mean intensity.

        Only the columns that the aperture fills are transformed along y, and only the wanted rows along x.

        Parameters
        ----------
        modes
            Complex amplitudes, shape (n_modes,).
        rows
            How many rows of the field are wanted, from the first; all of them by default.

        Returns
        -------
        complex64, shape (rows, nx)
        """
        ny, nx = self.shape
        filled = np.zeros((ny, 2 * self.reach + 1), dtype=np.complex64)
        filled[self.row, self.place] = modes * np.float32(1.0 / np.sqrt(self.n_modes))
        half = scipy.fft.ifft(filled, axis=0, norm="forward", overwrite_x=True)[:rows]
        spectrum = np.zeros((len(half), nx), dtype=np.complex64)
        spectrum[:, : self.reach + 1] = half[:, : self.reach + 1]
        spectrum[:, nx - self.reach :] = half[:, self.reach + 1 :]
        field: ComplexArray = scipy.fft.ifft(spectrum, axis=1, norm="forward", overwrite_x=True)
        return field

    @cached_property
    def place(self) -> npt.NDArray[np.intp]:
        """Column of each mode among the filled columns, shape (n_modes,)."""
        nx = self.shape[1]
        negative = self.column > self.reach
        return self.column - negative * (nx - 2 * self.reach - 1)


def pupil(shape: tuple[int, int], aperture_per_px: float) -> Pupil:
    """Return the modes of a circular aperture.

    Parameters
    ----------
    shape
        Pixels of the periodic grid (ny, nx).
    aperture_per_px
        Radius of the aperture in cycles per pixel, in (0, 0.25]: at 0.25 the intensity reaches Nyquist.
    """
    if not 0 < aperture_per_px <= 0.25:
        raise ValueError(
            "aperture_per_px must be in (0, 0.25], or the intensity would pass Nyquist, "
            f"got {aperture_per_px}; use smaller pixels"
        )
    qy, qx = np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), indexing="ij")
    row, column = np.nonzero(np.hypot(qy, qx) <= aperture_per_px)
    return Pupil(shape, row, column, reach=int(aperture_per_px * shape[1]))


def shift_phase(grid: Pupil, shift_px: tuple[float, float]) -> ComplexArray:
    """Return the factor on each mode that moves the field by (y, x) pixels, to larger index when > 0.

    Exact for any fraction of a pixel, since the field is band-limited.
    """
    ny, nx = grid.shape
    along_y = np.exp(-2j * np.pi * np.fft.fftfreq(ny) * shift_px[0]).astype(np.complex64)
    along_x = np.exp(-2j * np.pi * np.fft.fftfreq(nx) * shift_px[1]).astype(np.complex64)
    phase: ComplexArray = along_y[grid.row] * along_x[grid.column]
    return phase


def intensity(field: npt.NDArray[np.complexfloating], contrast: float) -> npt.NDArray[np.float32]:
    """Return the intensity of a field of unit mean intensity on an incoherent background.

    I = (1 - kappa) + kappa |E|^2 with kappa = sqrt(contrast) has mean 1, and its intensity correlation is
    g2 - 1 = contrast |g1|^2 (Gaussian moment theorem).
    """
    kappa = np.float32(np.sqrt(contrast))
    image = np.square(field.real, dtype=np.float32)
    image += np.square(field.imag, dtype=np.float32)
    image *= kappa
    image += 1 - kappa
    return np.asarray(image)


def uniform_speckle(
    n_frames: int,
    shape: tuple[int, int],
    *,
    tau_frames: float,
    beta: float,
    aperture_per_px: float,
    contrast: float,
    rng: np.random.Generator,
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield a speckle movie whose every pixel has g2(t) - 1 = contrast exp[-2 (t/tau)^beta], exactly.

    Each pupil mode is a stationary Gaussian series with g1 = exp[-(t/tau)^beta], drawn by circulant
    embedding. Periodic in y and x, no noise, no drift. Memory: 8 bytes per mode and frame.

    Parameters
    ----------
    n_frames
        Frames to yield.
    shape
        Pixels (ny, nx).
    tau_frames
        Relaxation time in frame periods, > 0.
    beta
        Stretching exponent in (0, 2].
    aperture_per_px
        Radius of the pupil in cycles per pixel; the speckle FWHM is 0.514 / aperture_per_px pixels.
    contrast
        g2(0) - 1, in (0, 1].
    rng
        Where the randomness comes from.

    Yields
    ------
    float32 (ny, nx), mean 1.

    Raises
    ------
    ValueError
        When a parameter is outside its range.
    """
    if not (tau_frames > 0 and 0 < beta <= 2 and 0 < contrast <= 1):
        raise ValueError(
            "uniform_speckle needs tau_frames > 0, 0 < beta <= 2 and 0 < contrast <= 1, "
            f"got tau_frames={tau_frames}, beta={beta}, contrast={contrast}"
        )
    grid = pupil(shape, aperture_per_px)
    lags = np.arange(_embedded_length(n_frames, tau_frames, beta))
    g1 = np.exp(-((lags / tau_frames) ** beta))
    series = np.empty((n_frames, grid.n_modes), dtype=np.complex64)
    for mode in range(grid.n_modes):
        series[:, mode] = gaussian_series(g1, rng)[:n_frames]
    for modes in series:
        yield intensity(grid.field(modes), contrast)


def _embedded_length(n_frames: int, tau_frames: float, beta: float) -> int:
    """Return how many lags make a circulant embedding without negative power.

    A convex g1 (beta <= 1) may be cut anywhere; else it must have died away, here to 1e-8.
    """
    return n_frames + 1 if beta <= 1 else max(n_frames + 1, math.ceil(tau_frames * 18.4 ** (1 / beta)) + 1)


def gaussian_series(g1: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.complex128]:
    """Draw one stationary complex Gaussian series with autocorrelation ``g1`` by circulant embedding.

    Parameters
    ----------
    g1
        Autocorrelation at lags 0 .. n, g1[0] = 1, shape (n + 1,). Negative power in the spectrum of its even
        periodic continuation is dropped.
    rng
        Where the randomness comes from.

    Returns
    -------
    complex128, shape (n + 1,), unit variance.
    """
    ring = np.concatenate([g1, g1[-2:0:-1]])
    power = np.maximum(scipy.fft.fft(ring).real, 0.0)
    noise = rng.standard_normal((2, len(ring)))
    white = (noise[0] + 1j * noise[1]) * np.sqrt(0.5 * len(ring))
    return np.asarray(scipy.fft.ifft(np.sqrt(power) * white))[: len(g1)]
