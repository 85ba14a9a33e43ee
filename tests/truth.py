"""Records whose dynamics are known, written from the definitions alone.

Nothing here is shared with the simulator, nor with the speckle generator of the analysis. A circular complex
Gaussian field E(r, t) is a sum of plane waves, one for each spatial frequency inside a round pupil. The
amplitude of each wave is a Gaussian series of its own with g1(t) = exp[-(t/tau)^beta]. By the Gaussian moment
theorem I = (1 - kappa) + kappa |E|^2 has g2(t) - 1 = kappa^2 exp[-2 (t/tau)^beta] in every pixel.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

FWHM_TIMES_RADIUS = 0.514
"""Speckle FWHM times pupil radius: the half-width of [2 J1(x) / x]^2 with x = 2 pi q_a r."""

FRAMES_AT_ONCE = 256


@dataclass(frozen=True)
class Truth:
    """What is true of a record: its dynamics, its length and its speckle."""

    tau_s: float
    """Relaxation time; of an aging record the one in its middle."""

    beta: float
    """Stretching exponent, 0 < beta <= 1."""

    period_s: float
    n_frames: int
    contrast: float = 0.1
    """g2 - 1 at lag 0+."""

    aging: float = 0.0
    """Change of ln(tau) over the record, linear in time."""

    side_px: int = 48
    """The frame is a square, and periodic."""

    speckle_px: float = 3.0
    """FWHM of the speckle."""

    @property
    def duration_s(self) -> float:
        """Slots times period."""
        return self.n_frames * self.period_s

    @property
    def aperture_per_px(self) -> float:
        """Radius of the pupil."""
        return FWHM_TIMES_RADIUS / self.speckle_px

    @property
    def n_speckles(self) -> float:
        """Independent speckles in a frame: its area times that of the pupil."""
        return self.side_px**2 * np.pi * self.aperture_per_px**2

    @property
    def scale(self) -> tuple[float, float]:
        """Statistical standard errors of ln(tau) and beta of one record: the universal error scale."""
        root = np.sqrt(self.n_speckles * self.duration_s / self.tau_s)
        return 2.5 / root, 1.0 / root


def random(*key: int) -> np.random.Generator:
    """Return a stream of random numbers of its own for each key."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def movie(truth: Truth, *key: int) -> np.ndarray:
    """Return the frames of a record without noise: float32 (n_frames, side_px, side_px), mean 1.

    Parameters
    ----------
    truth
        What is to be seen.
    key
        Same key, same movie; other keys, independent movies.
    """
    rng = random(*key)
    row, column = pupil(truth)
    waves = aging_waves(truth, len(row), rng) if truth.aging else stationary_waves(truth, len(row), rng)
    side, kappa = truth.side_px, np.float32(np.sqrt(truth.contrast))
    frames = np.empty((truth.n_frames, side, side), dtype=np.float32)
    for first in range(0, truth.n_frames, FRAMES_AT_ONCE):
        part = waves[first : first + FRAMES_AT_ONCE]
        spectrum = np.zeros((len(part), side, side), dtype=np.complex64)
        spectrum[:, row, column] = part / np.float32(np.sqrt(len(row)))
        field = fft.ifft2(spectrum, norm="forward", overwrite_x=True)
        frames[first : first + len(part)] = 1 - kappa + kappa * (field.real**2 + field.imag**2)
    return frames


def pupil(truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column in the plane of spatial frequencies of the waves inside the pupil."""
    q = np.fft.fftfreq(truth.side_px)
    return np.nonzero(np.hypot(q[:, None], q) <= truth.aperture_per_px)


def stationary_waves(truth: Truth, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return amplitudes (n_frames, count) with the correlation g1, by circulant embedding.

    On a ring of twice the length, g1 of the distance along the ring is a correlation whose spectrum is
    nowhere negative, because g1 is convex.
    """
    ring = 2 * truth.n_frames
    distance = np.minimum(np.arange(ring), ring - np.arange(ring))
    power = np.fft.fft(g1(truth, distance * truth.period_s)).real
    assert power.min() > -1e-9 * power.max()
    amplitude = np.sqrt(np.maximum(power, 0.0) / ring)
    waves = np.empty((truth.n_frames, count), dtype=np.complex64)
    for wave in range(count):
        waves[:, wave] = np.fft.fft(amplitude * complex_normal(rng, ring))[: truth.n_frames]
    return waves


def aging_waves(truth: Truth, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return amplitudes (n_frames, count) of a stationary series in material time, the integral of dt / tau.

    The times are not even, so the square root of the correlation is taken by Cholesky: few frames.
    """
    xi = material_time(truth)
    root = np.linalg.cholesky(np.exp(-(np.abs(xi[:, None] - xi) ** truth.beta)))
    return (root @ complex_normal(rng, (truth.n_frames, count))).astype(np.complex64)


def material_time(truth: Truth) -> np.ndarray:
    """Return the integral of dt / tau(t) up to each frame, for ln tau linear in time."""
    t = np.arange(truth.n_frames) / truth.n_frames
    turns = np.exp(truth.aging / 2) * -np.expm1(-truth.aging * t) / truth.aging
    return truth.duration_s / truth.tau_s * turns


def complex_normal(rng: np.random.Generator, shape) -> np.ndarray:
    """Return complex normal numbers of unit variance."""
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) * np.sqrt(0.5)


def g1(truth: Truth, t_s: np.ndarray) -> np.ndarray:
    """Return the correlation of the field at some lags in s."""
    return np.exp(-((t_s / truth.tau_s) ** truth.beta))


def mapped_movie(truths: list[Truth], which: np.ndarray, *key: int) -> np.ndarray:
    """Return frames in which each pixel follows ``truths[which]``, exactly, ``which`` of a frame's shape.

    There is one field for each truth and a pixel shows one of them, so speckles end at the borders.
    """
    frames = movie(truths[0], *key, 0)
    for number, truth in enumerate(truths[1:], start=1):
        frames[:, which == number] = movie(truth, *key, number)[:, which == number]
    return frames


def counted(frames: np.ndarray, electrons: float, *key: int) -> np.ndarray:
    """Return frames of whole electrons, uint16, with so many in a pixel on average."""
    return random(*key).poisson(electrons * frames.astype(np.float64)).astype(np.uint16)


def lopsided(side_px: int, spread: float) -> np.ndarray:
    """Return an illumination of mean 1 that rises from row to row, with <a^2>/<a>^2 - 1 = ``spread``."""
    ramp = np.linspace(-1.0, 1.0, side_px)
    profile = 1 + ramp * np.sqrt(spread / np.mean(ramp**2))
    return np.broadcast_to(profile[:, None], (side_px, side_px))


def expected_ratio(truth: Truth, lag_slots: np.ndarray) -> np.ndarray:
    """Return g2 - 1 that the `ratio` average is expected to show: A [f(k) - B(k)], B summed pair by pair."""
    curve = []
    for k in np.asarray(lag_slots, dtype=np.int64):
        m = truth.n_frames - k
        apart = np.arange(1 - m, m)
        pairs = m - np.abs(apart)
        decay, subtracted = (g1(truth, np.abs(x) * truth.period_s) ** 2 for x in (k, apart - k))
        curve.append(truth.contrast * (decay - np.sum(pairs * subtracted) / m**2))
    return np.array(curve)
