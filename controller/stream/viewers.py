"""Frames for whoever looks on: a few a second, and nobody waits for anybody who looks."""

import time
from typing import Any

import numpy.typing as npt
import zmq

from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import FrameHeader

SHOWN_EVERY_S = 0.2
QUEUED_FRAMES = 2
"""That wait for a viewer that is slow; it misses those that come after."""
MAX_SUBSCRIPTION_BYTES = 1024


class Viewers:
    """A socket that viewers subscribe to: ``FrameHeader`` and pixels, of watches too.

    It has an I/O thread of its own, so that frames for the disk never queue behind those for viewers.
    """

    def __init__(self) -> None:
        self._context: wire.Context = zmq.Context()
        self._socket, self.endpoint = wire.bind(
            self._context, zmq.PUB, QUEUED_FRAMES, max_bytes=MAX_SUBSCRIPTION_BYTES
        )
        self._next_s = 0.0

    def show(self, header: FrameHeader, pixels: npt.NDArray[Any]) -> None:
        """Send a frame when the last one was long enough ago; do not write to it any more."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + SHOWN_EVERY_S
            wire.send(self._socket, header, pixels, wait=False)

    def close(self) -> None:
        """Close the socket; what was not delivered is dropped."""
        self._context.destroy(linger=0)
