"""The controller's ends of the sockets, with a peer played by the test."""

import time

import pytest
import zmq
from record_samples import frame, open_hold

from annealscope.controller.stream import wire
from annealscope.controller.stream.links import RecorderLink
from annealscope.controller.stream.messages import (
    Ack,
    FrameHeader,
    Hello,
    HoldClosed,
    NoResults,
    OpenHold,
    Reading,
    Trouble,
)


@pytest.fixture
def context():
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def link(context):
    link = RecorderLink(context)
    yield link
    link.close()


@pytest.fixture
def connect(context, link):
    """Connects a recorder that has just started."""
    peers = []

    def connect():
        peers.append(wire.connect(context, zmq.DEALER, link.endpoint))
        return peers[-1]

    yield connect
    for peer in peers:
        peer.close(0)


def say(link, peer, message):
    """Let the peer say something, and the link take it in."""
    wire.send(peer, message)
    assert link.socket.poll(5000)
    return link.handle()


def hello(connect, link):
    """Play a recorder that listens."""
    peer = connect()
    say(link, peer, Hello(role="recorder", pid=1))
    return peer


def told(peer):
    """What the peer was told so far."""
    messages = []
    while (received := wire.receive(peer, 200)) is not None:
        messages.append(received[0])
    return messages


def reading(t_s):
    return Reading(hold=2, t_s=t_s, temperature_K=300.0, setpoint_K=300.0)


def test_a_recorder_that_gave_up_is_quoted(connect, link):
    peer = hello(connect, link)
    assert link.trouble is None
    wire.send(peer, Trouble(role="recorder", message="no space left on the disk", fatal=True))
    assert link.socket.poll(5000)
    link.lost("the recorder process died: no message")
    assert link.trouble == "the recorder gave up: no space left on the disk"


def test_a_recorder_that_says_nothing_is_trouble_too(connect, link):
    hello(connect, link)
    link.lost("the recorder process died: no message")
    assert link.trouble == "the recorder process died: no message"


def test_what_waits_for_a_dead_recorder_comes_to_the_next_one_once(connect, link, tmp_path):
    """The queue of the dead process holds hundreds of messages; none of them reaches the next one."""
    hello(connect, link)
    link.open_hold(open_hold(tmp_path))
    for t_s in range(600):
        link.tell(reading(float(t_s)))
    link.send_frame(*frame(0))
    link.lost("died")
    link.tell(reading(600.0))
    link.send_frame(*frame(1))
    link.renew()
    second = hello(connect, link)
    messages = []
    deadline_s = time.monotonic() + 10
    while len(messages) < 604 and time.monotonic() < deadline_s:
        messages += told(second)
        link.handle()
    assert [type(message) for message in messages] == [OpenHold] + [Reading] * 601 + [FrameHeader] * 2
    assert [message.t_s for message in messages[1:-2]] == list(range(601))
    assert [message.seq for message in messages[-2:]] == [0, 1]


def test_nothing_is_sent_before_the_hello(connect, link, tmp_path):
    peer = connect()
    link.open_hold(open_hold(tmp_path))
    assert told(peer) == []
    say(link, peer, Hello(role="recorder", pid=1))
    assert [message.kind for message in told(peer)] == ["open_hold"]


def test_trouble_ends_when_all_that_was_sent_again_is_durable(connect, link, tmp_path):
    hello(connect, link)
    link.open_hold(open_hold(tmp_path))
    for seq in range(3):
        link.send_frame(*frame(seq))
    link.lost("died")
    link.renew()
    peer = hello(connect, link)
    for durable_seq, trouble in ((-1, "died"), (1, "died"), (2, None)):
        assert link.trouble == "died"
        (ack,) = say(link, peer, Ack(hold=2, durable_seq=durable_seq))
        assert (ack.durable_seq, link.trouble) == (durable_seq, trouble)
    assert (link.unacknowledged, link.durable_seq) == (0, 2)


def test_a_closed_hold_is_not_told_again(connect, link, tmp_path):
    peer = hello(connect, link)
    link.open_hold(open_hold(tmp_path))
    link.send_results(NoResults(hold=2, why="x"), [])
    assert link.storing
    say(link, peer, HoldClosed(hold=2, path="x", frames=0, analysis="missing"))
    assert not link.storing
    link.lost("died")
    link.renew()
    assert told(hello(connect, link)) == []
    assert link.trouble is None
