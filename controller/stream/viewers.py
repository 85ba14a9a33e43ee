"""For whoever looks on: a few frames a second and the news, and nobody waits for anybody who looks."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import zmq

from annealscope.controller.engine.ports import Status
from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import FrameHeader, Message, OpenHold, Preview, StatusNow

SHOWN_EVERY_S = 0.2
"""Frames, and the status."""
AGAIN_EVERY_S = 1.0
"""The newest of each kind is repeated, for viewers that have just come."""
QUEUED_FRAMES = 2
"""That wait for a viewer that is slow; it misses those that come after."""
QUEUED_NEWS = 32
"""The same of all else: a few seconds of it, some MiB at most."""
MAX_SUBSCRIPTION_BYTES = 1024


@dataclass(frozen=True)
class _Shown:
    """What was shown last of one kind."""

    socket: wire.Socket
    message: Message
    arrays: tuple[Any, ...]
    again_s: float


class Viewers:
    """The sockets that viewers subscribe to: one for frames, of watches too, and one for news.

    A queue is as long as a number of messages, not of bytes. Frames are large, so theirs is short; in the
    same queue the news would be dropped, or come late, whenever somebody is slow. Both have an I/O thread of
    their own, so that frames for the disk never queue behind those for viewers.
    """

    def __init__(self) -> None:
        self._context: wire.Context = zmq.Context()
        self._frames, self.frames_endpoint = self._bind(QUEUED_FRAMES)
        self._news, self.news_endpoint = self._bind(QUEUED_NEWS)
        self._newest: dict[type[Message], _Shown] = {}
        self._frame_due_s = self._status_due_s = 0.0
        self._status: Status | None = None
        """The newest, until it is shown."""

    def show(self, header: FrameHeader, pixels: Any) -> None:
        """Send a frame when it is time for one; do not write to it any more.

        The times are on a grid as long as frames keep up with it: of a camera with the same period each one
        is shown, though it comes now a little early and now a little late.
        """
        now_s = time.monotonic()
        if now_s >= self._frame_due_s:
            self._frame_due_s = max(self._frame_due_s + SHOWN_EVERY_S, now_s)
            self._post(self._frames, header, pixels)

    def show_status(self, status: Status) -> None:
        """Send where the run is, now or when the last time was long enough ago; the newest is not missed."""
        self._status = status
        if time.monotonic() >= self._status_due_s:
            self._post_status(status)

    def tell(self, message: OpenHold | Preview, *arrays: Any) -> None:
        """Send news at once; do not write to the arrays any more."""
        self._post(self._news, message, *arrays)

    def keep_up(self) -> None:
        """Send what is due: the newest status, and everything again. Call it often."""
        now_s = time.monotonic()
        if self._status is not None and now_s >= self._status_due_s:
            self._post_status(self._status)
        for shown in list(self._newest.values()):
            if now_s >= shown.again_s:
                self._post(shown.socket, shown.message, *shown.arrays)

    def close(self) -> None:
        """Send the last status, which has a moment to leave; drop all else that was not delivered."""
        if self._status is not None:
            self._post_status(self._status)
        self._frames.close(0)
        wire.farewell(self._news)

    def _bind(self, queued: int) -> tuple[wire.Socket, str]:
        return wire.bind(self._context, zmq.PUB, queued, max_bytes=MAX_SUBSCRIPTION_BYTES)

    def _post_status(self, status: Status) -> None:
        self._status = None
        self._status_due_s = time.monotonic() + SHOWN_EVERY_S
        self._post(self._news, StatusNow(status=asdict(status)))

    def _post(self, socket: wire.Socket, message: Message, *arrays: Any) -> None:
        again_s = time.monotonic() + AGAIN_EVERY_S
        self._newest[type(message)] = _Shown(socket, message, arrays, again_s)
        wire.send(socket, message, *arrays, wait=False)
