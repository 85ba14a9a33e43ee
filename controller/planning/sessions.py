"""What the operator does in a run, and in which session: a session is what lies between two parks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from annealscope.controller.config.wording import duration_as_written
from annealscope.controller.planning.values import (
    AcquireStep,
    ParkStep,
    Plan,
    PlannedStep,
    PrepareStep,
    PromptStep,
    Setup,
    WaitStep,
)
from annealscope.drivers.interfaces import Optics


@dataclass(frozen=True)
class Setting:
    """The column is set, a region found and focused on: in a step of its own, or as an acquisition begins."""

    planned: PlannedStep
    setup: Setup
    by_hand: bool
    """The operator sets a part of it."""


@dataclass(frozen=True)
class Task:
    """Something the operator is asked for."""

    kind: Literal["set", "prompt", "park"]
    step: int
    """Number of the step in the timeline, from 1."""
    t_s: float
    """Planned time since the start of the session."""
    message: str
    checklist: tuple[str, ...] = ()


@dataclass(frozen=True)
class Session:
    """Steps that are carried out without leaving the microscope alone."""

    number: int
    """From 1."""
    t_start_s: float
    """From the start of the run, with nothing between the sessions."""
    duration_s: float
    steps: tuple[PlannedStep, ...]
    tasks: tuple[Task, ...]

    @property
    def park(self) -> ParkStep | None:
        """The park that ends it; None: the run ends with it."""
        last = self.steps[-1].step
        return last if isinstance(last, ParkStep) else None


def sessions_of(plan: Plan) -> tuple[Session, ...]:
    """Divide a plan after each of its parks."""
    by_hand = {setting.planned.index: setting.setup for setting in settings_of(plan) if setting.by_hand}
    return tuple(_session(number, steps, by_hand) for number, steps in enumerate(_split(plan.steps), start=1))


def settings_of(plan: Plan) -> Iterator[Setting]:
    """Yield every setting of the column in the order of the plan.

    An acquisition sets the column by itself unless it was prepared just before. A state that is set already
    is not set again; after a park, and after the drift was watched in a state of its own, it may be another.
    """
    state: Optics | None = None
    prepared: str | None = None
    for planned in plan.steps:
        step = planned.step
        if isinstance(step, ParkStep) or (isinstance(step, WaitStep) and step.watch is not None):
            state = prepared = None
        elif isinstance(step, PrepareStep) or (isinstance(step, AcquireStep) and step.setup.key != prepared):
            setup = step.setup
            changes = setup.optics is not None and setup.optics != state
            yield Setting(planned, setup, changes and bool(setup.checklist))
            state, prepared = setup.optics or state, setup.key
        if isinstance(step, AcquireStep):
            prepared = None


def _split(steps: tuple[PlannedStep, ...]) -> Iterator[tuple[PlannedStep, ...]]:
    begin = 0
    for end, planned in enumerate(steps, start=1):
        if isinstance(planned.step, ParkStep) or end == len(steps):
            yield steps[begin:end]
            begin = end


def _session(number: int, steps: tuple[PlannedStep, ...], by_hand: dict[int, Setup]) -> Session:
    t_start_s = steps[0].t_start_s
    tasks = tuple(task for planned in steps if (task := _task(planned, t_start_s, by_hand)) is not None)
    return Session(number, t_start_s, sum(planned.duration_s for planned in steps), steps, tasks)


def _task(planned: PlannedStep, t_start_s: float, by_hand: dict[int, Setup]) -> Task | None:
    step, number, t_s = planned.step, planned.index + 1, planned.t_start_s - t_start_s
    if isinstance(step, PromptStep):
        return Task("prompt", number, t_s, f"{step.message}{_unanswered(step)}")
    if isinstance(step, ParkStep):
        return Task("park", number, t_s, step.message)
    if planned.index in by_hand:
        setup = by_hand[planned.index]
        message = f"set {setup.optics_name or 'the column'} for {setup.key}"
        return Task("set", number, t_s, message, setup.checklist)
    return None


def _unanswered(step: PromptStep) -> str:
    if step.timeout_s is None:
        return " (waits for the answer)"
    then = "cools down" if step.on_timeout == "cool" else "goes on"
    return f" ({then} after {duration_as_written(step.timeout_s)} without an answer)"
