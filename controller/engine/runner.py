"""The loop of a run: commands, devices, guards, the step's turn, sleep."""

import time
from collections import deque
from contextlib import suppress

from annealscope.controller.engine.acquire import Acquire
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import CTRL_C, Command, CommandQueue, Request
from annealscope.controller.engine.entries import Closing, Entry, Way, closing_of, entry_of
from annealscope.controller.engine.guards import RecorderGuard, TemperatureGuard, Trip
from annealscope.controller.engine.machine import RunMachine, RunState, Trigger
from annealscope.controller.engine.outcome import Outcome, safe_all, with_records_checked
from annealscope.controller.engine.ports import Observer, Status
from annealscope.controller.engine.steps import CoolDown, SafeCoolDown, Task
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.stream.messages import HoldClosed
from annealscope.controller.units import to_celsius
from annealscope.drivers.interfaces import DeviceError

WAIT_FOR_STREAM_S = 0.05
CLOSE_WITHIN_S = 60.0
"""How long a faulted run waits for its open hold to be closed."""


class Engine:
    """Carries out one plan on one bench."""

    def __init__(self, bench: Bench, commands: CommandQueue, observer: Observer) -> None:
        self._bench = bench
        self._commands = commands
        self._observer: Observer | None = observer
        self._machine = RunMachine()
        self._queue = deque(entry_of(step) for step in bench.plan.steps)
        self._steps = len(self._queue)
        self._current: Entry | None = None
        self._outcome = Outcome("success", "the protocol was carried out to its end", ExitCode.OK)
        self._closed: list[HoldClosed] = []
        self._frames_before = 0
        self._temperature_guard = TemperatureGuard(bench.plan.max_temperature_K)
        self._recorder_guard = RecorderGuard(bench.stream.failure)

    def run(self) -> Outcome:
        """Run to the end; when this returns or raises, the heater is off and the beam blanked."""
        try:
            self._arm()
            while not self._machine.over:
                self._turn()
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
        return self._outcome

    def _end(self) -> None:
        for device in self._bench.devices:
            with suppress(Exception):
                device.close()
        self._outcome = outcome = with_records_checked(self._outcome, self._closed)
        self._note("run_ended", outcome=outcome.outcome, why=outcome.why, exit_code=int(outcome.exit_code))

    def _note(self, kind: str, **fields: object) -> None:
        """Journal what happens at the end of a run, even when the disk of the journal is what has failed."""
        with suppress(OSError):
            self._bench.journal.write(kind, **fields)

    # ------------------------------------------------------------------ the loop

    def _arm(self) -> None:
        self._enter(Trigger.ARM, "devices are opened")
        for device in self._bench.devices:
            device.open()
        self._bench.microscope.blank(True)
        self._bench.settled_s = self._bench.now_s
        self._bench.read(steady=True)
        self._enter(Trigger.START, "the protocol begins")

    def _turn(self) -> None:
        request = self._commands.take()
        if request is not None:
            self._obey(request)
            if self._machine.over:
                return
        self._bench.stream.wait(0.0)
        self._bench.read(steady=self._steady)
        trip = self._tripped()
        if trip is not None:
            self._fault(trip.guard, trip.message, trip.exit_code)
            return
        self._advance()
        self._show()
        self._sleep()

    @property
    def _steady(self) -> bool:
        return self._current is None or self._current.task.steady

    def _tripped(self) -> Trip | None:
        bench = self._bench
        return self._temperature_guard.check(bench.temperature, bench.read_s) or self._recorder_guard.check()

    def _advance(self) -> None:
        if self._current is None:
            self._begin_next()
        elif self._current.task.tick(self._bench):
            self._take_record(self._current.task)
            self._current = None

    def _begin_next(self) -> None:
        if not self._queue:
            self._out_of_steps()
            return
        self._current = entry = self._queue.popleft()
        self._bench.journal.write(
            "step", index=entry.number, path=entry.path, step=entry.kind, label=entry.label
        )
        entry.task.start(self._bench)

    def _out_of_steps(self) -> None:
        if self._machine.state is RunState.RUNNING:
            self._enter(Trigger.FINISH, "all steps are done")
            self._queue.extend(self._cool_down(self._safe_way()))
        else:
            self._bench.holder.switch_off()
            self._bench.microscope.blank(True)
            self._enter(Trigger.END, "the heater is off and the beam blanked")

    def _sleep(self) -> None:
        if self._machine.over:
            return
        bench = self._bench
        due_s = bench.now_s if self._current is None else self._current.task.next_event_s(bench)
        if due_s is None:
            bench.stream.wait(WAIT_FOR_STREAM_S)
        elif bench.clock.virtual:
            bench.clock.sleep_until(due_s)
        else:
            bench.stream.wait(bench.clock.real_delay_s(due_s))

    # ------------------------------------------------------------------ commands and faults

    def _obey(self, request: Request) -> None:
        self._bench.journal.write("command", command=request.command.value, source=request.source)
        if request.command is Command.EMERGENCY:
            self._fault("operator", "emergency stop by the operator", _operator_code(request))
        elif request.command is Command.ABORT:
            outcome = Outcome("aborted", _by("aborted", request), _operator_code(request))
            self._wind_up(Trigger.ABORT, outcome, self._safe_way())
        else:
            outcome = Outcome("stopped", _by("stopped", request), _operator_code(request))
            self._wind_up(Trigger.FINISH, outcome, self._planned_way())

    def _wind_up(self, trigger: Trigger, outcome: Outcome, way: Way) -> None:
        """Leave the plan: cool down first, then wait for the files of an acquisition that was open."""
        if not self._machine.allows(trigger):
            return
        self._enter(trigger, outcome.why)
        self._outcome = outcome
        if self._current is not None:
            self._current.task.stop(self._bench, outcome.outcome)
        self._queue = deque([*self._cool_down(way), *self._unfinished()])
        self._current = None

    def _unfinished(self) -> list[Entry]:
        """What has still to be waited for: the files of acquisitions that were begun."""
        begun = [] if self._current is None else [self._current]
        closing = [entry for entry in (*begun, *self._queue) if isinstance(entry.task, Closing)]
        return closing + [closing_of(entry) for entry in begun if isinstance(entry.task, Acquire)]

    def _safe_way(self) -> Way:
        safe = self._bench.plan.safe
        return Way(safe.cool_to_K, safe.rate_K_per_s)

    def _planned_way(self) -> Way:
        """The cool-down that the protocol ends with, or else the safe one."""
        ahead = [self._current, *self._queue]
        planned = [entry.task for entry in ahead if entry and isinstance(entry.task, CoolDown)]
        return Way(planned[-1].target_K, planned[-1].rate_K_per_s) if planned else self._safe_way()

    def _cool_down(self, way: Way) -> list[Entry]:
        """The way down, when the heater is above its end."""
        if not self._bench.setpoint_K > way.target_K + 0.5:
            return []
        label = f"cool to {to_celsius(way.target_K):.0f} °C and switch off"
        return [Entry(SafeCoolDown(way.target_K, way.rate_K_per_s), label, self._steps, "safe", "cool")]

    def _fault(self, guard: str, message: str, exit_code: ExitCode) -> None:
        if self._machine.over:
            return
        safe_all(self._bench.devices, message)
        self._note("guard", guard=guard, message=message, action="every device made safe")
        self._outcome = Outcome("failed", message, exit_code)
        self._note("state", state=self._machine.fire(Trigger.FAULT).value, why=message)
        self._close_open_hold()

    def _close_open_hold(self) -> None:
        """Best effort: what has been recorded gets its file, but nobody waits for ever."""
        try:
            if self._current is not None and isinstance(self._current.task, Acquire):
                self._current.task.stop(self._bench, "failed")
            for entry in self._unfinished():
                self._await_closing(entry.task)
        except Exception as error:  # the run has failed already; this is its second message
            self._note("guard", guard="close", message=str(error), action="none")

    def _await_closing(self, task: Task) -> None:
        stream, deadline_s = self._bench.stream, time.monotonic() + CLOSE_WITHIN_S
        while stream.failure() is None and time.monotonic() < deadline_s:
            if task.tick(self._bench):
                self._take_record(task)
                return
            stream.wait(WAIT_FOR_STREAM_S)

    def _enter(self, trigger: Trigger, why: str) -> None:
        self._bench.journal.write("state", state=self._machine.fire(trigger).value, why=why)

    # ------------------------------------------------------------------ for whoever watches

    def _take_record(self, task: Task) -> None:
        if isinstance(task, Acquire | Closing):
            self._frames_before += task.frames
            if task.closed is not None:
                self._closed.append(task.closed)

    def _show(self) -> None:
        """Show a snapshot; a display that breaks is not shown any more, and costs nothing else."""
        if self._observer is None:
            return
        try:
            self._observer(self._status())
        except Exception as error:
            self._observer = None
            message = f"{type(error).__name__}: {error}"
            self._bench.journal.write("guard", guard="display", message=message, action="switched off")

    def _status(self) -> Status:
        bench, entry = self._bench, self._current
        acquire = entry.task if entry is not None and isinstance(entry.task, Acquire) else None
        drift = bench.stream.newest_drift() if acquire else None
        live = bench.stream.newest_live() if acquire else None
        return Status(
            state=self._machine.state.value,
            step=entry.label if entry else "",
            phase=entry.task.phase if entry else "",
            step_number=entry.number if entry else 0,
            steps=self._steps,
            t_s=bench.now_s,
            total_s=bench.plan.duration_s,
            temperature_K=bench.temperature.value,
            setpoint_K=bench.setpoint_K,
            frames=acquire.frames if acquire else 0,
            frames_planned=acquire.step.frames if acquire else 0,
            frames_before=self._frames_before,
            drift_nm=max(abs(drift.measured_nm[0]), abs(drift.measured_nm[1])) if drift else None,
            tau_s=live.tau_s if live else None,
            sigma_tau_s=live.sigma_tau_s if live else None,
        )


def _operator_code(request: Request) -> ExitCode:
    return ExitCode.CTRL_C if request.source == CTRL_C else ExitCode.OPERATOR


def _by(done: str, request: Request) -> str:
    return f"{done} by the operator ({request.source})"
