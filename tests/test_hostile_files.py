"""Files of a run that are damaged, or that others would like to read."""

import json
import os
import stat
import struct
import subprocess
import sys
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import open_hold

from annealscope.controller.client import RunClient
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import read_journal, read_lines
from annealscope.controller.live import LIVE_FILE, write_live, writer_lives
from annealscope.controller.offline.stacks import BadStack, open_stack
from annealscope.controller.record.framelog import FrameLogReader, FrameLogWriter, RecordError
from annealscope.controller.stream.control import ask
from annealscope.controller.stream.messages import BadMessage, decode
from annealscope.drivers.guard_files import EpochFile, read_epoch_file
from annealscope.drivers.interfaces import DeviceError

DEEP = b"[" * 100_000


def checked(body):
    """Return a line of a journal with its checksum, whatever stands in it."""
    return body[:-1] + b', "crc": "' + f"{zlib.crc32(body):08x}".encode() + b'"}\n'


READING = checked(b'{"n": 0, "kind": "reading"}')

# --- for the owner only

SECRETS = {
    "live.json": lambda path: write_live(path, {"token": "secret"}),
    "epoch.json": lambda path: EpochFile(path).save(3),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions than modes")
@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("before", ["nothing", "a file for all", "a link"])
def test_a_secret_is_readable_by_its_owner_alone_from_the_start(name, mask, before, tmp_path, monkeypatch):
    path, elsewhere = tmp_path / name, tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    for place in (path, path.with_name(f"{name}.tmp")):
        if before == "a link":
            place.symlink_to(elsewhere)
        elif before == "a file for all":
            place.touch()
            place.chmod(0o666)
    modes = modes_when_opened(monkeypatch)
    old = os.umask(mask)
    try:
        SECRETS[name](path)
    finally:
        os.umask(old)
    assert modes == [0o600]
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert not path.is_symlink()
    assert elsewhere.read_text() == "untouched"


def modes_when_opened(monkeypatch):
    """Collect the mode of every file right after it was opened for writing, before anything is in it."""
    modes, really_open = [], os.open

    def spy(path, flags, mode=0o777):
        handle = really_open(path, flags, mode)
        if flags & os.O_WRONLY:
            modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    monkeypatch.setattr(os, "open", spy)
    return modes


# --- the address of a run

GOOD = {"endpoint": "tcp://127.0.0.1:9", "token": "t"}


def test_a_run_whose_program_has_died_is_reported_at_once(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (tmp_path / "journal.jsonl").write_bytes(READING)
    write_live(tmp_path / LIVE_FILE, {"pid": child.pid, **GOOD})
    begin_s = time.monotonic()
    with pytest.raises(RunError, match="its program died") as caught:
        RunClient(tmp_path).status()
    assert time.monotonic() - begin_s < 1.0
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_number_that_another_program_was_given_is_no_run(tmp_path):
    write_live(tmp_path / LIVE_FILE, {"pid": os.getpid(), **GOOD})
    assert writer_lives(tmp_path / LIVE_FILE)
    os.utime(tmp_path / LIVE_FILE, (0, 0))  # written long before this process was born
    assert not writer_lives(tmp_path / LIVE_FILE)


DAMAGED = {
    "empty": b"",
    "cut": b'{"pid": 1, "endp',
    "no object": b"[1]",
    "nested": DEEP,
    "no text": b"\xff\xfe\x00",
    "no pid": json.dumps(GOOD).encode(),
    "pid of text": json.dumps({"pid": "x", **GOOD}).encode(),
    "pid of NaN": b'{"pid": NaN, "endpoint": "tcp://127.0.0.1:9", "token": ""}',
    "endless pid": json.dumps({"pid": 10**400, **GOOD}).encode(),
    "infinite pid": b'{"pid": 1e999, "endpoint": "tcp://127.0.0.1:9", "token": ""}',
    "another machine": json.dumps({"pid": 1, "endpoint": "tcp://192.168.1.2:5", "token": ""}).encode(),
    "a file": json.dumps({"pid": 1, "endpoint": "ipc:///etc/passwd", "token": ""}).encode(),
    "no endpoint": b'{"pid": 1}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_an_address_that_is_damaged_is_a_message(name, tmp_path):
    (tmp_path / LIVE_FILE).write_bytes(DAMAGED[name])
    with pytest.raises(RunError, match=r"cannot be read: |no run is alive"):
        ask(tmp_path, "status")
    assert writer_lives(tmp_path / LIVE_FILE) in (False, True)


# --- whatever else stands in them


@given(st.binary(max_size=100))
def test_no_bytes_in_an_address_raise_anything_else(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    (folder / LIVE_FILE).write_bytes(content)
    (folder / "epoch.json").write_bytes(content)
    with pytest.raises(RunError):
        ask(folder, "status")
    with pytest.raises(DeviceError):
        read_epoch_file(folder / "epoch.json")


@pytest.mark.parametrize(
    "body", [b"[1}", b"{not JSON}", b'{"a": 1}', b'{"kind": 5}', b'{"kind":' + DEEP + b"}", b"}"]
)
def test_a_journal_line_with_a_good_checksum_can_be_none_of_ours(body, tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(READING + checked(body))
    assert [record["kind"] for record in read_journal(path)] == ["reading"]
    assert read_lines(path)[1] is None


@given(st.lists(st.binary(max_size=80) | st.just(READING), max_size=5))
def test_no_bytes_in_a_journal_raise_anything(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "journal.jsonl"
    path.write_bytes(b"".join(lines))
    assert all("kind" in record for record in read_journal(path))


# --- frame logs and stacks


KINDS = {
    "objects": {"dtype": "O"},
    "texts": {"dtype": "S999999999"},
    "records": {"dtype": "<u2,<u2"},
    "nothing": {"dtype": "V0"},
    "no dtype": {"dtype": "nonsense"},
    "a float of one byte": {"dtype": "f1"},
    "negative pixels": {"shape": [-1, -1]},
    "no pixels": {"shape": [0, 0]},
    "more pixels than there are": {"shape": [2**40, 2**40]},
}


def log_of(path, message):
    """Write a frame log whose preamble says something else than ours, with a good checksum."""
    text = json.dumps(message).encode()
    FrameLogWriter(path, open_hold(path.parent)).close()
    start = path.read_bytes()[:12]
    path.write_bytes(start + struct.pack("<II", len(text), zlib.crc32(text)) + text + bytes(5000))
    return path


@pytest.mark.parametrize("name", KINDS)
def test_a_frame_log_of_anything_but_numbers_is_refused(name, tmp_path):
    message = open_hold(tmp_path).model_dump(mode="json")
    message["camera"] |= KINDS[name]
    with pytest.raises(RecordError, match="the preamble makes no sense"):
        FrameLogReader(log_of(tmp_path / "a.000.frames", message))


def npy(description, shape="(4, 4, 4)", data=256):
    header = f"{{'descr': {description}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(data)


STACKS = {
    "objects": npy("'|O'"),
    "records": npy("[('a', '<u2')]"),
    "texts": npy("'<U4'", data=1024),
    "code": npy("__import__('os').abort()"),
    "more frames than there are": npy("'<u2'", "(1000000000000, 1024, 1024)"),
    "a negative shape": npy("'<u2'", "(-1, 4, 4)"),
    "a pickle": b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix.",
    "nothing": b"",
}


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_of_anything_but_numbers_is_refused(name, tmp_path):
    (tmp_path / "movie.npy").write_bytes(STACKS[name])
    with pytest.raises(BadStack, match=r"cannot be read: |frames must be real numbers"):  # noqa: SIM117
        with open_stack(str(tmp_path / "movie.npy")):
            pass


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_no_parts_of_a_message_raise_anything_else(parts):
    with pytest.raises(BadMessage):
        decode(parts)
