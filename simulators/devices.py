"""Simulated devices: thin views of one world."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import (
    Action,
    ActionState,
    Channel,
    DeviceError,
    Location,
    Optics,
    Reading,
    Region,
)
from annealscope.simulators.camera import SOON_S, Scene, SimulatedCamera
from annealscope.simulators.camera_spec import CameraSpec
from annealscope.simulators.glass import State, load_glass
from annealscope.simulators.imaging import ImagingScene
from annealscope.simulators.patterns import PatternScene, PatternSpec
from annealscope.simulators.ramps import RampAction, refusals
from annealscope.simulators.temperature import FollowedChip
from annealscope.simulators.world import World
from annealscope.simulators.world_spec import WorldSpec

OPTICS_TIME_S = 2.0
"""Time that the lenses take."""

FOCUS_TIME_S = 10.0
EMISSION_UA = 100.0


class SimulatedHolder:
    """A heating holder whose chip follows the ramp."""

    name = "holder"

    def __init__(self, world: World) -> None:
        self._world = world
        self._ramp: RampAction | None = None

    def open(self) -> None:
        """Connect: nothing to do."""

    def close(self) -> None:
        """Disconnect: nothing to do, the heater stays as it is."""

    def describe(self) -> Mapping[str, Channel]:
        """Name the channels."""
        return {
            "temperature": Channel("K", "measured temperature of the chip"),
            "setpoint": Channel("K", "setpoint of the controller, moving during a ramp"),
        }

    def read(self) -> Mapping[str, Reading]:
        """Return temperature and setpoint."""
        location = self.locate()
        return {
            "temperature": Reading(location.measured_K, location.t_s),
            "setpoint": Reading(location.setpoint_K, self.now_s()),
        }

    def safe(self, why: str) -> None:
        """Switch the heater off."""
        self.switch_off()

    def check(self, target_K: float, rate_K_per_s: float) -> list[str]:
        """Say what this holder cannot do of a ramp."""
        return refusals(self.name, self._world.spec.initial_temperature_K, target_K, rate_K_per_s)

    def ramp(self, target_K: float, rate_K_per_s: float) -> Action:
        """Start a ramp from the present setpoint."""
        problems = self.check(target_K, rate_K_per_s)
        if problems:
            raise DeviceError("; ".join(problems))
        self._supersede()
        self._ramp = RampAction(self, self._world.chip.ramp(self.now_s(), target_K, rate_K_per_s))
        return self._ramp

    def hold_here(self) -> None:
        """Freeze the setpoint."""
        self._supersede()
        self._world.chip.hold(self.now_s())

    def switch_off(self) -> None:
        """Take the power off the heater."""
        self._supersede()
        self._world.chip.power_off(self.now_s())

    def locate(self) -> Location:
        """Return setpoint and measured temperature."""
        measured_K, t_s = self._world.read_temperature()
        return Location(self._world.chip.setpoint_K(self.now_s()), measured_K, t_s)

    def now_s(self) -> float:
        """Return the time on the run's clock."""
        return self._world.clock.monotonic()

    def _supersede(self) -> None:
        if self._ramp is not None:
            self._ramp.supersede()
            self._ramp = None


class TimedAction:
    """Something that is over after a while."""

    def __init__(self, clock: Clock, duration_s: float) -> None:
        self._clock = clock
        self._end_s = clock.monotonic() + duration_s
        self._cancelled = False

    def poll(self) -> ActionState:
        """Say whether the time is over."""
        if self._cancelled:
            return "cancelled"
        return "done" if self._clock.monotonic() >= self._end_s - SOON_S else "running"

    def cancel(self) -> None:
        """Wait no longer."""
        self._cancelled = self.poll() != "done"


class SimulatedMicroscope:
    """A column, with an operator who has set what is set by hand whenever a state is asked for."""

    name = "microscope"

    def __init__(self, world: World) -> None:
        self._world = world

    def open(self) -> None:
        """Connect: nothing to do."""

    def close(self) -> None:
        """Disconnect: nothing to do."""

    def describe(self) -> Mapping[str, Channel]:
        """Name the channels."""
        return {
            "beam_blanked": Channel("", "1 when the beam is blanked, else 0"),
            "image_shift_y": Channel("nm", "image-beam shift along y"),
            "image_shift_x": Channel("nm", "image-beam shift along x"),
            "column_valves_open": Channel("", "1 when the column valves are open, else 0"),
            "emission": Channel("uA", "emission current of the gun"),
        }

    def read(self) -> Mapping[str, Reading]:
        """Return the state of the column."""
        now_s = self._world.clock.monotonic()
        y, x = self._world.shift_nm
        return {
            "beam_blanked": Reading(float(self._world.blanked), now_s),
            "image_shift_y": Reading(y, now_s),
            "image_shift_x": Reading(x, now_s),
            "column_valves_open": Reading(float(not self._world.suffers("valves", now_s)), now_s),
            "emission": Reading(0.0 if self._world.suffers("beam", now_s) else EMISSION_UA, now_s),
        }

    def safe(self, why: str) -> None:
        """Blank the beam."""
        self.blank(True)

    def blank(self, on: bool) -> None:
        """Blank (True) or unblank the beam."""
        self._world.blank(on)

    def shift_image(self, shift_nm: tuple[float, float]) -> None:
        """Set the absolute image-beam shift (y, x)."""
        limit_nm = self._world.spec.shift_range_nm
        if not all(abs(value) <= limit_nm for value in shift_nm):
            raise DeviceError(
                f"{self.name}: image shift must stay within +-{limit_nm:g} nm per axis, got {shift_nm} nm; "
                "recentre with the stage and start a new segment"
            )
        self._world.shift_image(shift_nm)

    def image_shift_nm(self) -> tuple[float, float]:
        """Read the image-beam shift back."""
        return self._world.shift_nm

    def fresh_region(self, thickness: tuple[float, float] | None = None) -> Region:
        """Move to a region of the specimen that has seen no beam."""
        return self._world.fresh_region(thickness)

    def region(self) -> Region:
        """Return where the beam is."""
        return self._world.region_at(self._world.clock.monotonic())

    def check_optics(self, optics: Optics) -> list[str]:
        """Say what this column cannot do of a state."""
        tension_kV = self._world.spec.high_tension_kV
        problems = []
        if optics.high_tension_kV != tension_kV:
            problems.append(
                f"{self.name}: high tension stays at {tension_kV:g} kV during a run, "
                f"got {optics.high_tension_kV:g} kV"
            )
        for field in fields(optics):
            value = getattr(optics, field.name)
            if isinstance(value, float) and not 0 < value < math.inf:
                problems.append(f"{self.name}: {field.name} must be > 0, got {value:g}")
        if optics.mode == "nanobeam" and optics.probe_nm is None:
            problems.append(f"{self.name}: a nanobeam needs probe_nm, the FWHM of the probe")
        return problems

    def set_optics(self, optics: Optics) -> Action:
        """Start to set a state of the column."""
        problems = self.check_optics(optics)
        if problems:
            raise DeviceError("; ".join(problems))
        self._world.set_optics(optics)
        return TimedAction(self._world.clock, OPTICS_TIME_S)

    def optics(self) -> Optics | None:
        """Read the present state back; None before anybody has set it."""
        return self._world.optics_at(self._world.clock.monotonic())

    def focus(self) -> Action:
        """Focus: takes time, and the simulated image is always sharp."""
        return TimedAction(self._world.clock, FOCUS_TIME_S)


@dataclass(frozen=True)
class SimulatedRig:
    """A world and the devices that look at it."""

    world: World
    holder: SimulatedHolder
    microscope: SimulatedMicroscope
    cameras: dict[str, SimulatedCamera]
    """By name."""


def simulated_rig(
    spec: WorldSpec | None = None,
    *,
    clock: Clock,
    seed: int,
    glass: str | Path = "amz4_paper",
    state: State = "as-cast",
    patterns: PatternSpec | None = None,
    followed: FollowedChip | None = None,
) -> SimulatedRig:
    """Make a holder, a microscope and cameras around one specimen.

    Parameters
    ----------
    spec
        The numbers of the experiment; the paper's by default.
    clock
        The run's clock.
    seed
        Same seed and same commands, same frames.
    glass
        Name of a shipped file of published numbers, or a path to one.
    state
        What has been done to the specimen before.
    patterns
        What diffraction cameras see; by default a specimen on a heating chip, with the numbers of ``glass``.
    followed
        The chip under the specimen, when it is not the simulated holder that heats it.
    """
    world = World(spec or WorldSpec(), load_glass(glass, state), clock, seed, state, followed)
    patterns = patterns or PatternSpec(numbers=glass)
    cameras = {
        camera.name: SimulatedCamera(
            camera, _scene(world, camera, patterns), clock, seed, faults=world.spec.faults
        )
        for camera in world.spec.cameras
    }
    return SimulatedRig(world, SimulatedHolder(world), SimulatedMicroscope(world), cameras)


def _scene(world: World, camera: CameraSpec, patterns: PatternSpec) -> Scene:
    if camera.kind == "imaging":
        return ImagingScene(world)
    return PatternScene(world, camera, world.seed, patterns)
