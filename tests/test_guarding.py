"""What a run knows of its guard before it starts one: settings, whose heater it is, and who may not begin."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import load_rig, parse_rig
from annealscope.controller.config.protocol import Safe
from annealscope.controller.config.sources import read_source
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.session.guard_setup import guard_settings, state_folder
from annealscope.controller.session.guarding import GuardHost, host_for
from annealscope.controller.session.options import RunOptions
from annealscope.drivers.clock import WallClock
from annealscope.drivers.envelope import RiseLimits
from annealscope.drivers.guarded_holder import Standing
from annealscope.drivers.registry import factories
from annealscope.simulators.temperature import FollowedChip

SAFE = Safe.model_validate({"cool_to": "25 degC", "rate": "50 K/min", "grace": "30 s"})
RIG = read_source("simulated_guarded", "rigs").content.decode()


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("ANNEALSCOPE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def host(rig="simulated_guarded", continues=False, folder="run", **options):
    options = RunOptions(Path(folder), **{"speed": "real", **options})
    return host_for(load_rig(rig), SAFE, options, WallClock(), continues)


def left_behind(state, **content):
    path = state / "holders" / "simulated_chip.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"epoch": 3, **content}), encoding="utf-8")


def refusal(**arguments):
    with pytest.raises(RunError) as caught:
        host(**arguments)
    return caught.value.exit_code, str(caught.value)


# --- settings


def test_the_guard_is_told_what_rig_and_protocol_say(tmp_path, state):
    settings = guard_settings(load_rig("simulated_guarded"), SAFE, tmp_path / "run")
    assert settings.holder.factory == "annealscope.simulators.standalone:StandaloneHolder"
    assert settings.holder.arguments == {"overshoot_K": 0.5}
    assert settings.blanker.factory.endswith("StandaloneBlanker")
    assert settings.envelope.max_temperature_K == pytest.approx(773.15)
    assert settings.envelope.resistance_ohm == (50.0, 200.0)
    assert settings.envelope.rise == RiseLimits(5.0, 10.0, 1.0)
    assert (settings.ladder.grace_s, settings.ladder.cool_to_K) == (30.0, 298.15)
    assert settings.ladder.lease_s >= 2.0  # the engine turns once a second
    assert settings.epoch_path == str(state / "holders" / "simulated_chip.json")
    assert settings.log_path == str(tmp_path / "run" / "logs" / "guard.jsonl")
    assert settings.run == str(tmp_path / "run")


def test_holders_with_one_driver_are_told_apart_by_name(tmp_path):
    rig = parse_rig(RIG.replace("driver: simulated_chip", "driver: simulated_chip\n  name: left"), "r.yaml")
    assert Path(guard_settings(rig, SAFE, tmp_path).epoch_path).name == "left.json"


def test_settings_may_be_any_json():
    rig = parse_rig(
        RIG.replace("{overshoot_K: 0.5}", "{port: COM3, baud: 9600, pid: [1, 0.5], on: {a: true}}"), "r"
    )
    assert rig.holder.settings == {"port": "COM3", "baud": 9600, "pid": [1, 0.5], "on": {"a": True}}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[50 ohm, 200 ohm]", "[200 ohm, 50 ohm]", "lowest and the highest"),
        ("[50 ohm, 200 ohm]", "[50, 200]", "has no unit"),
        ("window: 5 s, ", "", "window"),
        ("max_reading_age: 1 s", "max_reading_age: 0 s", "more than zero"),
    ],
)
def test_limits_that_are_none_are_refused(old, new, words):
    with pytest.raises(ProtocolError, match=words):
        parse_rig(RIG.replace(old, new), "r.yaml")


def test_a_blanker_that_nobody_has_is_refused():
    rig = parse_rig(RIG.replace("simulated_blanker", "shutter"), "r.yaml")
    with pytest.raises(RunError, match="no driver 'shutter'; known: simulated_blanker"):
        guard_settings(rig, SAFE, Path("run"))


def test_other_packages_can_bring_holders(tmp_path, monkeypatch):
    info = tmp_path / "my_lab-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_lab\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[annealscope.holders]\nmy_chip = my_lab.holder:open_chip\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = factories("annealscope.holders")
    assert found["my_chip"] == "my_lab.holder:open_chip"
    assert "simulated_chip" in found
    assert "my_lab" not in sys.modules


@pytest.mark.skipif(os.name == "nt", reason="folders of POSIX systems")
def test_the_state_folder_is_where_the_platform_has_it(monkeypatch):
    monkeypatch.delenv("ANNEALSCOPE_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert state_folder() == Path("/x/annealscope")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_folder() == Path.home() / ".local" / "state" / "annealscope"


# --- who may not begin


def test_a_holder_that_is_simulated_in_the_run_has_no_guard():
    assert host("simulated", speed="max") is None


@pytest.mark.parametrize("speed", ["max", "100"])
def test_a_guard_lives_in_real_time(speed):
    code, message = refusal(speed=speed)
    assert code is ExitCode.USAGE
    assert f"--speed must be real, got {speed}; rehearse at other speeds with --rig simulated" in message


def test_a_locked_heater_is_refused_until_it_is_acknowledged(state):
    left_behind(state, trip="rate of rise: too fast")
    code, message = refusal()
    assert code is ExitCode.SAFETY
    assert (
        'locked: rate of rise: too fast; find out why, then say what it was: --acknowledge "WHY"' in message
    )
    assert isinstance(host(acknowledge="a loose cable"), GuardHost)


@pytest.mark.parametrize(
    ("rig", "words"), [("simulated_guarded", "is not locked"), ("simulated", "has no guard")]
)
def test_nothing_is_acknowledged_in_advance(rig, words):
    code, message = refusal(rig=rig, acknowledge="just in case")
    assert code is ExitCode.USAGE
    assert words in message


def test_a_damaged_epoch_file_is_named(state):
    (state / "holders").mkdir(parents=True)
    (state / "holders" / "simulated_chip.json").write_text("{}")
    code, message = refusal()
    assert code is ExitCode.DEVICE
    assert "simulated_chip.json is no epoch file" in message


@pytest.mark.parametrize(
    ("rung", "owned", "continues", "words"),
    [
        ("live", True, False, "the heater is on at 100 °C for {run}: continue that run, or wait"),
        ("frozen", False, False, "the heater is on at 100 °C for {run}: continue that run, or wait"),
        ("cooling", False, False, "cooling down from 100 °C"),
        ("cooling", False, True, "nobody may heat it before it is off"),
        ("off", True, False, "off, but claimed"),
        ("off", False, False, None),
        ("frozen", False, True, None),
        ("live", True, True, None),
    ],
)
def test_a_heater_that_is_hot_belongs_to_its_run(state, tmp_path, monkeypatch, rung, owned, continues, words):
    run = tmp_path / "run"
    left_behind(state, run=str(run))
    monkeypatch.setattr(GuardHost, "_standing", lambda self: Standing(rung, owned, None, 373.15))
    if words is None:
        assert isinstance(host(continues=continues, folder=run), GuardHost)
        return
    code, message = refusal(continues=continues, folder=run)
    assert code is ExitCode.DEVICE
    assert words.format(run=run) in message


def test_another_run_does_not_take_over_by_being_continued(state, tmp_path, monkeypatch):
    left_behind(state, run=str(tmp_path / "run"))
    monkeypatch.setattr(GuardHost, "_standing", lambda self: Standing("frozen", False, None, 373.15))
    code, _ = refusal(continues=True, folder=tmp_path / "other")
    assert code is ExitCode.DEVICE


class HotHolder:
    """A heater that a guard which was just started has found on."""

    epoch = 0

    def open(self):
        self.epoch = 1

    def close(self):
        self.epoch = 0

    def standing(self):
        return Standing("live", True, None, 423.15)


@pytest.mark.parametrize(("continues", "whose"), [(False, "run"), (False, None), (True, "other")])
def test_a_heater_that_is_found_on_for_nobody_or_another_run_is_not_used(
    state, tmp_path, monkeypatch, continues, whose
):
    if whose is not None:
        left_behind(state, run=str(tmp_path / whose))
    found, holder = host(continues=continues, folder=tmp_path / "run"), HotHolder()
    monkeypatch.setattr(GuardHost, "_started", lambda self: holder)
    with pytest.raises(RunError, match=r"found on at 150\.0 °C, and not for this run"):
        found.start(None)
    assert holder.epoch == 0


# --- the specimen on a chip that somebody else heats


def test_a_chip_is_as_its_surroundings_until_something_is_reported():
    chip = FollowedChip(298.0)
    assert chip.temperature_K(5.0) == 298.0
    assert chip.temperature_K(np.array([1.0, 2.0])).tolist() == [298.0, 298.0]
    chip.follow(10.0, 400.0)
    assert chip.temperature_K(np.array([9.0, 10.0, 99.0])).tolist() == [298.0, 400.0, 400.0]


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(200, 1000) | st.just(np.nan)), max_size=30))
def test_a_followed_chip_is_what_was_reported(reports):
    chip, kept = FollowedChip(298.0), []
    for t_s, temperature_K in reports:
        chip.follow(t_s, temperature_K)
        if not np.isnan(temperature_K) and (not kept or t_s > kept[-1][0]):
            kept.append((t_s, temperature_K))
    times_s = np.array([t_s for t_s, _ in kept])
    assert chip.temperature_K(times_s).tolist() == [temperature_K for _, temperature_K in kept]


def test_many_reports_are_kept():
    chip = FollowedChip(298.0)
    for i in range(5000):
        chip.follow(float(i), 300.0 + i)
    assert chip.temperature_K(2500.5) == 2800.5
    assert chip.temperature_K(0.0) == 300.0


def test_a_guard_with_a_simulated_heater_loads_nothing_heavy():
    code = (
        "import sys, annealscope.simulators.standalone, annealscope.drivers.guard\n"
        "print([name for name in ('numba', 'scipy', 'h5py', 'pydantic') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
