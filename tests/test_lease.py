"""The ladder: nobody heats without a lease, and what is left alone becomes cold."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from annealscope.drivers.lease import (
    COOL_SLACK,
    COOL_SLACK_S,
    Command,
    Ladder,
    LadderRules,
    Order,
    Refused,
    Rung,
)

RULES = LadderRules(lease_s=0.5, grace_s=3.0, cool_to_K=298.0, rate_K_per_s=50.0)
HOT_K = 500.0


def command(purpose, epoch, seq, sent_s, valid_for_s=0.5):
    return Command(purpose, epoch, seq, sent_s, valid_for_s)


def heating(now_s=0.0, epoch=0):
    """Return a ladder whose heater was just ramped by its parent."""
    ladder = Ladder(RULES, epoch, now_s=now_s)
    ladder.grant(now_s, ladder.check_claim(now_s, 0), from_parent=True)
    ladder.admit(now_s, command("ramp", ladder.epoch, 1, now_s))
    assert ladder.take_orders() == []
    return ladder


def refusal(call, *arguments):
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.kind


def test_down_all_rungs():
    ladder = heating()
    ladder.tick(0.49, HOT_K)
    assert ladder.rung is Rung.LIVE
    ladder.tick(0.5, HOT_K)
    assert (ladder.rung, ladder.take_orders()) == (Rung.FROZEN, [Order.FREEZE, Order.BLANK])
    ladder.tick(3.49, HOT_K)
    assert ladder.rung is Rung.FROZEN
    ladder.tick(3.5, HOT_K)
    assert (ladder.rung, ladder.take_orders()) == (Rung.COOLING, [Order.COOL])
    ladder.tick(4.0, 400.0)
    assert ladder.rung is Rung.COOLING
    ladder.tick(7.5, 298.0, arrived=True)
    assert (ladder.rung, ladder.take_orders()) == (Rung.OFF, [Order.OFF])


def test_renewals_keep_it_alive():
    ladder = heating()
    for i in range(1, 100):
        ladder.admit(0.4 * i, command("renew", 1, 1 + i, 0.4 * i))
        ladder.tick(0.4 * i, HOT_K)
    assert ladder.rung is Rung.LIVE


def test_the_end_of_the_parent_freezes_at_once():
    ladder = heating()
    ladder.parent_gone(0.01)
    assert ladder.rung is Rung.FROZEN
    assert ladder.take_orders() == [Order.FREEZE, Order.BLANK]


def test_the_end_of_the_parent_is_nothing_to_an_heir():
    ladder = heating()
    ladder.tick(1.0, HOT_K)
    ladder.grant(1.0, ladder.check_claim(1.0, 0), from_parent=False)
    ladder.parent_gone(1.1)
    assert ladder.rung is Rung.LIVE


def test_an_heir_within_the_grace_goes_on_and_the_old_one_is_refused():
    ladder = heating()
    ladder.tick(0.6, HOT_K)
    ladder.grant(1.0, ladder.check_claim(1.0, 0), from_parent=False)
    assert (ladder.rung, ladder.epoch) == (Rung.LIVE, 2)
    for purpose in ("renew", "ramp", "hold", "off", "release", "acknowledge"):
        assert refusal(ladder.admit, 1.1, command(purpose, 1, 99, 1.1)) == "stale"
    assert ladder.rung is Rung.LIVE


def test_nobody_takes_over_what_is_held():
    ladder = heating()
    assert refusal(ladder.check_claim, 0.1, 0) == "held"
    assert ladder.check_claim(0.1, 1) == 2, "its own controller may claim again"


def test_nobody_takes_over_a_safe_ramp():
    ladder = heating()
    ladder.tick(0.5, HOT_K)
    ladder.tick(3.6, HOT_K)
    assert refusal(ladder.check_claim, 3.7, 0) == "lapsed"


def test_after_a_lapse_the_same_epoch_may_only_switch_off():
    ladder = heating()
    ladder.tick(0.6, HOT_K)
    ladder.take_orders()
    for seq, purpose in enumerate(("renew", "ramp", "hold", "acknowledge"), start=2):
        assert refusal(ladder.admit, 0.7, command(purpose, 1, seq, 0.7)) == "lapsed"
    ladder.admit(0.8, command("off", 1, 9, 0.8))
    assert (ladder.rung, ladder.take_orders()) == (Rung.OFF, [Order.OFF])


def test_no_command_counts_twice():
    ladder = heating()
    assert refusal(ladder.admit, 0.1, command("ramp", 1, 1, 0.1)) == "stale"


def test_a_command_that_waited_is_not_valid_for_longer():
    ladder = heating()
    ladder.admit(0.45, command("renew", 1, 2, 0.2))
    ladder.tick(0.69, HOT_K)
    assert ladder.rung is Rung.LIVE
    ladder.tick(0.71, HOT_K)
    assert ladder.rung is Rung.FROZEN


@pytest.mark.parametrize(("sent_s", "valid_for_s"), [(-1.0, 0.5), (0.1, 0.0), (0.1, -1.0), (0.1, math.nan)])
def test_a_command_that_is_not_valid_is_refused(sent_s, valid_for_s):
    ladder = heating()
    assert refusal(ladder.admit, 0.1, command("renew", 1, 2, sent_s, valid_for_s)) == "lapsed"


def test_nobody_gets_more_than_the_longest_lease():
    ladder = heating()
    ladder.admit(0.1, command("renew", 1, 2, 99.0, 1e9))
    ladder.tick(0.61, HOT_K)
    assert ladder.rung is Rung.FROZEN


def test_a_trip_is_latched_until_it_is_acknowledged():
    ladder = heating()
    ladder.trip_now("too hot")
    ladder.trip_now("and the sensor is gone")
    assert ladder.trip == "too hot"
    assert set(ladder.take_orders()) == {Order.OFF, Order.BLANK}
    assert refusal(ladder.admit, 0.1, command("ramp", 1, 2, 0.1)) == "tripped"
    ladder.tick(5.0, HOT_K)
    ladder.grant(5.0, ladder.check_claim(5.0, 0), from_parent=False)
    assert refusal(ladder.admit, 5.1, command("hold", 2, 1, 5.1)) == "tripped"
    ladder.admit(5.2, command("acknowledge", 2, 2, 5.2))
    ladder.admit(5.3, command("ramp", 2, 3, 5.3))
    assert ladder.rung is Rung.LIVE


@pytest.mark.parametrize("setpoint_K", [290.0, 298.0, math.nan])
def test_a_safe_ramp_never_heats(setpoint_K):
    ladder = heating()
    ladder.tick(0.5, setpoint_K)
    ladder.tick(3.6, setpoint_K)
    assert ladder.rung is Rung.OFF


def test_a_safe_ramp_that_does_not_arrive_ends_in_off():
    ladder = heating()
    ladder.tick(0.5, HOT_K)
    ladder.tick(3.5, HOT_K)
    late_s = 3.5 + COOL_SLACK * (HOT_K - 298.0) / 50.0 + COOL_SLACK_S
    ladder.tick(late_s - 0.1, HOT_K)
    assert ladder.rung is Rung.COOLING
    ladder.tick(late_s, HOT_K)
    assert ladder.rung is Rung.OFF


def test_a_heater_that_is_found_hot_has_the_grace_time_to_be_claimed():
    ladder = Ladder(RULES, epoch=7, hot=True, now_s=100.0)
    assert ladder.take_orders() == [Order.FREEZE, Order.BLANK]
    ladder.tick(102.9, HOT_K)
    assert ladder.rung is Rung.FROZEN
    assert ladder.check_claim(102.9, 0) == 8
    ladder.tick(103.0, HOT_K)
    assert ladder.rung is Rung.COOLING


def test_a_guard_that_ends_gives_no_grace_and_no_lease():
    ladder = heating()
    ladder.end(0.1, "told to")
    ladder.tick(0.1, HOT_K)
    assert ladder.rung is Rung.COOLING
    assert refusal(ladder.check_claim, 0.2, 1) == "ending"


@pytest.mark.parametrize("fields", [(0.0, 1, 298, 1), (math.nan, 1, 298, 1), (1, -1, 298, 1), (1, 1, 298, 0)])
def test_rules_that_make_no_ladder_are_refused(fields):
    with pytest.raises(ValueError, match="ladder"):
        LadderRules(*fields)


# --- anything, in any order

TICK_S = 0.05
FASTEST_K_PER_S = 20.0
TARGET_K = 560.0


class LadderMachine(RuleBasedStateMachine):
    """Three controllers of different obedience, a heater, and time."""

    def __init__(self):
        super().__init__()
        self.now_s = 0.0
        self.ladder = Ladder(RULES)
        self.epochs = {"a": 0, "b": 0, "c": 0}
        self.seq = 0
        self.setpoint_K, self.on, self.target_K = 298.0, False, 298.0
        self.rate_K_per_s = 0.0
        self.last_good_s = -math.inf
        """When a controller last gave a command that was accepted."""
        self.highest_epoch = 0

    names = st.sampled_from(["a", "b", "c"])

    @rule(steps=st.integers(1, 120))
    def time_passes(self, steps):
        for _ in range(steps):
            self.now_s += TICK_S
            if self.on:
                step_K = self.rate_K_per_s * TICK_S
                self.setpoint_K += max(-step_K, min(step_K, self.target_K - self.setpoint_K))
            self.tick()
            self.the_heater_is_looked_after()

    def tick(self):
        arrived = self.ladder.rung is Rung.COOLING and self.setpoint_K <= RULES.cool_to_K
        self.ladder.tick(self.now_s, self.setpoint_K, arrived)
        self.carry_out()

    def carry_out(self):
        for order in self.ladder.take_orders():
            match order:
                case Order.FREEZE:
                    self.target_K = self.setpoint_K
                case Order.COOL:
                    assert self.setpoint_K > RULES.cool_to_K
                    self.target_K, self.rate_K_per_s = RULES.cool_to_K, RULES.rate_K_per_s
                case Order.OFF:
                    self.on, self.setpoint_K = False, 298.0

    @rule(name=names, honest=st.booleans(), parent=st.booleans())
    def claim(self, name, honest, parent):
        try:
            epoch = self.ladder.check_claim(self.now_s, self.epochs[name] if honest else 0)
        except Refused:
            return
        assert epoch > self.highest_epoch
        self.ladder.grant(self.now_s, epoch, parent)
        self.epochs[name] = self.highest_epoch = epoch
        self.last_good_s = self.now_s

    @rule(
        name=names,
        purpose=st.sampled_from(["renew", "ramp", "hold", "off", "release", "acknowledge"]),
        lag_s=st.sampled_from([0.0, 0.0, 0.1, 0.4, 2.0, -1.0]),
        valid_for_s=st.sampled_from([0.1, 0.5, 100.0, math.nan]),
        again=st.booleans(),
    )
    def order_something(self, name, purpose, lag_s, valid_for_s, again):
        self.seq += 0 if again else 1
        asked = command(purpose, self.epochs[name], self.seq, self.now_s - lag_s, valid_for_s)
        tripped = self.ladder.trip is not None
        try:
            self.ladder.admit(self.now_s, asked)
        except Refused:
            self.carry_out()
            return
        assert asked.epoch == self.highest_epoch
        self.carry_out()
        if purpose in ("ramp", "hold"):
            assert not tripped
            self.on = True
            self.target_K = TARGET_K if purpose == "ramp" else self.setpoint_K
            self.rate_K_per_s = FASTEST_K_PER_S
        if purpose != "off":
            self.last_good_s = self.now_s

    @rule()
    def trip(self):
        self.ladder.trip_now("something")
        self.carry_out()
        assert not self.on

    @rule()
    def the_parent_dies(self):
        self.ladder.parent_gone(self.now_s)
        self.carry_out()

    @precondition(lambda self: self.now_s > 20)
    @rule()
    def the_guard_is_told_to_end(self):
        self.ladder.end(self.now_s, "told to")
        self.carry_out()

    @invariant()
    def the_heater_is_looked_after(self):
        alone_s = self.now_s - self.last_good_s
        if alone_s > RULES.lease_s + TICK_S:
            assert not self.ladder.owned
            assert not self.on or self.target_K <= self.setpoint_K, "heats although nobody is there"
        ramp_s = COOL_SLACK * (TARGET_K - RULES.cool_to_K) / RULES.rate_K_per_s + COOL_SLACK_S
        if alone_s > RULES.lease_s + RULES.grace_s + ramp_s + 3 * TICK_S:
            assert not self.on, "hot although nobody has been there for long"

    @invariant()
    def the_rung_says_whether_it_is_on(self):
        assert self.on <= self.ladder.energised
        if self.ladder.owned:
            assert self.ladder.rung in (Rung.LIVE, Rung.OFF)
        if self.ladder.trip is not None:
            assert self.ladder.rung is Rung.OFF


TestLadderMachine = LadderMachine.TestCase
TestLadderMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
