"""A question to the operator."""

from typing import Literal

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.outcome import PlannedEnd
from annealscope.controller.engine.task import Task

OPERATOR = "operator"
TIMEOUT = "timeout"


class Prompt(Task):
    """Waits for an answer, at the temperature that the specimen has and with the beam blanked."""

    phase = "prompting"

    def __init__(
        self, message: str, timeout_s: float | None = None, on_timeout: Literal["cool", "continue"] = "cool"
    ) -> None:
        self.message = message
        self._timeout_s = timeout_s
        self._on_timeout = on_timeout
        self._asked_s = 0.0
        self._answered = False

    @property
    def question(self) -> str:
        """The message, until it is answered."""
        return "" if self._answered else self.message

    def start(self, bench: Bench) -> None:
        """Ask."""
        self._asked_s = bench.now_s
        bench.journal.write("prompt", message=self.message, timeout_s=self._timeout_s)

    def tick(self, bench: Bench) -> bool:
        """Return True when there is an answer. Raises PlannedEnd when nobody came and that ends the run."""
        if not self._answered and bench.operator.answers(self._asked_s, bench.now_s):
            self.answer(bench, OPERATOR)
        if not self._answered and self._timed_out(bench):
            self.answer(bench, TIMEOUT)
            if self._on_timeout == "cool":
                waited = f"{self._timeout_s:g} s"
                raise PlannedEnd(f"nobody answered within {waited}: {self.message}")
        return self._answered

    def answer(self, bench: Bench, by: str) -> None:
        """Take an answer."""
        self._answered = True
        bench.journal.write("answered", by=by)

    def resume(self, bench: Bench, why: str) -> None:
        """Ask again: who paused the run was there, and has the whole time to answer."""
        if not self._answered:
            self._asked_s = bench.now_s

    def stop(self, bench: Bench, reason: str) -> None:
        """Withdraw the question."""
        if not self._answered:
            self.answer(bench, reason)

    def _timed_out(self, bench: Bench) -> bool:
        return self._timeout_s is not None and bench.now_s - self._asked_s >= self._timeout_s
