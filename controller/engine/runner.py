"""The loop of a run: commands, devices, guards, the step's turn, sleep."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from annealscope.controller.engine.acquire import Acquire
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import CTRL_C, Command, CommandQueue, Request
from annealscope.controller.engine.guards import RecorderGuard, TemperatureGuard, Trip
from annealscope.controller.engine.machine import RunMachine, RunState, Trigger
from annealscope.controller.engine.ports import Observer, Status
from annealscope.controller.engine.steps import ChangeTemperature, Task, Wait
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.planning import AcquireStep, CoolStep, PlannedStep, RampStep
from annealscope.drivers.interfaces import Device, DeviceError

WAIT_FOR_STREAM_S = 0.05
SAFE_WITHIN_S = 2.0
"""How long an emergency waits for a device to answer before it goes on to report."""
CLOSE_WITHIN_S = 60.0
"""How long a faulted run waits for its open hold to be closed."""

OutcomeName = Literal["success", "stopped", "aborted", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    outcome: OutcomeName
    why: str
    exit_code: ExitCode


@dataclass(frozen=True)
class Entry:
    """A task and what the journal calls it."""

    task: Task
    label: str
    number: int
    path: str
    kind: str


class Engine:
    """Carries out one plan on one bench."""

    def __init__(self, bench: Bench, commands: CommandQueue, observer: Observer) -> None:
        self._bench = bench
        self._commands = commands
        self._observer = observer
        self._machine = RunMachine()
        self._queue = deque(entry_of(step) for step in bench.plan.steps)
        self._steps = len(self._queue)
        self._current: Entry | None = None
        self._outcome = Outcome("success", "the protocol was carried out to its end", ExitCode.OK)
        self._frames_before = 0
        self._temperature_guard = TemperatureGuard(bench.plan.max_temperature_K)
        self._recorder_guard = RecorderGuard(bench.stream.failure)

    def run(self) -> Outcome:
        """Run to the end, whatever happens; the heater is off and the beam blanked when this returns."""
        try:
            self._arm()
            while not self._machine.over:
                self._turn()
        except DeviceError as error:
            self._fault("device", str(error), ExitCode.DEVICE)
        except RunError as error:
            self._fault("run", str(error), error.exit_code)
        except Exception as error:  # the heater goes off first, the bug is reported after
            self._fault("internal", f"{type(error).__name__}: {error}", ExitCode.INTERNAL)
            self._record_end()
            raise
        self._record_end()
        return self._outcome

    def _record_end(self) -> None:
        outcome = self._outcome
        self._bench.journal.write(
            "run_ended", outcome=outcome.outcome, why=outcome.why, exit_code=int(outcome.exit_code)
        )

    # ------------------------------------------------------------------ the loop

    def _arm(self) -> None:
        self._enter(Trigger.ARM, "devices are opened")
        for device in self._bench.devices:
            device.open()
        self._bench.microscope.blank(True)
        self._bench.settled_s = self._bench.now_s
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
        self._observer(self._status())
        self._sleep()

    @property
    def _steady(self) -> bool:
        return self._current is None or self._current.task.steady

    def _tripped(self) -> Trip | None:
        bench = self._bench
        return self._temperature_guard.check(bench.temperature, bench.now_s) or self._recorder_guard.check()

    def _advance(self) -> None:
        if self._current is None:
            self._begin_next()
        elif self._current.task.tick(self._bench):
            self._count_frames(self._current.task)
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
            self._queue.extend(self._cool_down())
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
            self._wind_up(Trigger.ABORT, Outcome("aborted", _by("aborted", request), _operator_code(request)))
        else:
            self._wind_up(
                Trigger.FINISH, Outcome("stopped", _by("stopped", request), _operator_code(request))
            )

    def _wind_up(self, trigger: Trigger, outcome: Outcome) -> None:
        """Leave the plan: cool down first, then wait for the files of an acquisition that was open."""
        if not self._machine.allows(trigger):
            return
        self._enter(trigger, outcome.why)
        self._outcome = outcome
        if self._current is not None:
            self._current.task.stop(self._bench, outcome.outcome)
        self._queue = deque([*self._cool_down(), *self._unfinished()])
        self._current = None

    def _unfinished(self) -> list[Entry]:
        """What has still to be waited for: the files of acquisitions that were begun."""
        begun = [] if self._current is None else [self._current]
        closing = [entry for entry in (*begun, *self._queue) if isinstance(entry.task, Closing)]
        return closing + [_closing(entry) for entry in begun if isinstance(entry.task, Acquire)]

    def _cool_down(self) -> list[Entry]:
        """The way to the ``safe:`` temperature, when the heater is above it."""
        safe = self._bench.plan.safe
        if not self._bench.setpoint_K > safe.cool_to_K + 0.5:
            return []
        task = ChangeTemperature(safe.cool_to_K, safe.rate_K_per_s, phase="cooling")
        label = f"cool to {safe.cool_to_K - 273.15:.0f} degC and switch off"
        return [Entry(task, label, self._steps, "safe", "cool")]

    def _fault(self, guard: str, message: str, exit_code: ExitCode) -> None:
        if self._machine.over:
            return
        safe_all(self._bench.devices, message)
        self._bench.journal.write("guard", guard=guard, message=message, action="every device made safe")
        self._enter(Trigger.FAULT, message)
        self._outcome = Outcome("failed", message, exit_code)
        self._close_open_hold()

    def _close_open_hold(self) -> None:
        """Best effort: what has been recorded gets its file, but nobody waits for ever."""
        try:
            if self._current is not None and isinstance(self._current.task, Acquire):
                self._current.task.stop(self._bench, "failed")
            for entry in self._unfinished():
                self._await_closing(entry.task)
        except Exception as error:  # the run has failed already; this is its second message
            self._bench.journal.write("guard", guard="close", message=str(error), action="none")

    def _await_closing(self, task: Task) -> None:
        stream = self._bench.stream
        for _ in range(int(CLOSE_WITHIN_S / WAIT_FOR_STREAM_S)):
            if stream.failure() is not None or task.tick(self._bench):
                return
            stream.wait(WAIT_FOR_STREAM_S)

    def _enter(self, trigger: Trigger, why: str) -> None:
        self._bench.journal.write("state", state=self._machine.fire(trigger).value, why=why)

    # ------------------------------------------------------------------ for whoever watches

    def _count_frames(self, task: Task) -> None:
        if isinstance(task, Acquire):
            self._frames_before += task.frames

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


class Closing:
    """What is left of an interrupted acquisition: waiting for its file."""

    phase = "closing"
    steady = False

    def __init__(self, acquire: Acquire) -> None:
        self._acquire = acquire

    def start(self, bench: Bench) -> None:
        """Nothing to begin: the acquisition was stopped when it was interrupted."""

    def tick(self, bench: Bench) -> bool:
        """Return True when the hold is complete on disk."""
        return self._acquire.tick(bench)

    def next_event_s(self, bench: Bench) -> float | None:
        """When the recorder has news."""
        return None

    def stop(self, bench: Bench, reason: str) -> None:
        """Goes on: a file that is being closed is closed."""


def entry_of(planned: PlannedStep) -> Entry:
    """Turn a planned step into a task."""
    step = planned.step
    if isinstance(step, AcquireStep):
        return Entry(Acquire(step), planned.label, planned.index, planned.path, "acquire")
    if isinstance(step, RampStep):
        task = ChangeTemperature(step.target_K, step.rate_K_per_s)
        return Entry(task, planned.label, planned.index, planned.path, "ramp")
    if isinstance(step, CoolStep):
        task = ChangeTemperature(step.target_K, step.rate_K_per_s, phase="cooling")
        return Entry(task, planned.label, planned.index, planned.path, "cool")
    return Entry(Wait(step), planned.label, planned.index, planned.path, "wait")


def safe_all(devices: Sequence[Device], why: str) -> None:
    """Send every device to its safe state, all at once: none waits for one that hangs."""
    threads = [threading.Thread(target=device.safe, args=(why,), daemon=True) for device in devices]
    for thread in threads:
        thread.start()
    _join(threads)


def _join(threads: Iterable[threading.Thread]) -> None:
    for thread in threads:
        thread.join(SAFE_WITHIN_S)


def _closing(entry: Entry) -> Entry:
    assert isinstance(entry.task, Acquire)  # noqa: S101 - selected by its type just before
    return Entry(Closing(entry.task), f"close {entry.label}", entry.number, entry.path, "acquire")


def _operator_code(request: Request) -> ExitCode:
    return ExitCode.CTRL_C if request.source == CTRL_C else ExitCode.OPERATOR


def _by(done: str, request: Request) -> str:
    return f"{done} by the operator ({request.source})"
