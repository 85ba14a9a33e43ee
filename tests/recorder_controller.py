"""A controller for tests of the recorder process: the other end of its sockets."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import zmq
from record_samples import SHAPE, frame

from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import (
    Ack,
    CloseHold,
    Hello,
    HoldClosed,
)

PATIENCE_S = 20.0


class Controller:
    """The other end of the recorder's socket."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        (folder / "holds").mkdir(exist_ok=True)
        self._context: Any = zmq.Context()
        self.socket, endpoint = wire.bind(self._context, zmq.DEALER)
        self.process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._tell({"endpoint": endpoint, "compression": "auto"})
        self.durable_seq = -1
        hello = self.expect(Hello)
        assert (hello.role, hello.pid) == ("recorder", self.process.pid)

    def _tell(self, settings: dict[str, str]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(settings).encode() + b"\n")
        self.process.stdin.flush()

    @property
    def stem(self) -> Path:
        return self.folder / "holds" / "02_ecm_100C"

    def send(self, message: Any, *arrays: Any) -> bool:
        return wire.send(self.socket, message, *arrays, wait=False)

    def send_frames(self, numbers: range, shape: tuple[int, int] = SHAPE) -> None:
        """Send frames, until the recorder is gone."""
        for seq in numbers:
            if not self.send(*frame(seq, shape)):
                break

    def expect(self, kind: type) -> Any:
        """Return the next message of a kind; acknowledgements are taken in on the way, nothing else is."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            received = wire.receive(self.socket, 100)
            if received is None:
                continue
            message = received[0]
            if isinstance(message, Ack):
                assert message.durable_seq >= self.durable_seq
                self.durable_seq = message.durable_seq
            if isinstance(message, kind):
                return message
            assert isinstance(message, Ack), message
        raise AssertionError(f"no {kind.__name__} within {PATIENCE_S} s")

    def expect_durable(self, seq: int) -> None:
        while self.durable_seq < seq:
            self.expect(Ack)

    def close_hold(self, frames: int, message: Any, *arrays: Any) -> HoldClosed:
        self.send(CloseHold(hold=2, end_seq=frames, frames=frames, reason="complete"))
        self.send(message, *arrays)
        closed: HoldClosed = self.expect(HoldClosed)
        return closed

    def hang_up(self) -> int:
        """Do as a dying controller does: close stdin. Returns the exit code."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)

    def last_words(self) -> str:
        assert self.process.stderr
        return self.process.stderr.read().decode()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stderr):
            assert pipe
            pipe.close()
        self.socket.close(0)
        self._context.term()


@contextmanager
def recorders(folder: Path) -> Iterator[Any]:
    """Give a function that starts recorders for a run folder; all end with the context."""
    started = []

    def start(*command: str) -> Controller:
        started.append(Controller(folder, list(command) or ["-m", "annealscope.controller.stream.recorder"]))
        return started[-1]

    yield start
    for controller in started:
        controller.end()


def results() -> dict[str, Any]:
    """Results of every kind: groups, numbers of numpy, strided arrays, NaN."""
    return {
        "g2": SimpleNamespace(values=None, units="", attrs={"signal": "pixel", "axes": ["lag"]}),
        "g2/lag": SimpleNamespace(values=np.arange(3.0), units="s", attrs={}),
        "g2/pixel": SimpleNamespace(values=np.ones((3, 4))[:, 1], units="", attrs={"pairs": np.int64(4)}),
        "kww/corrected": SimpleNamespace(values=None, units="", attrs={"tau_s": np.float32("nan")}),
    }
