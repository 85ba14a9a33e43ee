"""What stands in the engine's agenda: tasks, and what the journal calls them."""

from dataclasses import dataclass

from annealscope.controller.engine.acquire import Acquire
from annealscope.controller.engine.park import Park
from annealscope.controller.engine.preparation import Preparation
from annealscope.controller.engine.prompt import Prompt
from annealscope.controller.engine.ramps import ChangeTemperature, CoolDown
from annealscope.controller.engine.task import Task
from annealscope.controller.engine.waits import Wait
from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    ExecutableStep,
    ParkStep,
    PlannedStep,
    PrepareStep,
    PromptStep,
    RampStep,
)


@dataclass(frozen=True)
class Entry:
    """A task and what the journal calls it."""

    task: Task
    label: str
    number: int
    path: str
    kind: str


@dataclass(frozen=True)
class Way:
    """A change of temperature."""

    target_K: float
    rate_K_per_s: float


def entry_of(planned: PlannedStep) -> Entry:
    """Turn a planned step into a task."""
    step = planned.step
    return Entry(_task_of(step), planned.label, planned.index, planned.path, step.kind)


def _task_of(step: ExecutableStep) -> Task:
    match step:
        case AcquireStep():
            return Acquire(step)
        case RampStep():
            return ChangeTemperature(step.target_K, step.rate_K_per_s)
        case CoolStep():
            return CoolDown(step.target_K, step.rate_K_per_s)
        case PrepareStep():
            return Preparation(step.setup)
        case PromptStep():
            return Prompt(step.message, step.timeout_s, step.on_timeout)
        case ParkStep():
            return Park(step.cool_to_K, step.rate_K_per_s)
        case _:
            return Wait(step)
