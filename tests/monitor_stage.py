"""A run as the monitor sees it, a server, and browsers, for the tests of the monitor."""

import http.client
import json
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import numpy as np
from record_samples import frame, open_hold
from websockets.sync.client import connect

from annealscope.controller.live import LIVE_FILE, write_live
from annealscope.controller.monitor.serve import listen, make_server
from annealscope.controller.stream.viewers import Viewers

SHAPE = (24, 20)


class StandIn:
    """What a run shows of itself, without a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.viewers = Viewers()
        self._shown = 0
        self.announce()

    def announce(self) -> None:
        """Write live.json."""
        endpoints = {
            "frames_endpoint": self.viewers.frames_endpoint,
            "news_endpoint": self.viewers.news_endpoint,
        }
        write_live(self.folder / LIVE_FILE, {"pid": os.getpid(), **endpoints})

    def open(self, **changes) -> None:
        self.viewers.tell(open_hold(self.folder, **changes))

    def show(self, shape=SHAPE, pixels=None, **changes):
        """Show one more frame; return its header and pixels."""
        header, counts = frame(self._shown, shape)
        self._shown += 1
        if pixels is not None:
            pixels = np.ascontiguousarray(pixels)
            said = {"shape": pixels.shape, "dtype": pixels.dtype.str, "crc32": crc32(pixels)}
            header, counts = header.model_copy(update=said), pixels
        header = header.model_copy(update={"beam_on": True, **changes})
        self.viewers._frame_due_s = 0.0
        self.viewers.show(header, counts)
        return header, counts

    def close(self) -> None:
        self.viewers._context.destroy(linger=0)


@dataclass
class Browser:
    """One browser: takes packets, says that it has drawn them."""

    socket: object
    packets: list = field(default_factory=list)

    def take(self):
        """Return the header and payload of the next message."""
        header, payload = unpacked(self.socket.recv(timeout=5))
        self.packets.append((header, payload))
        return header, payload

    def paint(self):
        """Take everything up to the next paint, draw it; return it by kind."""
        taken = {}
        while True:
            header, payload = self.take()
            taken[header["kind"]] = (header, payload)
            if header["kind"] == "paint":
                self.socket.send(json.dumps({"painted": header["n"]}))
                return taken

    def paint_until(self, kind, wanted=lambda header: True, timeout_s=5.0):
        """Paint until something of a kind has come; return its header and payload."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            header, payload = self.paint().get(kind, (None, b""))
            if header is not None and wanted(header):
                return header, payload
        raise AssertionError(f"no {kind} within {timeout_s} s")


def unpacked(data):
    """Return the header and the payload of a packet."""
    length = int.from_bytes(data[:4], "little")
    return json.loads(data[4 : 4 + length]), data[4 + length :]


@dataclass
class Served:
    """A monitor that is up."""

    port: int
    server: object
    token: str | None = None

    def ask(self, path="/", method="GET", body=None, **headers):
        """Return status, headers and body of an answer; `Host` and all else as given."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    @contextmanager
    def browser(self, origin="own", **options):
        """A browser that looks on."""
        origin = f"http://127.0.0.1:{self.port}" if origin == "own" else origin
        with connect(f"ws://127.0.0.1:{self.port}/ws", origin=origin, max_size=None, **options) as socket:
            yield Browser(socket)


@contextmanager
def served(folder, token=None, answer_within_s=10.0):
    """Serve the page of a run folder on a free port of this machine."""
    listener = listen(0)
    port = listener.getsockname()[1]
    server = make_server(folder, port, token, answer_within_s)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Served(port, server, token)
    finally:
        server.should_exit = True
        thread.join()


def waited_for(what, timeout_s=5.0):
    """Return whether something came true in time."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if what():
            return True
        time.sleep(0.01)
    return False
