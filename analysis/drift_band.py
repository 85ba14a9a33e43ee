"""Cross-correlation of speckle frames inside the band that the aperture passes (docs/methods/drift.md)."""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import scipy.fft

from annealscope.analysis.binning import bin_frame
from annealscope.analysis.values import FloatArray, InvalidData

Spectrum = npt.NDArray[np.complex64]
AnyFrame = npt.NDArray[np.generic]

LARGE_FRAME_PX = 512
"""Frames of at least this side are binned 2 x 2 when the band allows."""

NEWTON_STEPS = 6

NOISE_FLOOR = 0.1
"""Of the expected spectrum, relative to its maximum: the filter does not lift frequencies below it."""


class Match(NamedTuple):
    """Where a frame lies against a reference."""

    d_px: tuple[float, float]
    """Displacement (y, x) in pixels; positive: the features moved to larger index."""

    quality: float
    """Correlation coefficient at the peak inside the band, clipped to 0 ... 1."""

    found: bool = True
    """False: this peak could be chance, and the displacement is an earlier one."""


class Band:
    """The spatial frequencies that the aperture passes, for frames of one shape."""

    def __init__(self, shape: tuple[int, int], pixel_nm: float, aperture_per_nm: float) -> None:
        if min(shape) < 16:
            raise InvalidData(f"frames must have at least 16 x 16 pixels to be located: got {shape}")
        radius = aperture_per_nm * pixel_nm
        self._shape = shape
        self._bin, limit = _binning(shape, radius)
        self._used = (shape[0] // self._bin, shape[1] // self._bin)
        self._window = np.outer(_taper(self._used[0]), _taper(self._used[1]))
        self._window_sum = float(self._window.sum())
        fy = scipy.fft.fftfreq(self._used[0], self._bin)
        fx = scipy.fft.rfftfreq(self._used[1], self._bin)
        self._rows = np.flatnonzero(np.abs(fy) <= limit)
        self._columns = int(np.count_nonzero(fx <= limit))
        self._fy, self._fx = fy[self._rows], fx[: self._columns]
        f = np.hypot(self._fy[:, None], self._fx)
        inside = (f <= limit) & (f > 0.1 * radius) & (f > 0)
        if not inside.any():
            raise InvalidData(
                f"no spatial frequency of a {shape} px frame passes an aperture of {aperture_per_nm} /nm "
                f"at {pixel_nm} nm per pixel: check pixel size and aperture"
            )
        self._filter = (inside / np.sqrt(_expected_spectrum(f / radius) + NOISE_FLOOR)).astype(np.float32)
        self._halves = np.where(self._fx > 0, 2.0, 1.0).astype(np.float32)
        top = int(np.max(np.abs(np.rint(self._fy * self._used[0] * self._bin))))
        self._coarse = (
            scipy.fft.next_fast_len(2 * top + 2, real=True),
            scipy.fft.next_fast_len(2 * self._columns, real=True),
        )

    def empty(self) -> Spectrum:
        """Return a spectrum of zeros."""
        return np.zeros(self._filter.shape, dtype=np.complex64)

    def spectrum(self, frame: AnyFrame) -> Spectrum:
        """Filtered spectrum of the tapered frame about its mean, inside the band only."""
        if frame.shape != self._shape:
            raise InvalidData(f"frames must keep their shape: got {frame.shape}, expected {self._shape}")
        image = bin_frame(frame, self._bin)
        with np.errstate(invalid="ignore"):  # counts may be infinite: such a frame is nowhere found
            image -= image[0, 0]  # so that a constant frame is exactly zero
        mean = np.vdot(self._window, image) / self._window_sum
        full = scipy.fft.rfft2((image - np.float32(mean)) * self._window, workers=1)
        return np.asarray(full[self._rows, : self._columns] * self._filter, dtype=np.complex64)

    def energy(self, spectrum: Spectrum) -> float:
        """Sum of the squared modulus; NaN for a frame that is not finite."""
        return float(_energy(spectrum, self._halves))

    def add_moved(self, spectrum: Spectrum, d_px: tuple[float, float], total: Spectrum) -> None:
        """Add the frame, window and all, moved back by its displacement."""
        _add_moved(spectrum, _derivatives(self._fy, d_px[0])[0], _derivatives(self._fx, d_px[1])[0], total)

    def match(
        self, spectrum: Spectrum, reference: Spectrum, near_px: tuple[float, float] | None = None
    ) -> Match:
        """Find a peak of the cross-correlation by Newton's method on its Fourier sum.

        Starts at ``near_px``; None: at the highest point of a grid over all displacements.
        """
        cross: Spectrum = spectrum * np.conj(reference)
        d_px = self._coarse_peak(cross) if near_px is None else np.array(near_px)
        value, step_px = self._newton_step(cross, d_px)
        for _ in range(NEWTON_STEPS):
            if np.abs(step_px).max() < 1e-4:
                break
            d_px = d_px + step_px
            value, step_px = self._newton_step(cross, d_px)
        norm = np.sqrt(self.energy(spectrum) * self.energy(reference))
        return Match((float(d_px[0]), float(d_px[1])), float(np.clip(value / norm, 0.0, 1.0)))

    def _coarse_peak(self, cross: Spectrum) -> FloatArray:
        ny, nx = self._coarse
        grid = np.zeros((ny, nx // 2 + 1), dtype=np.complex64)
        grid[np.rint(self._fy * self._used[0] * self._bin).astype(np.intp), : self._columns] = cross
        correlation = scipy.fft.irfft2(grid, s=self._coarse, workers=1)
        peak = np.unravel_index(int(np.argmax(correlation)), correlation.shape)
        extent_px = np.array(self._used) * self._bin
        turns = np.array(peak) / np.array(self._coarse)
        return np.asarray((turns - np.rint(turns)) * extent_px)

    def _newton_step(self, cross: Spectrum, d_px: FloatArray) -> tuple[float, FloatArray]:
        """Value of the correlation at ``d_px``, and the step to its maximum; none where it is not concave."""
        across = _derivatives(self._fx, d_px[1]) * self._halves
        c = (_project(cross, _derivatives(self._fy, d_px[0])) @ across.T).real.astype(np.float64)
        gradient = np.array([c[1, 0], c[0, 1]])
        hessian = np.array([[c[2, 0], c[1, 1]], [c[1, 1], c[0, 2]]])
        if not (hessian[0, 0] < 0 and np.linalg.det(hessian) > 0):
            return float(c[0, 0]), np.zeros(2)
        return float(c[0, 0]), np.clip(-np.linalg.solve(hessian, gradient), -1.0, 1.0)


def _binning(shape: tuple[int, int], radius: float) -> tuple[int, float]:
    """Binning factor, and the highest frequency (cycles per pixel) kept; ``radius``: of the aperture.

    Intensities reach 2 radii. Binning folds what lies beyond 1/4 cycle per pixel; the band then ends where
    folded frequencies begin, which costs nothing noticeable down to 1.5 radii.
    """
    unfolded = 0.5 - 2 * radius
    if min(shape) >= LARGE_FRAME_PX and unfolded >= 1.5 * radius:
        return 2, min(2 * radius, unfolded, 0.245)
    return 1, min(2 * radius, 0.49)


def _taper(n: int, share: float = 0.1) -> npt.NDArray[np.float32]:
    """Tukey window: a share of the length is cosine, half of it on either side."""
    edge = (np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5) / (share * n / 2)
    return (0.5 - 0.5 * np.cos(np.pi * np.minimum(edge, 1.0))).astype(np.float32)


def _expected_spectrum(q: FloatArray) -> FloatArray:
    """Power spectrum of speckle behind an aperture of radius 1: the overlap of two discs q apart."""
    half = np.clip(q / 2, 0.0, 1.0)
    return np.asarray(2 / np.pi * (np.arccos(half) - half * np.sqrt(1 - half**2)))


def _derivatives(f: FloatArray, d_px: float) -> Spectrum:
    """Wave exp(2 pi i f d) with its first and second derivative by d, shape (3, len(f))."""
    turn = 2j * np.pi * f
    wave = np.exp(turn * d_px)
    return np.stack([wave, turn * wave, turn**2 * wave]).astype(np.complex64)


@numba.njit(cache=True)
def _energy(spectrum, halves):  # type: ignore[no-untyped-def]
    """Sum column by column: independent sums, many of which the processor does at once."""
    columns = np.zeros(len(halves))
    for y in range(len(spectrum)):
        row = spectrum[y]
        for x in range(len(halves)):
            columns[x] += halves[x] * (row[x].real * row[x].real + row[x].imag * row[x].imag)
    return columns.sum()


@numba.njit(cache=True)
def _add_moved(spectrum, wave_y, wave_x, total):  # type: ignore[no-untyped-def]
    for y in range(len(wave_y)):
        row, target = spectrum[y], total[y]
        for x in range(len(wave_x)):
            target[x] += row[x] * wave_y[y] * wave_x[x]


@numba.njit(cache=True)
def _project(cross, down):  # type: ignore[no-untyped-def]
    """Sum every column times each of the three waves, shape (3, columns)."""
    out = np.zeros((3, cross.shape[1]), dtype=np.complex64)
    for y in range(len(cross)):
        row = cross[y]
        for k in range(3):
            wave, sums = down[k, y], out[k]
            for x in range(len(row)):
                sums[x] += row[x] * wave
    return out
