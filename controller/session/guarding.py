"""A run and the guard of its holder: found or started, tried out, and seen to its end."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from annealscope.controller.config.protocol import Safe
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import Journal
from annealscope.controller.session.guard_setup import LEASE_S, guard_settings
from annealscope.controller.session.options import RunOptions
from annealscope.controller.units import to_celsius
from annealscope.drivers.clock import Clock
from annealscope.drivers.guard_files import read_epoch_file
from annealscope.drivers.guard_messages import GuardSettings
from annealscope.drivers.guard_start import GuardChild, find_guard, start_guard
from annealscope.drivers.guarded_holder import Drill, GuardedHolder, Standing
from annealscope.drivers.interfaces import DeviceError, Holder, Reading
from annealscope.drivers.registry import factories

ENDS_WITHIN_S = 5.0
"""How long a guard is waited for whose heater is off."""
LOOK_EVERY_S = 0.05

Readings = Mapping[str, Reading]


class GuardHost:
    """Brings a run together with the guard of its holder.

    Parameters
    ----------
    settings
        Of the guard, should none be found.
    clock
        The run's clock.
    continues
        Whether the run was begun before: then a heater that its guard has kept hot is taken over.
    acknowledge
        Why a heater that had tripped may be heated again; empty: it may not.
    """

    def __init__(self, settings: GuardSettings, clock: Clock, continues: bool, acknowledge: str) -> None:
        self._settings = settings
        self._clock = clock
        self._continues = continues
        self._acknowledge = acknowledge
        self._epoch_path = Path(settings.epoch_path)
        self._holder: GuardedHolder | None = None
        self._child: GuardChild | None = None
        self.heard: Callable[[Readings], None] = lambda readings: None
        """Called with what the holder reads."""

    @property
    def holder(self) -> Holder:
        """The holder, once the host was started."""
        if self._holder is None:
            raise DeviceError("guard: none was started yet")
        return self._holder

    def check(self) -> None:
        """Refuse a heater that has tripped, or that is there for somebody else. Raises RunError."""
        trip = self._left().get("trip")
        if trip and not self._acknowledge:
            message = (
                f"the heater was switched off in an earlier run, and is locked: {trip}; "
                'find out why, then say what it was: --acknowledge "WHY"'
            )
            raise RunError(message, ExitCode.SAFETY)
        if self._acknowledge and not trip:
            raise RunError("--acknowledge: the heater is not locked; leave it out", ExitCode.USAGE)
        self._check_standing(self._standing())

    def start(self, journal: Journal) -> None:
        """Find or start the guard, claim the heater, and see that it would be frozen without us.

        Raises RunError when the guard does not come up, or the heater was not frozen in time.
        """
        try:
            ours = self._is_ours()  # as the last guard has left it: ours will say that it is
            self._holder = holder = self._inherited() or self._started()
            holder.heard = self.heard
            holder.open()
            self._unlock(holder, journal)
            self._try_out(holder, journal, ours)
        except DeviceError as error:
            self.leave()
            raise RunError(str(error), ExitCode.DEVICE) from None
        except BaseException:
            self.leave()
            raise

    def leave(self) -> str:
        """Let go of the heater; return what is left to say: nothing, when its guard has ended."""
        if self._holder is None:
            return ""
        self._holder.close()
        gone = self._child.dismiss(ENDS_WITHIN_S) if self._child is not None else self._has_ended()
        self._holder = None
        log = self._settings.log_path
        return "" if gone else f"the guard is still there, to cool the heater down: see {log}"

    # ------------------------------------------------------------------ an earlier guard

    def _inherited(self) -> GuardedHolder | None:
        """Return the holder of a heater that was kept for this run; an idle guard is given time to end."""
        deadline_s = time.monotonic() + LEASE_S + ENDS_WITHIN_S
        while (standing := self._standing()) is not None:
            self._check_standing(standing)
            if standing.rung == "frozen":
                return find_guard(self._epoch_path, self._clock, LEASE_S)
            if time.monotonic() > deadline_s:
                raise DeviceError(f"guard: {self._whose()} has the holder; end that program first")
            time.sleep(LOOK_EVERY_S)
        return None

    def _check_standing(self, standing: Standing | None) -> None:
        """Refuse a heater that is on for somebody else, or that nobody can take over any more."""
        if standing is None or (standing.rung == "off" and not standing.owned):
            return
        now = f"the heater is {_words(standing)} for {self._whose()}"
        if standing.rung == "cooling":
            message = f"{now}: nobody may heat it before it is off; try again then"
        elif not self._is_ours():
            message = f"{now}: continue that run, or wait until it is off"
        else:
            return
        raise RunError(message, ExitCode.DEVICE)

    def _standing(self) -> Standing | None:
        """Ask the guard that is there; None: there is none."""
        found = find_guard(self._epoch_path, self._clock, LEASE_S)
        if found is None:
            return None
        try:
            return found.standing()
        except DeviceError:
            return None
        finally:
            found.close()

    def _left(self) -> dict[str, object]:
        """Return what the last guard has left behind."""
        return read_epoch_file(self._epoch_path) if self._epoch_path.exists() else {}

    def _whose(self) -> str:
        return str(self._left().get("run") or "another program")

    def _is_ours(self) -> bool:
        return self._continues and self._whose() == self._settings.run

    def _has_ended(self) -> bool:
        deadline_s = time.monotonic() + ENDS_WITHIN_S
        while self._standing() is not None:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(LOOK_EVERY_S)
        return True

    # ------------------------------------------------------------------ our own

    def _started(self) -> GuardedHolder:
        holder, self._child = start_guard(self._settings, self._clock)
        return holder

    def _unlock(self, holder: GuardedHolder, journal: Journal) -> None:
        trip = holder.standing().trip
        if trip is not None and self._acknowledge:
            holder.acknowledge(self._acknowledge)
            journal.write("guard", guard="heater", message=trip, action=f"acknowledged: {self._acknowledge}")

    def _try_out(self, holder: GuardedHolder, journal: Journal, ours: bool) -> None:
        """Let the lease lapse before anything is heated; a heater that was kept hot has shown it already."""
        standing = holder.standing()
        if standing.rung == "off":
            drill = self._drill(holder, journal)
            froze_after_s, allowed_s = round(drill.froze_after_s, 3), round(drill.allowed_s, 3)
            journal.write("drill", froze_after_s=froze_after_s, allowed_s=allowed_s)
        elif not ours:
            raise DeviceError(
                f"guard: the heater was found on at {to_celsius(standing.setpoint_K):.1f} °C, and not for "
                "this run; it is cooled down now: begin when it is off"
            )
        else:
            message = f"the heater was kept at {to_celsius(standing.setpoint_K):.1f} °C by its guard"
            journal.write("guard", guard="lease", message=message, action="taken over")

    @staticmethod
    def _drill(holder: GuardedHolder, journal: Journal) -> Drill:
        """Let the lease lapse; a machine that was busy just then gets a second chance."""
        try:
            return holder.lease_drill()
        except DeviceError as error:
            journal.write("guard", guard="lease", message=str(error), action="tried again")
            return holder.lease_drill()


def host_for(
    rig: RigConfig, safe: Safe, options: RunOptions, clock: Clock, continues: bool
) -> GuardHost | None:
    """Return the host of the holder of a rig; None for one that is simulated in the run and needs no guard.

    Raises
    ------
    RunError
        The options do not fit a holder that lives in real time, or the heater is not free.
    """
    if rig.holder.driver not in factories("annealscope.holders"):
        if options.acknowledge:
            message = f"--acknowledge: the holder of rig {rig.name} has no guard; leave it out"
            raise RunError(message, ExitCode.USAGE)
        return None
    _check_fit(rig, options)
    settings = guard_settings(rig, safe, options.folder or Path.cwd())
    host = GuardHost(settings, clock, continues, options.acknowledge)
    try:
        host.check()
    except DeviceError as error:
        raise RunError(str(error), ExitCode.DEVICE) from None
    return host


def _check_fit(rig: RigConfig, options: RunOptions) -> None:
    if options.speed != "real":
        message = (
            f"rig {rig.name}: its holder lives in real time: --speed must be real, got {options.speed}; "
            "rehearse at other speeds with --rig simulated"
        )
        raise RunError(message, ExitCode.USAGE)
    if rig.holder.set_by == "operator":
        message = f"rig {rig.name}: holder: a guard has to set the holder itself, without `set_by: operator`"
        raise RunError(message, ExitCode.INVALID_INPUT)


def _words(standing: Standing) -> str:
    celsius = to_celsius(standing.setpoint_K)
    match standing.rung:
        case "off":
            return "off, but claimed"
        case "cooling":
            return f"cooling down from {celsius:.0f} °C, left by its controller,"
        case _:
            return f"on at {celsius:.0f} °C"
