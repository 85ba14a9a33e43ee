"""Diffraction patterns for tests: a specimen to look at, and the variance of a pixel computed slowly."""

from dataclasses import dataclass, field

import numpy as np

from annealscope.drivers.interfaces import Optics, Region
from annealscope.simulators.camera_spec import CameraSpec
from annealscope.simulators.sensor import noise_power_factor

PIXEL_PER_NM = 0.1
CAMERA = CameraSpec("diffraction", "diffraction", (152, 160), None, PIXEL_PER_NM)


@dataclass
class Specimen:
    """A `SpecimenView` that stays as it was made."""

    state: str = "as-cast"
    temperature_degC: float = 25.0
    thickness: float | None = 0.7
    blanked: bool = False
    region: int = 1
    optics: Optics | None = field(default_factory=lambda: nanobeam(0.91))

    def temperature_K(self, t_s):
        return self.temperature_degC + 273.15

    def optics_at(self, t_s):
        return self.optics

    def region_at(self, t_s):
        return Region(self.region, (0.0, 0.0), self.thickness)

    def blanked_at(self, t_s):
        return self.blanked


def nanobeam(probe_nm: float, current_pA: float = 0.5) -> Optics:
    """A column with a probe; 0.5 pA in 4 s give about 370 electrons a pixel at the first ring."""
    return Optics("nanobeam", 300.0, probe_nm=probe_nm, probe_current_pA=current_pA)


def take_patterns(scene, n: int, exposure_s: float = 4.0) -> np.ndarray:
    return np.stack([scene.expose(exposure_s * seq, exposure_s, seq, (0.0, 0.0))[0] for seq in range(n)])


def k_of_pixels(camera: CameraSpec = CAMERA) -> np.ndarray:
    y, x = (np.arange(n) - (n - 1) / 2 for n in camera.shape)
    return np.hypot(y[:, None], x) * camera.pixel_per_nm


def lit_pixels(camera: CameraSpec = CAMERA) -> np.ndarray:
    """Pixels well away from the beam stop, whose arm goes up from the middle."""
    y, x = ((np.arange(n) - (n - 1) / 2) * camera.pixel_per_nm for n in camera.shape)
    return (k_of_pixels(camera) > 1.3) & ((y[:, None] > 0) | (np.abs(x) > 0.6))


def mean_and_variance(counts: np.ndarray, camera: CameraSpec = CAMERA) -> tuple[np.ndarray, np.ndarray]:
    """Mean electrons and V of every pixel, without shot noise and read noise: nothing but definitions."""
    electrons = (counts - camera.offset_counts) / camera.gain_counts_per_e
    mean, spread = electrons.mean(axis=0), electrons.var(axis=0, ddof=1)
    noise = noise_power_factor(camera.mtf_half_nyquist) * mean + camera.read_noise_e**2
    return mean, (spread - noise) / (mean**2 - spread / len(counts))


def ring_mean(
    image: np.ndarray, k_per_nm: float, half_width_per_nm: float = 0.05, camera: CameraSpec = CAMERA
) -> float:
    ring = (np.abs(k_of_pixels(camera) - k_per_nm) < half_width_per_nm) & lit_pixels(camera)
    return float(image[ring].mean())


def variance_error(n_patterns: int, k_per_nm: float, probe_nm: float) -> float:
    """Relative standard error of V in a ring one pixel wide.

    The variance of a gamma distribution with M = 4 has the relative error sqrt((2 + 6 / M) / n); a ring holds
    n = 2 pi k / (0.66 Q) values of each pattern, 0.66 Q being the integral of the fourth power of the overlap
    of two discs. (A fit over a whole peak does better, since it averages over k as well.)
    """
    disc_per_nm = 0.61 / probe_nm
    return np.sqrt((2 + 6 / 4) / (n_patterns * 2 * np.pi * k_per_nm / (0.66 * disc_per_nm)))
