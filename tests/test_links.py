"""The controller's ends of the sockets, with a peer played by the test."""

import time

import pytest
import zmq

from annealscope.controller.stream import wire
from annealscope.controller.stream.links import RecorderLink
from annealscope.controller.stream.messages import Hello, NoResults, Trouble


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


def _send_until_refused(link):
    deadline_s = time.monotonic() + 5
    while link.send(NoResults(hold=1, why="x")):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_recorder_that_gave_up_is_quoted(context, link):
    peer = wire.connect(context, zmq.DEALER, link.endpoint)
    wire.send(peer, Hello(role="recorder", pid=1))
    assert link.socket.poll(5000)
    wire.send(peer, Trouble(role="recorder", message="no space left on the disk", fatal=True))
    time.sleep(0.2)
    peer.close(linger=200)
    _send_until_refused(link)
    assert link.failure == "the recorder gave up: no space left on the disk"


def test_a_recorder_that_says_nothing_has_failed_too(link):
    _send_until_refused(link)
    assert link.failure == "the recorder takes no messages any more"
