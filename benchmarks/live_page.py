"""How often and how late the live page paints frames, in a real browser: headless chromium.

    python benchmarks/live_page.py                    1024 x 1024, 5 frames/s, one browser
    python benchmarks/live_page.py --size 512 --browsers 3 --seconds 20

Frames go at 5/s through the real publisher to a real recorder, a real analyst and a real monitor. A frame
carries the time at which it was handed to the publisher; it is late by what has passed when the browser has
painted it. Chromium draws in software here, on the same cores. Needs the extra `test` and chromium.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from throughput import frames_of
from viewers import publishing

from annealscope.drivers.interfaces import Frame

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from chromium import browser, chromium, page_at

PERIOD_S = 0.2
WARM_UP_S = 8.0
"""Until kernels are compiled and the page is up."""
WATCH = "() => window.annealscope"


@contextmanager
def monitored(folder):
    """Give the address of a monitor of a run folder."""
    command = [sys.executable, "-m", "annealscope.controller.monitor.serve"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(json.dumps({"folder": str(folder)}).encode() + b"\n")
    child.stdin.flush()
    yield child.stdout.readline().decode().strip()
    child.stdin.close()
    child.wait(10)


class Acquisition(threading.Thread):
    """Sends a frame each period, as the engine would, until it is told to end."""

    def __init__(self, folder, size, frames):
        super().__init__(daemon=True)
        self.folder, self.size, self.count = folder, size, frames
        self.late_s = []
        self.up, self.over = threading.Event(), threading.Event()

    def run(self):
        """Send the frames."""
        frames = frames_of(self.size)
        with publishing(self.folder, self.size, self.count) as publisher:
            self.up.set()
            begin_s = time.monotonic()
            for seq in range(self.count):
                while time.monotonic() < begin_s + seq * PERIOD_S:
                    publisher.wait(0.002)
                if self.over.is_set():
                    return
                start_s = time.monotonic()
                publisher.send(Frame(frames[seq % len(frames)], seq, time.time(), 0.1), (0.0, 0.0), True)
                self.late_s.append(time.monotonic() - start_s)


def measure(size, seconds, browsers):
    """Watch an acquisition; return a row for each browser."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        acquisition = Acquisition(folder, size, int((seconds + 60) / PERIOD_S))
        acquisition.start()
        acquisition.up.wait()
        url = stack.enter_context(monitored(folder))
        chrome = stack.enter_context(browser())
        pages = [stack.enter_context(page_at(chrome, url)) for _ in range(browsers)]
        time.sleep(WARM_UP_S)
        before = [page.evaluate(WATCH)["frames"] for page in pages]
        begin_s = time.monotonic()
        time.sleep(seconds)
        lasted_s = time.monotonic() - begin_s
        rows = [row(page, count, lasted_s, url) for page, count in zip(pages, before, strict=True)]
        acquisition.over.set()
        acquisition.join()
    return rows


def row(page, frames_before, lasted_s, url):
    """Return paints/s, latencies in ms, requests elsewhere, and complaints of a page."""
    seen = page.evaluate(WATCH)
    painted = seen["frames"] - frames_before
    late_ms = [at_ms - 1000 * t_s for _, t_s, at_ms in seen["painted"][-painted:]]
    host = url.split("/")[2]
    elsewhere = [asked for asked in page.asked if asked.split("/")[2] != host]
    p50, p95, worst = np.percentile(late_ms, (50, 95, 100))
    late = f"{p50:9.0f} {p95:9.0f} {worst:9.0f}"
    return f"{painted / lasted_s:9.2f} {late} {len(elsewhere):11} {len(page.said):10}"


def main():
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="How often and how late the live page paints.")
    parser.add_argument("--size", type=int, choices=(128, 512, 1024), default=1024)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--browsers", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    if chromium() is None:
        sys.exit("chromium is not installed")
    print(f"{options.size} x {options.size}, {1 / PERIOD_S:g} frames/s for {options.seconds:g} s")
    print(" paints/s   p50, ms   p95, ms   max, ms   elsewhere complaints")
    for _ in range(options.repeats):
        for line in measure(options.size, options.seconds, options.browsers):
            print(line, flush=True)


if __name__ == "__main__":
    main()
