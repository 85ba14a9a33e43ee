"""What the operator does in a run, and in which session: a session is what lies between two parks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from annealscope.controller.config.wording import duration_as_written
from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    ParkStep,
    Plan,
    PlannedStep,
    PrepareStep,
    PromptStep,
    RampStep,
    Setup,
    WaitStep,
)
from annealscope.drivers.by_hand import OffOrder, RampOrder
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

    kind: Literal["set", "prompt", "park", "holder", "service"]
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
    orders = {planned.index: _orders(plan, planned) for planned in plan.steps}
    sessions = enumerate(_split(plan.steps), start=1)
    return tuple(_with_services(_session(number, steps, by_hand, orders), plan) for number, steps in sessions)


def _with_services(session: Session, plan: Plan) -> Session:
    """Add what the operator does every few hours."""
    steps = {planned.index for planned in session.steps}
    services = (
        Task("service", due.step + 1, due.t_s - session.t_start_s, due.message)
        for due in plan.services
        if due.by_operator and due.step in steps
    )
    return replace(session, tasks=tuple(sorted((*session.tasks, *services), key=lambda task: task.t_s)))


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


def _session(
    number: int, steps: tuple[PlannedStep, ...], by_hand: dict[int, Setup], orders: dict[int, tuple[str, ...]]
) -> Session:
    t_start_s = steps[0].t_start_s
    tasks = tuple(task for planned in steps for task in _tasks(planned, t_start_s, by_hand, orders))
    return Session(number, t_start_s, sum(planned.duration_s for planned in steps), steps, tasks)


def _orders(plan: Plan, planned: PlannedStep) -> tuple[str, ...]:
    """Return what the operator does at a holder of its own in a step, and at the end of the run after it."""
    if plan.holder_set_by == "annealscope":
        return ()
    step, before_K = planned.step, _setpoint_before(plan, planned)
    ways = [RampOrder(step.target_K, step.rate_K_per_s)] if isinstance(step, RampStep | CoolStep) else []
    if isinstance(step, ParkStep):
        ways += [RampOrder(step.cool_to_K, step.rate_K_per_s)] if before_K > step.cool_to_K else []
    elif planned is not plan.steps[-1]:
        return tuple(way.text for way in ways)
    elif planned.setpoint_K > plan.safe.cool_to_K:
        ways.append(RampOrder(plan.safe.cool_to_K, plan.safe.rate_K_per_s))
    return (*(way.text for way in ways), OffOrder().text)


def _setpoint_before(plan: Plan, planned: PlannedStep) -> float:
    return plan.steps[planned.index - 1].setpoint_K if planned.index else plan.start_K


def _tasks(
    planned: PlannedStep, t_start_s: float, by_hand: dict[int, Setup], orders: dict[int, tuple[str, ...]]
) -> Iterator[Task]:
    """Yield what the operator is asked for in a step; a park is one task with all that it takes."""
    task, at_holder = _task(planned, t_start_s, by_hand), orders[planned.index]
    if task is not None:
        yield replace(task, checklist=at_holder) if task.kind == "park" else task
    if at_holder and (task is None or task.kind != "park"):
        changes = isinstance(planned.step, RampStep | CoolStep)
        t_s = planned.t_start_s - t_start_s + (0.0 if changes else planned.duration_s)
        yield Task("holder", planned.index + 1, t_s, at_holder[0], at_holder[1:])


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
