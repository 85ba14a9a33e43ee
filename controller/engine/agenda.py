"""What is being done, what comes next, and which files are still being closed."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from annealscope.controller.engine.acquire import Acquire
from annealscope.controller.engine.bench import Bench, Outlook
from annealscope.controller.engine.entries import Entry, Way, entry_of
from annealscope.controller.engine.interrupted import Interrupted
from annealscope.controller.engine.ports import NextTask
from annealscope.controller.engine.ramps import ChangeTemperature, CoolDown
from annealscope.controller.engine.suspension import Suspension
from annealscope.controller.engine.waits import Wait
from annealscope.controller.planning.sessions import sessions_of
from annealscope.controller.planning.values import AcquireStep, CoolStep, ParkStep, Plan, RampStep
from annealscope.controller.space import space_needed
from annealscope.controller.stream.messages import HoldClosed

_CHANGING = (RampStep, CoolStep, ParkStep)
"""Steps that change the temperature themselves."""


class Agenda:
    """The steps of a plan on their way from planned to done.

    Parameters
    ----------
    plan
        The plan.
    start_at
        Index of its first step: 0, or where a run goes on.
    earlier
        The acquisition that this step is, when it was under way already.
    """

    def __init__(self, plan: Plan, start_at: int = 0, earlier: Interrupted | None = None) -> None:
        self._plan = plan
        self._earlier = earlier
        self._queue = deque(self._entries(start_at))
        self._tasks = tuple(
            (session.t_start_s + task.t_s, task) for session in sessions_of(plan) for task in session.tasks
        )
        self.current: Entry | None = None
        self.guards: list[Suspension] = []
        """What may suspend the current step."""
        self.next_task: NextTask | None = None
        self.closed: list[HoldClosed] = []
        """What the recorder said of the holds that are complete on disk."""
        self.frames_before = 0
        """Frames of holds that are over."""
        self._leaving: list[Acquire] = []
        """Acquisitions that were left before their files were complete."""

    @property
    def steps(self) -> int:
        """Steps of the plan."""
        return len(self._plan.steps)

    @property
    def acquisition(self) -> Acquire | None:
        """The current step, when it takes frames."""
        task = self.current.task if self.current is not None else None
        return task if isinstance(task, Acquire) else None

    @property
    def steady(self) -> bool:
        """Say whether the temperature is meant to be constant."""
        return self.current is None or self.current.task.steady

    @property
    def outlook(self) -> Outlook:
        """What the guards of the run should know of the step that goes on or comes next."""
        begins = self.current is None and bool(self._queue)
        task = self._queue[0].task if begins else self.current.task if self.current is not None else None
        if not isinstance(task, Acquire):
            return Outlook(task is not None and task.steady, task is not None and task.exposing)
        lasts_s = task.step.frames * task.step.period_s
        return Outlook(True, task.phase != "closing", lasts_s if begins else 0.0)

    def bytes_to_come(self) -> int:
        """Return the space that the acquisitions need which are not over."""
        sizes = {hold.hold: hold.bytes for hold in self._plan.holds}
        entries = [self.current, *self._queue] if self.current is not None else [*self._queue]
        tasks = [entry.task for entry in entries if isinstance(entry.task, Acquire)]
        return space_needed(
            [(sizes.get(task.step.hold, 0), 1.0 - task.frames / task.step.frames) for task in tasks]
        )

    @property
    def empty(self) -> bool:
        """Say whether nothing is left to begin."""
        return not self._queue

    @property
    def held_up(self) -> bool:
        """Say whether the next step has to wait: it may take frames, and files of earlier ones are open."""
        takes_frames = bool(self._queue) and isinstance(self._queue[0].task, Acquire | Wait)
        return takes_frames and bool(self._leaving)

    @property
    def planned(self) -> tuple[float, float]:
        """When the current step begins and ends by the plan, s; between two steps the next one."""
        number = self.current.number if self.current is not None else self.next_index
        if number >= self.steps:
            return self._plan.duration_s, self._plan.duration_s
        step = self._plan.steps[number]
        return step.t_start_s, step.t_start_s + step.duration_s

    @property
    def next_index(self) -> int:
        """Index of the step that comes next, were the current one left now.

        An acquisition that has taken something is not taken again; every other step is begun anew.
        """
        acquisition = self.acquisition
        taken = acquisition is not None and acquisition.opened
        if self.current is not None and not taken and self.current.number < self.steps:
            return self.current.number
        return self._queue[0].number if self._queue else self.steps

    # ------------------------------------------------------------------ going on

    def begin_next(self, bench: Bench) -> bool:
        """Begin the next step; False when there is none."""
        if not self._queue:
            return False
        self.current = entry = self._queue.popleft()
        bench.journal.write("step", index=entry.number, path=entry.path, step=entry.kind, label=entry.label)
        self.guards = entry.task.guards()
        self.next_task = self._next_task(entry.number, bench.now_s)
        entry.task.start(bench)
        return True

    def tick(self, bench: Bench) -> Entry | None:
        """Give the current step its turn; return it when it is over."""
        entry = self.current
        if entry is None or not entry.task.tick(bench):
            return None
        self.current = None
        if isinstance(entry.task, Acquire):
            self._file(entry.task)
        return entry

    def leave(self, bench: Bench, reason: str) -> None:
        """Stop the current step; its file is waited for in passing."""
        if self.current is None:
            return
        acquisition, task = self.acquisition, self.current.task
        self.current = None
        if acquisition is not None:
            self._leaving.append(acquisition)
        task.stop(bench, reason)

    def collect(self, bench: Bench) -> bool:
        """Look for files that are complete by now; return True when none is waited for."""
        for acquisition in [left for left in self._leaving if left.tick(bench)]:
            self._leaving.remove(acquisition)
            self._file(acquisition)
        return not self._leaving

    def replace(self, entries: Iterable[Entry]) -> None:
        """Forget what was planned, and do this instead."""
        self._queue = deque(entries)

    def insert(self, entries: Iterable[Entry]) -> None:
        """Do this before what was planned."""
        self._queue.extendleft(reversed([*entries]))

    def rewind_to(self, index: int) -> None:
        """Go on with the plan from a step on."""
        self.replace(self._entries(index))

    def _entries(self, index: int) -> Iterator[Entry]:
        """Yield the plan from a step on; frames that an acquisition has already are not taken again."""
        for planned in self._plan.steps[index:]:
            entry, earlier = entry_of(planned), self._earlier
            step = planned.step
            if earlier is not None and isinstance(step, AcquireStep) and step.hold == earlier.opening.hold:
                entry = replace(entry, task=Acquire(step, earlier))
            yield entry

    def _file(self, acquisition: Acquire) -> None:
        self.frames_before += acquisition.frames
        if acquisition.closed is not None:
            self.closed.append(acquisition.closed)

    # ------------------------------------------------------------------ the plan ahead

    def planned_way(self) -> Way | None:
        """The cool-down that the plan ends with, if it has one still ahead."""
        ahead = [entry.task for entry in (self.current, *self._queue) if entry is not None]
        changes = [task for task in ahead if isinstance(task, ChangeTemperature)]
        if not changes or not isinstance(changes[-1], CoolDown):
            return None
        return Way(changes[-1].target_K, changes[-1].rate_K_per_s)

    def way_back(self, index: int) -> Way | None:
        """The way to the temperature that a step expects to find; None: whatever the room has will do."""
        before, ahead = self._plan.steps[:index], self._plan.steps[index:]
        changes = [one.step for one in before if isinstance(one.step, _CHANGING)]
        if not changes or not ahead or isinstance(ahead[0].step, _CHANGING):
            return None
        last = changes[-1]
        return None if isinstance(last, ParkStep) else Way(last.target_K, last.rate_K_per_s)

    def _next_task(self, index: int, now_s: float) -> NextTask | None:
        """What the operator has to do after this step, when the plan goes on from here without delay."""
        parks = index < self.steps and isinstance(self._plan.steps[index].step, ParkStep)
        for t_s, task in self._tasks:
            if task.step > index + 1 and not parks:  # nobody knows when the next day begins
                ahead_s = t_s - self._plan.steps[index].t_start_s
                return NextTask("; ".join((task.message, *task.checklist)), now_s + ahead_s)
        return None
