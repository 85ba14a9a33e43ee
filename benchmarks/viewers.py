"""What viewers cost the acquisition: turns of the loop, memory, lost frames, with all kinds of viewers.

    python benchmarks/viewers.py               both sizes
    python benchmarks/viewers.py --size 1024 --seconds 10

Frames go at a fixed rate through the real publisher to a real recorder and a real analyst. Viewers are
another process that subscribes to frames and news as ``live.json`` says. A turn is what the engine does for
each frame: send it, and handle what has arrived. Memory is that of the controller's process, above what it
had before the viewers came.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import zmq
from throughput import frames_of, opening

from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.live import LIVE_FILE
from annealscope.controller.stream import wire
from annealscope.controller.stream.publisher import Publisher
from annealscope.drivers.clock import WallClock
from annealscope.drivers.interfaces import Frame

PERIOD_S = {128: 0.005, 1024: 0.04}
WARM_UP_FRAMES = 50
QUANTILES = (50, 99, 99.9, 100)


@dataclass(frozen=True)
class Scene:
    """Who looks on."""

    viewers: int = 1
    frozen: bool = False
    """Stopped in the middle of their work, with their connections open."""
    fickle: bool = False
    """Connect anew after every message."""


SCENES = {
    "none": Scene(0),
    "one": Scene(),
    "one, frozen": Scene(frozen=True),
    "50": Scene(50),
    "50, frozen": Scene(50, frozen=True),
    "come and go": Scene(10, fickle=True),
}


@contextmanager
def publishing(folder: Path, size: int, frames: int) -> Iterator[Publisher]:
    """Give a publisher with an open hold."""
    (folder / "holds").mkdir()
    with closing(Journal(folder / "journal.jsonl", WallClock())) as journal:
        publisher = Publisher(folder, journal, lock_step=False)
        with closing(publisher):
            publisher.listen(lambda request: {})
            publisher.start()
            publisher.open_hold(opening(folder, size, frames, drift=False))
            yield publisher


@contextmanager
def looked_at(folder: Path, scene: Scene) -> Iterator[None]:
    """Let viewers look on."""
    if not scene.viewers:
        yield
        return
    command = [sys.executable, __file__, "--view"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    settings = {"folder": str(folder), "viewers": scene.viewers, "fickle": scene.fickle}
    child.stdin.write(json.dumps(settings).encode() + b"\n")
    child.stdin.flush()
    child.stdout.readline()
    if scene.frozen:
        psutil.Process(child.pid).suspend()
    yield
    if scene.frozen:
        psutil.Process(child.pid).resume()
    seen = int(child.communicate()[0])
    assert seen > 0 or scene.frozen, "the viewers saw nothing"


def view() -> None:
    """Look on until the parent is gone; say how many messages were seen."""
    parent = wire.Parent(sys.stdin)
    live = json.loads((Path(parent.settings["folder"]) / LIVE_FILE).read_text())
    context = zmq.Context()
    sockets = [subscribed(context, live) for _ in range(parent.settings["viewers"])]
    time.sleep(0.5)
    print("looking", flush=True)
    seen = 0
    while parent.alive:
        for n, socket in enumerate(sockets):
            if wire.receive(socket, 1) is not None:
                seen += 1
                if parent.settings["fickle"]:
                    socket.close()
                    sockets[n] = subscribed(context, live)
    print(seen)
    context.destroy(linger=0)


def subscribed(context: wire.Context, live: dict[str, str]) -> wire.Socket:
    """Return a socket that gets all frames and news."""
    socket = wire.connect(context, zmq.SUB, live["frames_endpoint"], queued=2)
    socket.connect(live["news_endpoint"])
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    return socket


def acquire(size: int, seconds: float, scene: Scene) -> str:
    """Acquire for some time and return a row of the table."""
    frames, count = frames_of(size), round(seconds / PERIOD_S[size])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with publishing(folder, size, WARM_UP_FRAMES + count) as publisher:
            turns(publisher, frames, range(WARM_UP_FRAMES), PERIOD_S[size])
            rss = psutil.Process().memory_info().rss
            with looked_at(folder, scene):
                numbers = range(WARM_UP_FRAMES, WARM_UP_FRAMES + count)
                lasted_s = turns(publisher, frames, numbers, PERIOD_S[size])
                grown = psutil.Process().memory_info().rss - rss
        lost = sum(
            record["frames"] for record in read_journal(folder / "journal.jsonl") if record["kind"] == "lost"
        )
    quantiles = "".join(f"{1000 * value:9.2f}" for value in np.percentile(lasted_s, QUANTILES))
    return f"{quantiles} {grown / 2**20:10.1f} {lost:8}"


def turns(publisher: Publisher, frames: list[np.ndarray], numbers: range, period_s: float) -> list[float]:
    """Send frames at their times; return how long each turn took."""
    begin_s, lasted_s = time.monotonic(), []
    for n, seq in enumerate(numbers):
        while (early_s := begin_s + n * period_s - time.monotonic()) > 0:
            time.sleep(early_s)
        start_s = time.monotonic()
        frame = Frame(frames[seq % len(frames)], seq, 2.0 * seq, 1.0)
        publisher.send(frame, (0.0, 0.0), beam_on=True)
        publisher.wait(0.0)
        lasted_s.append(time.monotonic() - start_s)
    return lasted_s


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="What viewers cost the acquisition.")
    parser.add_argument("--size", type=int, choices=sorted(PERIOD_S), action="append")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--view", action="store_true", help="Be the viewers of a run; settings on stdin.")
    options = parser.parse_args()
    if options.view:
        view()
        return
    for size in options.size or sorted(PERIOD_S):
        print(f"{size} x {size}, a frame every {1000 * PERIOD_S[size]:g} ms for {options.seconds:g} s")
        print("  viewers        turn, ms: p50      p99    p99.9      max  RSS, MiB     lost")
        for name, scene in SCENES.items():
            print(f"  {name:14} {acquire(size, options.seconds, scene):>60}", flush=True)


if __name__ == "__main__":
    main()
