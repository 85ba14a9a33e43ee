"""What a guard does with its heater, in time that the test decides."""

import math
from dataclasses import replace

import pytest
from guard_rig import ENVELOPE, LEASE_S, ROOM_K, guard_settings

from annealscope.drivers.guard_core import Guard
from annealscope.drivers.guard_messages import Request
from annealscope.drivers.interfaces import Channel, DeviceError, Location, Reading
from annealscope.drivers.lease import Rung

TICK_S = 0.02


class FakeRamp:
    def __init__(self):
        self.state = "running"

    def poll(self):
        return self.state


class FakeHolder:
    """A heater that does what it is told at once, and whatever the test wants."""

    name = "holder"

    def __init__(self):
        self.now_s = 0.0
        self.setpoint_K = self.measured_K = ROOM_K
        self.ohm = 100.0
        self.calls = []
        self.broken = set()
        self.ramps = []
        self.read_s = None

    def _call(self, name):
        if name in self.broken:
            raise DeviceError(f"{name}: no answer")
        self.calls.append(name)

    def describe(self):
        return {"temperature": Channel("K", "chip"), "resistance": Channel("ohm", "chip")}

    def read(self):
        if "read" in self.broken:
            raise DeviceError("read: no answer")
        t_s = self.now_s if self.read_s is None else self.read_s
        return {"temperature": Reading(self.measured_K, t_s), "resistance": Reading(self.ohm, t_s)}

    def locate(self):
        return Location(self.setpoint_K, self.measured_K, self.now_s)

    def check(self, target_K, rate_K_per_s):
        return ["holder: it is stuck"] if "check" in self.broken else []

    def ramp(self, target_K, rate_K_per_s):
        self._call("ramp")
        self.ramps.append((target_K, rate_K_per_s, FakeRamp()))
        return self.ramps[-1][2]

    def hold_here(self):
        self._call("hold")

    def switch_off(self):
        self._call("off")

    def safe(self, why):
        self._call("off")


class FakeBlanker:
    def __init__(self):
        self.blanked = False

    def blank(self, on):
        self.blanked = on


class Stage:
    """A guard on fake hardware, and a controller that claims and commands."""

    def __init__(self, folder, setpoint_K=ROOM_K, epoch=0, trip=None, **settings):
        self.holder, self.blanker, self.notes, self.saved = FakeHolder(), FakeBlanker(), [], []
        self.saved_trip = trip
        self.holder.setpoint_K = setpoint_K
        self.now_s, self.seq, self.epoch = 0.0, 0, 0
        self.disk_full = False
        settings = guard_settings(folder, **settings)
        self.guard = Guard(settings, self.holder, self.blanker, epoch, self._save, self._note, 0.0, trip)

    def _save(self, epoch, trip):
        if self.disk_full:
            raise OSError(28, "No space left on device")
        self.saved.append(epoch)
        self.saved_trip = trip

    def _note(self, what, **fields):
        self.notes.append((what, fields))

    def ask(self, verb, **fields):
        self.seq += 1
        base = Request(verb, "secret", self.seq, self.epoch, self.now_s, LEASE_S)
        return self.guard.answer(self.now_s, replace(base, **fields))

    def heat(self, target_K=500.0):
        self.epoch = self.ask("claim", from_parent=True)["epoch"]
        return self.ask("ramp", target_K=target_K, rate_K_per_s=10.0)

    def wait(self, seconds, renew=True):
        for _ in range(round(seconds / TICK_S)):
            self.now_s += TICK_S
            self.holder.now_s = self.now_s
            if renew:
                self.ask("renew")
            self.guard.tick(self.now_s)

    @property
    def rung(self):
        return self.guard.ladder.rung


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def test_a_ramp_reaches_the_holder_and_is_reported_on(stage):
    reply = stage.heat()
    assert "refused" not in reply
    assert stage.holder.ramps[0][:2] == (500.0, 10.0)
    assert stage.ask("look", ramp=reply["ramp"])["ramp_state"] == "running"
    stage.holder.ramps[0][2].state = "done"
    assert stage.ask("look", ramp=reply["ramp"])["ramp_state"] == "done"
    assert stage.ask("look", ramp=99)["ramp_state"] == "cancelled"


@pytest.mark.parametrize(
    ("target_K", "rate", "word"),
    [
        (574.0, 1.0, "at most 573.15 K"),
        (400.0, 51.0, "50 K/s"),
        (math.nan, 1.0, "target"),
        (400.0, math.nan, "rate"),
    ],
)
def test_ramps_outside_the_envelope_never_reach_the_holder(stage, target_K, rate, word):
    stage.epoch = stage.ask("claim")["epoch"]
    reply = stage.ask("ramp", target_K=target_K, rate_K_per_s=rate)
    assert word in reply["error"]
    assert stage.ask("check", target_K=target_K, rate_K_per_s=rate)["problems"]
    assert stage.holder.calls == []
    assert stage.rung is Rung.OFF


def lose_the_sensor(holder):
    holder.measured_K = math.nan


def overheat(holder):
    holder.measured_K = 573.2


def freeze_the_sensor(holder):
    holder.read_s = holder.now_s


def break_the_heater(holder):
    holder.ohm = math.inf


def unplug(holder):
    holder.broken.add("read")


FAULTS = [lose_the_sensor, overheat, freeze_the_sensor, break_the_heater, unplug]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_heater_outside_its_envelope_is_off_within_a_fifth_of_a_second(stage, fault):
    stage.heat()
    stage.wait(1.0)
    fault(stage.holder)
    stage.wait(0.2)
    assert stage.holder.calls[-1] == "off"
    assert stage.blanker.blanked
    assert stage.guard.ladder.trip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_is_there_already_keeps_the_heater_off(stage, fault):
    fault(stage.holder)
    stage.wait(0.3)
    reply = stage.heat()
    assert reply["refused"] == "tripped"
    assert "ramp" not in stage.holder.calls


def test_a_trip_is_unlocked_with_a_reason_only(stage):
    stage.heat()
    overheat(stage.holder)
    stage.wait(0.1)
    stage.holder.measured_K = ROOM_K
    stage.wait(0.1)
    again = {"target_K": 400.0, "rate_K_per_s": 1.0}
    assert stage.ask("ramp", **again)["refused"] == "tripped"
    assert "reason" in stage.ask("acknowledge", why="  ")["error"]
    assert "refused" not in stage.ask("acknowledge", why="thermocouple replaced")
    assert "refused" not in stage.ask("ramp", **again)
    (note,) = [fields for what, fields in stage.notes if what == "acknowledged"]
    assert note["why"] == "thermocouple replaced"
    assert "573.2" in note["trip"]


def test_an_acknowledged_fault_that_is_still_there_trips_again(stage):
    stage.heat()
    overheat(stage.holder)
    stage.wait(0.1)
    stage.ask("acknowledge", why="I hope it is gone")
    assert stage.ask("hold")["refused"] == "tripped"


def test_a_heater_that_does_not_follow_is_off(stage):
    stage.heat()
    stage.wait(0.5)
    stage.holder.setpoint_K = 400.0
    stage.wait(ENVELOPE.rise.window_s + 0.1)
    assert "rate of rise" in stage.guard.ladder.trip
    assert stage.holder.calls[-1] == "off"


def test_a_heater_that_heats_while_it_is_off_is_switched_off_again_and_locked(stage):
    stage.wait(0.5, renew=False)
    stage.holder.measured_K += 20.0
    stage.wait(0.1, renew=False)
    assert stage.holder.calls == ["off"]
    assert stage.heat()["refused"] == "tripped"


def test_orders_that_fail_are_tried_again(stage):
    stage.heat()
    stage.holder.broken.add("hold")
    stage.wait(LEASE_S + 0.1, renew=False)
    assert stage.rung is Rung.FROZEN
    assert stage.blanker.blanked, "the beam does not wait for the heater"
    stage.holder.broken.clear()
    stage.wait(TICK_S, renew=False)
    assert stage.holder.calls[-1] == "hold"


def test_an_order_that_failed_is_void_once_a_controller_commands_again(stage):
    stage.heat()
    stage.holder.broken.add("hold")
    stage.wait(LEASE_S + 0.1, renew=False)
    stage.heat()
    stage.holder.broken.clear()
    stage.wait(0.1)
    assert stage.holder.calls == ["ramp", "ramp"]


def test_a_safe_ramp_that_the_holder_refuses_ends_in_off(stage):
    stage.heat()
    stage.holder.setpoint_K = stage.holder.measured_K = 400.0
    stage.holder.broken.add("ramp")
    stage.wait(2.0, renew=False)
    assert stage.rung is Rung.OFF
    assert stage.holder.calls[-1] == "off"
    assert stage.guard.at_rest


def test_a_guard_is_not_at_rest_while_the_heater_cannot_be_switched_off(stage):
    stage.heat()
    stage.holder.broken |= {"hold", "off", "ramp"}
    stage.wait(3.0, renew=False)
    assert not stage.guard.at_rest
    stage.holder.broken.clear()
    stage.wait(0.1, renew=False)
    assert stage.guard.at_rest


def test_a_heater_that_is_found_hot_is_frozen_then_cooled(tmp_path):
    stage = Stage(tmp_path, setpoint_K=450.0, epoch=6)
    stage.wait(0.3, renew=False)
    assert (stage.rung, stage.holder.calls) == (Rung.FROZEN, ["hold"])
    stage.wait(0.5, renew=False)
    assert stage.rung is Rung.COOLING
    assert stage.holder.ramps[-1][:2] == (ROOM_K, 100.0)


def test_an_epoch_is_durable_before_it_counts(stage):
    stage.disk_full = True
    assert "durable" in stage.ask("claim")["error"]
    stage.disk_full = False
    assert stage.ask("claim")["epoch"] == 1
    assert stage.saved == [1]


def test_a_wrong_token_gets_no_answer_worth_having(stage):
    reply = stage.ask("claim", token="\ud800 guess")  # noqa: S106
    assert reply["refused"] == "token"
    assert "epoch" not in reply


def test_a_driver_that_raises_anything_does_not_end_the_guard(stage):
    stage.heat()
    stage.holder.ramps[0][2].poll = lambda: 1 / 0
    assert "ZeroDivisionError" in stage.ask("look", ramp=1)["error"]
    stage.holder.locate = lambda: 1 / 0
    stage.wait(0.02)
    assert stage.rung is Rung.LIVE
