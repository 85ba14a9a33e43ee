"""A controller that was late takes its heater over by itself, when it may: all in one process."""

import pytest
from guard_rig import GRACE_S, LEASE_S, ROOM_K
from test_guard import TICK_S, Stage

from annealscope.drivers.guarded_holder import GuardedHolder
from annealscope.drivers.interfaces import DeviceError, HeaterTripped, LeaseLapsed

HOT_K = 500.0


class StageLink:
    """A link to a guard whose time the test decides."""

    epoch = 0
    seq = 0

    def __init__(self, stage):
        self.stage = stage

    def tell(self, verb, **fields):
        self.seq += 1
        reply = self.stage.ask(verb, seq=self.seq, epoch=self.epoch, **fields)
        kinds = {"lapsed": LeaseLapsed, "tripped": HeaterTripped}
        if "refused" in reply:
            raise kinds.get(reply["refused"], DeviceError)(reply["error"])
        return reply

    def close(self):
        pass


class StageClock:
    def __init__(self, stage):
        self.stage = stage

    def monotonic(self):
        return self.stage.now_s


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


@pytest.fixture
def holder(stage):
    holder = GuardedHolder(StageLink(stage), StageClock(stage), LEASE_S)
    holder.open()
    return holder


def heat(stage, holder):
    ramp = holder.ramp(HOT_K, 10.0)
    stage.holder.setpoint_K = stage.holder.measured_K = 400.0
    return ramp


def be_late(stage, by_s=LEASE_S + 2 * TICK_S):
    stage.wait(by_s, renew=False)
    if stage.holder.ramps and stage.holder.calls[-1] == "hold":
        stage.holder.ramps[0][2].state = "cancelled"


def test_a_late_reading_takes_over_and_tells_of_it_once(stage, holder):
    ramp = heat(stage, holder)
    be_late(stage)
    assert stage.rung == "frozen"
    assert ramp.poll() == "running"  # until it is told
    with pytest.raises(LeaseLapsed, match="not renewed in time"):
        holder.read()
    assert stage.rung == "live"
    assert ramp.poll() == "cancelled"
    assert holder.read()["temperature"].value == 400.0
    assert stage.holder.calls == ["ramp", "hold"]
    assert stage.blanker.blanked


@pytest.mark.parametrize("command", [lambda h: h.hold_here(), lambda h: h.ramp(450.0, 10.0)])
def test_a_late_command_is_carried_out_after_a_takeover_and_told_of_later(stage, holder, command):
    heat(stage, holder)
    be_late(stage)
    command(holder)
    assert stage.holder.calls[2:] in (["hold"], ["ramp"])
    with pytest.raises(LeaseLapsed):
        holder.read()
    holder.read()


def test_a_heater_that_is_off_has_missed_nothing(stage, holder):
    be_late(stage)
    assert holder.read()["temperature"].value == ROOM_K
    heat(stage, holder)
    holder.switch_off()
    stage.holder.setpoint_K = stage.holder.measured_K = ROOM_K
    be_late(stage)
    holder.read()


def test_a_heater_on_its_way_down_is_not_taken_over(stage, holder):
    heat(stage, holder)
    be_late(stage, LEASE_S + GRACE_S + 0.1)
    assert stage.rung == "cooling"
    with pytest.raises(DeviceError, match="safe ramp under way"):
        holder.read()


def test_a_heater_that_has_gone_off_meanwhile_ends_the_run(stage, holder):
    heat(stage, holder)
    be_late(stage, 20.0)
    assert stage.rung == "off"
    with pytest.raises(DeviceError, match="meanwhile the heater was cooled down"):
        holder.read()


def test_a_trip_while_nobody_looked_is_a_trip(stage, holder):
    heat(stage, holder)
    be_late(stage)
    stage.holder.measured_K = 900.0
    stage.wait(0.1, renew=False)
    with pytest.raises(HeaterTripped, match=r"at most 573.* K.*--acknowledge"):
        holder.read()
    holder.acknowledge("a test")
    stage.holder.measured_K = ROOM_K
    holder.read()


def test_who_was_replaced_takes_nothing_back(stage, holder):
    heat(stage, holder)
    be_late(stage)
    heir = GuardedHolder(StageLink(stage), StageClock(stage), LEASE_S)
    heir.open()
    for command in (holder.read, holder.hold_here, lambda: holder.ramp(HOT_K, 10.0)):
        with pytest.raises(DeviceError, match="has taken over") as caught:
            command()
        assert not isinstance(caught.value, LeaseLapsed)
    heir.read()


# --- a trip outlasts its guard


def test_a_trip_is_written_down_after_the_heater_is_off_and_until_it_is_acknowledged(stage, tmp_path):
    stage.heat()
    stage.holder.broken = {"off"}
    stage.holder.measured_K = 900.0
    stage.wait(0.1)
    assert stage.saved_trip is None  # first the heater
    stage.holder.broken = set()
    stage.wait(0.1)
    assert "at most 573.15 K" in stage.saved_trip

    heir = Stage(tmp_path, setpoint_K=400.0, epoch=1, trip=stage.saved_trip)
    heir.wait(0.1)
    assert heir.holder.calls == ["off"]
    assert heir.blanker.blanked
    assert heir.heat()["refused"] == "tripped"
    assert heir.saved_trip == stage.saved_trip  # the claim has not lost it
    heir.ask("acknowledge", why="the cable was loose")
    assert heir.saved_trip is None
    assert "refused" not in heir.ask("ramp", target_K=400.0, rate_K_per_s=1.0)


def test_a_full_disk_does_not_keep_the_heater_on(stage):
    stage.heat()
    stage.disk_full = True
    stage.holder.measured_K = 900.0
    stage.wait(0.1)
    assert stage.holder.calls[-1] == "off"
    assert [what for what, _ in stage.notes].count("trip_not_saved") == 1
