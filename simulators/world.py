"""One seeded world: a glass on a heated chip, a beam, and what a camera would see of it."""

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.fft

from annealscope.analysis.speckle import intensity, pupil
from annealscope.drivers.clock import Clock
from annealscope.simulators.course import Course, ThermalDrift
from annealscope.simulators.field import SpeckleField
from annealscope.simulators.glass import ZERO_DEGC_K, Glass
from annealscope.simulators.random_streams import microseconds, stream
from annealscope.simulators.sensor import Sensor
from annealscope.simulators.temperature import Chip

FloatArray = npt.NDArray[np.float64]
T = TypeVar("T")
Matrix = tuple[tuple[float, float], tuple[float, float]]

SENSOR_RATE_HZ = 10
"""Measurements of the temperature per second."""

CHANGES_KEPT = 256
"""Changes of shift or blanker remembered, for exposures that are rendered late."""

FIELD_MARGIN_PX = 32
BLUR_FROM_NM = 0.1
"""Motion during an exposure beyond which it is rendered at several positions."""

MOST_POSITIONS = 16


def rotated_and_sheared(scale: float, rotation_deg: float, shear: float) -> Matrix:
    """Return scale * rotation * (1 + shear of y by x), acting on (y, x)."""
    angle = math.radians(rotation_deg)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    (yy, yx), (xy, xx) = (scale * rotation @ np.array([[1.0, shear], [0.0, 1.0]])).tolist()
    return (yy, yx), (xy, xx)


ROTATED_17_DEG_SHEARED_2_PERCENT = rotated_and_sheared(1.0, 17.0, 0.02)


@dataclass(frozen=True)
class WorldSpec:
    """The numbers of a simulated experiment. Defaults: the paper's in-situ records on a small frame."""

    frame_shape: tuple[int, int] = (128, 128)
    """Pixels (ny, nx)."""

    pixel_nm: float = 0.1647
    aperture_per_nm: float = 0.726
    """Radius of the objective aperture as a spatial frequency (10 um at 3.5 mm focal length, 300 kV)."""

    dose_rate_e_per_nm2_s: float = 4.4e5
    dark_field_fraction: float = 2.5e-3
    """Share of the beam that a dark-field image collects."""

    contrast: float = 0.1
    """g2(0) - 1 before the camera."""

    gain_counts_per_e: float = 10.0
    offset_counts: float = 100.0
    read_noise_e: float = 2.0
    mtf_half_nyquist: float = 0.35
    """Modulation transfer at half the Nyquist frequency."""

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

    def __post_init__(self) -> None:
        if not 0 < self.contrast <= 1:
            raise ValueError(f"contrast must be in (0, 1], got {self.contrast}")
        if not 0 < self.mtf_half_nyquist <= 1:
            raise ValueError(f"mtf_half_nyquist must be in (0, 1], got {self.mtf_half_nyquist}")
        if min(self.frame_shape) < 16:
            raise ValueError(f"frame_shape must be at least 16 pixels each way, got {self.frame_shape}")

    def electrons_per_px(self, exposure_s: float) -> float:
        """Return the expected electrons per pixel of one exposure."""
        return self.dose_rate_e_per_nm2_s * exposure_s * self.pixel_nm**2 * self.dark_field_fraction


class Steps(Generic[T]):
    """A value that changes at instants; remembers the last changes only."""

    def __init__(self, value: T) -> None:
        self._changes: tuple[tuple[float, T], ...] = ((-math.inf, value),)

    def set(self, t_s: float, value: T) -> None:
        """Change the value from a time on."""
        self._changes = (*self._changes[1 - CHANGES_KEPT :], (t_s, value))

    def at(self, t_s: float) -> T:
        """Return the value at a time, or the oldest one remembered."""
        return next(
            (value for since_s, value in reversed(self._changes) if since_s <= t_s), self._changes[0][1]
        )

    @property
    def newest(self) -> T:
        """The value from now on."""
        return self._changes[-1][1]


class World:
    """Everything the simulated devices share; they are thin views of it.

    Noise is a function of the seed and of time, never of who asked before. Frames must be asked for in the
    order of their exposures.

    Parameters
    ----------
    spec
        The experiment.
    glass
        The specimen.
    clock
        The run's clock.
    seed
        Same seed, same world.
    """

    def __init__(self, spec: WorldSpec, glass: Glass, clock: Clock, seed: int) -> None:
        self.spec = spec
        self.clock = clock
        self.chip = Chip(spec.initial_temperature_K, spec.overshoot_K)
        self._glass = glass
        self._seed = seed
        self._course = Course(
            self.chip.temperature_K,
            lambda temperature_K: 1.0 / glass.tau_s(temperature_K, spec.dose_rate_e_per_nm2_s),
            spec.thermal_drifts,
            spec.walk_nm_per_sqrt_s,
            seed,
        )
        self._shift_nm = Steps((0.0, 0.0))
        self._blanked = Steps(True)
        self._sensor = Sensor(
            spec.frame_shape,
            spec.gain_counts_per_e,
            spec.offset_counts,
            spec.read_noise_e,
            spec.mtf_half_nyquist,
        )
        self._pupil = pupil(self._field_shape(), spec.aperture_per_nm * spec.pixel_nm)
        self._regions = 0
        self.fresh_region()

    def truth(self, temperature_K: float) -> tuple[float, float]:
        """Return the planted (tau_s, beta) at a temperature and the dose rate of the spec."""
        tau_s = self._glass.tau_s(temperature_K, self.spec.dose_rate_e_per_nm2_s)
        return float(tau_s), float(self._glass.beta(temperature_K))

    def path_nm(self, t_s: float) -> FloatArray:
        """Return the planted drift (y, x) in nm since 0. Raises ValueError for a time to come."""
        if t_s > self.clock.monotonic() + 1e-6:
            raise ValueError(f"the drift at {t_s} s is not known yet: it is {self.clock.monotonic()} s")
        return self._course.path_nm(t_s)

    def read_temperature(self) -> tuple[float, float]:
        """Return the newest (measured temperature in K, time of measurement in s)."""
        now_s = self.clock.monotonic()
        tick = math.floor(now_s * SENSOR_RATE_HZ)
        t_s = min(tick / SENSOR_RATE_HZ, now_s)
        noise = stream(self._seed, "holder/sensor", tick).standard_normal() * self.spec.sensor_noise_K
        return float(self.chip.temperature_K(t_s)) + float(noise), t_s

    def fresh_region(self) -> None:
        """Move to a region of the specimen that nobody has seen."""
        self._field = SpeckleField(self._pupil, stream(self._seed, "region", self._regions))
        self._field_time = 0.0
        self._regions += 1

    def blank(self, on: bool) -> None:
        """Blank or unblank the beam."""
        self._blanked.set(self.clock.monotonic(), on)

    @property
    def blanked(self) -> bool:
        """Whether the beam is blanked."""
        return self._blanked.newest

    def shift_image(self, shift_nm: tuple[float, float]) -> None:
        """Set the absolute image shift (y, x) for exposures that begin from now on; quantised."""
        quantum = self.spec.shift_quantum_nm
        y, x = (round(value / quantum) * quantum if quantum else value for value in shift_nm)
        self._shift_nm.set(self.clock.monotonic(), (y, x))

    @property
    def shift_nm(self) -> tuple[float, float]:
        """The image shift (y, x) that the next exposure will have."""
        return self._shift_nm.newest

    def expose(self, t_start_s: float, exposure_s: float, camera: str = "camera") -> npt.NDArray[np.uint16]:
        """Return the frame of an exposure that is over; raw counts of `WorldSpec.frame_shape`."""
        rng = stream(self._seed, f"{camera}/noise", microseconds(t_start_s))
        if self._blanked.at(t_start_s):
            return self._sensor.dark(rng)
        image = self._blurred_intensity(t_start_s, exposure_s)
        image *= np.float32(self.spec.electrons_per_px(exposure_s))
        return self._sensor.record(image, rng)

    def displacement_nm(self, t_s: float, t_start_s: float) -> FloatArray:
        """Return how far the image has moved (y, x) at a time within the exposure begun at ``t_start_s``."""
        rng = stream(self._seed, "vibration", microseconds(t_start_s))
        vibration = rng.standard_normal(2) * self.spec.vibration_nm
        shift = np.array(self.spec.image_shift_matrix) @ self._shift_nm.at(t_start_s)
        return np.asarray(self.path_nm(t_s) + vibration + shift)

    def _blurred_intensity(self, t_start_s: float, exposure_s: float) -> npt.NDArray[np.float32]:
        modes = self._modes_at(t_start_s + exposure_s / 2)
        positions_px = self._positions_px(t_start_s, exposure_s)
        image = np.zeros(self._sensor.wide_shape, dtype=np.float32)
        for y, x in positions_px.tolist():
            image += intensity(self._field.render(modes, (y, x), image.shape), self.spec.contrast)
        return image / np.float32(len(positions_px))

    def _modes_at(self, t_s: float) -> npt.NDArray[np.complex64]:
        """Let the field live until a time; an earlier time than the last sees the field as it was left."""
        target = self._course.material_time(t_s)
        step = max(target - self._field_time, 0.0)
        self._field.advance(step, stream(self._seed, "field", microseconds(t_s)))
        self._field_time += step
        return self._field.modes(float(self._glass.beta(self.chip.temperature_K(t_s))))

    def _positions_px(self, t_start_s: float, exposure_s: float) -> FloatArray:
        """Return the displacements to average over, shape (n, 2): one, or several when the image moves."""
        travel = self.path_nm(t_start_s + exposure_s) - self.path_nm(t_start_s)
        travel_nm = float(np.hypot(*travel))
        n = (
            1
            if travel_nm <= BLUR_FROM_NM
            else min(max(4, math.ceil(travel_nm / BLUR_FROM_NM)), MOST_POSITIONS)
        )
        times_s = t_start_s + (np.arange(n) + 0.5) / n * exposure_s
        return np.array([self.displacement_nm(t, t_start_s) for t in times_s.tolist()]) / self.spec.pixel_nm

    def _field_shape(self) -> tuple[int, int]:
        """Period of the field: wider than the frame, so that what drifts out does not come back at once."""
        ny, nx = (scipy.fft.next_fast_len(n + 2 * FIELD_MARGIN_PX) for n in self.spec.frame_shape)
        return ny, nx
