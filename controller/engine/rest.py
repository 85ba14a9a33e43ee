"""A run that rests: brought to a boundary, blanked, and let go on by a guard or by the operator."""

from collections.abc import Callable
from dataclasses import dataclass

from annealscope.controller.engine.agenda import Agenda
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.house import House, RunGuard
from annealscope.controller.engine.machine import RunMachine, RunState, Trigger
from annealscope.controller.engine.suspension import OutOfBand, Suspension

Enter = Callable[[Trigger, str], None]
"""Changes the state of the run, and says why."""


@dataclass(frozen=True)
class Halt:
    """Why a run rests, or is about to."""

    why: str
    guard: Suspension | None = None
    """What lets it go on; None: the operator."""


class Rest:
    """Pauses and suspensions, from the moment they are asked for to the moment the run goes on."""

    def __init__(self, bench: Bench, machine: RunMachine, agenda: Agenda, house: House, enter: Enter) -> None:
        self._bench = bench
        self._machine = machine
        self._agenda = agenda
        self._house = house
        self._enter = enter
        self._halt: Halt | None = None

    @property
    def guard(self) -> Suspension | None:
        """What the run waits for; None: for the operator, or it does not rest."""
        return self._halt.guard if self._halt is not None else None

    def begin(self, halt: Halt) -> None:
        """Bring what runs to its boundary."""
        self._halt = halt
        self._enter(Trigger.HALT, halt.why)
        if self._agenda.current is not None:
            self._agenda.current.task.pause(self._bench)
        self.at_boundary()

    def pause(self, why: str) -> None:
        """Rest until the operator says so, whatever the run rests for already."""
        state = self._machine.state
        if state is RunState.SUSPENDED:
            self._halt = Halt(why)
            self._enter(Trigger.PAUSE, why)
        elif state is RunState.PAUSING:  # by a guard: now the operator decides when it goes on
            self._halt = Halt(why)
        else:
            self.begin(Halt(why))

    def at_boundary(self) -> None:
        """Complete a pause or a suspension when everything has reached its boundary."""
        current, halt = self._agenda.current, self._halt
        if halt is None or (current is not None and not current.task.at_rest):
            return
        self._bench.microscope.blank(True)
        if halt.guard is None:
            self._enter(Trigger.PAUSE, halt.why)
        else:
            halt.guard.begin(self._bench)
            self._enter(Trigger.SUSPEND, halt.why)

    def end_suspension(self) -> str | None:
        """Go on when the guard that suspended the run says so, and nothing else keeps it.

        Returns
        -------
        Why the run rests from now on, when that is another reason than before; else None.
        """
        if self.guard is None or not self.guard.cleared(self._bench):
            return None
        hold_up = self._hold_up()
        if hold_up is None or hold_up.guard is None:
            self._go_on(f"{self.guard.name}: cleared")
            return None
        self._halt = hold_up
        hold_up.guard.begin(self._bench)
        return hold_up.why

    def resume(self, source: str) -> None:
        """Go on because the operator says so: after a pause only if nothing else keeps the run."""
        hold_up = self._hold_up() if self._machine.state is RunState.PAUSED else None
        if hold_up is not None:
            self._halt = hold_up
            self.at_boundary()
        else:
            self._overrule()
            self._go_on(f"resumed by the operator ({source})")

    def leave(self, why: str) -> None:
        """Go on without what rests: it is about to be left."""
        self._halt = None
        if self._machine.state is not RunState.RUNNING:
            self._enter(Trigger.RESUME, why)

    def forget(self) -> None:
        """Nothing rests any more: the run is being wound up."""
        self._halt = None

    def _hold_up(self) -> Halt | None:
        """Say what else keeps a run at rest that could go on."""
        if self._has_left_band():
            return Halt("settles before it goes on", OutOfBand())
        found = self._house.tripped(self._bench)
        if found is None or found.action != "suspend":
            return None
        self._house.note(self._bench, found)
        return Halt(found.message, found.guard)

    def _has_left_band(self) -> bool:
        """Say whether frames would go on at a temperature that is not the one of their hold."""
        acquisition = self._agenda.acquisition
        return acquisition is not None and acquisition.phase == "acquiring" and not self._bench.in_band

    def _overrule(self) -> None:
        """The operator knows better: a guard of the step is silent for its rest, one of the run for now."""
        guard = self.guard
        if isinstance(guard, RunGuard):
            self._house.overrule(self._bench, guard)
        elif guard in self._agenda.guards:
            self._agenda.guards = [one for one in self._agenda.guards if one is not guard]

    def _go_on(self, why: str) -> None:
        rested = self._halt.why if self._halt is not None else why
        self._halt = None
        self._enter(Trigger.RESUME, why)
        if self._agenda.current is not None:
            self._agenda.current.task.resume(self._bench, rested)
