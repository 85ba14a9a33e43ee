"""What stands in the engine's queue: tasks, and what the journal calls them."""

from dataclasses import dataclass

from annealscope.controller.engine.acquire import Acquire
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.steps import ChangeTemperature, CoolDown, Task, Wait
from annealscope.controller.planning.values import AcquireStep, CoolStep, PlannedStep, RampStep
from annealscope.controller.stream.messages import HoldClosed


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
    """A way down."""

    target_K: float
    rate_K_per_s: float


class Closing:
    """What is left of an interrupted acquisition: waiting for its file."""

    phase = "closing"
    steady = False

    def __init__(self, acquire: Acquire) -> None:
        self._acquire = acquire

    @property
    def frames(self) -> int:
        """Frames that were taken."""
        return self._acquire.frames

    @property
    def closed(self) -> HoldClosed | None:
        """What the recorder said."""
        return self._acquire.closed

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
        task = CoolDown(step.target_K, step.rate_K_per_s)
        return Entry(task, planned.label, planned.index, planned.path, "cool")
    return Entry(Wait(step), planned.label, planned.index, planned.path, "wait")


def closing_of(entry: Entry) -> Entry:
    """Turn the entry of an interrupted acquisition into the wait for its file."""
    assert isinstance(entry.task, Acquire)  # noqa: S101 - selected by its type just before
    return Entry(Closing(entry.task), f"close {entry.label}", entry.number, entry.path, "acquire")
