"""Displacement of speckle frames by cross-correlation with a running reference (docs/methods/drift.md).

d > 0 means that the features moved to larger index. Cross-correlation with one fixed filter, never phase
correlation: for band-limited speckle the division by the measured modulus promotes frequencies that hold only
noise. The reference is a running mean of aligned frames, never the first frame (the speckle forgets it) and
never a chain of consecutive steps (errors add up).
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import scipy.fft

from annealscope.analysis.binning import bin_frame
from annealscope.analysis.geometry import speckle_count
from annealscope.analysis.values import FloatArray, InvalidData

Spectrum = npt.NDArray[np.complex64]
AnyFrame = npt.NDArray[np.generic]

LARGE_FRAME_PX = 512
"""Frames of at least this side are binned 2 x 2 when the band allows."""

NEWTON_STEPS = 6

NOISE_FLOOR = 0.1
"""Of the expected spectrum, relative to its maximum: the filter does not lift frequencies below it."""

_FAST = {"contract", "reassoc", "arcp", "nsz"}


class Match(NamedTuple):
    """Where a frame lies against a reference."""

    d_px: tuple[float, float]
    """Displacement (y, x) in pixels; positive: the features moved to larger index."""

    quality: float
    """Correlation coefficient at the peak inside the band, clipped to 0 ... 1."""


def register(frame: AnyFrame, reference: AnyFrame, *, pixel_nm: float, aperture_per_nm: float) -> Match:
    """Locate a frame against a reference frame.

    Parameters
    ----------
    frame, reference
        Counts, shape (ny, nx), any real type; an offset does not matter.
    pixel_nm
        Side of a pixel on the specimen.
    aperture_per_nm
        Radius q_a of the objective aperture: intensities hold spatial frequencies up to 2 q_a.

    Raises
    ------
    InvalidData
        When the shapes differ, a frame is too small, or a frame has no contrast.
    """
    if frame.shape != reference.shape:
        raise InvalidData(f"frame and reference must have one shape: got {frame.shape} and {reference.shape}")
    band = _Band((frame.shape[0], frame.shape[1]), pixel_nm, aperture_per_nm)
    spectrum, expected = band.spectrum(frame), band.spectrum(reference)
    if not (band.energy(spectrum) > 0 and band.energy(expected) > 0):
        raise InvalidData("a frame without contrast cannot be located: check beam, focus and aperture")
    return band.match(spectrum, expected)


class DriftTracker:
    """Follows the drift of a series of frames (docs/methods/drift.md).

    The reference is the exponential running mean of the last `memory_frames` aligned frames; it changes only
    when the slot number passes a multiple of `update_slots`, so results do not depend on how frames were
    batched. Frames that match worse than chance allows are not averaged in; they get the last displacement
    and their low quality. After `memory_frames` of them in a row the reference starts anew at that
    displacement.

    Parameters
    ----------
    shape
        Of a frame (ny, nx).
    pixel_nm, aperture_per_nm
        See `register`.
    memory_frames
        Length of the running mean.
    update_slots
        Slots between two updates of the reference.

    Raises
    ------
    InvalidData
        When the frame is too small or the band holds no frequency.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        pixel_nm: float,
        aperture_per_nm: float,
        memory_frames: int = 30,
        update_slots: int = 8,
    ) -> None:
        self._band = _Band(shape, pixel_nm, aperture_per_nm)
        self._memory_frames = memory_frames
        self._update_slots = update_slots
        speckles = speckle_count(shape, pixel_nm, aperture_per_nm)
        self._chance = float(np.clip(3 / np.sqrt(speckles), 0.05, 0.5))
        self.reset()

    def reset(self) -> None:
        """Forget the reference; the next frame is the new origin."""
        self._reference: Spectrum | None = None
        self._fresh: Spectrum = self._band.empty()
        self._fresh_frames = 0
        self._averaged = 0
        self._misses = 0
        self._period = 0
        self._last_px = (0.0, 0.0)

    def locate(self, frame: AnyFrame, slot: int) -> Match:
        """Locate the next frame; frames must come in order (docs/methods/drift.md).

        Parameters
        ----------
        frame
            Counts, shape (ny, nx) as given at construction, any real dtype.
        slot
            Place of the frame on the time grid of its segment.

        Returns
        -------
        Match
            Displacement (y, x) in pixels against the first frame, and quality 0 ... 1. A frame that was not
            found has the last displacement and its low quality; one without contrast has quality 0.
        """
        if slot // self._update_slots != self._period:
            self._fold()
            self._period = slot // self._update_slots
        spectrum = self._band.spectrum(frame)
        if not self._band.energy(spectrum) > 0:
            return Match(self._last_px, 0.0)
        if self._reference is None:
            self._start(spectrum)
            return Match(self._last_px, 1.0)
        match = self._find(spectrum, self._reference)
        if match.quality < self._chance:
            return self._miss(spectrum, match.quality)
        self._misses = 0
        self._last_px = match.d_px
        self._align(spectrum)
        return match

    def _find(self, spectrum: Spectrum, reference: Spectrum) -> Match:
        """Climb from the last displacement; search everywhere unless that peak cannot be chance."""
        match = self._band.match(spectrum, reference, near_px=self._last_px)
        if match.quality > 2 * self._chance:
            return match
        return self._band.match(spectrum, reference)

    def _start(self, spectrum: Spectrum) -> None:
        self._fresh = self._band.empty()
        self._fresh_frames = self._averaged = self._misses = 0
        self._align(spectrum)
        self._reference = self._fresh.copy()

    def _miss(self, spectrum: Spectrum, quality: float) -> Match:
        self._misses += 1
        if self._misses >= self._memory_frames:
            self._start(spectrum)
        return Match(self._last_px, quality)

    def _align(self, spectrum: Spectrum) -> None:
        self._band.add_moved(spectrum, self._last_px, self._fresh)
        self._fresh_frames += 1

    def _fold(self) -> None:
        """Take the aligned frames of the last period into the running mean."""
        if self._reference is None or not self._fresh_frames:
            return
        self._averaged = min(
            self._averaged + self._fresh_frames, max(self._memory_frames, self._fresh_frames)
        )
        keep = np.float32(1 - self._fresh_frames / self._averaged)
        self._reference = keep * self._reference + self._fresh / np.float32(self._averaged)
        self._fresh = self._band.empty()
        self._fresh_frames = 0


class _Band:
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
        c = (_derivatives(self._fy, d_px[0]) @ _project(cross, across)).real.astype(np.float64)
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


@numba.njit(cache=True, fastmath=_FAST)
def _energy(spectrum, halves):  # type: ignore[no-untyped-def]
    total = 0.0
    for y in range(len(spectrum)):
        row, row_sum = spectrum[y], np.float32(0)
        for x in range(len(halves)):
            row_sum += halves[x] * (row[x].real * row[x].real + row[x].imag * row[x].imag)
        total += np.float64(row_sum)
    return total


@numba.njit(cache=True, fastmath=_FAST)
def _add_moved(spectrum, wave_y, wave_x, total):  # type: ignore[no-untyped-def]
    for y in range(len(wave_y)):
        row, target = spectrum[y], total[y]
        for x in range(len(wave_x)):
            target[x] += row[x] * wave_y[y] * wave_x[x]


@numba.njit(cache=True, fastmath=_FAST)
def _project(cross, across):  # type: ignore[no-untyped-def]
    """Sum every row times each of the three waves, shape (len(cross), 3)."""
    out = np.empty((len(cross), 3), dtype=np.complex64)
    wave0, wave1, wave2 = across[0], across[1], across[2]
    for y in range(len(cross)):
        row = cross[y]
        sum0 = sum1 = sum2 = np.complex64(0)
        for x in range(len(row)):
            sum0 += row[x] * wave0[x]
            sum1 += row[x] * wave1[x]
            sum2 += row[x] * wave2[x]
        out[y, 0], out[y, 1], out[y, 2] = sum0, sum1, sum2
    return out
