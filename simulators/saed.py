"""Diffraction patterns of a wide area: rings of the glass with fine speckle, and crystals when asked for."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from annealscope.simulators.diffraction_camera import MeanPattern, Screen, table, table_k
from annealscope.simulators.sensor import FloatImage


@dataclass(frozen=True)
class Crystals:
    """Reflections on top of a glass, for tests: spots at random places of their rings, or whole rings."""

    rings_per_nm: tuple[float, ...]
    height: float
    """Of a reflection, in units of the mean intensity of the glass at its k."""
    width_per_nm: float = 0.03
    """Standard deviation."""
    spots: int = 0
    """On each ring; 0: the ring is whole, as of very many small grains."""

    def relative(self, screen: Screen, k_per_nm: FloatImage, rng: np.random.Generator) -> FloatImage:
        """Return their intensity in units of that of the glass, shape of ``k_per_nm``."""
        total = np.zeros_like(k_per_nm)
        for ring_per_nm in self.rings_per_nm:
            ring = np.exp(-0.5 * ((k_per_nm - ring_per_nm) / self.width_per_nm) ** 2)
            total += self.height * (ring * self._spots(screen, ring_per_nm, rng) if self.spots else ring)
        return total

    def _spots(self, screen: Screen, ring_per_nm: float, rng: np.random.Generator) -> FloatImage:
        """Return 1 at the middle of each spot, falling off along the ring."""
        azimuth = screen.azimuth_rad()
        total = np.zeros_like(azimuth)
        for angle in rng.uniform(-np.pi, np.pi, self.spots).astype(np.float32):
            along_per_nm = (np.mod(azimuth - angle + np.pi, 2 * np.pi) - np.pi) * ring_per_nm
            total += np.exp(-0.5 * (along_per_nm / self.width_per_nm) ** 2)
        return total


@dataclass(frozen=True)
class AreaPatterns:
    """Expected electrons of patterns of an area that holds very many independent regions."""

    mean: MeanPattern
    screen: Screen
    speckle_variance: float
    """Of a pixel: the speckle is finer than a pixel, and so many regions scatter, that little is left."""
    crystals: Crystals | None = None

    def expected_e(
        self, electrons: float, rng: np.random.Generator, crystal_rng: np.random.Generator
    ) -> FloatImage:
        """Return expected electrons per pixel of the sensor's wide frame.

        Parameters
        ----------
        electrons
            In the beam during the exposure.
        rng
            Where speckle and centre come from.
        crystal_rng
            Where the crystals lie.
        """
        k = self.screen.k_per_nm(rng.standard_normal(2) * self.mean.centre_jitter_per_nm)
        cells = 1 / self.speckle_variance
        pattern = rng.standard_gamma(cells, k.shape, dtype=np.float32)
        pattern *= np.float32(1 / cells)
        if self.crystals is not None:
            pattern += self.crystals.relative(self.screen, k, crystal_rng)
        pattern *= table(self._mean_e, k)
        pattern *= np.float32(electrons)
        pattern[self._stopped] = 0
        return pattern

    @cached_property
    def _mean_e(self) -> npt.NDArray[np.float64]:
        return self.mean.profile(table_k(self.mean.reach_per_nm)) * self.screen.pixel_per_nm**2

    @cached_property
    def _stopped(self) -> npt.NDArray[np.bool_]:
        return self.screen.stopped(self.mean.beam_stop)
