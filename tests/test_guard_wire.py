"""Hostile and broken messages: dropped, counted, and the heater stays looked after."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq
from guard_rig import LEASE_S, ROOM_K, guard_log, guard_settings, hardware, wait_for
from hypothesis import given
from hypothesis import strategies as st

from annealscope.drivers import check_driver
from annealscope.drivers.clock import WallClock
from annealscope.drivers.guard_files import MAX_WAITING_LINES, EpochFile, EventLog, read_epoch_file
from annealscope.drivers.guard_link import GuardLink
from annealscope.drivers.guard_messages import (
    BadMessage,
    Request,
    decode_request,
    encode,
    settings_from_json,
    settings_to_json,
)
from annealscope.drivers.guard_start import find_guard, start_guard
from annealscope.drivers.guarded_holder import GuardedHolder
from annealscope.drivers.interfaces import DeviceError, HeaterTripped, Holder

GOOD = {
    "verb": "ramp",
    "token": "t",
    "seq": 1,
    "epoch": 1,
    "sent_s": 1.0,
    "target_K": 300,
    "rate_K_per_s": 1.0,
}
BAD = {
    "nothing": b"",
    "no JSON": b"\x80\x04pickle",
    "no object": b"[1]",
    "nested": b"[" * 4000,
    "huge": b'{"token": "' + b"x" * 5000 + b'"}',
    "NaN": json.dumps({**GOOD, "target_K": float("nan")}).encode(),
    "infinite": json.dumps({**GOOD, "target_K": 1}).replace('"target_K": 1', '"target_K": 1e999').encode(),
    "enormous": json.dumps({**GOOD, "target_K": 10**400}).encode(),
    "text for a number": json.dumps({**GOOD, "target_K": "300"}).encode(),
    "bool for a number": json.dumps({**GOOD, "target_K": True}).encode(),
    "float for a count": json.dumps({**GOOD, "epoch": 1.5}).encode(),
    "null": json.dumps({**GOOD, "epoch": None}).encode(),
    "unknown key": json.dumps({**GOOD, "password": "x"}).encode(),
    "missing key": json.dumps({"verb": "off"}).encode(),
    "unknown verb": json.dumps({**GOOD, "verb": "__init__"}).encode(),
}


def test_a_good_request_is_understood():
    request = decode_request(json.dumps(GOOD).encode())
    assert request == Request("ramp", "t", 1, 1, 1.0, target_K=300, rate_K_per_s=1.0)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused(name):
    with pytest.raises(BadMessage):
        decode_request(BAD[name])


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_no_bytes_crash_the_parser(data):
    with pytest.raises(BadMessage):
        decode_request(data)


def test_numbers_that_json_has_not_are_sent_as_null():
    assert json.loads(encode({"a": float("nan"), "b": float("-inf"), "c": 1.0})) == {
        "a": None,
        "b": None,
        "c": 1.0,
    }


def test_settings_survive_the_way_to_the_guard(tmp_path):
    settings = guard_settings(tmp_path)
    assert settings_from_json(settings_to_json(settings)) == settings


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"holder": 1}', "x", "[" * 10000])
def test_settings_that_are_none_are_refused(line):
    with pytest.raises(ValueError, match=r".+"):
        settings_from_json(line)


def test_a_guard_without_settings_ends_with_a_sentence():
    command = [sys.executable, "-m", "annealscope.drivers.guard"]
    result = subprocess.run(command, input="{}\n", capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert "must be a guard's settings" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "endpoint", ["tcp://0.0.0.0:5555", "tcp://192.168.1.2:5555", "ipc:///x", "tcp://127.0.0.1"]
)
def test_other_machines_are_refused(endpoint):
    with pytest.raises(DeviceError, match=r"tcp://127\.0\.0\.1:PORT"):
        GuardLink(endpoint, "t")


def test_a_guard_that_never_answers_is_given_up_after_a_second():
    context = zmq.Context()
    silent = context.socket(zmq.ROUTER)
    port = silent.bind_to_random_port("tcp://127.0.0.1")
    holder = GuardedHolder(GuardLink(f"tcp://127.0.0.1:{port}", "t"), WallClock(), LEASE_S)
    began_s = time.monotonic()
    with pytest.raises(DeviceError, match="no answer"):
        holder.open()
    assert time.monotonic() - began_s < 1.2
    holder.close()
    context.destroy(linger=0)


def test_a_holder_that_was_not_claimed_does_nothing():
    holder = GuardedHolder(GuardLink("tcp://127.0.0.1:9", "t"), WallClock(), LEASE_S)
    assert isinstance(holder, Holder)
    with pytest.raises(DeviceError, match="`open` comes before"):
        holder.hold_here()
    holder.close()


# --- a whole guard


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guard")


@pytest.fixture(scope="module")
def guard(folder):
    """One guard for several tests."""
    holder, guard = start_guard(guard_settings(folder, lease_s=1.0), WallClock())
    yield holder
    holder.close()
    assert guard.dismiss(10.0)


@pytest.fixture
def guarded(guard):
    guard.open()
    yield guard
    guard.safe("end of the test")


def test_a_flood_of_garbage_changes_nothing(guarded, folder):
    guarded.ramp(400.0, 10.0)
    endpoint = read_epoch_file(folder / "epoch.json")["endpoint"]
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(endpoint)
    for _ in range(20):
        for data in BAD.values():
            socket.send(data[:4096])
        socket.send_multipart([b"{}", b"{}"])
        guarded.read()
    context.destroy(linger=0)
    assert guarded.locate().setpoint_K > ROOM_K
    assert hardware(folder, "hold", "off", "ramp")[-1]["what"] == "ramp"
    assert len(guard_log(folder, "bad_message")) < 20


def test_who_does_not_know_the_token_gets_nothing(guarded, folder):
    endpoint = read_epoch_file(folder / "epoch.json")["endpoint"]
    stranger = GuardedHolder(GuardLink(endpoint, "guess"), WallClock(), LEASE_S)
    with pytest.raises(DeviceError, match="wrong token"):
        stranger.open()
    stranger.close()
    guarded.read()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_token_is_for_its_owner_only(guarded, folder):
    assert stat.S_IMODE((folder / "epoch.json").stat().st_mode) == 0o600


def test_the_lease_drill_sees_the_freeze(guarded, folder):
    drill = guarded.lease_drill()
    assert 1.0 - 0.1 < drill.froze_after_s <= drill.allowed_s
    wait_for(lambda: hardware(folder, "hold", "off", "ramp")[-1]["what"] == "off")
    assert [line["what"] for line in hardware(folder, "hold", "off", "ramp")][-3:] == ["hold", "hold", "off"]
    guarded.ramp(400.0, 10.0)
    with pytest.raises(DeviceError, match="a heater that is off"):
        guarded.lease_drill()


def test_a_fault_of_the_sensor_reaches_the_controller(tmp_path):
    settings = guard_settings(tmp_path, lease_s=2.0, fault="nan", fault_after_s=1.0)
    holder, guard = start_guard(settings, WallClock())
    holder.open()
    holder.ramp(400.0, 10.0)
    wait_for(lambda: hardware(tmp_path, "off"))
    with pytest.raises(HeaterTripped, match="got nan"):
        holder.read()
    fault, off = hardware(tmp_path, "fault", "off")[:2]
    assert off["t_s"] - fault["t_s"] <= 0.2
    holder.acknowledge("a test")
    assert holder.read()["temperature"].quality == "bad"
    assert guard.dismiss(5.0)
    holder.close()


def test_a_driver_that_cannot_be_made_is_named(tmp_path):
    settings = guard_settings(tmp_path, no_such_argument=1)
    with pytest.raises(DeviceError, match="no_such_argument"):
        start_guard(settings, WallClock())


# --- files


def test_an_epoch_outlasts_its_guard(tmp_path):
    first = EpochFile(tmp_path / "epoch.json")
    first.open()
    first.save(41)
    second = EpochFile(tmp_path / "epoch.json")
    with pytest.raises(DeviceError, match="another guard"):
        second.open()
    first.close()
    second.open()
    assert second.epoch == 41
    second.close()


def test_an_epoch_is_on_the_disk_before_it_has_its_name_and_the_name_after(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, Path.replace

    def spy_fsync(handle):
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        assert kind == "folder" or os.fstat(handle).st_size > 0
        done.append(kind)
        fsync(handle)

    def spy_replace(source, target):
        done.append("name")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "replace", spy_replace)
    EpochFile(tmp_path / "epoch.json").save(5)
    assert done == (["file", "name"] if os.name == "nt" else ["file", "name", "folder"])


@pytest.mark.parametrize("content", ["", "[]", '{"epoch": "1"}', '{"epoch": -1}', '{"epoch": true}'])
def test_a_damaged_epoch_file_is_refused(tmp_path, content):
    (tmp_path / "epoch.json").write_text(content)
    with pytest.raises(DeviceError, match="guard"):
        EpochFile(tmp_path / "epoch.json").open()


def test_nobody_finds_a_guard_that_is_gone(tmp_path):
    assert find_guard(tmp_path / "epoch.json", WallClock(), LEASE_S) is None


def test_a_log_that_cannot_be_written_does_not_matter(tmp_path):
    log = EventLog(tmp_path / "no such folder" / "log")
    log.note("something")
    log.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_disk_that_hangs_does_not_hold_up_the_guard(tmp_path):
    os.mkfifo(tmp_path / "log")  # opening it blocks: nobody reads
    log = EventLog(tmp_path / "log")
    began_s = time.monotonic()
    for _ in range(MAX_WAITING_LINES + 10):
        log.note("something")
    assert time.monotonic() - began_s < 0.5


def test_a_flood_of_refusals_does_not_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("annealscope.drivers.guard_files.MAX_LOG_BYTES", 1000)
    log = EventLog(tmp_path / "log")
    for _ in range(100):
        log.note("refused")
    log.close()
    assert 900 < (tmp_path / "log").stat().st_size <= 1000


@pytest.mark.slow
def test_a_guarded_holder_keeps_every_rule(tmp_path):
    settings = guard_settings(tmp_path, lease_s=30.0)
    clock = WallClock()
    _, guard = start_guard(settings, clock)
    epoch_path = tmp_path / "epoch.json"

    def make():
        time.sleep(0.3)  # the chip of the rule before becomes cold
        return find_guard(epoch_path, clock, 30.0)

    assert check_driver(make, clock) == []
    assert guard.dismiss(10.0)
