"""Diffraction patterns of a glass whose normalised variance is known: gamma speckle, Poisson noise."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from annealscope.analysis.rings import Geometry


def gauss(k, k0, width):
    return np.exp(-((k - k0) ** 2) / (2 * width**2))


@dataclass(frozen=True)
class Glass:
    """What is true of the patterns, as functions of k."""

    V_max: float = 0.15
    k0: float = 4.27
    width: float = 0.3
    ratio: float = 0.4
    base: float = 0.1
    """Of V_max."""
    shoulder: float = 0.0
    """At 5.3 / nm, of V_max."""

    def V(self, k):
        base = self.base * self.V_max
        first = (self.V_max - base) * gauss(k, self.k0, self.width)
        second = (self.ratio * self.V_max - base) * gauss(k, 7.24, 0.5)
        return base + first + second + self.shoulder * self.V_max * gauss(k, 5.3, 0.2)

    @staticmethod
    def mean_e(k):
        return 40 * np.exp(-k / 3) + 9 * gauss(k, 4.2, 0.45) + 3 * gauss(k, 7.1, 0.6) + 2


@dataclass(frozen=True)
class Microscope:
    """How the patterns are taken."""

    geometry: Geometry
    shape: tuple[int, int] = (128, 128)
    speckle_px: float = 1.5
    """Standard deviation of the Gaussian that the fields are smoothed with."""
    brightness: float = 1.0
    gain: float = 10.0
    offset: float = 100.0
    read_noise: float = 5.0
    shadow: np.ndarray | None = None
    """True where the beam stop is."""
    jitter_px: float = 0.0

    @property
    def k(self):
        return self.geometry.radius_px(self.shape) * self.geometry.pixel_per_nm

    def pattern(self, glass, rng):
        """Return one pattern of counts, uint16."""
        shift = self.jitter_px * rng.normal(size=2)
        centre = tuple(np.array(self.geometry.centre_px) + shift)
        moved = Geometry(centre, self.geometry.pixel_per_nm, self.geometry.ellipse)
        k = moved.radius_px(self.shape) * moved.pixel_per_nm
        speckle = 1 + np.sqrt(glass.V(k) / 0.25) * (self._speckle(rng) - 1)
        electrons = self.brightness * glass.mean_e(k) * np.maximum(speckle, 0)
        if self.shadow is not None:
            electrons = np.where(self.shadow, 0.0, electrons)
        counts = self.gain * rng.poisson(electrons) + self.offset
        return np.clip(np.rint(counts + self.read_noise * rng.normal(size=self.shape)), 0, 65535).astype("u2")

    def patterns(self, glass, n, seed):
        rng = np.random.Generator(np.random.Philox(seed))
        return np.array([self.pattern(glass, rng) for _ in range(n)])

    def _speckle(self, rng):
        """Intensity of mean 1 and variance 1/4: the mean of four independent speckle fields."""
        fields = rng.normal(size=(8, *self.shape))
        if self.speckle_px:
            fields = ndimage.gaussian_filter(fields, (0, self.speckle_px, self.speckle_px), mode="wrap")
            fields *= 2 * np.sqrt(np.pi) * self.speckle_px
        return (fields**2).sum(axis=0) / 8


def bar(shape, centre_px, half_width_px=4, radius_px=8):
    """Return the shadow of a beam stop: a disc on a bar that comes in from the left."""
    y, x = np.indices(shape) - np.array(centre_px)[:, None, None]
    return (np.hypot(y, x) < radius_px) | ((np.abs(y) < half_width_px) & (x < 0))
