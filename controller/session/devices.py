"""From a rig file to the devices of a run: the one place that knows drivers by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from annealscope.controller.config.quantities import ROOM_K
from annealscope.controller.config.rig import CameraConfig, RigConfig, Simulation
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import Journal
from annealscope.controller.planning import AcquireStep
from annealscope.controller.session.guarding import GuardHost
from annealscope.drivers.clock import Clock
from annealscope.drivers.envelope import Envelope
from annealscope.drivers.interfaces import Camera, Holder, Microscope, Reading
from annealscope.drivers.registry import factories
from annealscope.simulators import TimedFault, WorldSpec, simulated_rig
from annealscope.simulators.by_hand import SimulatedHandSetHolder
from annealscope.simulators.camera_spec import CameraFaults, CameraSpec
from annealscope.simulators.devices import SimulatedHolder
from annealscope.simulators.glass import State
from annealscope.simulators.nanobeam import truth_fem
from annealscope.simulators.patterns import PatternSpec
from annealscope.simulators.temperature import FollowedChip
from annealscope.simulators.world import World
from annealscope.simulators.world_spec import Heterogeneity

SIMULATED = "simulated"


@dataclass(frozen=True)
class Devices:
    """The devices of a run."""

    heater: Holder | GuardHost
    """The holder, or whoever brings it together with its guard."""
    microscope: Microscope
    cameras: Mapping[str, Camera]
    world: World | None = None
    """What is behind them, when they are simulated: it knows the truth."""

    @property
    def holder(self) -> Holder:
        """The holder; one that has a guard is there once that was started."""
        return self.heater.holder if isinstance(self.heater, GuardHost) else self.heater

    def start(self, journal: Journal) -> None:
        """Start the guard of a holder that has one. Raises RunError."""
        if isinstance(self.heater, GuardHost):
            self.heater.start(journal)

    def leave(self) -> str:
        """See the guard end; return what is left to say about the heater: nothing, when it is off."""
        return self.heater.leave() if isinstance(self.heater, GuardHost) else ""

    def truth(self, step: AcquireStep, t_start_s: float) -> dict[str, float] | None:
        """Return what a perfect analysis of an acquisition would find; None for a real specimen."""
        if self.world is None or step.hold == 0 or step.method == "diffraction":
            return None
        if step.method == "ecm":
            return self.world.truth_ecm(t_start_s, step.frames * step.period_s)
        probe_nm = step.setup.optics.probe_nm if step.setup.optics else None
        return None if probe_nm is None else truth_fem(self.world, probe_nm, t_start_s)


def make_devices(
    rig: RigConfig, clock: Clock, seed: int, state: str = "as-cast", host: GuardHost | None = None
) -> Devices:
    """Make the devices that a rig names; nothing is opened yet.

    Parameters
    ----------
    rig
        The laboratory.
    clock
        The run's clock.
    seed
        Of the simulated world.
    state
        Of the specimen, as the protocol says; a simulated one that is not annealed is as cast.
    host
        Of a holder that has a guard.

    Raises
    ------
    RunError
        For a driver that nobody has.
    """
    _check_drivers(rig)
    simulated = simulated_rig(
        world_spec(rig),
        clock=clock,
        seed=seed,
        glass=_simulation(rig).material,
        state=_state(state),
        patterns=_patterns(rig),
        followed=None if host is None else _followed(host),
    )
    holder = _holder(rig, simulated.holder, clock) if host is None else host
    return Devices(holder, simulated.microscope, simulated.cameras, simulated.world)


def _holder(rig: RigConfig, holder: SimulatedHolder, clock: Clock) -> Holder:
    """Return the holder as the program sees it: as one that it sets, or that it asks the operator to set."""
    if rig.holder.set_by == "annealscope":
        return holder
    limits = rig.envelope
    envelope = Envelope(
        limits.max_temperature_K, limits.max_heating_rate_K_per_s, limits.max_cooling_rate_K_per_s
    )
    return SimulatedHandSetHolder(holder, clock, envelope)


def _followed(host: GuardHost) -> FollowedChip:
    """Return a chip under the simulated specimen that has the temperature of a holder with a guard."""
    chip = FollowedChip(ROOM_K)

    def follow(readings: Mapping[str, Reading]) -> None:
        chip.follow(readings["temperature"].t_s, readings["temperature"].value)

    host.heard = follow
    return chip


def _state(state: str) -> State:
    return "annealed" if state == "annealed" else "as-cast"


def _simulation(rig: RigConfig) -> Simulation:
    if rig.simulation is None:
        message = f"rig {rig.name}: simulated devices need a `simulation:` section, as in protocols/rigs"
        raise RunError(message, ExitCode.INVALID_INPUT)
    return rig.simulation


def _check_drivers(rig: RigConfig) -> None:
    asked = {"holder": rig.holder.driver, "microscope": rig.microscope.driver}
    asked |= {f"cameras.{name}": camera.driver for name, camera in rig.cameras.items()}
    hosted = factories("annealscope.holders")
    for place, driver in asked.items():
        known = [SIMULATED, *hosted] if place == "holder" else [SIMULATED]
        if driver not in known:
            message = (
                f"rig {rig.name}: {place}.driver: there is no driver {driver!r}; known: {', '.join(known)}"
            )
            raise RunError(message, ExitCode.DEVICE)
    imaging = [name for name, camera in rig.cameras.items() if camera.kind == "imaging"]
    if len(imaging) != 1:
        message = f"rig {rig.name}: cameras: a simulated rig has one imaging camera, this has {len(imaging)}"
        raise RunError(message, ExitCode.INVALID_INPUT)


def world_spec(rig: RigConfig) -> WorldSpec:
    """Return the simulated experiment that a rig file describes. Raises RunError for a rig without one."""
    simulation = _simulation(rig)
    heterogeneity = simulation.heterogeneity
    return WorldSpec(
        cameras=tuple(_camera_spec(name, camera, simulation) for name, camera in rig.cameras.items()),
        aperture_per_nm=rig.microscope.aperture_per_nm,
        dose_rate_e_per_nm2_s=simulation.dose_rate_per_nm2_s,
        dark_field_fraction=simulation.dark_field_fraction,
        contrast=simulation.contrast,
        heterogeneity=(
            Heterogeneity(heterogeneity.sigma, heterogeneity.length_nm) if heterogeneity else Heterogeneity()
        ),
        overshoot_K=simulation.overshoot_K,
        walk_nm_per_sqrt_s=simulation.walk_nm,
        vibration_nm=simulation.vibration_nm,
        image_shift_matrix=rig.calibration.image_shift_matrix,
        shift_range_nm=rig.calibration.image_shift_range_nm,
        faults=tuple(TimedFault(fault.what, fault.at_s, fault.for_s) for fault in simulation.faults),
    )


def _camera_spec(name: str, camera: CameraConfig, simulation: Simulation) -> CameraSpec:
    faults = simulation.camera_faults
    return CameraSpec(
        name=name,
        kind="imaging" if camera.kind == "imaging" else "diffraction",
        shape=camera.shape,
        pixel_nm=camera.pixel_nm,
        pixel_per_nm=camera.pixel_per_nm,
        gain_counts_per_e=camera.gain_counts_per_e,
        offset_counts=camera.offset_counts,
        read_noise_e=camera.read_noise_e,
        faults=(
            CameraFaults(faults.jitter_s, faults.drop_rate, faults.duplicate_rate)
            if faults
            else CameraFaults()
        ),
    )


def _patterns(rig: RigConfig) -> PatternSpec:
    ellipse = rig.calibration.ellipse
    return PatternSpec(
        ellipse=(ellipse.ratio, ellipse.angle_deg) if ellipse else (1.0, 0.0),
        numbers=_simulation(rig).material,
    )
