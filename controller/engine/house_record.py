"""Guards of the record: whoever writes the frames down, and the disk that they go to."""

from collections.abc import Callable

from annealscope.controller.config.housekeeping import GuardAction
from annealscope.controller.config.wording import data_size
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.house import RunGuard
from annealscope.controller.errors import ExitCode

SLOW_BACKLOG = 0.5
"""Share of the frames that may be on their way to the disk: more are a disk that is too slow ..."""
CAUGHT_UP = 0.25
"""... until there are fewer than this."""
MEASURE_EVERY_S = 60.0
AMPLE = 2.0
"""Less than so many times the space that is still needed is worth a word."""


class Recorder(RunGuard):
    """Nothing can be recorded, at the moment or any more: no dose is spent on such frames."""

    name = "recorder"
    exit_code = ExitCode.INCOMPLETE

    def action(self, bench: Bench) -> GuardAction:
        """Wait while it is mended; when it is given up the plan is over, but not its way down."""
        return "suspend" if bench.stream.failure() is None else "stop"

    def check(self, bench: Bench) -> str | None:
        """Return what the stream says; its trouble matters only to frames."""
        why = bench.stream.failure()
        return why if why is not None or not bench.outlook.exposes else bench.stream.trouble()


class SlowDisk(RunGuard):
    """Frames are taken faster than they get to the disk: soon some will be lost."""

    name = "recorder"

    def __init__(self) -> None:
        self._slow = False

    def action(self, bench: Bench) -> GuardAction:
        """Say so."""
        return "note"

    def check(self, bench: Bench) -> str | None:
        """Return how many are on their way."""
        backlog = bench.stream.backlog()
        self._slow = backlog > (CAUGHT_UP if self._slow else SLOW_BACKLOG)
        if not self._slow:
            return None
        return (
            f"the disk is slow: {backlog:.0%} of the frames that may wait for it do; at 100 % frames are lost"
        )


class Space:
    """What is free where the run is written, and what its acquisitions still need; measured now and then.

    Parameters
    ----------
    free_bytes
        Asks the disk.
    needed_bytes
        What the acquisitions ahead may need.
    """

    def __init__(self, free_bytes: Callable[[], int], needed_bytes: Callable[[], int]) -> None:
        self._ask = free_bytes
        self._needed_bytes = needed_bytes
        self._asked_s = float("-inf")
        self.free = 0
        self.needed = 0

    def measure(self, bench: Bench) -> None:
        """Measure when a minute is over. A disk that does not answer has what it had."""
        if bench.now_s - self._asked_s < MEASURE_EVERY_S:
            return
        self._asked_s = bench.now_s
        self.needed = self._needed_bytes()
        try:
            self.free = self._ask()
        except OSError:  # the recorder will say what is the matter with it
            return


class LowSpace(RunGuard):
    """There is not much more space than the acquisitions ahead need, or less."""

    name = "disk"

    def __init__(self, space: Space, short: bool) -> None:
        self._space = space
        self._short = short
        """Say when there is too little; else when there is not ample space, but enough."""

    def action(self, bench: Bench) -> GuardAction:
        """Say so."""
        return "note"

    def check(self, bench: Bench) -> str | None:
        """Compare."""
        space = self._space
        space.measure(bench)
        if space.free >= (1.0 if self._short else AMPLE) * space.needed:
            return None
        what = f"{data_size(space.free)} are free, the rest of the run may need {data_size(space.needed)}"
        if not self._short:
            return what
        return f"{what}: that will not suffice, make {data_size(space.needed - space.free)} more room"


class DiskFull(RunGuard):
    """The last of the space is kept for what was recorded: rest until there is more, then park."""

    name = "disk"

    def __init__(self, space: Space) -> None:
        self._space = space
        self._since_s = float("inf")
        """When the run came to rest."""

    def action(self, bench: Bench) -> GuardAction:
        """Suspend; park when nobody makes room."""
        waited_s = bench.now_s - self._since_s
        return "park" if waited_s > bench.plan.house.park_after_s else "suspend"

    def check(self, bench: Bench) -> str | None:
        """Compare what is free with what is kept: never more than what is still needed."""
        self._space.measure(bench)
        kept = min(bench.plan.house.keep_free_bytes, self._space.needed)
        if self._space.free >= kept or not bench.outlook.exposes:
            self._since_s = float("inf")
            return None
        free, needed = data_size(self._space.free), data_size(self._space.needed)
        return f"only {free} are free, the rest of the run may need {needed}; make room"

    def begin(self, bench: Bench) -> None:
        """Wait for room."""
        self._since_s = bench.now_s
