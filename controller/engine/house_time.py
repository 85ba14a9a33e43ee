"""Guards that look at clocks: what the laboratory has to do every few hours, and time that went missing."""

import math

from annealscope.controller.config.housekeeping import GuardAction
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.house import RunGuard
from annealscope.controller.planning.house_values import ServiceRule

LATE_TURN_S = 10.0
"""A turn of the loop takes a second at most: after so long the machine was suspended, or stood still."""
ASLEEP_S = 1.0
JUMP_S = 2.0
"""The time of day may be set right by less than this without a word."""


class ServiceClock(RunGuard):
    """Something has to be done every few hours, and no frames can be taken meanwhile.

    An acquisition is not begun when it would be interrupted soon: what is nearly due is done first. A change
    of temperature is not interrupted; what falls due in it is done after it. The clock starts when the run
    begins and after each park.
    """

    def __init__(self, rule: ServiceRule) -> None:
        self.name = rule.name
        self._rule = rule
        self._due_s = math.inf
        self._since_s = 0.0

    def action(self, bench: Bench) -> GuardAction:
        """As the rig says."""
        return self._rule.action

    def start(self, bench: Bench) -> None:
        """It has just been done: whoever starts a run has seen to it."""
        self._due_s = bench.now_s + self._rule.every_s

    def check(self, bench: Bench) -> str | None:
        """Say when it is due."""
        rule, outlook = self._rule, bench.outlook
        if not outlook.steady or not rule.is_due(bench.now_s, self._due_s, outlook.acquisition_s):
            return None
        if rule.action == "note":
            self._due_s = bench.now_s + rule.every_s
        return rule.message

    def begin(self, bench: Bench) -> None:
        """It is done now."""
        self._since_s = bench.now_s
        self._due_s = bench.now_s + self._rule.takes_s + self._rule.every_s

    def cleared(self, bench: Bench) -> bool:
        """Say whether the time is over, or whether the operator says that it is done."""
        rule = self._rule
        done = bench.now_s - self._since_s >= rule.takes_s and (
            not rule.by_operator or bench.operator.answers(self._since_s, bench.now_s)
        )
        if done:
            self.start(bench)
        return done

    def overruled(self, bench: Bench) -> None:
        """The operator says that it is done."""
        self.start(bench)


class StoodStill(RunGuard):
    """The machine was suspended, or the program got no time: nobody has looked after the specimen."""

    name = "machine"

    def __init__(self) -> None:
        self._seen_s = math.nan
        self._asleep_s = 0.0
        self._message: str | None = None

    def action(self, bench: Bench) -> GuardAction:
        """Frames begin a new segment, and the temperature has to be right."""
        return "suspend" if bench.outlook.exposes else "note"

    def start(self, bench: Bench) -> None:
        """Look from now on."""
        self._seen_s, self._asleep_s = bench.now_s, bench.clock.asleep_s()
        self._message = None

    def check(self, bench: Bench) -> str | None:
        """Return how long the last turn has taken."""
        if self._message is not None and self.action(bench) == "note":
            self._message = None  # it was said
        turn_s = bench.now_s - self._seen_s
        late_s = bench.clock.real_delay_s(bench.now_s + turn_s)
        asleep_s = bench.clock.asleep_s()
        if asleep_s - self._asleep_s > ASLEEP_S:
            gone_s = asleep_s - self._asleep_s
            self._message = f"the machine was suspended for {gone_s:.0f} s; the run's clock did not see them"
        elif late_s > LATE_TURN_S:
            self._message = f"nothing was done for {late_s:.0f} s: was the machine suspended, or overloaded?"
        self._seen_s, self._asleep_s = bench.now_s, asleep_s
        return self._message

    def begin(self, bench: Bench) -> None:
        """It is over."""
        self._message = None

    def overruled(self, bench: Bench) -> None:
        """It is over."""
        self._message = None


class WallClock(RunGuard):
    """The time of day was changed: durations do not depend on it, and the labels keep to the old one."""

    name = "clock"

    def __init__(self) -> None:
        self._error_s = 0.0

    def action(self, bench: Bench) -> GuardAction:
        """Say so."""
        return "note"

    def start(self, bench: Bench) -> None:
        """Compare with now."""
        self._error_s = bench.clock.wall_error_s()

    def check(self, bench: Bench) -> str | None:
        """Return by how much it has jumped."""
        jump_s = bench.clock.wall_error_s() - self._error_s
        if abs(jump_s) <= JUMP_S:
            return None
        self._error_s += jump_s
        return (
            f"the time of day has jumped by {jump_s:+.0f} s; the labels of this run keep to the time before"
        )
