"""A bench whose holder only the operator can set, and operators of several kinds."""

from engine_bench import SHORT, BenchRun, QuickOperator

from annealscope.drivers.envelope import Envelope
from annealscope.simulators.by_hand import SimulatedHandSetHolder


class HandSetRun(BenchRun):
    """A run of the engine in which it is checked at every turn that no beam falls while an order stands."""

    def __init__(self, tmp_path, plan=SHORT, operator=None, **bench):
        super().__init__(tmp_path, plan=plan, operator=operator or QuickOperator(), **bench)
        self.holder = SimulatedHandSetHolder(self.rig.holder, self.clock, Envelope(600.0, 20.0, 20.0))
        self.bench.holder = self.bench.hand_set = self.holder

    def run_with(self, commands_at, on_turn=None, **engine):
        def look(status):
            assert status.order == self.holder.order
            if status.order:
                assert status.prompt == status.order
                assert self.rig.world.blanked
            if on_turn is not None:
                on_turn(status)

        return super().run_with(commands_at, look, **engine)

    def told(self, *story, **engine):
        """Run, giving each command when its condition is met for the first time, one after another."""
        left = list(story)

        def look(status):
            if left and left[0][1](status):
                self.commands.put(left.pop(0)[0], "test")

        outcome = self.run_with({}, look, **engine)
        assert not left
        return outcome

    @property
    def alarms(self):
        return [r for r in self.records("guard") if (r["guard"], r["action"]) == ("holder", "alarm")]

    @property
    def orders(self):
        """First words of all orders, in the order they were given."""
        messages = [record["message"] for record in self.records("prompt")]
        return [message.split(" at ")[0] for message in messages if "controller" in message]
