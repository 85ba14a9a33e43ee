"""Simulated devices: thin views of one world."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import (
    Action,
    ActionState,
    Channel,
    DeviceError,
    Location,
    Reading,
)
from annealscope.simulators.camera import SOON_S, SimulatedCamera
from annealscope.simulators.glass import load_glass
from annealscope.simulators.world import World, WorldSpec

HOTTEST_K = 1273.15
FASTEST_K_PER_S = 1000.0


class RampAction:
    """A ramp that a `SimulatedHolder` was asked for; replaced by whatever it is asked for next."""

    def __init__(self, holder: "SimulatedHolder", arrival_s: float) -> None:
        self._holder = holder
        self._arrival_s = arrival_s
        self._cancelled = False

    def poll(self) -> ActionState:
        """Say whether the setpoint has arrived."""
        if self._cancelled:
            return "cancelled"
        return "done" if self._holder.now_s() >= self._arrival_s - SOON_S else "running"

    def cancel(self) -> None:
        """Freeze the setpoint where it is, unless the ramp is over."""
        if self.poll() == "running":
            self._holder.hold_here()

    def supersede(self) -> None:
        """Give way to another command."""
        self._cancelled = self.poll() != "done"


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
        coldest_K = self._world.spec.initial_temperature_K
        problems = []
        if not coldest_K <= target_K <= HOTTEST_K:
            problems.append(
                f"{self.name}: target must be between {coldest_K:g} K (no cooling below the surroundings) "
                f"and {HOTTEST_K:g} K, got {target_K:g} K"
            )
        if not 0 < rate_K_per_s <= FASTEST_K_PER_S:
            problems.append(
                f"{self.name}: ramp rate must be > 0 and at most {FASTEST_K_PER_S:g} K/s, "
                f"got {rate_K_per_s:g} K/s"
            )
        return problems

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


class SimulatedMicroscope:
    """A column: it blanks the beam, shifts the image and finds fresh regions."""

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
        }

    def read(self) -> Mapping[str, Reading]:
        """Return the state of the column."""
        now_s = self._world.clock.monotonic()
        y, x = self._world.shift_nm
        return {
            "beam_blanked": Reading(float(self._world.blanked), now_s),
            "image_shift_y": Reading(y, now_s),
            "image_shift_x": Reading(x, now_s),
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

    def fresh_region(self) -> None:
        """Move to a region of the specimen that has seen no beam."""
        self._world.fresh_region()


@dataclass(frozen=True)
class SimulatedRig:
    """A world and the devices that look at it."""

    world: World
    holder: SimulatedHolder
    microscope: SimulatedMicroscope
    camera: SimulatedCamera


def simulated_rig(
    spec: WorldSpec | None = None, *, clock: Clock, seed: int, glass: str | Path = "amz4_paper"
) -> SimulatedRig:
    """Make a holder, a microscope and a camera around one specimen.

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
    """
    world = World(spec or WorldSpec(), load_glass(glass), clock, seed)
    return SimulatedRig(world, SimulatedHolder(world), SimulatedMicroscope(world), SimulatedCamera(world))
