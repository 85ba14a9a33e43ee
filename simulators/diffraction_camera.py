"""Where k lies on a diffraction camera, what the beam stop hides, and how bright a glass is on average."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from annealscope.simulators.camera_spec import CameraSpec
from annealscope.simulators.glass import paper_numbers
from annealscope.simulators.sensor import EDGE_PX, FloatImage, Sensor

ELECTRON_PC = 1.602176634e-7
"""Charge of an electron in pC."""

TABLE_STEP_PER_NM = 0.002
"""Functions of k are tabulated at this distance: a fraction of a pixel."""


@dataclass(frozen=True)
class BeamStop:
    """A disc on the direct beam, held by an arm that reaches the edge of the frame."""

    radius_per_nm: float
    arm_width_per_nm: float
    arm_direction_deg: float
    """From +x towards +y."""


@dataclass(frozen=True)
class Ring:
    """A Gaussian ring of the mean pattern."""

    position_per_nm: float
    width_per_nm: float
    height: float


@dataclass(frozen=True)
class MeanPattern:
    """The mean intensity of a glass against k, and how far a pattern wanders on the camera."""

    diffuse_height: float
    diffuse_decay_per_nm: float
    rings: tuple[Ring, ...]
    floor: float
    reach_per_nm: float
    """No electron goes farther."""
    scattered_fraction: float
    """Of the beam, into this pattern."""
    centre_jitter_per_nm: float
    """From pattern to pattern, rms per axis."""
    beam_stop: BeamStop

    def profile(self, k_per_nm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the electrons scattered into 1/nm^2 at k, for one electron of the beam."""
        k, step = np.linspace(0.0, self.reach_per_nm, 4097, retstep=True)
        total = step * np.sum(2 * np.pi * k * self._shape(k))
        return np.asarray(self._shape(k_per_nm) * (self.scattered_fraction / total))

    def _shape(self, k: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        shape = self.diffuse_height * np.exp(-k / self.diffuse_decay_per_nm) + self.floor
        for ring in self.rings:
            shape += ring.height * np.exp(-0.5 * ((k - ring.position_per_nm) / ring.width_per_nm) ** 2)
        return np.asarray(np.where(k <= self.reach_per_nm, shape, 0.0))


def load_mean_pattern(name_or_path: str | Path = "amz4_paper") -> MeanPattern:
    """Make a `MeanPattern` from the section ``model`` of a file of published numbers."""
    model = paper_numbers(name_or_path)["model"]["mean_pattern"]
    return MeanPattern(
        diffuse_height=model["diffuse"]["height"],
        diffuse_decay_per_nm=model["diffuse"]["decay_per_nm"],
        rings=tuple(Ring(**ring) for ring in model["rings"]),
        floor=model["floor"],
        reach_per_nm=model["reach_per_nm"],
        scattered_fraction=model["scattered_fraction"],
        centre_jitter_per_nm=model["centre_jitter_per_nm"],
        beam_stop=BeamStop(**model["beam_stop"]),
    )


@dataclass(frozen=True)
class Screen:
    """The pixels that a sensor wants electrons for, in k.

    Parameters
    ----------
    sensor
        Whose wide frame it is.
    pixel_per_nm
        Size of a pixel; of the geometric mean of both axes where rings are elliptic.
    ellipse
        (long over short axis of a ring, angle in degrees of the long one from +x towards +y).
    """

    sensor: Sensor
    pixel_per_nm: float
    ellipse: tuple[float, float] = (1.0, 0.0)

    def k_per_nm(self, centre_per_nm: npt.NDArray[np.float64]) -> FloatImage:
        """Return k of every pixel of the wide frame, for a pattern centred (y, x) off the middle."""
        (along_y, along_x), (yy, xy, xx) = self._axes, self._metric
        y = along_y - np.float32(centre_per_nm[0])
        x = along_x - np.float32(centre_per_nm[1])
        squared = (xy * y)[:, None] * x
        squared += (yy * y**2)[:, None]
        squared += xx * x**2
        return np.asarray(np.sqrt(squared, out=squared))

    def stopped(self, stop: BeamStop) -> npt.NDArray[np.bool_]:
        """Return the pixels that no electron reaches: a stop stands still when the pattern moves."""
        y, x = (axis.astype(float) for axis in self._axes)
        direction = math.radians(stop.arm_direction_deg)
        along = y[:, None] * math.sin(direction) + x * math.cos(direction)
        across = y[:, None] * math.cos(direction) - x * math.sin(direction)
        arm = (np.abs(across) <= stop.arm_width_per_nm / 2) & (along >= 0)
        return np.asarray(arm | (np.hypot(y[:, None], x) <= stop.radius_per_nm))

    def azimuth_rad(self) -> FloatImage:
        """Return the angle of every pixel of the wide frame around its middle, from +x towards +y."""
        y, x = self._axes
        return np.asarray(np.arctan2(y[:, None], x[None, :]))

    @cached_property
    def _axes(self) -> tuple[FloatImage, FloatImage]:
        y, x = (
            ((np.arange(wide) - EDGE_PX - (n - 1) / 2) * self.pixel_per_nm).astype(np.float32)
            for n, wide in zip(self.sensor.shape, self.sensor.wide_shape, strict=True)
        )
        return y, x

    @cached_property
    def _metric(self) -> tuple[np.float32, np.float32, np.float32]:
        """Coefficients of y^2, x y and x^2 in k^2."""
        ratio, angle_deg = self.ellipse
        cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        return (
            np.float32(sine**2 / ratio + cosine**2 * ratio),
            np.float32(2 * sine * cosine * (1 / ratio - ratio)),
            np.float32(cosine**2 / ratio + sine**2 * ratio),
        )


def table(values_of_k: npt.NDArray[np.float64], k_per_nm: FloatImage) -> FloatImage:
    """Look a function of k up that is tabulated at `table_k`."""
    place = np.rint(k_per_nm * np.float32(1 / TABLE_STEP_PER_NM)).astype(np.int32)
    return np.asarray(np.take(values_of_k.astype(np.float32), place, mode="clip"))


def table_k(reach_per_nm: float) -> npt.NDArray[np.float64]:
    """Return the k that `table` wants a function at, from 0 to a step beyond the reach."""
    return np.asarray(np.arange(math.ceil(reach_per_nm / TABLE_STEP_PER_NM) + 2) * TABLE_STEP_PER_NM)


def sensor_of(camera: CameraSpec) -> Sensor:
    """Return the sensor of a camera."""
    return Sensor(
        camera.shape,
        camera.gain_counts_per_e,
        camera.offset_counts,
        camera.read_noise_e,
        camera.mtf_half_nyquist,
    )
