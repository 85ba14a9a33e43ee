"""A guard without its process: hosts the holder, answers requests, looks at the heater in every tick."""

import hmac
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from annealscope.drivers.envelope import RiseWatch
from annealscope.drivers.guard_hands import Hands
from annealscope.drivers.guard_messages import GuardSettings, Request, reading_to_json
from annealscope.drivers.interfaces import Action, DeviceError, Holder, Location, Reading
from annealscope.drivers.lease import Ladder, Purpose, Refused

Note = Callable[..., None]
"""Writes a line into the guard's log: what, and fields."""

REMEMBERED_RAMPS = 8
HOT_BY_K = 10.0
"""A heater whose setpoint is this much above the end of the safe ramp was found on."""


class Blanker(Protocol):
    """Whatever can blank the beam; a `Microscope` can."""

    def open(self) -> None:
        """Connect."""

    def blank(self, on: bool) -> None:
        """Blank (True) or unblank the beam."""


class Guard:
    """Owns the holder, which is open, and does what the ladder and the envelope say.

    Parameters
    ----------
    settings
        Envelope, ladder, token.
    holder, blanker
        What it hosts.
    epoch
        Highest epoch that was ever granted.
    save
        Makes an epoch and the latched trip durable; raises OSError when it cannot.
    note
        The log.
    now_s
        The present time, by the clock that stamps the holder's readings.
    trip
        Of an earlier guard, that nobody has acknowledged: the heater goes off, and stays off.
    """

    def __init__(
        self,
        settings: GuardSettings,
        holder: Holder,
        blanker: Blanker | None,
        epoch: int,
        save: Callable[[int, str | None], None],
        note: Note,
        now_s: float,
        trip: str | None = None,
    ) -> None:
        self._settings = settings
        self._holder = holder
        self._save = save
        self._saved_trip = trip
        self._note = note
        self._readings: Mapping[str, Reading] = {}
        self._location = Location(math.nan, math.nan, now_s)
        self._trouble = ""
        self._ramps: dict[int, Action] = {}
        self._ramps_asked = 0
        rise = settings.envelope.rise
        self._rise = RiseWatch(rise) if rise else None
        self._look()
        hot = not self._location.setpoint_K <= settings.ladder.cool_to_K + HOT_BY_K
        self.ladder = Ladder(settings.ladder, epoch, hot, now_s)
        if trip is not None:
            self.ladder.trip_now(trip)
        self._hands = Hands(holder, blanker, settings.ladder, note)
        self._rung = self.ladder.rung
        self._verbs: dict[str, Callable[[float, Request], dict[str, Any]]] = {
            "claim": self._claim,
            "look": self._report,
            "check": self._check,
            "renew": self._renew,
            "ramp": self._ramp,
            "hold": self._hold,
            "off": self._off,
            "release": self._release,
            "acknowledge": self._acknowledge,
        }

    @property
    def at_rest(self) -> bool:
        """Whether the heater is off, nobody holds the lease, and nothing is left to do."""
        return not self.ladder.energised and not self.ladder.owned and not self._hands.busy

    # --- by itself

    def tick(self, now_s: float) -> None:
        """Look at the heater, judge it, go down the ladder when it is time."""
        self._look()
        self._judge(now_s)
        self.ladder.tick(now_s, self._location.setpoint_K, self._hands.safe_ramp_arrived)
        self.act()

    def act(self) -> None:
        """Do to the hardware what the ladder has ordered, and what could not be done before."""
        self._hands.take(self.ladder.take_orders())
        if self._hands.act():
            self.ladder.safe_ramp_failed()
        if self.ladder.rung is not self._rung:
            self._rung = self.ladder.rung
            self._note("rung", rung=self._rung, why=self.ladder.trip or self.ladder.lapse or "")
        if not self._hands.busy:  # first the heater, then the disk
            self._latch()

    def _latch(self) -> None:
        """Write down a trip, or that it was acknowledged, for the guards after this one."""
        trip = self.ladder.trip
        if trip == self._saved_trip:
            return
        self._saved_trip = trip
        try:
            self._save(self.ladder.epoch, trip)
        except OSError as error:
            self._note("trip_not_saved", error=repr(error))

    def _look(self) -> None:
        """Take the newest readings; a holder that does not answer leaves the old ones, which grow old."""
        try:
            self._readings, self._location = self._holder.read(), self._holder.locate()
            self._trouble = ""
        except Exception as error:  # a driver may raise anything; the guard has to go on
            if not self._trouble:
                self._note("holder_silent", error=repr(error))
            self._trouble = f"the holder does not answer: {error}; "

    def _judge(self, now_s: float) -> None:
        """Trip when a heater that is on is outside its envelope, or one does not follow."""
        on = self.ladder.energised
        wrong = self._violations(now_s) if on else []
        runaway = self._watch_rise(now_s, on)
        if wrong or runaway:
            why = "; ".join([*wrong, *([runaway] if runaway else [])])
            self._note("trip", why=why, temperature_K=self._location.measured_K)
            self.ladder.trip_now(why)

    def _violations(self, now_s: float) -> list[str]:
        wrong = self._settings.envelope.violations(self._readings, now_s)
        return [self._trouble + violation for violation in wrong]

    def _watch_rise(self, now_s: float, on: bool) -> str | None:
        reading = self._readings.get("temperature")
        if self._rise is None or reading is None:
            return None
        return self._rise.feed(now_s, reading.value, self._location.setpoint_K if on else math.nan)

    # --- on request

    def answer(self, now_s: float, request: Request) -> dict[str, Any]:
        """Do what a controller asks for, if it may; return the reply, which says how things stand then."""
        token = request.token.encode(errors="replace")  # a JSON string may have what UTF-8 has not
        if not hmac.compare_digest(token, self._settings.token.encode()):
            self._note("refused", verb=request.verb, refused="token")
            error = "wrong token: it stands in the guard's epoch file, which only its owner can read"
            return {"seq": request.seq, "refused": "token", "error": error}
        result = self._result(now_s, request)
        self.act()
        self._look()
        return {"seq": request.seq, **self._status(), **result}

    def _result(self, now_s: float, request: Request) -> dict[str, Any]:
        """Return what a request yields, or why it is refused."""
        try:
            return self._verbs[request.verb](now_s, request)
        except Refused as error:
            refusal = {"refused": str(error.kind), "error": str(error)}
        except Exception as error:  # the hosted driver may raise anything; the guard has to go on
            words = str(error) if isinstance(error, DeviceError) else repr(error)
            refusal = {"refused": "device", "error": words}
        self._note("refused", verb=request.verb, epoch=request.epoch, target_K=request.target_K, **refusal)
        return refusal

    def _claim(self, now_s: float, request: Request) -> dict[str, Any]:
        epoch = self.ladder.check_claim(now_s, request.epoch)
        described = self._holder.describe()
        try:
            self._save(epoch, self.ladder.trip)
        except OSError as error:
            message = f"epoch {epoch} cannot be made durable: {error}; make room on the disk"
            raise Refused("held", message) from None
        self.ladder.grant(now_s, epoch, request.from_parent)
        self._note("claim", epoch=epoch, from_parent=request.from_parent)
        return {"channels": {name: [about.units, about.description] for name, about in described.items()}}

    def _report(self, now_s: float, request: Request) -> dict[str, Any]:
        """Say how far a ramp is; of one that is long gone, that it was cancelled."""
        if request.ramp == 0:
            return {}
        ramp = self._ramps.get(request.ramp)
        return {"ramp_state": "cancelled" if ramp is None else ramp.poll()}

    def _check(self, now_s: float, request: Request) -> dict[str, Any]:
        return {"problems": self._problems(request)}

    def _renew(self, now_s: float, request: Request) -> dict[str, Any]:
        self.ladder.admit(now_s, request.command("renew"))
        return {}

    def _ramp(self, now_s: float, request: Request) -> dict[str, Any]:
        problems = self._problems(request)
        if problems:
            raise DeviceError("; ".join(problems))
        self._arm(now_s, request, "ramp")
        ramp = self._holder.ramp(request.target_K, request.rate_K_per_s)
        self._ramps_asked += 1
        self._ramps[self._ramps_asked] = ramp
        self._ramps.pop(self._ramps_asked - REMEMBERED_RAMPS, None)
        return {"ramp": self._ramps_asked}

    def _hold(self, now_s: float, request: Request) -> dict[str, Any]:
        self._arm(now_s, request, "hold")
        self._holder.hold_here()
        return {}

    def _arm(self, now_s: float, request: Request, purpose: Purpose) -> None:
        """Admit a command that needs power, on a heater that may have it."""
        self._look()
        wrong = self._violations(now_s)
        if wrong and not self.ladder.energised:
            raise Refused("tripped", "; ".join(wrong))
        self._judge(now_s)
        self.ladder.admit(now_s, request.command(purpose))
        self._hands.leave_to_controller()

    def _off(self, now_s: float, request: Request) -> dict[str, Any]:
        self.ladder.admit(now_s, request.command("off"))
        return {}

    def _release(self, now_s: float, request: Request) -> dict[str, Any]:
        self.ladder.admit(now_s, request.command("release"))
        return {}

    def _acknowledge(self, now_s: float, request: Request) -> dict[str, Any]:
        if not request.why.strip():
            raise Refused("tripped", "a trip is acknowledged with a reason, got none")
        trip = self.ladder.trip
        self.ladder.admit(now_s, request.command("acknowledge"))
        self._note("acknowledged", trip=trip, why=request.why)
        return {}

    def _problems(self, request: Request) -> list[str]:
        """Return what keeps a ramp from being done."""
        target_K, rate = request.target_K, request.rate_K_per_s
        if math.isnan(target_K) or math.isnan(rate):
            return ["a ramp needs a target and a rate"]
        outside = self._settings.envelope.refusals(self._location.setpoint_K, target_K, rate)
        return outside + self._holder.check(target_K, rate)

    def _status(self) -> dict[str, Any]:
        ladder, location = self.ladder, self._location
        return {
            "epoch": ladder.epoch,
            "rung": ladder.rung,
            "owned": ladder.owned,
            "trip": ladder.trip,
            "busy": self._hands.busy,
            "setpoint_K": location.setpoint_K,
            "measured_K": location.measured_K,
            "measured_s": location.t_s,
            "readings": {name: reading_to_json(reading) for name, reading in self._readings.items()},
        }
