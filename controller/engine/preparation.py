"""What happens before the first exposure: column, region, focus."""

import dataclasses
import math
from collections.abc import Callable, Iterator

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.prompt import Prompt
from annealscope.controller.engine.task import TICK_STEADY_S, Task
from annealscope.controller.planning.values import Setup
from annealscope.drivers.interfaces import Action, DeviceError, Optics

ACTION_WITHIN_S = 600.0
"""An action of the column that takes longer has failed."""
AS_DISPLAYED = 0.02
"""A column rounds what it displays: a state that was just set may read back so much off."""
AS_IT_IS = 1e-3
"""A state that is this close to the one wanted is not set again."""


class Acting(Task):
    """An action of a device; it is not interrupted by a pause."""

    def __init__(self, what: str, begin: Callable[[], Action]) -> None:
        self._what = what
        self._begin = begin
        self._action: Action | None = None
        self._deadline_s = math.inf

    @property
    def at_rest(self) -> bool:
        """A column that is left half way is in no state at all."""
        return False

    def start(self, bench: Bench) -> None:
        """Begin the action."""
        self._deadline_s = bench.now_s + ACTION_WITHIN_S
        self._action = self._begin()

    def tick(self, bench: Bench) -> bool:
        """Return True when it is done. Raises DeviceError when it failed or takes too long."""
        state = self._action.poll() if self._action is not None else "failed"
        if state == "running" and bench.now_s > self._deadline_s:
            state = "failed"
        if state in ("failed", "cancelled"):
            raise DeviceError(f"{bench.microscope.name}: {self._what}: {state}")
        return state == "done"

    def stop(self, bench: Bench, reason: str) -> None:
        """Cancel it."""
        if self._action is not None:
            self._action.cancel()


class Resting(Task):
    """The time that the column takes to come to rest; it passes through pauses."""

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._until_s = math.inf

    def start(self, bench: Bench) -> None:
        """Count from now."""
        self._until_s = bench.now_s + self._for_s

    def tick(self, bench: Bench) -> bool:
        """Say whether the time is over."""
        return bench.now_s >= self._until_s

    def next_event_s(self, bench: Bench) -> float | None:
        """A second from now, or the end."""
        return min(self._until_s, bench.now_s + TICK_STEADY_S)


class Preparation(Task):
    """Sets the column, finds the region and focuses; what is set already is not set again."""

    phase = "preparing"

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._stages: Iterator[Task] = iter(())
        self._stage: Task | None = None
        self._pausing = False
        self._stopped = False

    @property
    def at_rest(self) -> bool:
        """Between two stages, and in those that only wait."""
        return self._stage is None or self._stage.at_rest

    @property
    def question(self) -> str:
        """The checklist, while the operator goes through it."""
        return self._stage.question if self._stage is not None else ""

    def start(self, bench: Bench) -> None:
        """Begin with the first stage at the next turn."""
        bench.prepared = None
        bench.microscope.blank(True)
        self._stages = self._work(bench)

    def tick(self, bench: Bench) -> bool:
        """Return True when everything is ready. Raises DeviceError when something cannot be set."""
        if self._stopped:
            return True
        if self._stage is not None and not self._stage.tick(bench):
            return False
        self._stage = None
        return not self._pausing and self._begin_next(bench)

    def next_event_s(self, bench: Bench) -> float | None:
        """As the present stage says; at once between two."""
        return bench.now_s if self._stage is None else self._stage.next_event_s(bench)

    def pause(self, bench: Bench) -> None:
        """Finish the present stage."""
        self._pausing = True

    def resume(self, bench: Bench, why: str) -> None:
        """Go on."""
        self._pausing = False
        if self._stage is not None:
            self._stage.resume(bench, why)

    def answer(self, bench: Bench, by: str) -> None:
        """The checklist is done."""
        if self._stage is not None:
            self._stage.answer(bench, by)

    def stop(self, bench: Bench, reason: str) -> None:
        """Leave the column where it is; what was set up for an acquisition is not."""
        self._stopped = True
        if self._stage is not None:
            self._stage.stop(bench, reason)

    def _begin_next(self, bench: Bench) -> bool:
        """Begin the next stage; return True when there is none."""
        self._stage = next(self._stages, None)
        if self._stage is None:
            bench.prepared = self._setup.key
            return True
        self._stage.start(bench)
        return False

    def _work(self, bench: Bench) -> Iterator[Task]:
        """Yield the stages, one when the one before is over."""
        setup, column = self._setup, bench.microscope
        if column.image_shift_nm() != (0.0, 0.0):
            column.shift_image((0.0, 0.0))
        optics_change = setup.optics is not None and not self._is_set(bench, setup.optics)
        if setup.optics is not None and optics_change:
            yield from self._set_optics(bench, setup.optics)
        if setup.fresh_region:
            region = column.fresh_region(setup.thickness)
            where = {"position_nm": region.position_nm, "thickness": region.thickness}
            bench.journal.write("region", number=region.number, **where)
        if optics_change or setup.fresh_region:
            yield Acting("focus", column.focus)

    def _is_set(self, bench: Bench, optics: Optics) -> bool:
        """Say whether the column is in a state, and its operator has seen to what no driver can read."""
        found = bench.microscope.optics()
        confirmed = not self._setup.checklist or bench.set_by_hand == optics
        return confirmed and found is not None and not differences(optics, found, AS_IT_IS)

    def _set_optics(self, bench: Bench, optics: Optics) -> Iterator[Task]:
        """Driver first, then the operator; then the column says what it is."""
        setup = self._setup
        bench.set_by_hand = None
        yield Acting(f"optics {setup.optics_name}", lambda: bench.microscope.set_optics(optics))
        if setup.checklist:
            yield Prompt(f"for {setup.key}, by hand: {'; '.join(setup.checklist)}; then `resume`")
            bench.set_by_hand = optics
        _check_read_back(bench, setup, optics)
        bench.journal.write("optics", name=setup.optics_name, by_hand=list(setup.checklist))
        yield Resting(setup.settle_s)


def _check_read_back(bench: Bench, setup: Setup, asked: Optics) -> None:
    found = bench.microscope.optics()
    if found is None:
        return
    wrong = differences(asked, found, AS_DISPLAYED)
    if wrong:
        raise DeviceError(
            f"{bench.microscope.name}: optics {setup.optics_name} is not what was asked for: "
            f"{'; '.join(wrong)}; set it by hand (`set_by_operator` in the rig file) or correct the protocol"
        )


def differences(asked: Optics, found: Optics, within: float) -> list[str]:
    """Say in which fields a column is not in the state that was asked for, as far as both are known.

    Parameters
    ----------
    asked, found
        The states.
    within
        Relative difference of numbers that counts as none.
    """
    wrong = []
    for field in dataclasses.fields(Optics):
        wanted, got = getattr(asked, field.name), getattr(found, field.name)
        if field.name == "normalize" or wanted is None or got is None or _same(wanted, got, within):
            continue
        wrong.append(f"{field.name} {got}, not {wanted}")
    return wrong


def _same(wanted: float | str, got: float | str, within: float) -> bool:
    if isinstance(wanted, str) or isinstance(got, str):
        return wanted == got
    return math.isclose(wanted, got, rel_tol=within)
