"""A holder behind a guard: what the engine sees. Whoever reads it, renews its lease."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from annealscope.drivers.clock import Clock
from annealscope.drivers.guard_link import GuardLink
from annealscope.drivers.guard_messages import reading_from_json
from annealscope.drivers.interfaces import (
    Action,
    ActionState,
    Channel,
    DeviceError,
    HeaterTripped,
    LeaseLapsed,
    Location,
    Reading,
)

POLL_S = 0.01
RENEWING = ("renew", "ramp", "hold")
"""What needs the lease, and so takes the heater over when the lease has lapsed."""
FREEZE_WITHIN_S = 0.1
"""After the end of a lease."""


@dataclass(frozen=True)
class Drill:
    """What came out of letting a lease lapse on purpose."""

    froze_after_s: float
    """Time from the last command to the freeze, as seen from outside."""
    allowed_s: float


@dataclass(frozen=True)
class Standing:
    """How a heater stands with its guard."""

    rung: str
    owned: bool
    """Somebody holds the lease."""
    trip: str | None
    setpoint_K: float


class GuardedRamp:
    """A ramp that the guard was asked for."""

    def __init__(self, holder: "GuardedHolder", number: int) -> None:
        self._holder = holder
        self._number = number
        self._over: ActionState | None = None

    def poll(self) -> ActionState:
        """Ask the guard how far it is. Raises DeviceError when there is no answer."""
        if self._over is None:
            state = self._holder.ramp_state(self._number)
            if state == "running":
                return "running"
            self._over = state
        return self._over

    def cancel(self) -> None:
        """Freeze the setpoint, unless the ramp is over."""
        if self.poll() == "running":
            self._holder.hold_here()


class GuardedHolder:
    """A `Holder` whose hardware belongs to a guard. No call takes longer than a second.

    Parameters
    ----------
    link
        To the guard.
    clock
        The run's clock; runs at the speed of real time.
    lease_s
        How long each command is valid, and so how often `read` has to be called.
    from_parent
        Whether this process has started the guard, which then notices its death at once.
    """

    name = "holder"

    def __init__(self, link: GuardLink, clock: Clock, lease_s: float, from_parent: bool = False) -> None:
        self._link = link
        self._clock = clock
        self._lease_s = lease_s
        self._from_parent = from_parent
        self._on = False
        """Whether the heater was on when the guard answered last."""
        self._lapsed: LeaseLapsed | None = None
        """A lapse that `read` has not told of yet."""
        self.heard: Callable[[Mapping[str, Reading]], None] = lambda readings: None
        """Called with what each `read` returns."""
        self._channels: dict[str, Channel] = {}
        self._stamps_s: dict[str, float] = {}

    def open(self) -> None:
        """Claim the heater, which stays as it is. Raises DeviceError when somebody else has it."""
        reply = self._link.tell("claim", from_parent=self._from_parent)
        self._link.epoch = int(reply["epoch"])
        self._on = reply["rung"] != "off"
        self._channels = {name: Channel(*parts) for name, parts in reply["channels"].items()}

    def take_over(self) -> None:
        """Claim the heater again after its lease has lapsed; a frozen one keeps its temperature.

        `read`, `ramp` and `hold_here` do so by themselves. Raises DeviceError when the grace time is over, or
        somebody else has taken over.
        """
        self.open()

    def close(self) -> None:
        """Let go of the heater: one that is on is frozen, and switched off safely after the grace time."""
        if self._link.epoch > 0:
            with suppress(DeviceError):  # the guard notices by itself
                self._link.tell("release")
        self._link.epoch = 0
        self._link.close()

    def describe(self) -> Mapping[str, Channel]:
        """Name the channels of the holder that the guard hosts; known once this one is open."""
        return dict(self._channels)

    def read(self) -> Mapping[str, Reading]:
        """Renew the lease and return the newest readings.

        Raises
        ------
        LeaseLapsed
            It, or a command before, came too late: the heater was frozen for a while, a ramp is cancelled. It
            is ours again already, so the next call returns readings. Raised once for each lapse.
        HeaterTripped
            The guard has switched the heater off; see `acknowledge`.
        DeviceError
            No answer within a second; or the heater cannot be taken over any more.
        """
        reply = self._command("renew")
        _check_trip(reply)
        if self._lapsed is not None:
            lapsed, self._lapsed = self._lapsed, None
            raise lapsed
        readings = {
            name: reading_from_json(parts, self._stamp_s(name, parts[1]))
            for name, parts in reply["readings"].items()
        }
        self.heard(readings)
        return readings

    def safe(self, why: str) -> None:
        """Switch the heater off; when the guard does not answer, it does so by itself in the end."""
        with suppress(DeviceError):
            self.switch_off()

    def check(self, target_K: float, rate_K_per_s: float) -> list[str]:
        """Say what the envelope or the holder does not allow of a ramp."""
        if not (math.isfinite(target_K) and math.isfinite(rate_K_per_s)):
            return [
                f"{self.name}: target and rate must be finite numbers, "
                f"got {target_K:g} K and {rate_K_per_s:g} K/s"
            ]
        reply = self._link.tell("check", target_K=target_K, rate_K_per_s=rate_K_per_s)
        return [str(problem) for problem in reply["problems"]]

    def ramp(self, target_K: float, rate_K_per_s: float) -> Action:
        """Start a ramp from the present setpoint. Raises DeviceError when the guard refuses it."""
        problems = self.check(target_K, rate_K_per_s)
        if problems:
            raise DeviceError("; ".join(problems))
        reply = self._command("ramp", target_K=target_K, rate_K_per_s=rate_K_per_s)
        return GuardedRamp(self, int(reply["ramp"]))

    def ramp_state(self, number: int) -> ActionState:
        """Return how far the ramp of a number is.

        One that a lapse has cancelled counts as running until `read` has told of the lapse.
        """
        reply = self._link.tell("look", ramp=number)
        state: ActionState = reply["ramp_state"]
        return "running" if state == "cancelled" and not reply["owned"] else state

    def standing(self) -> Standing:
        """Ask how the heater stands; needs no lease."""
        reply = self._link.tell("look")
        setpoint_K = math.nan if reply["setpoint_K"] is None else float(reply["setpoint_K"])
        return Standing(str(reply["rung"]), bool(reply["owned"]), reply["trip"], setpoint_K)

    def hold_here(self) -> None:
        """Freeze the setpoint. Raises DeviceError when the guard refuses."""
        self._command("hold")

    def switch_off(self) -> None:
        """Take the power off the heater. Raises DeviceError when this controller was replaced by another."""
        self._command("off")

    def locate(self) -> Location:
        """Return setpoint and measured temperature; does not renew the lease."""
        reply = self._link.tell("look")
        measured_K, setpoint_K = (
            math.nan if reply[name] is None else float(reply[name]) for name in ("measured_K", "setpoint_K")
        )
        return Location(setpoint_K, measured_K, self._stamp_s("location", reply["measured_s"]))

    def acknowledge(self, why: str) -> None:
        """Unlock a heater that has tripped; it stays off. Raises DeviceError without a reason."""
        self._command("acknowledge", why=why)

    def lease_drill(self) -> Drill:
        """Let a lease lapse on purpose, and see that the guard freezes the heater; then it is off again.

        To be called before anything is heated: the heater is held at the temperature it has. Takes a lease.

        Raises
        ------
        DeviceError
            The heater is hot, or was not frozen in time: do not heat.
        """
        if self._link.tell("look")["rung"] != "off":
            raise DeviceError("guard: the lease drill is for a heater that is off; switch it off first")
        self.hold_here()
        began_s, allowed_s = time.monotonic(), self._lease_s + FREEZE_WITHIN_S
        while (reply := self._link.tell("look"))[
            "rung"
        ] == "live" and time.monotonic() < began_s + 2 * allowed_s:
            time.sleep(POLL_S)
        drill = Drill(time.monotonic() - began_s, allowed_s)
        self.take_over()
        self.switch_off()
        if reply["rung"] != "frozen" or reply["busy"] or drill.froze_after_s > allowed_s:
            raise DeviceError(
                f"guard: lease drill: a heater without a controller must be frozen within {allowed_s:.2f} s, "
                f"it was {reply['rung']} after {drill.froze_after_s:.2f} s; "
                "do not heat, look at the guard's log"
            )
        return drill

    def _command(self, verb: Any, **fields: Any) -> dict[str, Any]:
        if self._link.epoch == 0:
            raise DeviceError(
                f"{self.name}: `open` comes before `{verb}`: the heater has to be claimed first"
            )
        try:
            reply = self._link.tell(verb, valid_for_s=self._lease_s, **fields)
        except LeaseLapsed as lapsed:
            if verb not in RENEWING:
                raise
            self._recover(lapsed)
            reply = self._link.tell(verb, valid_for_s=self._lease_s, **fields)
        self._on = reply["rung"] != "off"
        return reply

    def _recover(self, lapsed: LeaseLapsed) -> None:
        """Take the heater over; one that was off all the time has missed nothing."""
        was_on = self._on
        self.take_over()
        if not was_on:
            return
        _check_trip(self._link.tell("look"))
        if not self._on:
            raise DeviceError(f"{lapsed}; meanwhile the heater was cooled down and switched off")
        self._lapsed = lapsed

    def _stamp_s(self, name: str, measured_s: float | None) -> float:
        """Return the time of a measurement on the run's clock; never before an earlier one of its channel."""
        now_s = self._clock.monotonic()
        age_s = 0.0 if measured_s is None else max(0.0, time.monotonic() - measured_s)
        stamp_s = now_s - age_s
        self._stamps_s[name] = max(stamp_s, self._stamps_s.get(name, -math.inf))
        return self._stamps_s[name]


def _check_trip(reply: Mapping[str, Any]) -> None:
    if reply["trip"] is not None:
        raise HeaterTripped(
            f"guard: the heater was switched off: {reply['trip']}; it stays off until that is acknowledged: "
            'find out why, then go on with --acknowledge "WHY"'
        )
