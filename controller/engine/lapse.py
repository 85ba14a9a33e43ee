"""What a run does when nobody renewed the lease of its heater in time: it was frozen, and is ours again."""

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.house import RunGuard
from annealscope.controller.engine.settle import SettleWatch, Settling
from annealscope.controller.engine.suspension import not_settled
from annealscope.controller.engine.task import Task
from annealscope.drivers.interfaces import DeviceError


class Lapse(RunGuard):
    """The heater was frozen for a while; clears when the temperature has settled where it was frozen."""

    name = "lease"

    def __init__(self) -> None:
        self._watch: SettleWatch | None = None
        self._frozen_K = float("nan")

    def check(self, bench: Bench) -> str | None:
        """Return what the guard of the heater said, until the run rests."""
        return bench.lapse or None

    def begin(self, bench: Bench) -> None:
        """Settle at the setpoint that was left; a ramp that was under way goes on from there."""
        bench.lapse = ""
        self._frozen_K = bench.setpoint_K
        self._watch = SettleWatch(bench.band(self._frozen_K), bench.now_s)

    def cleared(self, bench: Bench) -> bool:
        """Say whether the temperature has settled. Raises DeviceError when it does not in time."""
        if self._watch is None:
            return True
        settling = self._watch.feed(bench.temperature, bench.read_s)
        if settling is Settling.TIMED_OUT:
            raise DeviceError(f"{bench.holder.name}: {not_settled(bench, self._frozen_K)}")
        return settling is Settling.SETTLED


def go_on_down(bench: Bench, task: Task | None) -> None:
    """Ask again for the way down of a run that ends: it rests for nothing any more."""
    bench.journal.write("guard", guard=Lapse.name, message=bench.lapse, action="goes on")
    bench.lapse = ""
    if task is not None:
        task.resume(bench, "the heater was frozen for a while")
