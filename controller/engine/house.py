"""Guards that watch over a whole run, and what each of them does: one action, declared before.

A guard is a level: it is asked at every turn, so what was true before the run began trips it too. It is
noted in the journal once, and again when it was gone in between or has become graver.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from annealscope.controller.config.housekeeping import GuardAction
from annealscope.controller.engine.bench import Bench
from annealscope.controller.errors import ExitCode

GRAVITY: dict[GuardAction, int] = {"note": 0, "suspend": 1, "park": 2, "stop": 3}
DONE: dict[GuardAction, str] = {"note": "noted", "suspend": "suspended", "park": "parked", "stop": "stopped"}
"""What the journal says of it."""


class RunGuard:
    """Finds nothing wrong; the others say where they differ."""

    name = ""
    exit_code = ExitCode.SAFETY
    """Of a run that it stops."""

    def action(self, bench: Bench) -> GuardAction:
        """What is done about what `check` found last."""
        return "suspend"

    def start(self, bench: Bench) -> None:
        """The run begins, or goes on after a park."""

    def check(self, bench: Bench) -> str | None:
        """Return what is wrong now, or None. Asked at every turn while the run goes or rests."""
        return None

    def begin(self, bench: Bench) -> None:
        """Prepare to clear: the run rests because of this guard."""

    def cleared(self, bench: Bench) -> bool:
        """Say whether the run may go on. Raises DeviceError when that has become hopeless."""
        return self.check(bench) is None

    def overruled(self, bench: Bench) -> None:
        """The operator goes on although it has not cleared: it is silent until its condition was gone."""


@dataclass(frozen=True)
class Finding:
    """What a guard has found."""

    guard: RunGuard
    message: str
    action: GuardAction

    @property
    def gravity(self) -> int:
        """Which of two findings comes first."""
        return GRAVITY[self.action]


class House:
    """All guards of a run: asks them, notes what is new, and says which is the gravest."""

    def __init__(self, guards: Sequence[RunGuard] = ()) -> None:
        self._guards = tuple(guards)
        self._told: dict[RunGuard, GuardAction] = {}
        self._silent: set[RunGuard] = set()

    def start(self, bench: Bench) -> None:
        """The run begins, or goes on after a park."""
        for guard in self._guards:
            guard.start(bench)

    def tripped(self, bench: Bench) -> Finding | None:
        """Ask every guard; return the gravest one that wants the run to rest or to end."""
        gravest: Finding | None = None
        for guard in self._guards:
            message = guard.check(bench)
            if message is None:
                self._told.pop(guard, None)
                self._silent.discard(guard)
                continue
            finding = Finding(guard, message, guard.action(bench))
            if finding.action == "note":
                self.note(bench, finding)
            elif guard not in self._silent and (gravest is None or finding.gravity > gravest.gravity):
                gravest = finding
        return gravest

    def note(self, bench: Bench, finding: Finding) -> None:
        """Write down what a guard found, and what is done about it, unless that was said already."""
        guard, action = finding.guard, finding.action
        if self._told.get(guard) != action:
            self._told[guard] = action
            bench.journal.write("guard", guard=guard.name, message=finding.message, action=DONE[action])

    def overrule(self, bench: Bench, guard: RunGuard) -> None:
        """The operator knows better than a guard: it has no say until its condition was gone."""
        self._silent.add(guard)
        guard.overruled(bench)
