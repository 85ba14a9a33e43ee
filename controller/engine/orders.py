"""What the operator has to do at a holder that nobody else can set: asked, confirmed, and insisted on."""

import math

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.prompt import OPERATOR
from annealscope.controller.engine.task import Task

ORDER_WITHIN_S = 300.0
"""Time that the operator has for an order, before there is an alarm ..."""
ALARM_EVERY_S = 180.0
"""... and time until the next one."""

THERMOMETER = "temperature"
"""Who confirms a way down that shows in the temperature."""
WITHDRAWN = "withdrawn"
"""What the journal says of an order in whose place came another."""


class Orders:
    """Follows the orders of the holder: at most one stands, and nothing is exposed while it does.

    A holder that can be set never has any.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._asked = ""
        self._asked_s = 0.0
        self._alarm_s = math.inf
        self._within_s = ORDER_WITHIN_S
        self.alarm = ""
        """Why somebody has to come now; empty: there is time."""

    @property
    def standing(self) -> str:
        """What the operator has to do now; empty: nothing."""
        return self._bench.order

    def hurry(self) -> None:
        """From now on every order is one of safety: the alarm does not wait."""
        self._within_s = 0.0
        self._alarm_s = self._bench.now_s

    def watch(self, task: Task | None) -> None:
        """Ask what is new; from the next turn on take the answer, or raise the alarm when it is late.

        An order that is replaced at once, as the end of a run replaces a hold, raises none.

        Parameters
        ----------
        task
            The step that is under way: it knows a way down that shows in the temperature.
        """
        bench = self._bench
        if self.standing != self._asked:
            self._ask()
        elif not self._asked:
            return
        elif task is not None and task.shows(bench):
            self.obeyed(THERMOMETER)
        elif bench.operator.answers(self._asked_s, bench.now_s):
            self.obeyed(OPERATOR)
        elif bench.now_s >= self._alarm_s:
            self._raise_alarm()

    def obeyed(self, by: str) -> None:
        """Take the confirmation of the order that stands."""
        holder = self._bench.hand_set
        if holder is not None and holder.order:
            if holder.order != self._asked:
                self._ask()
            holder.obeyed()
            self._close(by)

    def _ask(self) -> None:
        if self._asked:
            self._close(WITHDRAWN)
        self._asked = self.standing
        if not self._asked:
            return
        bench = self._bench
        self._asked_s, self._alarm_s = bench.now_s, bench.now_s + self._within_s
        bench.microscope.blank(True)
        bench.journal.write("prompt", message=self._asked, timeout_s=None)

    def _close(self, by: str) -> None:
        self._asked = self.alarm = ""
        self._alarm_s = math.inf
        self._bench.journal.write("answered", by=by)

    def _raise_alarm(self) -> None:
        bench = self._bench
        since_s = bench.now_s - self._asked_s
        late = since_s >= ALARM_EVERY_S
        self.alarm = f"not confirmed for {since_s:.0f} s: {self._asked}" if late else f"{self._asked}, now"
        self._alarm_s = bench.now_s + ALARM_EVERY_S
        bench.microscope.blank(True)
        bench.journal.write("guard", guard="holder", message=self.alarm, action="alarm")
