"""A heater and a beam blanker that live alone, in real time, in the process of the guard that hosts them.

They have no specimen. They log what happens to them, so that a test in another process can see it.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from annealscope.drivers.guard_files import EventLog
from annealscope.drivers.interfaces import Action, Channel, DeviceError, Location, Reading
from annealscope.simulators.ramps import RampAction, refusals
from annealscope.simulators.temperature import Chip

FAULT_OFFSET_K = 50.0
RUNAWAY_K_PER_S = 20.0
COLD_OHM = 100.0
OHM_PER_K = 0.1

Fault = Literal["none", "nan", "stuck", "stale", "offset", "open", "runaway", "silent"]


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with a heater, and when."""

    fault: Fault = "none"
    """``open``: no resistance and no heat; ``runaway``: heats whatever it is told; ``silent``: no answers."""
    after_s: float = 0.0
    """Counted from when the heater was made."""

    def __post_init__(self) -> None:
        if self.fault not in get_args(Fault):
            raise ValueError(f"fault must be one of {', '.join(get_args(Fault))}, got {self.fault!r}")


class Diary:
    """Writes down what happens to a device, when it was given a file."""

    def __init__(self, path: str | None) -> None:
        self._log = EventLog(Path(path)) if path else None

    def note(self, event: str, **fields: object) -> None:
        """Append a line with the time by `time.monotonic`, which all processes of a machine share."""
        if self._log is not None:
            self._log.note(event, **fields)

    def close(self) -> None:
        """Give the newest lines a moment to be written."""
        if self._log is not None:
            self._log.close()


class StandaloneHolder:
    """A heating chip in real time.

    Parameters
    ----------
    log
        File that gets a line for each command and each reading; None: no log.
    surroundings_K, start_K
        Temperature of the room, and of the chip when it is found.
    overshoot_K
        After a completed ramp.
    fault, fault_after_s
        See `Trouble`.
    """

    name = "holder"

    def __init__(
        self,
        log: str | None = None,
        surroundings_K: float = 298.15,
        start_K: float = 298.15,
        overshoot_K: float = 0.5,
        fault: Fault = "none",
        fault_after_s: float = 0.0,
    ) -> None:
        self._ramp: RampAction | None = None
        self._surroundings_K = surroundings_K
        self._log = Diary(log)
        self._born_s = time.monotonic()
        self._chip = Chip(surroundings_K, overshoot_K)
        if start_K > surroundings_K:
            self._chip.ramp(self.now_s() - 60.0, start_K, (start_K - surroundings_K) / 30.0)
        self._trouble = Trouble(fault, fault_after_s)
        self._trouble_began_s = math.inf
        self._before_trouble = (start_K, self._born_s)

    def open(self) -> None:
        """Connect: nothing to do."""

    def close(self) -> None:
        """Disconnect: the heater stays as it is."""
        self._log.close()

    def describe(self) -> Mapping[str, Channel]:
        """Name the channels."""
        return {
            "temperature": Channel("K", "measured temperature of the chip"),
            "setpoint": Channel("K", "setpoint of the controller, moving during a ramp"),
            "resistance": Channel("ohm", "resistance of the heater"),
        }

    def read(self) -> Mapping[str, Reading]:
        """Return temperature, setpoint and resistance, stamped by `time.monotonic`."""
        now_s = self.now_s()
        measured_K, t_s = self._measure(now_s)
        setpoint_K = self._chip.setpoint_K(now_s)
        self._log.note("read", setpoint_K=setpoint_K, temperature_K=self._true_K(now_s))
        return {
            "temperature": Reading(measured_K, t_s),
            "setpoint": Reading(setpoint_K, now_s),
            "resistance": Reading(self._resistance_ohm(now_s), now_s),
        }

    def locate(self) -> Location:
        """Return setpoint and measured temperature."""
        now_s = self.now_s()
        measured_K, t_s = self._measure(now_s)
        return Location(self._chip.setpoint_K(now_s), measured_K, t_s)

    def safe(self, why: str) -> None:
        """Switch the heater off."""
        self.switch_off()

    def check(self, target_K: float, rate_K_per_s: float) -> list[str]:
        """Say what this holder cannot do of a ramp."""
        return refusals(self.name, self._surroundings_K, target_K, rate_K_per_s)

    def ramp(self, target_K: float, rate_K_per_s: float) -> Action:
        """Start a ramp from the present setpoint."""
        problems = self.check(target_K, rate_K_per_s)
        if problems:
            raise DeviceError("; ".join(problems))
        self._command("ramp", target_K=target_K, rate_K_per_s=rate_K_per_s)
        arrival_s = self._chip.ramp(self.now_s(), target_K, rate_K_per_s)
        self._ramp = RampAction(self, arrival_s)
        return self._ramp

    def hold_here(self) -> None:
        """Freeze the setpoint."""
        self._command("hold")
        self._chip.hold(self.now_s())

    def switch_off(self) -> None:
        """Take the power off the heater."""
        self._command("off")
        self._chip.power_off(self.now_s())

    def now_s(self) -> float:
        """Return the time that all processes of a machine share."""
        return time.monotonic()

    def _command(self, event: str, **fields: object) -> None:
        if self._ramp is not None:
            self._ramp.supersede()
            self._ramp = None
        self._log.note(event, **fields)

    # --- what is true, and what is measured

    def _in_trouble(self, now_s: float) -> bool:
        if self._trouble.fault == "none" or now_s < self._born_s + self._trouble.after_s:
            return False
        if self._trouble_began_s == math.inf:
            self._trouble_began_s = now_s
            self._log.note("fault", fault=self._trouble.fault)
        return True

    def _true_K(self, now_s: float) -> float:
        temperature_K = float(self._chip.temperature_K(now_s))
        if self._trouble.fault == "runaway" and self._in_trouble(now_s):
            temperature_K += RUNAWAY_K_PER_S * (now_s - self._trouble_began_s)
        return temperature_K

    def _measure(self, now_s: float) -> tuple[float, float]:
        """Return (measured temperature in K, when it was measured)."""
        true_K = self._true_K(now_s)
        if not self._in_trouble(now_s):
            self._before_trouble = (true_K, now_s)
            return true_K, now_s
        last_K, last_s = self._before_trouble
        match self._trouble.fault:
            case "silent":
                raise DeviceError(f"{self.name}: no answer; check the cable")
            case "nan":
                return math.nan, now_s
            case "stuck":
                return last_K, now_s
            case "stale":
                return last_K, last_s
            case "offset":
                return true_K + FAULT_OFFSET_K, now_s
        return true_K, now_s

    def _resistance_ohm(self, now_s: float) -> float:
        if self._trouble.fault == "open" and self._in_trouble(now_s):
            return math.inf
        return COLD_OHM + OHM_PER_K * (self._true_K(now_s) - self._surroundings_K)


class StandaloneBlanker:
    """A beam blanker that remembers what it was told."""

    def __init__(self, log: str | None = None) -> None:
        self.blanked = False
        self._log = Diary(log)

    def open(self) -> None:
        """Connect: nothing to do."""

    def blank(self, on: bool) -> None:
        """Blank (True) or unblank the beam."""
        self.blanked = on
        self._log.note("blank", on=on)
