"""Normalised variance of diffraction patterns (docs/methods/fem.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import FloatArray, InvalidData

_SCALE = 1.6
_DISCS_ROUND_A_RING = 11.0


@dataclass(frozen=True)
class Detector:
    """What turns electrons into counts, and what noise comes with them."""

    gain_counts_per_e: float = 1.0
    offset_counts: float = 0.0
    noise_power: float = 1.0
    """Share of the shot noise of a pixel that the spread of each electron over pixels leaves, 0 ... 1."""
    read_noise_counts: float = 0.0

    def noise_counts2(self, signal_counts: npt.ArrayLike, pixels: npt.ArrayLike = 1.0) -> FloatArray:
        """Return the variance that noise adds to the mean of so many pixels, counts squared."""
        shot = self.noise_power * self.gain_counts_per_e * np.asarray(signal_counts, dtype=np.float64)
        return np.asarray((shot + self.read_noise_counts**2) / np.asarray(pixels, dtype=np.float64))


@dataclass(frozen=True)
class Moments:
    """Mean and unbiased sample variance of each pixel over the patterns."""

    n: int
    mean: FloatArray
    """Counts, offset included."""
    variance: FloatArray
    """Counts squared; divided by n - 1."""


class NormalizedVariance:
    """Mean and variance of each pixel over patterns that come one after the other.

    Kept are, in float64, the sums of ``x - r`` and ``(x - r)**2``, with r the first pattern: nothing cancels,
    and for whole counts the sums are exact, whatever the order. However the patterns are split into calls,
    the result is the same bit for bit.

    Pixels do not know of each other: for disjoint parts of a frame use one accumulator each, and put the
    results side by side. For disjoint sets of patterns use `merge`.

    Parameters
    ----------
    shape
        Of a pattern (ny, nx).
    reference
        r, shape (ny, nx); None: the first pattern. Accumulators with the same one merge without rounding.

    Attributes
    ----------
    n
        Patterns so far.
    sums
        Sums of x - r and of its square, float64, shape (2, ny, nx).
    """

    def __init__(self, shape: tuple[int, int], reference: npt.NDArray[Any] | None = None) -> None:
        self.n = 0
        self.shape = shape
        self.reference = None if reference is None else np.asarray(reference, dtype=np.float64)
        self.sums = np.zeros((2, *shape))
        self._work = np.empty(shape)

    def update(self, patterns: npt.NDArray[Any]) -> None:
        """Take one pattern (ny, nx), or several (n, ny, nx), of any real dtype.

        Raises
        ------
        InvalidData
            When patterns have another shape.
        """
        patterns = np.asarray(patterns)
        if patterns.shape[-2:] != self.shape or patterns.ndim not in (2, 3):
            raise InvalidData(f"patterns must have the shape {self.shape}: got {patterns.shape}")
        for pattern in patterns.reshape(-1, *self.shape):
            if self.reference is None:
                self.reference = pattern.astype(np.float64)
            np.subtract(pattern, self.reference, out=self._work)
            self.sums[0] += self._work
            np.square(self._work, out=self._work)
            self.sums[1] += self._work
            self.n += 1

    def merge(self, other: "NormalizedVariance") -> None:
        """Take over what another accumulator has seen of other patterns."""
        self._add(other, 1)

    def without(self, part: "NormalizedVariance") -> "NormalizedVariance":
        """Return what remains of this accumulator when a part that was merged into it is taken out again."""
        rest = NormalizedVariance(self.shape, self.reference)
        rest._add(self, 1)
        rest._add(part, -1)
        return rest

    def moments(self) -> Moments:
        """Return mean and variance of what has come so far.

        Raises
        ------
        InvalidData
            For fewer than two patterns.
        """
        if self.reference is None or self.n < 2:
            raise InvalidData(f"a variance needs at least 2 patterns: got {self.n}")
        first, second = self.sums
        mean = first / self.n
        variance = (second - first * mean) / (self.n - 1)
        return Moments(self.n, self.reference + mean, variance)

    def _add(self, other: "NormalizedVariance", sign: int) -> None:
        """Add the sums of another accumulator, or take them away, as if it had had this one's reference."""
        if other.reference is None:
            return
        if self.reference is None:
            self.reference = other.reference
        self.n += sign * other.n
        if other.reference is self.reference:
            self.sums += sign * other.sums
            return
        step = other.reference - self.reference
        first, second = other.sums
        self.sums[0] += sign * (first + other.n * step)
        self.sums[1] += sign * (second + 2.0 * step * first + other.n * step**2)


def variance_images(moments: Moments, detector: Detector) -> tuple[FloatArray, FloatArray]:
    """Normalised variance of each pixel, before and after correction for noise.

    With s^2 the unbiased variance of n patterns, I the mean above the offset, g the gain and eta the noise
    power:  V = s^2 / I^2;  corrected, (s^2 - eta g I - read noise^2) / (I^2 - s^2 / n).

    Returns
    -------
    V, V_corrected
        float64, of the shape of a pattern; NaN where there is no signal.
    """
    signal = moments.mean - detector.offset_counts
    square = signal**2 - moments.variance / moments.n
    dark = (signal <= 0) | (square <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        naive = moments.variance / signal**2
        corrected = (moments.variance - detector.noise_counts2(signal)) / square
    naive[dark] = corrected[dark] = np.nan
    return naive, corrected


def variance_of_annular_means(means: FloatArray, n_px: FloatArray, detector: Detector) -> FloatArray:
    """Normalised variance, over patterns, of the mean of each annulus, corrected for noise.

    Another quantity than the annular mean of `variance_images`: smaller by about the number of speckles round
    the ring. Noise of neighbouring pixels adds up in an annulus, so the shot noise counts in full.

    Parameters
    ----------
    means
        Annular means in counts above the offset, shape (n, annuli).
    n_px
        Pixels in each annulus.
    detector
        Gain and read noise.
    """
    whole = Detector(detector.gain_counts_per_e, 0.0, 1.0, detector.read_noise_counts)
    signal, variance = means.mean(axis=0), means.var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected = (variance - whole.noise_counts2(signal, n_px)) / (signal**2 - variance / len(means))
    return np.asarray(corrected)


def jackknife_sigma(estimate: npt.ArrayLike, left_out: npt.ArrayLike, sizes: Sequence[int]) -> FloatArray:
    """Standard error from estimates that each leave one group out; groups may differ in size.

    Parameters
    ----------
    estimate
        From all data, any shape.
    left_out
        Without group j, shape (groups, ...).
    sizes
        Data in each group. A group that holds everything is not counted; fewer than two groups give NaN.
    """
    theta, without = np.asarray(estimate, dtype=np.float64), np.asarray(left_out, dtype=np.float64)
    if len(sizes) < 2:
        return np.full(theta.shape, np.nan)
    h = (sum(sizes) / np.asarray(sizes, dtype=np.float64)).reshape(-1, *[1] * theta.ndim)
    pseudo = h * theta - (h - 1.0) * without
    return np.asarray(np.sqrt(np.mean((pseudo - pseudo.mean(axis=0)) ** 2 / (h - 1.0), axis=0)))


def variance_error_scale(patterns: int, k_per_nm: npt.ArrayLike, probe_nm: float) -> FloatArray:
    """Expected relative standard error of V(k): ``1.6 / sqrt(N M)``, good to about 30 %.

    N is the number of patterns and M = 11 k / Q the number of speckles round the ring, with Q = 0.61 / R.
    Measured on simulated patterns without inversion symmetry; with it, M is half as large.
    """
    speckles = _DISCS_ROUND_A_RING * np.asarray(k_per_nm, dtype=np.float64) * probe_nm / 0.61
    return np.asarray(_SCALE / np.sqrt(patterns * speckles))
