"""`annealscope analyze` of a long record on disk: frames a second, and the most memory its processes take."""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

NOISE_FRAMES = 17
POLL_S = 0.1


def analyse_from_disk(frames: int, side: int) -> tuple[float, float]:
    """Write a stack, analyze it in processes of its own, remove it: g2, two-time map, pixel map; no drift.

    Returns
    -------
    tuple
        Frames a second, start of the program included, and peak resident memory of its processes in GB.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_stack(folder / "stack.npy", frames, side)
        call = [sys.executable, "-c", "from annealscope.controller.cli.app import main; main()", "analyze"]
        start_s = time.monotonic()
        process = psutil.Popen(
            [*call, "stack.npy", "--period", "2 s", "--pixel", "0.165 nm", "--no-drift", "--json"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        watch = _Peak(process)
        failed = process.wait()
        took_s, peak = time.monotonic() - start_s, watch.stop()
        if failed:
            raise SystemExit("analyze failed; its message is above")
        return frames / took_s, peak / 1e9


def _write_stack(path: Path, frames: int, side: int) -> None:
    """Squares of 4 x 4 pixels whose brightness relaxes in 50 frames, with noise that repeats."""
    rng = np.random.Generator(np.random.Philox(4))
    stack = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=(frames, side, side))
    noise = 10 * rng.standard_normal((NOISE_FRAMES, side, side), dtype=np.float32)
    keep = np.exp(-1 / 50)
    pattern = rng.standard_normal((side // 4, side // 4))
    for n in range(frames):
        pattern = keep * pattern + np.sqrt(1 - keep**2) * rng.standard_normal(pattern.shape)
        bright = np.kron(100 + 30 * pattern.astype(np.float32), np.ones((4, 4), dtype=np.float32))
        stack[n] = (bright + noise[n % NOISE_FRAMES]).clip(0)
    stack.flush()


class _Peak:
    """Watches the resident memory of a process and its children."""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._done, self._peak = process, threading.Event(), 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        """Return the largest sum seen, in bytes."""
        self._done.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._done.wait(POLL_S):
            try:
                family = [self._process, *self._process.children(recursive=True)]
                self._peak = max(self._peak, sum(member.memory_info().rss for member in family))
            except psutil.NoSuchProcess:
                continue  # it ended while it was looked at
