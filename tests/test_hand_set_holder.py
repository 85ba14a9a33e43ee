"""A holder that only the operator can set: what it asks for, and what it believes."""

import math

import pytest

from annealscope.drivers import check_driver
from annealscope.drivers.by_hand import HandSetHolder
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.envelope import Envelope
from annealscope.drivers.interfaces import Channel, DeviceError, HandSet, Holder, Reading
from annealscope.drivers.rules_hand_set import HAND_SET_RULES
from annealscope.simulators import World, WorldSpec
from annealscope.simulators.by_hand import SimulatedHandSetHolder
from annealscope.simulators.devices import SimulatedHolder
from annealscope.simulators.glass import load_glass

ENVELOPE = Envelope(600.0, 20.0, 20.0)
ROOM_K, ZERO_K = 298.15, 273.15


def _simulated(clock, holder_class=SimulatedHandSetHolder):
    return holder_class(SimulatedHolder(World(WorldSpec(), load_glass(), clock, 1)), clock, ENVELOPE)


class Thermometer:
    """Reads what the test says."""

    def __init__(self, clock):
        self.clock = clock
        self.temperature_K = ROOM_K
        self.quality = "ok"

    def open(self):
        pass

    def close(self):
        pass

    def describe(self):
        return {"temperature": Channel("K", "of the chip")}

    def read(self):
        return {"temperature": Reading(self.temperature_K, self.clock.monotonic(), self.quality)}


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def thermometer(clock):
    return Thermometer(clock)


@pytest.fixture
def holder(thermometer, clock):
    holder = HandSetHolder(thermometer, clock, ENVELOPE)
    holder.open()
    return holder


def _later(clock, seconds):
    clock.sleep_until(clock.monotonic() + seconds)


def test_it_keeps_the_rules_of_a_holder_with_an_operator_who_obeys(clock):
    assert isinstance(_simulated(clock), Holder)
    assert isinstance(_simulated(clock), HandSet)
    assert check_driver(lambda: _simulated(clock), clock) == []


class BelievesAtOnce(SimulatedHandSetHolder):
    def ramp(self, target_K, rate_K_per_s):
        action = super().ramp(target_K, rate_K_per_s)
        self.obeyed()
        return action


class KeepsTheFirstOrder(SimulatedHandSetHolder):
    def hold_here(self):
        pass


class ForgetsToAsk(SimulatedHandSetHolder):
    def safe(self, why):
        pass


@pytest.mark.parametrize(
    ("broken", "rule"),
    list(zip((BelievesAtOnce, KeepsTheFirstOrder, ForgetsToAsk), HAND_SET_RULES, strict=True)),
)
def test_the_broken_rule_is_named(clock, broken, rule):
    failures = check_driver(lambda: _simulated(clock, broken), clock)
    assert any(failure.startswith(rule.__name__.replace("_", " ")) for failure in failures), failures


def test_a_ramp_is_modelled_from_its_confirmation_on(holder, clock):
    ramp = holder.ramp(373.15, 0.5)
    assert holder.order == "ramp to 100.0 °C at 30 K/min at the holder's controller"
    _later(clock, 1000.0)
    assert (holder.locate().setpoint_K, ramp.poll()) == (ROOM_K, "running")
    holder.obeyed()
    _later(clock, 50.0)
    assert holder.read()["setpoint"].value == pytest.approx(ROOM_K + 25.0)
    assert (holder.order, ramp.poll()) == ("", "running")
    _later(clock, 100.0)
    assert (holder.locate().setpoint_K, ramp.poll()) == (373.15, "done")
    ramp.cancel()
    assert (holder.order, ramp.poll()) == ("", "done")


def test_a_ramp_down_moves_down(holder, clock, thermometer):
    holder.ramp(373.15, 20.0)
    holder.obeyed()
    _later(clock, 60.0)
    holder.ramp(323.15, 0.5)
    holder.obeyed()
    _later(clock, 10.0)
    assert holder.locate().setpoint_K == pytest.approx(368.15)


def test_who_holds_late_is_believed_the_thermometer(holder, clock, thermometer):
    ramp = holder.ramp(373.15, 0.5)
    holder.obeyed()
    _later(clock, 20.0)
    thermometer.temperature_K = ROOM_K + 10.0
    ramp.cancel()
    assert holder.order == "hold the present temperature (now 35.0 °C) at the holder's controller"
    _later(clock, 50.0)
    assert holder.locate().setpoint_K == pytest.approx(ROOM_K + 35.0)  # nobody has said that it is held
    holder.obeyed()
    assert holder.locate().setpoint_K == ROOM_K + 10.0
    assert ramp.poll() == "cancelled"


def test_without_a_thermometer_the_model_says_where_it_holds(holder, clock, thermometer):
    holder.ramp(373.15, 0.5)
    holder.obeyed()
    _later(clock, 20.0)
    holder.hold_here()
    thermometer.temperature_K, thermometer.quality = math.nan, "bad"
    holder.obeyed()
    assert holder.locate().setpoint_K == pytest.approx(ROOM_K + 10.0)


def test_an_order_that_changes_nothing_is_not_given(holder, clock):
    holder.hold_here()
    assert holder.order == ""  # it holds already
    holder.ramp(373.15, 0.5)
    holder.hold_here()
    assert holder.order.startswith("hold")  # the operator may have begun without saying so
    holder.switch_off()
    holder.obeyed()
    holder.safe("again")
    assert holder.order == ""
    holder.ramp(373.15, 0.5)
    holder.safe("now it may be on")
    assert holder.order.startswith("switch")


def test_an_order_survives_close_and_open(holder):
    holder.switch_off()
    holder.close()
    holder.open()
    assert holder.order.startswith("switch")


def test_a_ramp_beyond_the_envelope_is_refused_before_anybody_is_asked(holder):
    with pytest.raises(DeviceError, match="at most 600 K"):
        holder.ramp(700.0, 0.5)
    assert holder.order == ""


def test_the_simulated_hands_do_what_is_confirmed_and_nothing_before(clock):
    world = World(WorldSpec(), load_glass(), clock, 1)
    holder = SimulatedHandSetHolder(SimulatedHolder(world), clock, ENVELOPE)
    holder.open()
    holder.ramp(323.15, 1.0)
    _later(clock, 60.0)
    assert world.chip.setpoint_K(clock.monotonic()) == ROOM_K
    holder.obeyed()
    _later(clock, 60.0)
    assert world.chip.setpoint_K(clock.monotonic()) == 323.15
    holder.switch_off()
    _later(clock, 60.0)
    assert world.chip.setpoint_K(clock.monotonic()) == 323.15
    holder.obeyed()
    _later(clock, 60.0)
    assert world.chip.setpoint_K(clock.monotonic()) == ROOM_K
