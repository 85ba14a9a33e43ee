"""What commands and suspensions do to a run: every change of its state between start and end."""

import math

from annealscope.controller.engine.agenda import Agenda
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import Answer, Command, Request
from annealscope.controller.engine.entries import Entry, Way
from annealscope.controller.engine.guards import Trip, Tripped
from annealscope.controller.engine.house import Finding, House
from annealscope.controller.engine.machine import RunMachine, RunState, Trigger
from annealscope.controller.engine.orders import Orders
from annealscope.controller.engine.outcome import Outcome
from annealscope.controller.engine.park import COOL_K, Park
from annealscope.controller.engine.ramps import ComeBack, SafeCoolDown, WayBack, count_as_settled
from annealscope.controller.engine.rest import Halt, Rest
from annealscope.controller.errors import ExitCode
from annealscope.controller.units import to_celsius

ALL_DONE = "all steps are done"
"""Why a run finishes that nobody has ended."""

GOING = frozenset((RunState.RUNNING, RunState.PAUSING, RunState.PAUSED, RunState.SUSPENDED))
"""States in which the plan goes on, or rests and will go on: the guards of the run are asked."""
_BEFORE_THE_END = GOING | {RunState.ARMING, RunState.PARKED}

SENSE: dict[Command, frozenset[RunState]] = {
    Command.PAUSE: frozenset((RunState.RUNNING, RunState.PAUSING, RunState.SUSPENDED)),
    Command.RESUME: GOING | {RunState.PARKED},
    Command.SKIP: GOING,
    Command.PARK: GOING,
    Command.STOP: _BEFORE_THE_END,
    Command.ABORT: _BEFORE_THE_END | {RunState.FINISHING},
    Command.EMERGENCY: frozenset(RunState) - {RunState.ENDED, RunState.FAULTED},
}
"""The states in which a command makes sense; more conditions in `Conduct.refusal`."""


class Conduct:
    """Obeys commands, suspends and resumes, winds up: one method for each line of the command table."""

    def __init__(self, bench: Bench, machine: RunMachine, agenda: Agenda, house: House) -> None:
        self._bench = bench
        self._house = house
        self._machine = machine
        self._agenda = agenda
        self._rest = Rest(bench, machine, agenda, house, self.enter)
        self._wake_s: float | None = None
        """When the night of a park is over; None: when somebody continues the run."""
        self._back: WayBack | None = None
        """From a park to the hold that it left in its middle."""
        self._wake_by_itself = True
        """After a simulated night; a park that a guard has asked for needs somebody to see to it."""
        self.orders = Orders(bench)
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
        if command is Command.RESUME and self.orders.standing:
            return ""
        if state not in SENSE[command]:
            return f"cannot {command.value} a run that is {state.value}"
        if command is Command.PAUSE and state is RunState.PAUSING and self._rest.guard is None:
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
                self._rest.pause(f"paused {by}")
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

    # ------------------------------------------------------------------ guards

    def watch_over(self) -> None:
        """Do what the guards say: those of the whole run, then those of the current step while it exposes."""
        self._bench.outlook = self._agenda.outlook
        found = self._house.tripped(self._bench)
        if found is not None:
            self._act(found)
        elif self._machine.state is RunState.RUNNING:
            self._watch_over_step()

    def _act(self, found: Finding) -> None:
        """Rest, park or stop; a run that rests already is suspended when it is to go on."""
        rests_already = found.action == "suspend" and self._machine.state is not RunState.RUNNING
        if rests_already or (found.action == "park" and self._parking):
            return
        self._house.note(self._bench, found)
        if found.action == "stop":
            self.stop(found.message, found.guard.exit_code)
        elif found.action == "park":
            self._wake_by_itself = False
            self._park(found.message)
        else:
            self._rest.begin(Halt(found.message, found.guard))

    def _watch_over_step(self) -> None:
        current = self._agenda.current
        if current is None or not current.task.exposing:
            return
        for guard in self._agenda.guards:
            message = guard.check(self._bench)
            if message is not None:
                self._bench.journal.write("guard", guard=guard.name, message=message, action="suspended")
                self._rest.begin(Halt(message, guard))
                return

    def rest_at_boundary(self) -> None:
        """Complete a pause or a suspension when everything has reached its boundary."""
        self._rest.at_boundary()

    def end_suspension(self) -> None:
        """Go on when the guard that suspended the run says so."""
        self.why = self._rest.end_suspension() or self.why

    def _resume(self, source: str) -> None:
        state, current = self._machine.state, self._agenda.current
        if self.orders.standing:
            self.orders.obeyed(source)
        elif state is RunState.RUNNING and current is not None:
            current.task.answer(self._bench, source)
        elif state is RunState.PARKED:
            self.wake(f"by the operator ({source})")
        else:
            self._rest.resume(source)

    # ------------------------------------------------------------------ leaving steps

    def _skip(self, why: str) -> None:
        """End the step; it is over when its files are closed."""
        self._rest.leave(why)
        current = self._agenda.current
        if current is not None:
            current.task.stop(self._bench, "truncated")

    def _park(self, why: str) -> None:
        """Leave the present step for another day, and go down by the planned way."""
        index = self._agenda.next_index
        back = self._way_back(index)
        way = self._agenda.planned_way() or self._safe_way()
        self._rest.leave(why)
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

    def stop_unrecorded(self, why: str) -> None:
        """Take the planned way down; a run that is on its way down stays on it."""
        if self._machine.allows(Trigger.FINISH):
            self.stop(why, ExitCode.INCOMPLETE)
        elif self.outcome.exit_code is ExitCode.OK:
            self.outcome = Outcome("stopped", why, ExitCode.INCOMPLETE)

    def _wind_up(self, trigger: Trigger, outcome: Outcome, way: Way) -> None:
        """Leave the plan: cool down, and wait for the file of an acquisition that was open."""
        self.enter(trigger, outcome.why)
        self._rest.forget()
        self.orders.hurry()
        self.outcome = outcome
        self._agenda.leave(self._bench, outcome.outcome)
        self._bench.microscope.blank(True)
        self._agenda.replace(self._cool_down(way))

    def out_of_steps(self) -> None:
        """Cool down when that is not done yet; then switch off and end, when all files are closed."""
        if self._machine.state is RunState.RUNNING:
            self.enter(Trigger.FINISH, ALL_DONE)
            self._agenda.replace(self._cool_down(self._safe_way()))
        elif self._agenda.collect(self._bench):
            self._bench.holder.switch_off()
            self._bench.microscope.blank(True)
            if not self.orders.standing:
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
        wakes = night_s is not None and self._wake_by_itself
        self._wake_s = self._bench.now_s + (night_s or 0.0) if wakes else None
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
        self._wake_by_itself = True
        self._house.start(self._bench)
        self.come_back(self._back)

    def come_back(self, back: WayBack | None) -> None:
        """Go back to the hold that was left in its middle, unless the holder was left at its temperature."""
        if back is None:
            return
        if back.left_s is None and back.is_there(self._bench.setpoint_K):
            self._bench.target_K = back.target_K
            count_as_settled(self._bench, back.age_s)
            return
        label = f"back to {to_celsius(back.target_K):.0f} °C"
        self._agenda.insert([Entry(ComeBack(back), label, self._agenda.next_index, "back", "ramp")])
