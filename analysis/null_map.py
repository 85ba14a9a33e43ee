"""The map of a specimen with one relaxation time everywhere, seen in the same record (docs/methods/maps.md).

A single pixel has few events, so its fitted tau scatters. How much is found by drawing pixels of a uniform
specimen that share nothing but their statistics, and sending them through the same correlator.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.special import j1

from annealscope.analysis.geometry import CHANNELS
from annealscope.analysis.kww_model import kww
from annealscope.analysis.map_curves import MapCurves, map_curves
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.slots import Integers
from annealscope.analysis.speckle import intensity
from annealscope.analysis.values import ROBUST_SIGMA, FloatArray

Fields = npt.NDArray[np.complex64]

SAMPLES = 1 << 24
"""Field values drawn for one null, at most: some seconds of work."""

FEWEST_SERIES, MOST_SERIES = 128, 4096

QUIET_SERIES = 256
"""Of the null without noise, which shows what part of the scatter at short lags is not noise."""

_AT_ONCE = 1 << 23
_KEY = 0x6E756C6C
"""Of the random numbers: the same for every record, so that an analysis can be repeated."""

_SECOND_DIFFERENCE = np.array([1.0, -2.0, 1.0])

_STEEPEST = 2.0
"""Largest beta for which exp[-(t/tau)^beta] is an autocorrelation."""

_LONGEST_GAP = 10.0
"""Relaxation times after which the field is taken to be a new one."""


@dataclass(frozen=True)
class NullSpec:
    """What the null shares with the record."""

    slot: Integers
    """Slots of the frames used, within their segments, shape (N,)."""

    segment: Integers
    """Segments of the same frames, shape (N,)."""

    grid_slot: Integers
    """Slots of the same frames on one grid for all segments, increasing, from 0, shape (N,)."""

    levels: int
    """Of the correlator."""

    tau_slots: float
    """Relaxation time of the field, in slots."""

    beta: float
    contrast: float
    """g2 - 1 at lag 0 without noise."""

    bin_px: int
    """A pixel of the map is a square of so many pixels of the frame."""

    aperture_per_px: float
    """Radius of the pupil in cycles per pixel: how alike the pixels of one square are."""

    @property
    def n_series(self) -> int:
        """How many pixels of the map are drawn; fewer for longer records."""
        wanted = SAMPLES // (int(self.grid_slot[-1] + 1) * self.bin_px**2)
        return min(max(wanted, FEWEST_SERIES), MOST_SERIES)


def grid_slots(slot: Integers, starts: Integers, slots: Integers, at: Integers, tau_slots: float) -> Integers:
    """Place frames of several segments on one grid, with gaps of at most 10 relaxation times.

    Parameters
    ----------
    slot
        Slots from the beginning of the frame's own segment, shape (N,).
    starts, slots
        First slot on a common grid, and number of slots, of each segment, shape (K,).
    at
        Which segment each frame is in, 0 ... K - 1, shape (N,).
    tau_slots
        Relaxation time in slots.

    Returns
    -------
    int64, shape (N,), the first frame at its place in the first segment.
    """
    gaps = np.minimum(np.diff(starts) - slots[:-1], math.ceil(_LONGEST_GAP * tau_slots))
    shortened = np.concatenate([[0], np.cumsum(slots[:-1] + gaps)])
    return np.asarray(shortened[at] + slot)


def null_curves(spec: NullSpec, noise_variance: float = 0.0, n_series: int | None = None) -> MapCurves:
    """Draw independent map pixels of a uniform specimen, and correlate them.

    Each is a square of pixels with intensity (1 - kappa) + kappa |E|^2, kappa^2 the contrast, E stationary
    complex Gaussian with g1 = exp[-(t/tau)^beta]. Nothing is divided by a frame mean: these pixels are no
    image.

    Parameters
    ----------
    spec
        What the null shares with the record.
    noise_variance
        Variance of the white noise of one pixel in one frame, in units of its mean intensity squared.
    n_series
        Number of map pixels; None: as many as `NullSpec.n_series` says.

    Returns
    -------
    MapCurves
        With y of shape (L, 1, n_series). The same numbers at every call.
    """
    rng = np.random.Generator(np.random.Philox(_KEY))
    parts = []
    for fields in _fields(spec, spec.n_series if n_series is None else n_series, rng):
        frames = _frames(intensity(fields, min(spec.contrast, 1.0)), spec.bin_px)
        if noise_variance > 0:
            frames += np.float32(noise_variance**0.5) * rng.standard_normal(frames.shape, np.float32)
        correlator = MultiTau(frames.shape[1:], channels=CHANNELS, levels=spec.levels)
        correlator.update(frames, spec.slot, spec.segment)
        parts.append(map_curves(correlator.sums(), spec.bin_px))
    return MapCurves(parts[0].lag_slots, parts[0].pairs, np.concatenate([part.y for part in parts], axis=2))


def noise_variance(curves: MapCurves, spec: NullSpec) -> float:
    """Measure the noise of one pixel in one frame on the map's own curves.

    The noise makes the second difference of the first three points of a curve scatter from pixel to pixel,
    where the speckle adds little: what it adds is measured on a null without noise, and taken off. The rest
    is a polynomial in the noise variance (docs/methods/maps.md).

    Returns
    -------
    float
        In units of the mean intensity squared; 0 when there is no more scatter than without noise.
    """
    quiet = _roughness(null_curves(spec, n_series=QUIET_SERIES))
    excess = max(_roughness(curves) ** 2 - quiet**2, 0.0) * spec.bin_px**2
    square = float(np.sum(_SECOND_DIFFERENCE**2 / curves.pairs[:3]))
    linear = _speckle_power(curves.lag_slots[:3], spec) / float(curves.pairs[0])
    return (math.sqrt(linear**2 + 4 * square * excess) - linear) / (2 * square)


def _speckle_power(lag_slots: Integers, spec: NullSpec) -> float:
    """Variance of what multiplies the noise of one frame in a second difference: the speckle around it."""
    offset = np.concatenate([lag_slots, -lag_slots])
    weight = np.concatenate([_SECOND_DIFFERENCE, _SECOND_DIFFERENCE])
    distance = np.abs(offset[:, None] - offset)
    return float(weight @ (spec.contrast * kww(distance, spec.tau_slots, spec.beta)) @ weight)


def _roughness(curves: MapCurves) -> float:
    """Scatter over the pixels of the second difference at the shortest lags, from its median deviation."""
    second = np.einsum("l,lyx->yx", _SECOND_DIFFERENCE, curves.y[:3])[curves.contrast]
    return float(ROBUST_SIGMA * np.median(np.abs(second - np.median(second)))) if second.size else 0.0


def _fields(spec: NullSpec, n_series: int, rng: np.random.Generator) -> Iterator[Fields]:
    """Yield the fields of some map pixels at a time: (n, pixels of a square, frames)."""
    amplitude = _spectrum(int(spec.grid_slot[-1]) + 1, spec.tau_slots, min(spec.beta, _STEEPEST))
    mixing = _mixing(spec.bin_px, spec.aperture_per_px)
    at_once = max(_AT_ONCE // (len(amplitude) * len(mixing)), 1)
    for first in range(0, n_series, at_once):
        count = min(at_once, n_series - first)
        white = rng.standard_normal((count * len(mixing), 2 * len(amplitude)), np.float32)
        spectrum = amplitude * white.view(np.complex64)
        series = scipy.fft.ifft(spectrum, axis=1, norm="forward", overwrite_x=True)
        used = series[:, spec.grid_slot].reshape(count, len(mixing), -1)
        # Not a matrix product: its last digit may depend on the number of threads.
        yield np.einsum("pq,nqt->npt", mixing, used) if len(mixing) > 1 else used


def _spectrum(n: int, tau_slots: float, beta: float) -> npt.NDArray[np.float32]:
    """Amplitudes of the frequencies of a ring whose first ``n`` places have the autocorrelation g1.

    A convex g1 (beta <= 1) may be cut anywhere; else it must have died away, here to 1e-8.
    """
    died = 0 if beta <= 1 else math.ceil(tau_slots * 18.4 ** (1 / beta))
    ring = scipy.fft.next_fast_len(2 * max(n, died))
    distance = np.minimum(np.arange(ring), ring - np.arange(ring))
    power = np.maximum(scipy.fft.fft(np.exp(-((distance / tau_slots) ** beta))).real, 0.0)
    return np.asarray(np.sqrt(power / (2 * ring)), dtype=np.float32)


def _mixing(bin_px: int, aperture_per_px: float) -> Fields:
    """Matrix that gives independent series the correlation 2 J1(x)/x of the pixels of a square."""
    y, x = (index.ravel() for index in np.indices((bin_px, bin_px)))
    argument = 2 * np.pi * aperture_per_px * np.hypot(y[:, None] - y, x[:, None] - x)
    correlation: FloatArray = np.where(argument > 0, 2 * j1(argument) / np.maximum(argument, 1e-9), 1.0)
    values, vectors = np.linalg.eigh(correlation)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), dtype=np.complex64)


def _frames(intensities: npt.NDArray[np.float32], bin_px: int) -> npt.NDArray[np.float32]:
    """Lay squares (n, bin^2, frames) side by side: (frames, bin, n * bin)."""
    squares = intensities.reshape(len(intensities), bin_px, bin_px, -1)
    return np.ascontiguousarray(squares.transpose(3, 1, 0, 2)).reshape(-1, bin_px, len(squares) * bin_px)
