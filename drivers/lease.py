"""Who may heat, until when, and what happens when nobody may any more. Pure: no clock, no devices.

A controller claims the heater and is granted an *epoch*, a number that only grows. What it commands is a
lease: it holds for a time after it was sent and has to be renewed. When it is not, the heater goes down::

    live -> frozen (setpoint stays where it is) -> cooling (the safe ramp) -> off
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Rung(StrEnum):
    """How far down the ladder the heater is."""

    LIVE = "live"
    """Heated, on behalf of a controller that is there."""
    FROZEN = "frozen"
    """Heated, the setpoint stays where it is: the grace time in which a controller may come."""
    COOLING = "cooling"
    """On the safe ramp."""
    OFF = "off"


class Order(StrEnum):
    """What has to be done to the hardware."""

    FREEZE = "freeze"
    COOL = "cool"
    OFF = "off"
    BLANK = "blank"


RefusalKind = Literal["stale", "held", "lapsed", "tripped", "ending"]
Purpose = Literal["renew", "ramp", "hold", "off", "release", "acknowledge"]


class Refused(Exception):
    """A command that is not carried out: what, rule, value, what next."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind: RefusalKind = kind


@dataclass(frozen=True)
class LadderRules:
    """How long a lease lasts, and what happens after it. Times in s, temperatures in K."""

    lease_s: float
    """Longest lease that a command can get."""
    grace_s: float
    cool_to_K: float
    rate_K_per_s: float

    def __post_init__(self) -> None:
        if not (0 < self.lease_s < 3600 and 0 <= self.grace_s < 86400):
            raise ValueError(
                f"ladder: lease_s must be > 0 and below an hour, grace_s >= 0 and below a day, "
                f"got {self.lease_s} and {self.grace_s}"
            )
        if not (0 < self.cool_to_K < 10000 and 0 < self.rate_K_per_s < 10000):
            raise ValueError(
                f"ladder: the safe ramp needs cool_to_K and rate_K_per_s > 0, "
                f"got {self.cool_to_K} and {self.rate_K_per_s}"
            )


@dataclass(frozen=True)
class Command:
    """What a controller wants, as far as the ladder has to know."""

    purpose: Purpose
    epoch: int
    seq: int
    """Counts the commands of an epoch upwards: none is carried out twice, or after a later one."""
    sent_s: float
    """On the guard's clock: a command that waited in a queue does not last longer for it."""
    valid_for_s: float


COOL_SLACK = 1.2
COOL_SLACK_S = 5.0
"""A safe ramp that takes longer than it should by this factor and this time ends in off."""


class Ladder:
    """The heater's lease, its rung, and the latched trip.

    Every method takes the present time, which never goes back. What has to be done to the hardware collects
    in orders, see `take_orders`.

    Parameters
    ----------
    rules
        Lease, grace and safe ramp.
    epoch
        The highest epoch that was ever granted for this heater.
    hot
        Whether the heater was found on: then the grace time begins now.
    now_s
        The present time.
    """

    def __init__(self, rules: LadderRules, epoch: int = 0, hot: bool = False, now_s: float = 0.0) -> None:
        self.rules = rules
        self.epoch = epoch
        self.rung = Rung.FROZEN if hot else Rung.OFF
        self.trip: str | None = None
        self.lapse: str | None = None
        """Why the last lease ended, until the next one begins."""
        self.owned_by_parent = False
        self.ending = False
        """No more leases are granted; the process ends when the heater is off."""
        self._lease_end_s: float | None = None
        self._last_seq = -1
        self._frozen_s = now_s
        self._cold_by_s = now_s
        self._orders: list[Order] = [Order.FREEZE, Order.BLANK] if hot else []

    @property
    def owned(self) -> bool:
        """Whether somebody holds the lease."""
        return self._lease_end_s is not None

    @property
    def energised(self) -> bool:
        """Whether the heater is meant to be on."""
        return self.rung is not Rung.OFF

    def take_orders(self) -> list[Order]:
        """Return what has to be done, oldest first, once."""
        orders, self._orders = self._orders, []
        return orders

    # --- claims

    def check_claim(self, now_s: float, held_epoch: int) -> int:
        """Return the epoch that a claim would get; ``held_epoch`` is the claimant's present one, 0 for none.

        Raises
        ------
        Refused
            Somebody else holds the lease, or the safe ramp is under way.
        """
        self._expire(now_s)
        if self.ending:
            raise Refused(
                "ending", "the guard is ending and grants no lease; start a new one when it is gone"
            )
        if self.rung is Rung.COOLING:
            raise Refused(
                "lapsed",
                f"the grace time is over and the safe ramp under way ({self.lapse}); wait until it is off",
            )
        if self.owned and held_epoch != self.epoch:
            raise Refused(
                "held", f"epoch {self.epoch} holds the heater and renews its lease; end that run first"
            )
        return self.epoch + 1

    def grant(self, now_s: float, epoch: int, from_parent: bool) -> None:
        """Begin a lease under an epoch that `check_claim` returned; a frozen heater keeps its temperature."""
        self.epoch = epoch
        self.owned_by_parent = from_parent
        self.lapse = None
        self._last_seq = -1
        self._lease_end_s = now_s + self.rules.lease_s
        if self.rung is Rung.FROZEN:
            self.rung = Rung.LIVE

    # --- commands

    def admit(self, now_s: float, command: Command) -> None:
        """Accept a command of the present epoch, and what it means for the lease and the rung.

        Raises
        ------
        Refused
            It comes from another epoch, after a later one, too late, or the heater has tripped.
        """
        self._expire(now_s)
        self._check_identity(command)
        self._last_seq = command.seq
        match command.purpose:
            case "off":
                self._switch_off()
            case "release":
                self._lapse(now_s, "its controller has let go")
            case _:
                self._renew(now_s, command)

    def _check_identity(self, command: Command) -> None:
        if command.epoch != self.epoch:
            raise Refused(
                "stale",
                f"a command of epoch {command.epoch} is refused: epoch {self.epoch} has taken over; end it",
            )
        if command.seq <= self._last_seq:
            raise Refused(
                "stale", f"command {command.seq} came after command {self._last_seq}: not carried out"
            )

    def _renew(self, now_s: float, command: Command) -> None:
        if not self.owned:
            raise Refused("lapsed", f"the lease has ended: {self.lapse}; take over to go on")
        end_s = min(command.sent_s, now_s) + min(command.valid_for_s, self.rules.lease_s)
        if not end_s > now_s:
            raise Refused(
                "lapsed",
                f"the command was sent {now_s - command.sent_s:.2f} s ago and is valid no more; "
                "send it again",
            )
        if command.purpose == "acknowledge":
            self.trip = None
        if command.purpose in ("ramp", "hold"):
            if self.trip is not None:
                raise Refused("tripped", f"the heater is locked: {self.trip}; acknowledge it with a reason")
            self.rung = Rung.LIVE
        self._lease_end_s = end_s

    # --- what happens by itself

    def tick(self, now_s: float, setpoint_K: float, arrived: bool = False) -> None:
        """Go down the ladder when it is time.

        Parameters
        ----------
        now_s
            The present time.
        setpoint_K
            Of the controller of the heater.
        arrived
            Whether the safe ramp has come to its end.
        """
        self._expire(now_s)
        grace_s = 0.0 if self.ending else self.rules.grace_s
        if self.rung is Rung.FROZEN and now_s >= self._frozen_s + grace_s:
            self._cool(now_s, setpoint_K)
        elif self.rung is Rung.COOLING and (arrived or now_s >= self._cold_by_s):
            self._switch_off()

    def parent_gone(self, now_s: float) -> None:
        """The process that started the guard has died: at once the end of its lease, if it holds it."""
        if self.owned and self.owned_by_parent:
            self._lapse(now_s, "the controller's process has ended")

    def end(self, now_s: float, why: str) -> None:
        """Grant nothing any more, and go down the ladder without grace."""
        self.ending = True
        self._lapse(now_s, why)

    def trip_now(self, why: str) -> None:
        """Off at once, and locked until somebody acknowledges it; the first reason stays."""
        self.trip = self.trip or why
        self._switch_off()
        self._orders.append(Order.BLANK)

    def safe_ramp_failed(self) -> None:
        """The heater does not do the safe ramp: off."""
        if self.rung is Rung.COOLING:
            self._switch_off()

    def _expire(self, now_s: float) -> None:
        if self._lease_end_s is not None and not now_s < self._lease_end_s:
            self._lapse(now_s, "it was not renewed in time")

    def _lapse(self, now_s: float, why: str) -> None:
        if self._lease_end_s is None:
            return
        self._lease_end_s = None
        self.lapse = why
        if self.rung is Rung.LIVE:
            self.rung = Rung.FROZEN
            self._frozen_s = now_s
            self._orders.append(Order.FREEZE)
        self._orders.append(Order.BLANK)

    def _cool(self, now_s: float, setpoint_K: float) -> None:
        """Begin the safe ramp; it never heats, so what is as cool already, or not known, goes off."""
        if not setpoint_K > self.rules.cool_to_K:
            self._switch_off()
            return
        self.rung = Rung.COOLING
        ramp_s = (setpoint_K - self.rules.cool_to_K) / self.rules.rate_K_per_s
        self._cold_by_s = now_s + COOL_SLACK * ramp_s + COOL_SLACK_S
        self._orders.append(Order.COOL)

    def _switch_off(self) -> None:
        self.rung = Rung.OFF
        self._orders.append(Order.OFF)
