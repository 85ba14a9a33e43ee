"""How many frames a second go through the whole chain: real processes, real sockets, real files.

    python benchmarks/throughput.py            both sizes, three repeats, medians
    python benchmarks/throughput.py --size 128 --frames 2000 --repeats 5

* recorded: frames are made before; the time until the last one is durable.
* analysed: the same, until results are in the hold file and it is read back (no drift correction).
* lock step: as in a rehearsal, each frame waits for the drift row of the one before.
* rehearsal: the frames of the simulated specimen are computed too; time inside the acquisition only.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from annealscope.controller.config.sources import read_source
from annealscope.controller.engine.commands import CommandQueue
from annealscope.controller.engine.ports import Status
from annealscope.controller.journal import Journal
from annealscope.controller.session.prepare import prepare
from annealscope.controller.session.run import RunOptions, carry_out
from annealscope.controller.stream.messages import CameraInfo, OpenHold
from annealscope.controller.stream.publisher import Publisher
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.interfaces import Frame

DIFFERENT_FRAMES = 64
FRAMES = {128: 2000, 1024: 256}
RIGS = {128: "simulated", 1024: "simulated_1024"}
IDENTITY = ((1.0, 0.0), (0.0, 1.0))


def frames_of(size: int) -> list[np.ndarray]:
    """A drifting pattern with photon noise: what it shows does not matter here."""
    rng = np.random.Generator(np.random.Philox(1))
    coarse = rng.exponential(size=(size // 4 + 2, size // 4 + 2))
    pattern = np.kron(coarse, np.ones((4, 4)))[:size, :size]
    return [
        (100 + 10 * rng.poisson(30 * pattern)).clip(0, 65535).astype(np.uint16)
        for _ in range(min(DIFFERENT_FRAMES, FRAMES[size]))
    ]


def opening(folder: Path, size: int, frames: int, drift: bool) -> OpenHold:
    """Announce one hold."""
    camera = CameraInfo(
        shape=(size, size),
        dtype="<u2",
        pixel_nm=0.165,
        offset_counts=100.0,
        gain_counts_per_e=10.0,
        aperture_per_nm=0.726,
    )
    return OpenHold(
        run="benchmark",
        hold=1,
        name="01_benchmark",
        folder=str(folder),
        title="benchmark",
        camera=camera,
        exposure_s=1.0,
        period_s=2.0,
        frames_planned=frames,
        t_settled_s=0.0,
        start_utc="2026-01-01T00:00:00+00:00",
        setpoint_K=373.15,
        image_shift_matrix=IDENTITY,
        drift=drift,
    )


def through_the_stream(size: int, count: int, drift: bool) -> tuple[float, float]:
    """Return (frames/s recorded, frames/s to the closed file)."""
    frames = frames_of(size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "holds").mkdir()
        journal = Journal(folder / "journal.jsonl", VirtualClock())
        publisher = Publisher(folder, journal, lock_step=True)
        publisher.start()
        publisher.open_hold(opening(folder, size, count, drift))
        start_s = time.monotonic()
        for seq in range(count):
            while not publisher.ready():
                publisher.wait(0.01)
            publisher.send(Frame(frames[seq % len(frames)], seq, 2.0 * seq, 1.0), (0.0, 0.0), beam_on=True)
            publisher.wait(0.0)
        publisher.close_hold("complete")
        while publisher.durable_seq() < count - 1:
            publisher.wait(0.01)
        recorded_s = time.monotonic() - start_s
        while publisher.closed_hold(1) is None:
            publisher.wait(0.01)
        closed_s = time.monotonic() - start_s
        publisher.close()
        journal.close()
    return count / recorded_s, count / closed_s


def rehearsal(size: int, count: int) -> float:
    """Return the frames/s of an acquisition on the simulated rig."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = read_source("quick_look").content.decode()
        head, _ = text.split("\nsteps:\n")
        protocol = folder / "one_hold.yaml"
        one_hold = "  - ramp: {to: 100 degC, rate: 20 K/min}\n  - hold: look\n"
        protocol.write_text(f"{head.replace('frames: 2000', f'frames: {count}')}\nsteps:\n{one_hold}")
        times: list[tuple[float, int]] = []

        def watch(status: Status) -> None:
            if status.phase == "acquiring" and status.frames:
                times.append((time.monotonic(), status.frames))

        prepared = prepare(protocol, RIGS[size], folder)
        carry_out(prepared, RunOptions(folder / "run"), CommandQueue(), watch)
    (first_s, first), (last_s, last) = times[0], times[-1]
    return (last - first) / (last_s - first_s)


def rows(size: int, count: int) -> dict[str, Callable[[], float]]:
    """Return what is measured at one frame size, by its name in the table."""
    return {
        "recorded": lambda: through_the_stream(size, count, False)[0],
        "analysed": lambda: through_the_stream(size, count, False)[1],
        "lock step": lambda: through_the_stream(size, count, True)[0],
        "rehearsal": lambda: rehearsal(size, count),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Frames per second through the whole chain.")
    parser.add_argument("--size", type=int, choices=sorted(FRAMES), action="append")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print("frames/s, median [min .. max]")
    for size in options.size or sorted(FRAMES):
        count = options.frames or FRAMES[size]
        through_the_stream(size, 64, drift=True)  # compiled kernels are loaded from here on
        print(f"{size} x {size}, {count} frames")
        for name, measure in rows(size, count).items():
            values = [measure() for _ in range(options.repeats)]
            print(f"  {name:10} {statistics.median(values):7.0f} [{min(values):.0f} .. {max(values):.0f}]")


if __name__ == "__main__":
    main()
