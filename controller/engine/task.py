"""One step being carried out: short turns in the engine's loop, no call that blocks."""

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.suspension import Suspension

TICK_CHANGING_S = 0.1
"""Longest sleep while a temperature changes or settles ..."""
TICK_STEADY_S = 1.0
"""... and while it holds."""


class Task:
    """A step that does nothing, and rests whenever it is asked to; the others say where they differ."""

    phase = ""
    steady = True
    """The temperature is meant to be constant."""

    @property
    def exposing(self) -> bool:
        """Say whether the beam is on the specimen, for frames."""
        return False

    @property
    def at_rest(self) -> bool:
        """Say whether nothing is under way that has to reach a boundary before the run can pause."""
        return True

    @property
    def question(self) -> str:
        """What the operator is asked, or nothing."""
        return ""

    def guards(self) -> list[Suspension]:
        """Return what may suspend this step while it exposes."""
        return []

    def start(self, bench: Bench) -> None:
        """Begin."""

    def tick(self, bench: Bench) -> bool:
        """Do what is due; return True when the step is over."""
        return True

    def next_event_s(self, bench: Bench) -> float | None:
        """When the next turn is due on the run's clock; None: when the stream has news."""
        return bench.now_s + TICK_STEADY_S

    def pause(self, bench: Bench) -> None:
        """Come to rest at the next boundary; `tick` is called until `at_rest`."""

    def resume(self, bench: Bench, why: str) -> None:
        """Go on after a rest, or instead of one that was asked for."""

    def stop(self, bench: Bench, reason: str) -> None:
        """End early; harmless when already over. `tick` returns True when nothing is left to wait for."""

    def shows(self, bench: Bench) -> bool:
        """Say whether the temperature shows that an order at a holder set by hand was obeyed."""
        return False

    def answer(self, bench: Bench, by: str) -> None:
        """Take the answer to `question`."""

    def enter(self, bench: Bench, phase: str) -> None:
        """Begin a phase."""
        self.phase = phase
        bench.journal.write("phase", phase=phase)
