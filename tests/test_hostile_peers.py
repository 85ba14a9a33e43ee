"""Whoever else is on the machine: strangers at the sockets, liars, viewers that freeze."""

import os
import socket as sockets
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import zmq
from record_samples import frame

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.live import LIVE_FILE, read_live, write_live
from annealscope.controller.stream import wire
from annealscope.controller.stream.control import ControlServer, ask
from annealscope.controller.stream.messages import Ack, BadMessage
from annealscope.controller.stream.viewers import Viewers

ACK = Ack(hold=1, durable_seq=5)
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
"""How a peer of ZeroMQ begins."""
DEEP = b"[" * 100_000


@pytest.fixture
def context():
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


def port_of(endpoint):
    return int(endpoint.rpartition(":")[2])


def waited_for(what, timeout_s=5.0):
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        found = what()
        if found is not None:
            return found
        time.sleep(0.005)
    return None


# --- the line between the controller and a child


@pytest.fixture
def line(context):
    line = wire.Line(context)
    yield line
    line.close()


@pytest.fixture
def join(line, context):
    """Return a function that connects a child, or a stranger who has found the port and made up a name."""
    joined = []

    def connect(name=None):
        endpoint = line.endpoint
        if name is not None:
            endpoint = f"tcp://{name}@127.0.0.1:{port_of(endpoint)}".replace("//@", "//")
        joined.append(wire.connect(context, zmq.DEALER, endpoint))
        return joined[-1]

    yield connect
    for socket in joined:
        socket.close()


def said(line):
    """Return what has come: a message, or why it was refused."""
    try:
        return line.receive()
    except BadMessage as error:
        return str(error)


def test_a_stranger_gets_no_frame_and_is_not_heard(line, join):
    child = join()
    strangers = [join(""), join("recorder"), join("x" * 255)]
    for stranger in strangers:
        stranger.send_multipart([b'{"kind": "ack", "hold": 1, "durable_seq": 999}'])
        assert waited_for(lambda: said(line)) == "it is of a stranger"
    wire.send(child, ACK)
    assert waited_for(lambda: said(line)) == (ACK, [])
    for _ in range(20):
        assert line.send(ACK, np.zeros(3))
    assert sum(wire.receive(child, 1000) is not None for _ in range(20)) == 20
    assert not any(stranger.poll(20) for stranger in strangers)


def test_nobody_is_waited_for(line, join):
    assert not line.send(ACK)
    stranger = join("")
    stranger.send(b"here")
    assert waited_for(lambda: said(line)) is not None
    assert not line.send(ACK)


def test_a_child_that_does_not_listen_is_sent_no_more_than_its_queue(line, join):
    child = join()
    wire.send(child, ACK)
    assert waited_for(lambda: said(line)) is not None
    large = np.zeros(2**20, np.uint8)
    begin_s = time.monotonic()
    sent = sum(line.send(ACK, large) for _ in range(3 * wire.QUEUED_MESSAGES))
    assert sent < 3 * wire.QUEUED_MESSAGES
    assert time.monotonic() - begin_s < 2.0


def test_a_child_that_was_started_again_takes_its_place(line, join):
    first = join()
    wire.send(first, ACK)
    assert waited_for(lambda: said(line)) is not None
    second = join()  # the first still holds its connection
    wire.send(second, ACK)
    assert waited_for(lambda: said(line)) is not None
    assert line.send(ACK)
    assert wire.receive(second, 1000) is not None
    assert not first.poll(20)


@pytest.mark.parametrize(
    "parts",
    [[b""], [b"{}"], [b"null"], [b"\xff\xfe"], [DEEP], [b'{"kind": ' + DEEP], [b"[]", b"x"], [b"{}"] * 500],
    ids=["empty", "no kind", "null", "no text", "nested", "nested kind", "list", "parts"],
)
def test_garbage_of_a_child_is_refused_and_the_next_message_comes(line, join, parts):
    child = join()
    child.send_multipart(parts)
    wire.send(child, ACK)
    assert waited_for(lambda: said(line)).startswith("not a message")
    assert waited_for(lambda: said(line)) == (ACK, [])


@pytest.mark.parametrize(
    "endpoint", ["tcp://name@192.168.1.2:5555", "tcp://name@0.0.0.0:1", "name@127.0.0.1"]
)
def test_a_name_opens_no_other_machine(context, endpoint):
    with pytest.raises(ValueError, match=r"endpoint must be tcp://127\.0\.0\.1:PORT"):
        wire.connect(context, zmq.DEALER, endpoint)


# --- the control socket of a run


@pytest.fixture
def server(tmp_path, context):
    server = ControlServer(context, tmp_path, lambda request: {"asked": request}, "tcp://127.0.0.1:9")
    yield server
    server.close()


def raw_peers(server, count, *beginnings):
    """Connect many times without speaking the protocol to its end."""
    port = port_of(read_live(server._path)["endpoint"])
    peers = [sockets.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for number, peer in enumerate(peers):
        peer.sendall(beginnings[number % len(beginnings)])
    return peers


def answered(server, folder):
    """Ask from another process, as the command line does; return what it prints."""
    code = (
        "import sys; from annealscope.controller.client import RunClient as C; print(C(sys.argv[1]).status())"
    )
    child = subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True)
    while child.poll() is None:
        server.poll()
        time.sleep(0.005)
    return child.communicate()[0]


def test_half_open_and_lying_peers_do_not_keep_others_from_being_heard(server, tmp_path):
    huge = GREETING + b"\x02" + struct.pack(">Q", 2**63 - 1)
    long = GREETING + b"\x04\x05\x05READY" + b"\x02" + struct.pack(">Q", 2**40)
    peers = raw_peers(
        server, 300, b"", b"\xff", GREETING, huge, long, b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 500
    )
    begin_s = time.monotonic()
    for _ in range(20):
        server.poll()
    assert time.monotonic() - begin_s < 0.5
    assert answered(server, tmp_path) == "{'asked': 'status'}\n"
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("answer", [b"", b"[]", b"5", b"\xff", DEEP[:50_000]])
def test_an_answer_that_is_none_is_reported(answer, tmp_path, context):
    socket, endpoint = wire.bind(context, zmq.REP)
    write_live(tmp_path / LIVE_FILE, {"pid": os.getpid(), "endpoint": endpoint, "token": "t"})
    thread = threading.Thread(target=lambda: (socket.recv(), socket.send(answer)))
    thread.start()
    with pytest.raises(RunError, match="what answers in the place of the run") as caught:
        ask(tmp_path, "status")
    thread.join()
    socket.close(0)
    assert caught.value.exit_code == ExitCode.DEVICE


# --- viewers


def test_a_viewer_sees_frames_and_one_that_is_frozen_costs_nobody_anything(context):
    viewers = Viewers()
    frozen, good = (wire.connect(context, zmq.SUB, viewers.frames_endpoint, queued=1) for _ in range(2))
    for viewer in (frozen, good):
        viewer.setsockopt(zmq.SUBSCRIBE, b"")
    header, _ = frame(0)
    pixels = np.zeros((1024, 1024), np.uint16)
    seen, longest_s = 0, 0.0
    deadline_s = time.monotonic() + 5.0
    while seen < 8 and time.monotonic() < deadline_s:
        begin_s = time.monotonic()
        viewers.show(header, pixels)
        longest_s = max(longest_s, time.monotonic() - begin_s)
        seen += wire.receive(good, 20) is not None
    assert seen == 8
    assert longest_s < 0.1
    viewers.close()
    for viewer in (frozen, good):
        viewer.close()
