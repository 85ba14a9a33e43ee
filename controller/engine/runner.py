"""The loop of a run: commands, devices, guards, the step's turn, sleep."""

import time
from collections.abc import Sequence
from contextlib import suppress

from annealscope.controller.engine.agenda import Agenda
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import CommandQueue
from annealscope.controller.engine.conduct import GOING, Conduct
from annealscope.controller.engine.guards import TemperatureGuard, Tripped
from annealscope.controller.engine.house import House, RunGuard
from annealscope.controller.engine.interrupted import Interrupted
from annealscope.controller.engine.lapse import Lapse, go_on_down
from annealscope.controller.engine.machine import RunMachine, RunState, Trigger
from annealscope.controller.engine.outcome import (
    Outcome,
    PlannedEnd,
    safe_all,
    with_heater_checked,
    with_records_checked,
)
from annealscope.controller.engine.park import NIGHT_TICK_S, Park
from annealscope.controller.engine.ports import Observer
from annealscope.controller.engine.ramps import WayBack
from annealscope.controller.engine.snapshot import snapshot
from annealscope.controller.engine.standing import standing_guards
from annealscope.controller.engine.task import TICK_STEADY_S
from annealscope.controller.errors import ExitCode, RunError
from annealscope.drivers.interfaces import DeviceError, HeaterTripped

WAIT_FOR_STREAM_S = 0.05
CLOSE_WITHIN_S = 60.0
"""How long a faulted run waits for its open hold to be closed."""


class Engine:
    """Carries out one plan on one bench.

    Parameters
    ----------
    bench
        Devices, stream, journal, plan.
    commands
        Where commands come from.
    observers
        Called with a snapshot after every turn, each whatever becomes of the others.
    start_at
        Index of the first step: 0, or where a run goes on.
    back
        The way back to the hold that was left in its middle then, if one was.
    earlier
        The acquisition that the first step is, when it was under way already.
    watchers
        Guards of the whole run, beside those that every run has.
    """

    def __init__(
        self,
        bench: Bench,
        commands: CommandQueue,
        observers: Sequence[Observer],
        start_at: int = 0,
        back: WayBack | None = None,
        earlier: Interrupted | None = None,
        watchers: Sequence[RunGuard] = (),
    ) -> None:
        self._bench = bench
        self._commands = commands
        self._observers = list(observers)
        self._back = back
        self._machine = RunMachine()
        self._agenda = Agenda(bench.plan, start_at, earlier)
        self._house = House((Lapse(), *standing_guards(bench, self._agenda.bytes_to_come), *watchers))
        self._conduct = Conduct(bench, self._machine, self._agenda, self._house)
        self._temperature_guard = TemperatureGuard(bench.plan.max_temperature_K)
        self._unrecorded = False
        """The journal cannot be written, and the run is being ended because of it."""

    def run(self) -> Outcome:
        """Run to the end; when this returns or raises, the heater is off and the beam blanked."""
        try:
            self._arm()
            while not self._machine.over:
                try:
                    self._turn()
                except OSError as error:
                    self._end_unrecorded(error)
        except Tripped as trip:
            self._fault(trip.guard, str(trip), trip.exit_code)
        except HeaterTripped as trip:
            self._fault("heater", str(trip), ExitCode.SAFETY)
        except DeviceError as error:
            self._fault("device", str(error), ExitCode.DEVICE)
        except RunError as error:
            self._fault("run", str(error), error.exit_code)
        except OSError as error:
            self._fault("system", f"the run cannot be recorded any more: {error}", ExitCode.INCOMPLETE)
        except BaseException as error:  # an interrupt or a bug: everything is made safe, then it is passed on
            self._fault("internal", f"{type(error).__name__}: {error}", ExitCode.INTERNAL)
            raise
        finally:
            self._end()
        return self._conduct.outcome

    def _end_unrecorded(self, error: OSError) -> None:
        """Go down as planned although nobody can write about it. Raises the error when it did not help."""
        if self._unrecorded:
            raise error
        self._unrecorded = True
        self._bench.journal.give_up()
        self._conduct.stop_unrecorded(f"the run cannot be recorded any more: {error}")

    def _end(self) -> None:
        for device in self._bench.devices:
            with suppress(Exception):
                device.close()
        outcome = with_records_checked(
            self._conduct.outcome, self._agenda.closed, self._bench.stream.failure()
        )
        self._conduct.outcome = outcome = with_heater_checked(outcome, self._conduct.orders.standing)
        self._note("run_ended", outcome=outcome.outcome, why=outcome.why, exit_code=int(outcome.exit_code))

    def _note(self, kind: str, **fields: object) -> None:
        """Journal what happens at the end of a run, even when the disk of the journal is what has failed."""
        with suppress(OSError):
            self._bench.journal.write(kind, **fields)

    # ------------------------------------------------------------------ the loop

    def _arm(self) -> None:
        bench = self._bench
        self._conduct.enter(Trigger.ARM, "devices are opened")
        for device in bench.devices:
            device.open()
        bench.microscope.blank(True)
        bench.settled_s = bench.now_s
        bench.read(steady=True)
        self._conduct.enter(Trigger.START, "the protocol begins")
        self._house.start(bench)
        self._conduct.come_back(self._back)

    def _turn(self) -> None:
        request = self._commands.take()
        if request is not None:
            self._conduct.obey(request)
        self._bench.stream.wait(0.0)
        self._bench.read(steady=self._agenda.steady)
        trip = self._temperature_guard.check(self._bench.temperature, self._bench.read_s)
        if trip is not None:
            raise Tripped(trip)
        current = self._agenda.current
        self._conduct.orders.watch(current.task if current is not None else None)
        self._advance()
        self._show()
        self._sleep()

    def _advance(self) -> None:
        """Do what the state of the run asks for."""
        self._agenda.collect(self._bench)
        state = self._machine.state
        if state in GOING:
            self._conduct.watch_over()
        elif self._bench.lapse:
            go_on_down(self._bench, self._agenda.current.task if self._agenda.current is not None else None)
        if self._machine.state is not state:
            return
        match state:
            case RunState.PAUSED:
                return
            case RunState.SUSPENDED:
                self._conduct.end_suspension()
            case RunState.PARKED:
                self._conduct.sleep_on()
            case RunState.PAUSING:
                self._step_forward()
                if self._machine.state is RunState.PAUSING:
                    self._conduct.rest_at_boundary()
            case _:
                self._step_forward()

    def _step_forward(self) -> None:
        if self._agenda.current is None:
            self._begin_next()
            return
        try:
            over = self._agenda.tick(self._bench)
        except PlannedEnd as end:
            self._conduct.stop(str(end), ExitCode.SAFETY)
            return
        if over is not None and isinstance(over.task, Park):
            self._conduct.park_over(over.task)

    def _begin_next(self) -> None:
        if self._machine.state is RunState.PAUSING or self._agenda.held_up:
            return
        if not self._agenda.begin_next(self._bench):
            self._conduct.out_of_steps()

    def _sleep(self) -> None:
        if self._machine.over:
            return
        bench = self._bench
        due_s = self._due_s()
        if due_s is None:
            bench.stream.wait(WAIT_FOR_STREAM_S)
        elif bench.clock.virtual:
            bench.clock.sleep_until(due_s)
        else:
            bench.stream.wait(bench.clock.real_delay_s(due_s))

    def _due_s(self) -> float | None:
        """When the next turn is due; None: when the stream has news."""
        now_s, current = self._bench.now_s, self._agenda.current
        match self._machine.state:
            case RunState.PAUSED | RunState.SUSPENDED as state:
                awaited = state is RunState.PAUSED or self._bench.stream.trouble() is not None
                if awaited and self._bench.clock.virtual:  # a person, or a recorder, comes in real time
                    self._bench.stream.wait(WAIT_FOR_STREAM_S)
                return now_s + TICK_STEADY_S
            case RunState.PARKED:
                return now_s + NIGHT_TICK_S if self._agenda.collect(self._bench) else None
        if current is not None:
            return current.task.next_event_s(self._bench)
        if self._conduct.orders.standing:
            return now_s + TICK_STEADY_S
        waiting = self._agenda.empty and not self._agenda.collect(self._bench)
        return None if waiting or self._agenda.held_up else now_s

    # ------------------------------------------------------------------ faults

    def _fault(self, guard: str, message: str, exit_code: ExitCode) -> None:
        if self._machine.over:
            return
        safe_all(self._bench.devices, message)
        self._note("guard", guard=guard, message=message, action="every device made safe")
        if self._conduct.orders.standing:
            self._note("guard", guard="holder", message=self._conduct.orders.standing, action="alarm")
        self._conduct.outcome = Outcome("failed", message, exit_code)
        self._conduct.why = message
        self._note("state", state=self._machine.fire(Trigger.FAULT).value, why=message)
        self._show()
        self._close_open_hold()

    def _close_open_hold(self) -> None:
        """Best effort: what has been recorded gets its file, also when the camera refuses to be stopped."""
        for attempt in (self._leave_hold, self._await_files):
            try:
                attempt()
            except Exception as error:  # the run has failed already; this is its second message
                self._note("guard", guard="close", message=str(error), action="none")

    def _leave_hold(self) -> None:
        if self._agenda.acquisition is not None:
            self._agenda.leave(self._bench, "failed")

    def _await_files(self) -> None:
        """Wait for files that are being closed, but not for ever."""
        stream, deadline_s = self._bench.stream, time.monotonic() + CLOSE_WITHIN_S
        while stream.failure() is None and time.monotonic() < deadline_s:
            if self._agenda.collect(self._bench):
                return
            stream.wait(WAIT_FOR_STREAM_S)

    # ------------------------------------------------------------------ for whoever watches

    def _show(self) -> None:
        """Show a snapshot; a display that breaks is not shown any more, and costs nothing else."""
        state, conduct = self._machine.state.value, self._conduct
        try:
            status = snapshot(self._bench, self._agenda, conduct.orders, state, conduct.why)
        except Exception as error:
            self._switch_off(self._observers, error)
            return
        for observer in self._observers:
            try:
                observer(status)
            except Exception as error:
                self._switch_off([observer], error)

    def _switch_off(self, observers: Sequence[Observer], error: Exception) -> None:
        self._observers = [one for one in self._observers if one not in observers]
        message = f"{type(error).__name__}: {error}"
        self._note("guard", guard="display", message=message, action="switched off")
