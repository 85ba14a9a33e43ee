"""From a rig file to the devices of a run: the one place that knows drivers by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from annealscope.controller.config.rig import RigConfig, Simulation
from annealscope.controller.errors import ExitCode, RunError
from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Camera, Holder, Microscope
from annealscope.simulators import WorldSpec, simulated_rig
from annealscope.simulators.world import World

SIMULATED = "simulated"


@dataclass(frozen=True)
class Devices:
    """The devices of a run."""

    holder: Holder
    microscope: Microscope
    cameras: Mapping[str, Camera]
    world: World | None = None
    """What is behind them, when they are simulated: it knows the truth."""

    def truth(self, temperature_K: float) -> dict[str, float] | None:
        """Return the planted relaxation at a temperature, or None for a real specimen."""
        if self.world is None:
            return None
        tau_s, beta = self.world.truth(temperature_K)
        return {"tau_s": tau_s, "beta": beta}


def make_devices(rig: RigConfig, clock: Clock, seed: int) -> Devices:
    """Make the devices that a rig names; nothing is opened yet. Raises RunError for a driver nobody has."""
    _check_drivers(rig)
    (name,) = rig.cameras
    material = _simulation(rig).material
    simulated = simulated_rig(world_spec(rig), clock=clock, seed=seed, glass=material)
    return Devices(simulated.holder, simulated.microscope, {name: simulated.camera}, simulated.world)


def _simulation(rig: RigConfig) -> Simulation:
    if rig.simulation is None:
        message = f"rig {rig.name}: simulated devices need a `simulation:` section, as in protocols/rigs"
        raise RunError(message, ExitCode.INVALID_INPUT)
    return rig.simulation


def _check_drivers(rig: RigConfig) -> None:
    asked = {"holder": rig.holder.driver, "microscope": rig.microscope.driver}
    asked |= {f"cameras.{name}": camera.driver for name, camera in rig.cameras.items()}
    for place, driver in asked.items():
        if driver != SIMULATED:
            message = f"rig {rig.name}: {place}.driver: there is no driver {driver!r}; known: {SIMULATED}"
            raise RunError(message, ExitCode.DEVICE)
    if len(rig.cameras) != 1:
        message = f"rig {rig.name}: cameras: a simulated rig has one camera, this names {len(rig.cameras)}"
        raise RunError(message, ExitCode.INVALID_INPUT)


def world_spec(rig: RigConfig) -> WorldSpec:
    """Return the simulated experiment that a rig file describes. Raises RunError for a rig without one."""
    simulation = _simulation(rig)
    (camera,) = rig.cameras.values()
    return WorldSpec(
        frame_shape=camera.shape,
        pixel_nm=camera.pixel_nm,
        aperture_per_nm=rig.microscope.aperture_per_nm,
        dose_rate_e_per_nm2_s=simulation.dose_rate_per_nm2_s,
        dark_field_fraction=simulation.dark_field_fraction,
        contrast=simulation.contrast,
        gain_counts_per_e=camera.gain_counts_per_e,
        offset_counts=camera.offset_counts,
        read_noise_e=camera.read_noise_e,
        overshoot_K=simulation.overshoot_K,
        walk_nm_per_sqrt_s=simulation.walk_nm,
        vibration_nm=simulation.vibration_nm,
        image_shift_matrix=rig.calibration.image_shift_matrix,
        shift_range_nm=rig.calibration.image_shift_range_nm,
    )
