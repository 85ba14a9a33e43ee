"""One seeded world: a glass on a heated chip, and a beam on it."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import scipy.fft

from annealscope.analysis.speckle import ComplexArray, pupil
from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Optics, Region
from annealscope.simulators.course import Course
from annealscope.simulators.field import SpeckleField
from annealscope.simulators.glass import Glass, State
from annealscope.simulators.mapped_field import MappedField
from annealscope.simulators.random_streams import microseconds, stream
from annealscope.simulators.specimen import HeatRecord, Regions
from annealscope.simulators.steps import Steps
from annealscope.simulators.tau_map import draw_tau_map
from annealscope.simulators.temperature import Chip, FollowedChip
from annealscope.simulators.timed_faults import FaultKind, happens
from annealscope.simulators.truth import ecm_truth
from annealscope.simulators.world_spec import WorldSpec

FloatArray = npt.NDArray[np.float64]

SENSOR_RATE_HZ = 10
"""Measurements of the temperature per second."""

INSTANT_S = 1e-6
FIELD_MARGIN_PX = 32


class World:
    """Everything the simulated devices and cameras share; they are thin views of it.

    Noise is a function of the seed and of time, never of who asked before. Frames must be asked for in the
    order of their exposures.

    Parameters
    ----------
    spec
        The experiment.
    glass
        How the specimen relaxes.
    clock
        The run's clock.
    seed
        Same seed, same world.
    state
        What the specimen is; `glass` must be of the same.
    followed
        The chip that the specimen lies on, when another process heats it; None: the world's own.
    """

    def __init__(
        self,
        spec: WorldSpec,
        glass: Glass,
        clock: Clock,
        seed: int,
        state: State = "as-cast",
        followed: FollowedChip | None = None,
    ) -> None:
        self.spec = spec
        self.glass = glass
        self.clock = clock
        self.seed = seed
        self.state: State = state
        self.chip = Chip(spec.initial_temperature_K, spec.overshoot_K)
        self._under_specimen = followed or self.chip
        self._heat = HeatRecord(glass.temperature_K)
        self._course = Course(
            self._under_specimen.temperature_K,
            self._rates_per_s,
            spec.thermal_drifts,
            spec.walk_nm_per_sqrt_s,
            seed,
        )
        self._shift_nm = Steps((0.0, 0.0))
        self._acting_shift_nm = Steps((0.0, 0.0))
        self._blanked = Steps(True)
        self._optics: Steps[Optics | None] = Steps(None)
        self._pupil = pupil(_field_shape(spec.imaging.shape), spec.aperture_per_nm * spec.pixel_nm)
        self._regions = Regions(spec.regions, spec.beam_radius_nm, spec.thickness, seed)
        self._region = Steps(self._regions.fresh(None))
        self._continued = 0
        self._begin_field(self._region.newest)

    # --- the specimen

    def temperature_K(self, t_s: float) -> float:
        """Return the true temperature."""
        return float(self._under_specimen.temperature_K(t_s))

    def read_temperature(self) -> tuple[float, float]:
        """Return the newest (measured temperature in K, time of measurement in s)."""
        now_s = self.clock.monotonic()
        tick = math.floor(now_s * SENSOR_RATE_HZ)
        t_s = min(tick / SENSOR_RATE_HZ, now_s)
        if self.suffers("sensor", now_s):
            return math.nan, t_s
        noise = stream(self.seed, "holder/sensor", tick).standard_normal() * self.spec.sensor_noise_K
        return self.temperature_K(t_s) + float(noise), t_s

    def path_nm(self, t_s: float) -> FloatArray:
        """Return the planted drift (y, x) in nm since 0. Raises ValueError for a time to come."""
        if t_s > self.clock.monotonic() + INSTANT_S:
            raise ValueError(f"the drift at {t_s} s is not known yet: it is {self.clock.monotonic()} s")
        return self._course.path_nm(t_s)

    def ages_s(self) -> FloatArray:
        """Return the time spent so far at each temperature of the glass's table or above."""
        self._course.material_time(self.clock.monotonic())
        return self._heat.ages_s.copy()

    def _rates_per_s(self, t_s: FloatArray, temperature_K: FloatArray) -> FloatArray:
        # What was set before each second began, so that it does not matter who asked first in this instant.
        dose_rates = np.array([self.dose_rate_at(t - INSTANT_S) for t in t_s.tolist()])
        return 1.0 / self.glass.tau_s(temperature_K, dose_rates, self._heat.extend(temperature_K))

    # --- the column

    def blank(self, on: bool) -> None:
        """Blank or unblank the beam."""
        self._blanked.set(self.clock.monotonic(), on)

    @property
    def blanked(self) -> bool:
        """Whether the beam is blanked."""
        return self._blanked.newest

    def blanked_at(self, t_s: float) -> bool:
        """Say whether no beam was on the specimen: it was blanked, or there was none."""
        return self._blanked.at(t_s) or self.suffers("beam", t_s) or self.suffers("valves", t_s)

    def suffers(self, what: FaultKind, t_s: float) -> bool:
        """Say whether something goes wrong at a time."""
        return happens(self.spec.faults, what, t_s)

    def set_optics(self, optics: Optics) -> None:
        """Set the state of the column from now on."""
        self._optics.set(self.clock.monotonic(), optics)

    def optics_at(self, t_s: float) -> Optics | None:
        """Return the state of the column; None before anybody has set it."""
        return self._optics.at(t_s)

    def dose_rate_at(self, t_s: float) -> float:
        """Return the electrons per nm^2 and s on the specimen while it is exposed."""
        optics = self._optics.at(t_s)
        rate = None if optics is None else optics.dose_rate_per_nm2_s
        return self.spec.dose_rate_e_per_nm2_s if rate is None else rate

    def shift_image(self, shift_nm: tuple[float, float]) -> None:
        """Set the absolute image shift (y, x) for exposures that begin from now on; quantised."""
        quantum, now_s = self.spec.shift_quantum_nm, self.clock.monotonic()
        y, x = (round(value / quantum) * quantum if quantum else value for value in shift_nm)
        self._shift_nm.set(now_s, (y, x))
        play = self.spec.shift_play_nm / 2
        behind_y, behind_x = self._acting_shift_nm.newest
        followed = (min(max(behind_y, y - play), y + play), min(max(behind_x, x - play), x + play))
        self._acting_shift_nm.set(now_s, followed)

    @property
    def shift_nm(self) -> tuple[float, float]:
        """The image shift (y, x) that was asked for last."""
        return self._shift_nm.newest

    def displacement_nm(self, t_s: float, t_start_s: float) -> FloatArray:
        """Return how far the image has moved (y, x) at a time within the exposure begun at ``t_start_s``."""
        rng = stream(self.seed, "vibration", microseconds(t_start_s))
        vibration = rng.standard_normal(2) * self.spec.vibration_nm
        shift = np.array(self.spec.image_shift_matrix) @ self._acting_shift_nm.at(t_start_s)
        return np.asarray(self.path_nm(t_s) + vibration + shift)

    # --- places on the specimen

    def fresh_region(self, thickness: tuple[float, float] | None = None) -> Region:
        """Move to a place that nobody has seen. Raises DeviceError when there is none of this thickness."""
        region = self._regions.fresh(thickness)
        self._region.set(self.clock.monotonic(), region)
        return region

    def region_at(self, t_s: float) -> Region:
        """Return the place in the beam."""
        return self._region.at(t_s)

    def field_at(self, t_s: float, region: Region) -> tuple[SpeckleField | MappedField, ComplexArray]:
        """Let the field of a place live until a time; returns it with the amplitudes of its modes.

        An earlier time than the last sees the field as it was left.
        """
        if region != self._field_region:
            self._begin_field(region)
        target, temperature_K = self._course.material_time(t_s), self.temperature_K(t_s)
        step = max(target - self._field_time, 0.0)
        self._field.advance(step, stream(self.seed, "field", microseconds(t_s)), self._fade(temperature_K))
        self._field_time += step
        return self._field, self._field.modes(float(self.glass.beta(temperature_K)))

    def _begin_field(self, region: Region) -> None:
        rng = self._stream("region", region)
        self._field: SpeckleField | MappedField
        if self.spec.heterogeneity.sigma_ln_tau > 0:
            tau_map = draw_tau_map(
                self._pupil.shape, self.spec, self.glass.slow_domains, self._stream("tau map", region)
            )
            self._field = MappedField(self._pupil, tau_map, rng)
        else:
            self._field = SpeckleField(self._pupil, rng)
        self._field_region = region
        self._field_time = 0.0

    def _stream(self, purpose: str, region: Region) -> np.random.Generator:
        again = f"/continued {self._continued}" if self._continued else ""
        return stream(self.seed, purpose + again, region.number - 1)

    def _fade(self, temperature_K: float) -> float:
        domains = self.glass.slow_domains
        return 0.0 if domains is None else domains.fade(temperature_K)

    # --- what it was

    def truth_ecm(self, t_start_s: float, duration_s: float) -> dict[str, float]:
        """Return what an unbiased analysis of a movie of the present region should find.

        The temperature is that of the middle of the record as far as it is commanded now.

        Returns
        -------
        ``tau_s`` and ``beta`` of the image average at mid-record, the median ``tau_median_s`` over the frame
        and the standard deviation ``sigma_ln_tau``, and ``ln_slope``, by which ln tau grows from the
        beginning to the end of the record.
        """
        tau_s = [self._tau_to_come_s(t_start_s + part * duration_s) for part in (0.0, 0.5, 1.0)]
        temperature_K = self.temperature_K(t_start_s + duration_s / 2)
        beta = float(self.glass.beta(temperature_K))
        ln_slope = math.log(tau_s[2] / tau_s[0])
        return ecm_truth(tau_s[1], beta, ln_slope, self._ln_tau_in_frame(temperature_K))

    def _tau_to_come_s(self, t_s: float) -> float:
        now_s, temperature_K = self.clock.monotonic(), self.temperature_K(t_s)
        ages_s = self.ages_s() + (t_s - now_s) * self._heat.ageing(temperature_K)
        return float(self.glass.tau_s(temperature_K, self.dose_rate_at(now_s), ages_s))

    def _ln_tau_in_frame(self, temperature_K: float) -> FloatArray:
        """Return how far ln tau is from its median law, at points of the frame as it lies now; shape (n,)."""
        now_s = self.clock.monotonic()
        if self._field_region != self.region_at(now_s):
            self._begin_field(self.region_at(now_s))
        if isinstance(self._field, SpeckleField):
            return np.zeros(1)
        displacement_px = self.displacement_nm(now_s, now_s) / self.spec.pixel_nm
        return self._field.tau_map.in_frame(
            self._fade(temperature_K), self._pupil.shape, self.spec.imaging.shape, displacement_px
        )

    # --- another day

    def ages_of_s(self, t_s: FloatArray, temperature_K: FloatArray) -> FloatArray:
        """Return the time at each temperature of the glass's table, or above, by readings (n,) at times."""
        return self._heat.age_of(t_s, temperature_K)

    def restore(self, ages_s: FloatArray, places_nm: Iterable[tuple[float, float]], continued: int) -> None:
        """Go on with the specimen of an earlier process.

        The chip is as cold as its surroundings, and the speckle is another one.

        Parameters
        ----------
        ages_s
            Time that it has spent at each temperature, see `ages_of_s`.
        places_nm
            Positions (y, x) of the places that have seen the beam beside the first one, in this order.
        continued
            How many processes there were before.

        Raises
        ------
        ValueError
            When this is not the description of such a specimen; nothing has changed then.
        """
        self._course.material_time(self.clock.monotonic())
        if np.shape(ages_s) != self._heat.ages_s.shape:
            raise ValueError(f"ages_s must be {len(self._heat.ages_s)} times, got {ages_s}")
        self._regions.revisit(places_nm)
        self._heat.ages_s = np.array(ages_s, dtype=np.float64)
        self._continued = continued
        region = self._regions.last()
        self._region.set(self.clock.monotonic(), region)
        self._begin_field(region)


def _field_shape(frame_shape: tuple[int, int]) -> tuple[int, int]:
    """Period of the field: wider than the frame, so that what drifts out does not come back at once."""
    ny, nx = (scipy.fft.next_fast_len(n + 2 * FIELD_MARGIN_PX) for n in frame_shape)
    return ny, nx
