"""The guards that watch over every run."""

from collections.abc import Callable

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.house import RunGuard
from annealscope.controller.engine.house_camera import BeamTrip, FrozenCamera, ValvesShut
from annealscope.controller.engine.house_record import DiskFull, LowSpace, Recorder, SlowDisk, Space
from annealscope.controller.engine.house_time import ServiceClock, StoodStill, WallClock


def standing_guards(bench: Bench, needed_bytes: Callable[[], int]) -> list[RunGuard]:
    """Return the guards of a run.

    Parameters
    ----------
    bench
        Its plan has the rules of the house.
    needed_bytes
        Says how much space the acquisitions ahead may need.
    """
    guards = [Recorder(), SlowDisk(), FrozenCamera(), BeamTrip(), ValvesShut(), StoodStill(), WallClock()]
    if bench.free_bytes is not None:
        space = Space(bench.free_bytes, needed_bytes)
        guards += [LowSpace(space, short=False), LowSpace(space, short=True), DiskFull(space)]
    return [*guards, *(ServiceClock(rule) for rule in bench.plan.house.services)]
