"""A complex speckle field whose relaxation time differs from place to place."""

import math

import numpy as np
import numpy.typing as npt
import scipy.fft

from annealscope.analysis.speckle import ComplexArray, Pupil
from annealscope.simulators.field import RATES, draw_modes, mixture_weights, render
from annealscope.simulators.tau_map import TauMap


class MappedField:
    """A field with g1 = sum w_k exp(-RATES_k xi / m) in every pixel, m being the map's factor on tau there.

    Every pixel has its own Ornstein-Uhlenbeck processes. What drives them is a field that the pupil has
    filtered, common to all pixels; so the speckle has its size, and every pixel unit variance. The processes
    live on the grid of the map, which is coarser than the pixels but fine enough for their spatial
    frequencies, and are interpolated by their Fourier series.

    Parameters
    ----------
    pupil
        Modes of the aperture on the periodic grid that is rendered.
    tau_map
        On a grid of the same extent, as coarse as `map_shape` says.
    rng
        Draws the starting state.
    """

    def __init__(self, pupil: Pupil, tau_map: TauMap, rng: np.random.Generator) -> None:
        self.tau_map = tau_map
        self._pupil = pupil
        self._coarse = _same_modes(pupil, tau_map.shape)
        self._series, self._places = _all_modes(pupil.shape, tau_map.shape)
        self._processes = self._draw(rng)

    def advance(self, step: float, rng: np.random.Generator, fade: float = 0.0) -> None:
        """Let a material time >= 0 of the median pass, with slow domains as far as they are there."""
        speed = np.exp(-self.tau_map.ln_tau(fade))
        decay = np.asarray(RATES, dtype=np.float32)[:, None, None] * (step * speed).astype(np.float32)
        kept = np.exp(-decay, out=decay)
        # From the rounded factor, so that the variance stays 1 however short the step is.
        fresh = np.sqrt((1 - kept) * (1 + kept))
        self._processes *= kept
        self._processes += fresh * self._draw(rng)

    def modes(self, beta: float) -> ComplexArray:
        """Return the Fourier series of the field, shape (n,)."""
        weights = np.sqrt(mixture_weights(beta)).astype(np.float32)
        field = np.einsum("k,kyx->yx", weights, self._processes)
        spectrum = scipy.fft.fft2(field, norm="forward", overwrite_x=True)
        scale = np.float32(math.sqrt(self._series.n_modes))
        return np.asarray(spectrum.ravel()[self._places] * scale)

    def render(
        self, modes: ComplexArray, shift_px: tuple[float, float], shape: tuple[int, int]
    ) -> ComplexArray:
        """Return a corner of the field, moved by (y, x) pixels to larger index; complex64 of ``shape``."""
        return render(self._series, modes, shift_px, shape)

    def _draw(self, rng: np.random.Generator) -> ComplexArray:
        modes = draw_modes(self._pupil, rng) * np.float32(1 / math.sqrt(self._pupil.n_modes))
        filled = np.zeros((len(RATES), *self.tau_map.shape), dtype=np.complex64)
        filled[:, self._coarse[0], self._coarse[1]] = modes
        return np.asarray(scipy.fft.ifft2(filled, norm="forward", overwrite_x=True))


def _same_modes(pupil: Pupil, shape: tuple[int, int]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return (row, column) of the modes of a pupil in a grid of the same extent."""
    row, column = (
        np.where(index > n // 2, index - n, index) % coarse
        for index, n, coarse in zip((pupil.row, pupil.column), pupil.shape, shape, strict=True)
    )
    return row, column


def _all_modes(shape: tuple[int, int], coarse: tuple[int, int]) -> tuple[Pupil, npt.NDArray[np.intp]]:
    """Return all modes of a coarse grid as those of a finer one, and their places in the coarse spectrum.

    The mode at the Nyquist frequency has no sign, and is left out.
    """
    frequency = [np.rint(scipy.fft.fftfreq(n) * n).astype(np.intp) for n in coarse]
    fy, fx = np.meshgrid(*frequency, indexing="ij")
    places = np.flatnonzero((2 * np.abs(fy) < coarse[0]) & (2 * np.abs(fx) < coarse[1]))
    row, column = (f.ravel()[places] % n for f, n in zip((fy, fx), shape, strict=True))
    return Pupil(shape, row, column, reach=(coarse[1] - 1) // 2), places
