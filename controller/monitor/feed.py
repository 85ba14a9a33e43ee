"""What a run tells those who look on, received in a thread of its own; only the newest of each is kept."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
import zmq

from annealscope.controller.errors import RunError
from annealscope.controller.live import LIVE_FILE, read_live
from annealscope.controller.monitor.newest import Newest
from annealscope.controller.monitor.packets import Item
from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import BadMessage, FrameHeader, OpenHold, Preview, StatusNow

ENDPOINTS = ("frames_endpoint", "news_endpoint")
"""In ``live.json``."""
QUEUED_MESSAGES = 8
LOOK_EVERY_S = 0.5
"""At ``live.json``: whether the run has gone on in another process."""
POLL_MS = 100
AT_ONCE = 32
"""Messages that are taken before what came is shown; of those only the newest counts."""


@dataclass(frozen=True)
class Received:
    """The newest of each kind, as it came."""

    newest: Newest = field(default_factory=Newest)
    pixels: npt.NDArray[Any] | None = None
    """Of the newest frame, shape (ny, nx), read-only."""
    items: Mapping[str, Item] = field(default_factory=dict)
    """Of the newest preview, by path."""
    pictures: int = 0
    """Frames and previews that came, without those that were repeated: grows when there is more to draw."""
    connections: int = 0
    """Processes of the run that were listened to, one after the other."""


class Feed:
    """Listens to the run in a folder: before it begins, and when another process goes on with it.

    Parameters
    ----------
    folder
        The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._live = folder / LIVE_FILE
        self._context: wire.Context = zmq.Context()
        self._socket: wire.Socket | None = None
        self._endpoints: tuple[str, ...] = ()
        self._look_s = 0.0
        self._received = Received()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="feed", daemon=True)

    @property
    def received(self) -> Received:
        """What has come so far; never changes once it was returned."""
        return self._received

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _listen(self) -> None:
        while not self._over.is_set():
            self._find_run()
            if self._socket is None:
                self._over.wait(POLL_MS / 1000)
            elif self._socket.poll(POLL_MS):
                self._take(self._socket)

    def _find_run(self) -> None:
        """Connect to the process that carries out the run now, when it is another one than before."""
        if time.monotonic() < self._look_s:
            return
        self._look_s = time.monotonic() + LOOK_EVERY_S
        endpoints = _endpoints_in(self._live)
        if endpoints in ((), self._endpoints):
            return
        if self._socket is not None:
            self._socket.close(0)
        self._socket, self._endpoints = _subscribed(self._context, endpoints), endpoints
        self._tell(status_at_s=None)  # this process has not said anything yet
        self._received = replace(self._received, connections=self._received.connections + 1)

    def _take(self, socket: wire.Socket) -> None:
        """Take what has arrived; of frames that wait already only the newest is looked at."""
        frame: tuple[FrameHeader, list[memoryview]] | None = None
        for _ in range(AT_ONCE):
            try:
                message, parts = wire.receive(socket, 0) or (None, [])
            except BadMessage:  # the next one may be whole
                continue
            if message is None:
                break
            if not isinstance(message, FrameHeader):
                self._keep(message, parts)
            elif frame is None or message != frame[0]:
                self._drop(frame)
                frame = (message, parts)
        if frame is not None:
            self._keep(*frame)

    def _drop(self, frame: tuple[FrameHeader, Any] | None) -> None:
        """Count a frame that another one has replaced before anybody could see it."""
        newest = self._received.newest
        if frame is not None and frame[0] != newest.frame:
            self._tell(received=newest.received + 1, dropped=newest.dropped + 1)

    def _keep(self, message: Any, parts: list[memoryview]) -> None:
        """Keep a message; one whose arrays do not fit its header is passed over."""
        with suppress(BadMessage):
            match message:
                case StatusNow():
                    self._tell(status=message.status, status_at_s=time.monotonic())
                case OpenHold():
                    self._keep_opening(message)
                case FrameHeader():
                    self._keep_frame(message, parts)
                case Preview():
                    self._keep_preview(message, parts)

    def _keep_opening(self, opening: OpenHold) -> None:
        if opening != self._received.newest.opening:  # else repeated for those who came later
            self._tell(opening=opening)

    def _keep_frame(self, header: FrameHeader, parts: list[memoryview]) -> None:
        if header == self._received.newest.frame:  # repeated for those who came later
            return
        newest = replace(self._received.newest, frame=header, received=self._received.newest.received + 1)
        self._picture(newest, pixels=wire.pixels_of(header, parts))

    def _keep_preview(self, header: Preview, parts: list[memoryview]) -> None:
        entries = wire.parts_to_entries(header, parts)
        said = header.model_dump(include={"hold", "name", "method", "frames", "t_s"})
        items = {part.path: Item(values, part.units, part.attrs) for part, values in entries}
        if said == self._received.newest.preview:  # repeated for those who came later
            return
        self._picture(replace(self._received.newest, preview=said), items=items)

    def _picture(self, newest: Newest, **changes: Any) -> None:
        """Keep something that is to be drawn, all of it at once: others look while this goes on."""
        pictures = self._received.pictures + 1
        self._received = replace(self._received, newest=newest, pictures=pictures, **changes)

    def _tell(self, **changes: Any) -> None:
        self._received = replace(self._received, newest=replace(self._received.newest, **changes))


def _endpoints_in(live: Path) -> tuple[str, ...]:
    """Return where the run shows frames and news; nothing: there is no run, or its file is no good."""
    try:
        content = read_live(live)
        endpoints = [str(content[name]) for name in ENDPOINTS if content.get(name) is not None]
        for endpoint in endpoints:
            wire.check_loopback(endpoint)
    except (RunError, ValueError):
        return ()
    return tuple(endpoints)


def _subscribed(context: wire.Context, endpoints: tuple[str, ...]) -> wire.Socket:
    socket = wire.connect(context, zmq.SUB, endpoints[0], QUEUED_MESSAGES)
    for endpoint in endpoints[1:]:
        socket.connect(endpoint)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    return socket
