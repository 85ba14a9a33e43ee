"""The numbers of a simulated experiment."""

import math
from dataclasses import dataclass

import numpy as np

from annealscope.simulators.camera_spec import CameraSpec
from annealscope.simulators.course import ThermalDrift
from annealscope.simulators.glass import ZERO_DEGC_K
from annealscope.simulators.timed_faults import TimedFault

Matrix = tuple[tuple[float, float], tuple[float, float]]


def rotated_and_sheared(scale: float, rotation_deg: float, shear: float) -> Matrix:
    """Return scale * rotation * (1 + shear of y by x), acting on (y, x)."""
    angle = math.radians(rotation_deg)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    (yy, yx), (xy, xx) = (scale * rotation @ np.array([[1.0, shear], [0.0, 1.0]])).tolist()
    return (yy, yx), (xy, xx)


ROTATED_17_DEG_SHEARED_2_PERCENT = rotated_and_sheared(1.0, 17.0, 0.02)


@dataclass(frozen=True)
class Heterogeneity:
    """How tau varies over the specimen (docs/methods/simulator.md)."""

    sigma_ln_tau: float = 0.0
    """Standard deviation of ln tau; 0: tau is the same everywhere, and there are no slow domains."""
    length_nm: float = 3.0
    """FWHM of its correlation."""

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_ln_tau <= 1:
            raise ValueError(f"sigma_ln_tau must be in [0, 1], got {self.sigma_ln_tau}")
        if not self.length_nm > 0:
            raise ValueError(f"length_nm must be > 0, got {self.length_nm}")


@dataclass(frozen=True)
class WorldSpec:
    """The numbers of a simulated experiment. Defaults: the paper's in-situ records on a small frame."""

    cameras: tuple[CameraSpec, ...] = (CameraSpec(),)
    """One of them, and only one, sees images."""

    aperture_per_nm: float = 0.726
    """Radius of the objective aperture as a spatial frequency (10 um at 3.5 mm focal length, 300 kV)."""

    dose_rate_e_per_nm2_s: float = 4.4e5
    """On the specimen, as long as no optics are set that say otherwise."""
    dark_field_fraction: float = 2.5e-3
    """Share of the beam that a dark-field image collects."""

    contrast: float = 0.1
    """g2(0) - 1 before the camera."""
    heterogeneity: Heterogeneity = Heterogeneity()

    initial_temperature_K: float = 25.0 + ZERO_DEGC_K
    sensor_noise_K: float = 0.05
    overshoot_K: float = 0.8
    """Overshoot after a ramp of 25 K or more; less after a smaller one."""

    thermal_drifts: tuple[ThermalDrift, ...] = (
        ThermalDrift(1.0, 40.0, 35.0),
        ThermalDrift(3.0, 600.0, 110.0),
    )
    walk_nm_per_sqrt_s: float = 0.02
    """Random walk of the specimen, rms per axis."""

    vibration_nm: float = 0.03
    """Displacement of each exposure, rms per axis."""

    image_shift_matrix: Matrix = ROTATED_17_DEG_SHEARED_2_PERCENT
    """Displacement of the image in nm per nm of commanded shift, both (y, x)."""

    shift_range_nm: float = 1000.0
    shift_quantum_nm: float = 0.02
    shift_play_nm: float = 0.0
    """Backlash: how far a shift must turn back until the image follows."""

    high_tension_kV: float = 300.0
    regions: int = 200
    """Places on the specimen that are thin enough."""
    beam_radius_nm: float = 100.0
    thickness: tuple[float, float] = (0.6, 1.0)
    """Of the thinnest and the thickest place, in inelastic mean free paths."""

    faults: tuple[TimedFault, ...] = ()
    """What goes wrong, and when."""

    def __post_init__(self) -> None:
        if not 0 < self.contrast <= 1:
            raise ValueError(f"contrast must be in (0, 1], got {self.contrast}")
        kinds = [camera.kind for camera in self.cameras]
        if kinds.count("imaging") != 1:
            raise ValueError(f"cameras: a world has one imaging camera, got {kinds.count('imaging')}")
        if len({camera.name for camera in self.cameras}) != len(kinds):
            raise ValueError(f"cameras: names must differ, got {[camera.name for camera in self.cameras]}")

    @property
    def imaging(self) -> CameraSpec:
        """The camera that sees images."""
        return next(camera for camera in self.cameras if camera.kind == "imaging")

    @property
    def pixel_nm(self) -> float:
        """Size of a pixel of the imaging camera on the specimen."""
        pixel_nm = self.imaging.pixel_nm
        if pixel_nm is None:
            raise ValueError(f"camera {self.imaging.name}: an imaging camera needs pixel_nm")
        return pixel_nm

    def electrons_per_px(self, exposure_s: float, dose_rate_e_per_nm2_s: float | None = None) -> float:
        """Return the expected electrons per pixel of an image, at a dose rate (default: the spec's)."""
        rate = self.dose_rate_e_per_nm2_s if dose_rate_e_per_nm2_s is None else dose_rate_e_per_nm2_s
        return rate * exposure_s * self.pixel_nm**2 * self.dark_field_fraction
