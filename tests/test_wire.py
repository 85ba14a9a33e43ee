"""Messages on their way: only on this machine, whole, and without waiting."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from record_samples import frame
from recorder_controller import results

from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import (
    Ack,
    BadMessage,
)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://0.0.0.0:5555",
        "tcp://192.168.1.2:5555",
        "tcp://127.0.0.1.evil.org:5555",
        "tcp://*:5555",
        "ipc:///tmp/socket",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:99999",
        "tcp://user@127.0.0.1:5555",
        "",
    ],
)
def test_only_this_machine_is_talked_to(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"endpoint must be tcp://127\.0\.0\.1:PORT"):
        wire.check_loopback(endpoint)


def test_frame_parts_are_checked() -> None:
    header, pixels = frame(0)
    np.testing.assert_array_equal(wire.pixels_of(header, [memoryview(pixels.tobytes())]), pixels)
    with pytest.raises(BadMessage, match="came with 0 parts"):
        wire.pixels_of(header, [])
    with pytest.raises(BadMessage, match="checksum does not match"):
        wire.pixels_of(header, [memoryview(pixels.tobytes()[:-2])])
    with pytest.raises(BadMessage, match="are not an array of"):
        wire.pixels_of(header.model_copy(update={"shape": (1000, 1000)}), [memoryview(pixels.tobytes())])


def test_results_survive_the_wire() -> None:
    """NaN, numpy numbers, strided arrays and groups without values arrive as they were."""
    context: Any = zmq.Context()
    sender, endpoint = wire.bind(context, zmq.DEALER)
    receiver = wire.connect(context, zmq.DEALER, endpoint)
    header, arrays = wire.results_to_parts(results(), hold=2)
    assert wire.send(sender, header, *arrays)
    received = wire.receive(receiver, 5000)
    assert received is not None
    entries = {part.path: (part, array) for part, array in wire.parts_to_entries(*received)}
    assert list(entries) == list(results())
    assert np.isnan(entries["kww/corrected"][0].attrs["tau_s"])
    np.testing.assert_array_equal(entries["g2/pixel"][1], np.ones(3))
    assert wire.receive(receiver, 0) is None
    sender.close()
    receiver.close()
    context.term()


def test_full_queue_is_said_not_waited_for() -> None:
    context: Any = zmq.Context()
    socket, _ = wire.bind(context, zmq.DEALER, queued=1)
    assert not wire.send(socket, Ack(hold=1, durable_seq=0), wait=False)
    socket.close()
    context.term()


@pytest.mark.parametrize("line", ["", "[]\n", "no json\n"])
def test_settings_must_be_an_object(line: str, tmp_path: Path) -> None:
    (tmp_path / "stdin").write_text(line)
    with (tmp_path / "stdin").open() as stdin, pytest.raises(ValueError, match="must be a JSON object"):
        wire.read_attach(stdin)
