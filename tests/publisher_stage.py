"""A publisher with its real children, for tests that play the engine."""

import time

import psutil

from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.stream.messages import CameraInfo, OpenHold
from annealscope.controller.stream.publisher import Patience, Publisher
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.interfaces import Frame

SHAPE = (48, 48)


def make_opening(hold, frames, folder, **changes):
    """The announcement of a hold."""
    camera = CameraInfo(
        shape=SHAPE,
        dtype="<u2",
        pixel_nm=0.165,
        offset_counts=100.0,
        gain_counts_per_e=10.0,
        aperture_per_nm=0.75,
    )
    fields = {
        "run": "test",
        "hold": hold,
        "name": f"{hold:02d}_ecm",
        "folder": str(folder),
        "title": "test",
        "camera": camera,
        "exposure_s": 1.0,
        "period_s": 2.0,
        "frames_planned": frames,
        "t_settled_s": 0.0,
        "start_utc": "2026-01-01T00:00:00+00:00",
        "setpoint_K": 373.15,
        "image_shift_matrix": ((1.0, 0.0), (0.0, 1.0)),
        "drift": True,
    }
    return OpenHold(**(fields | changes))


class Stage:
    """A publisher in a folder of its own."""

    def __init__(self, folder, lock_step=True, **patience):
        (folder / "holds").mkdir(exist_ok=True)
        self.folder = folder
        self.journal = Journal(folder / "journal.jsonl", VirtualClock())
        self.publisher = Publisher(
            folder, self.journal, lock_step=lock_step, patience=Patience(start_s=90.0, **patience)
        )

    def __enter__(self):
        self.publisher.start()
        return self

    def __exit__(self, *exc):
        self.publisher.close()
        self.journal.close()

    def open(self, hold, frames, **changes):
        self.publisher.open_hold(make_opening(hold, frames, **({"folder": self.folder} | changes)))

    def send(self, movie, first, end, timeout_s=60.0, **more):
        for seq in range(first, end):
            self.send_frame(Frame(movie[seq], seq, 2.0 * seq, 1.0, **more), timeout_s=timeout_s)

    def send_frame(self, frame, beam_on=True, timeout_s=60.0):
        """Send a frame as the engine does: when the stream is ready for it."""
        deadline = time.monotonic() + timeout_s
        while not self.publisher.ready() and self.publisher.failure() is None:
            assert time.monotonic() < deadline, f"stuck before frame {frame.seq}"
            self.publisher.wait(0.01)
        self.publisher.send(frame, (0.0, 0.0), beam_on=beam_on)
        self.publisher.wait(0.0)

    def newest_drift(self, seq, timeout_s=60.0):
        """Wait for the drift row of a frame."""
        deadline = time.monotonic() + timeout_s
        while (row := self.publisher.newest_drift()) is None or row.seq < seq:
            assert time.monotonic() < deadline, f"no drift of frame {seq}"
            self.publisher.wait(0.01)
        return row

    def close(self, hold, timeout_s=60.0):
        self.publisher.close_hold("complete")
        deadline = time.monotonic() + timeout_s
        while self.publisher.closed_hold(hold) is None and self.publisher.failure() is None:
            assert time.monotonic() < deadline, "the hold is never closed"
            self.publisher.wait(0.01)
        return self.publisher.closed_hold(hold)

    def wait_for(self, condition, timeout_s=60.0):
        """Wait until a condition holds; return what it says."""
        deadline = time.monotonic() + timeout_s
        while not (answer := condition()):
            assert time.monotonic() < deadline
            self.publisher.wait(0.01)
        return answer

    def settle(self, timeout_s=30.0):
        """Wait until everything that was sent is durable."""
        deadline = time.monotonic() + timeout_s
        while self.publisher.durable_seq() < self.publisher._recorder.last_seq:
            assert time.monotonic() < deadline
            self.publisher.wait(0.01)

    def child(self, role):
        pids = [r["pid"] for r in self.records("child") if r["role"] == role]
        return psutil.Process(pids[-1])

    def records(self, kind):
        return [r for r in read_journal(self.folder / "journal.jsonl") if r["kind"] == kind]

    def events(self, role):
        return [r["event"] for r in self.records("child") if r["role"] == role]
