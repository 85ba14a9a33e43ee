"""What commands and suspensions do to a run: every change of its state between start and end."""

import math
from dataclasses import dataclass

from annealscope.controller.engine.agenda import Agenda
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import Answer, Command, Request
from annealscope.controller.engine.entries import Entry, Way
from annealscope.controller.engine.guards import Trip, Tripped
from annealscope.controller.engine.machine import RunMachine, RunState, Trigger
from annealscope.controller.engine.outcome import Outcome
from annealscope.controller.engine.park import COOL_K, Park
from annealscope.controller.engine.ramps import ComeBack, SafeCoolDown, WayBack
from annealscope.controller.engine.suspension import OutOfBand, Suspension
from annealscope.controller.errors import ExitCode
from annealscope.controller.units import to_celsius

_GOING = frozenset((RunState.RUNNING, RunState.PAUSING, RunState.PAUSED, RunState.SUSPENDED))
_BEFORE_THE_END = _GOING | {RunState.ARMING, RunState.PARKED}

SENSE: dict[Command, frozenset[RunState]] = {
    Command.PAUSE: frozenset((RunState.RUNNING, RunState.PAUSING, RunState.SUSPENDED)),
    Command.RESUME: _GOING | {RunState.PARKED},
    Command.SKIP: _GOING,
    Command.PARK: _GOING,
    Command.STOP: _BEFORE_THE_END,
    Command.ABORT: _BEFORE_THE_END | {RunState.FINISHING},
    Command.EMERGENCY: frozenset(RunState) - {RunState.ENDED, RunState.FAULTED},
}
"""The states in which a command makes sense; more conditions in `Conduct.refusal`."""


@dataclass(frozen=True)
class Halt:
    """Why a run rests, or is about to."""

    why: str
    guard: Suspension | None = None
    """What lets it go on; None: the operator."""


class Conduct:
    """Obeys commands, suspends and resumes, winds up: one method for each line of the command table."""

    def __init__(self, bench: Bench, machine: RunMachine, agenda: Agenda) -> None:
        self._bench = bench
        self._machine = machine
        self._agenda = agenda
        self._halt: Halt | None = None
        self._wake_s: float | None = None
        """When the night of a park is over; None: when somebody continues the run."""
        self._back: WayBack | None = None
        """From a park to the hold that it left in its middle."""
        self.outcome = Outcome("success", "the protocol was carried out to its end", ExitCode.OK)
        self.why = ""
        """Why the run is in its state."""

    def enter(self, trigger: Trigger, why: str) -> None:
        """Change the state. Raises RunError when that is illegal."""
        self.why = why
        self._bench.journal.write("state", state=self._machine.fire(trigger).value, why=why)

    # ------------------------------------------------------------------ commands

    def obey(self, request: Request) -> None:
        """Carry out a command, or refuse it. Raises Tripped for an emergency."""
        refusal = self.refusal(request.command)
        command, source = request.command.value, request.source
        answer = Answer(accepted=not refusal, why=refusal)
        self._bench.journal.write("command", command=command, source=source, **vars(answer))
        request.answered(answer)
        if answer.accepted:
            self._carry_out(request)

    def refusal(self, command: Command) -> str:
        """Say why a command makes no sense now; empty when it does."""
        state = self._machine.state
        if state not in SENSE[command]:
            return f"cannot {command.value} a run that is {state.value}"
        if command is Command.PAUSE and state is RunState.PAUSING and self._suspending is None:
            return "the run is pausing already"
        if command is Command.RESUME and state is RunState.RUNNING and not self._question:
            return "the run is not paused, and nothing is asked"
        if command is Command.SKIP and self._agenda.current is None:
            return "no step is under way"
        if command is Command.PARK and self._parking:
            return "the run is being parked already"
        return ""

    def _carry_out(self, request: Request) -> None:
        by = f"by the operator ({request.source})"
        match request.command:
            case Command.PAUSE:
                self._pause(f"paused {by}")
            case Command.RESUME:
                self._resume(request.source)
            case Command.SKIP:
                self._skip(f"skipped {by}")
            case Command.PARK:
                self._park(f"parked {by}")
            case Command.STOP:
                self.stop(f"stopped {by}", request.exit_code)
            case Command.ABORT:
                outcome = Outcome("aborted", f"aborted {by}", request.exit_code)
                self._wind_up(Trigger.ABORT, outcome, self._safe_way())
            case Command.EMERGENCY:
                raise Tripped(Trip("operator", "emergency stop by the operator", request.exit_code))

    @property
    def _question(self) -> str:
        current = self._agenda.current
        return current.task.question if current is not None else ""

    @property
    def _parking(self) -> bool:
        current = self._agenda.current
        return current is not None and isinstance(current.task, Park)

    @property
    def _suspending(self) -> Suspension | None:
        return self._halt.guard if self._halt is not None else None

    # ------------------------------------------------------------------ rest

    def _pause(self, why: str) -> None:
        state = self._machine.state
        if state is RunState.SUSPENDED:
            self._halt = Halt(why)
            self.enter(Trigger.PAUSE, why)
        elif state is RunState.PAUSING:  # by a guard: now the operator decides when it goes on
            self._halt = Halt(why)
        else:
            self._come_to_rest(Halt(why))

    def watch_over(self) -> None:
        """Suspend the current step when one of its guards says so."""
        current = self._agenda.current
        if current is None or not current.task.exposing:
            return
        for guard in self._agenda.guards:
            message = guard.check(self._bench)
            if message is not None:
                self._bench.journal.write("guard", guard=guard.name, message=message, action="suspended")
                self._come_to_rest(Halt(message, guard))
                return

    def _come_to_rest(self, halt: Halt) -> None:
        self._halt = halt
        self.enter(Trigger.HALT, halt.why)
        if self._agenda.current is not None:
            self._agenda.current.task.pause(self._bench)
        self.rest_at_boundary()

    def rest_at_boundary(self) -> None:
        """Complete a pause or a suspension when everything has reached its boundary."""
        current, halt = self._agenda.current, self._halt
        if halt is None or (current is not None and not current.task.at_rest):
            return
        self._bench.microscope.blank(True)
        if halt.guard is None:
            self.enter(Trigger.PAUSE, halt.why)
        else:
            halt.guard.begin(self._bench)
            self.enter(Trigger.SUSPEND, halt.why)

    def end_suspension(self) -> None:
        """Go on when the guard that suspended the run says so."""
        guard = self._suspending
        if guard is not None and guard.cleared(self._bench):
            self._go_on(f"{guard.name}: cleared")

    def _resume(self, source: str) -> None:
        state, current = self._machine.state, self._agenda.current
        if state is RunState.RUNNING and current is not None:
            current.task.answer(self._bench, source)
        elif state is RunState.PARKED:
            self.wake(f"by the operator ({source})")
        elif state is RunState.PAUSED and self._has_left_band():
            self._halt = Halt("settles before it goes on", OutOfBand())
            self.rest_at_boundary()
        else:
            self._overrule()
            self._go_on(f"resumed by the operator ({source})")

    def _has_left_band(self) -> bool:
        """Say whether frames would go on at a temperature that is not the one of their hold."""
        acquisition = self._agenda.acquisition
        return acquisition is not None and acquisition.phase == "acquiring" and not self._bench.in_band

    def _overrule(self) -> None:
        """The operator knows better than a guard: it has no say any more in this step."""
        if self._suspending in self._agenda.guards:
            self._agenda.guards = [one for one in self._agenda.guards if one is not self._suspending]

    def _go_on(self, why: str) -> None:
        rested = self._halt.why if self._halt is not None else why
        self._halt = None
        self.enter(Trigger.RESUME, why)
        if self._agenda.current is not None:
            self._agenda.current.task.resume(self._bench, rested)

    # ------------------------------------------------------------------ leaving steps

    def _skip(self, why: str) -> None:
        """End the step; it is over when its files are closed."""
        self._leave_rest(why)
        current = self._agenda.current
        if current is not None:
            current.task.stop(self._bench, "truncated")

    def _leave_rest(self, why: str) -> None:
        """Go on without what rests: it is about to be left."""
        self._halt = None
        if self._machine.state is not RunState.RUNNING:
            self.enter(Trigger.RESUME, why)

    def _park(self, why: str) -> None:
        """Leave the present step for another day, and go down by the planned way."""
        index = self._agenda.next_index
        back = self._way_back(index)
        way = self._agenda.planned_way() or self._safe_way()
        self._leave_rest(why)
        self._agenda.leave(self._bench, "parked")
        self._agenda.rewind_to(index)
        park = Park(way.target_K, way.rate_K_per_s, back)
        self._agenda.insert([Entry(park, "park", index, "park", "park")])

    def _way_back(self, index: int) -> WayBack | None:
        """Return the way to temperature and age of the specimen, if the next step expects to find them."""
        current, bench = self._agenda.current, self._bench
        if current is not None and isinstance(current.task, ComeBack):
            return current.task.back
        way = self._agenda.way_back(index)
        if way is None:
            return None
        here_K = way.target_K if math.isnan(bench.target_K) else bench.target_K
        return WayBack(here_K, way.rate_K_per_s, bench.age_s)

    def stop(self, why: str, exit_code: ExitCode) -> None:
        """Take the planned way down, now."""
        way = self._agenda.planned_way() or self._safe_way()
        self._wind_up(Trigger.FINISH, Outcome("stopped", why, exit_code), way)

    def _wind_up(self, trigger: Trigger, outcome: Outcome, way: Way) -> None:
        """Leave the plan: cool down, and wait for the file of an acquisition that was open."""
        self.enter(trigger, outcome.why)
        self._halt = None
        self.outcome = outcome
        self._agenda.leave(self._bench, outcome.outcome)
        self._bench.microscope.blank(True)
        self._agenda.replace(self._cool_down(way))

    def out_of_steps(self) -> None:
        """Cool down when that is not done yet; then switch off and end, when all files are closed."""
        if self._machine.state is RunState.RUNNING:
            self.enter(Trigger.FINISH, "all steps are done")
            self._agenda.replace(self._cool_down(self._safe_way()))
        elif self._agenda.collect(self._bench):
            self._bench.holder.switch_off()
            self._bench.microscope.blank(True)
            self.enter(Trigger.END, "the heater is off and the beam blanked")

    def _safe_way(self) -> Way:
        safe = self._bench.plan.safe
        return Way(safe.cool_to_K, safe.rate_K_per_s)

    def _cool_down(self, way: Way) -> list[Entry]:
        """The way down, when the heater is above its end."""
        if not self._bench.setpoint_K > way.target_K + COOL_K:
            return []
        label = f"cool to {to_celsius(way.target_K):.0f} °C and switch off"
        task = SafeCoolDown(way.target_K, way.rate_K_per_s)
        return [Entry(task, label, self._agenda.steps, "safe", "cool")]

    # ------------------------------------------------------------------ from one day to the next

    def park_over(self, park: Park) -> None:
        """The heater is off: note where the run goes on, and when. After a skipped park it goes on now."""
        index, back, night_s = self._agenda.next_index, park.back, self._bench.operator.night_s
        if not park.done:
            self.come_back(back)
            return
        self._back = back
        self._bench.journal.write(
            "parked",
            next=index,
            return_to_K=back.target_K if back else None,
            rate_K_per_s=back.rate_K_per_s if back else None,
            age_s=round(back.age_s, 3) if back else None,
        )
        self._wake_s = None if night_s is None else self._bench.now_s + night_s
        self.enter(Trigger.PARK, "the heater is off and the beam blanked")
        self.sleep_on()

    def sleep_on(self) -> None:
        """While parked: end the process when all files are closed, or wake up in the morning."""
        if not self._agenda.collect(self._bench):
            return
        if self._wake_s is None:
            why = "parked; `annealscope continue` goes on"
            self.outcome = Outcome("parked", why, ExitCode.OK)
            self.enter(Trigger.END, why)
        elif self._bench.now_s >= self._wake_s:
            self.wake("the night is over")

    def wake(self, why: str) -> None:
        """Go on after a park."""
        self.enter(Trigger.RESUME, why)
        self.come_back(self._back)

    def come_back(self, back: WayBack | None) -> None:
        """Go back to the hold that was left in its middle, unless the holder has its temperature."""
        if back is None:
            return
        if abs(self._bench.setpoint_K - back.target_K) <= COOL_K:
            self._bench.settled_s = self._bench.now_s - back.age_s
            return
        label = f"back to {to_celsius(back.target_K):.0f} °C"
        self._agenda.insert([Entry(ComeBack(back), label, self._agenda.next_index, "back", "ramp")])
