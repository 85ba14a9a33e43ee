"""A small run on disk, complete or crashed, without devices and processes: one hold, losses, a break."""

import json
from pathlib import Path

import numpy as np
from record_samples import frame, open_hold

from annealscope.controller.journal import Journal
from annealscope.controller.record.durable import write_atomically
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.record.runfolder import RunFolder, create, save_run_file
from annealscope.controller.stream.messages import FrameHeader, Lost, NewSegment, Reading
from annealscope.drivers.clock import VirtualClock

NAME = "02_ecm_100C"
END = 44
LOST = range(10, 12)
BREAK = 20
"""First frame of the second segment."""
NUMBERS = [seq for seq in range(END) if seq not in LOST]
PROTOCOL = "name: test\n"


def hold_frame(seq: int) -> tuple[FrameHeader, np.ndarray]:
    header, pixels = frame(seq)
    segment = int(seq >= BREAK)
    changes = {
        "segment": segment,
        "slot": seq - BREAK * segment,
        "lost_before": len(LOST) if seq == LOST.stop else 0,
    }
    return header.model_copy(update=changes), pixels


class SmallRun:
    """What recorder and controller write, step by step."""

    def __init__(self, folder: Path) -> None:
        self.run: RunFolder = create(folder)
        write_atomically(self.run.protocol, PROTOCOL)
        write_atomically(self.run.rig, "name: test\n")
        for path in (self.run.plan, self.run.environment):
            write_atomically(path, json.dumps({"steps": []}))
        self.clock = VirtualClock()
        self.journal = Journal(self.run.journal, self.clock)
        self.journal.write("run_started", run="test")

    def open_hold(self) -> HoldRecording:
        self.journal.write("hold_opened", hold=2, name=NAME)
        return HoldRecording(open_hold(self.run.path), "auto")

    def take(self, recording: HoldRecording, numbers: list[int]) -> None:
        for seq in numbers:
            self.clock.sleep_until(2.0 * seq)
            if seq == LOST.stop:
                self._tell_loss(recording)
            if seq == BREAK:
                self.journal.write("segment", hold=2, segment=1, why="paused")
                recording.note(NewSegment(hold=2, segment=1, first_seq=BREAK, why="paused"))
            recording.append(*hold_frame(seq))
            self.journal.write("reading", temperature_K=373.0 + seq, setpoint_K=373.15)
            reading = Reading(hold=2, t_s=2.0 * seq, temperature_K=373.0 + seq, setpoint_K=373.15)
            recording.note(reading)
        recording.sync()
        self.journal.write("durable", hold=2, seq=recording.durable_seq)

    def close(self, recording: HoldRecording) -> None:
        recording.end_frames()
        recording.close("complete")
        fields = {"path": f"holds/{NAME}.nxs", "frames": len(NUMBERS), "lost": len(LOST)}
        self.journal.write("hold_closed", hold=2, **fields, analysis="missing", reason="complete")

    def end(self) -> None:
        save_run_file(self.run)
        self.journal.write("run_ended", outcome="success", why="", exit_code=0)
        self.journal.close()

    def _tell_loss(self, recording: HoldRecording) -> None:
        first, count = LOST.start, len(LOST)
        self.journal.write("lost", hold=2, first_seq=first, frames=count, t_lost_s=20.0, why="camera")
        recording.note(Lost(hold=2, first_seq=first, frames=count, t_s=20.0, why="camera"))


def complete_run(folder: Path) -> RunFolder:
    """A run that ended well."""
    small = SmallRun(folder)
    recording = small.open_hold()
    small.take(recording, NUMBERS)
    small.close(recording)
    small.end()
    return small.run


def crashed_run(folder: Path, restarts: int = 0) -> RunFolder:
    """A run whose program died with all frames in the log, in ``restarts + 1`` of them."""
    small = SmallRun(folder)
    recording = small.open_hold()
    for numbers in np.array_split(NUMBERS, restarts + 1):
        if recording.frames:
            recording.leave()
            recording = HoldRecording(open_hold(small.run.path), "auto")
        small.take(recording, numbers.tolist())
        while recording.derive():
            pass
    recording.leave()
    small.journal.close()
    return small.run


def flip(path: Path, position: int, bit: int = 0) -> None:
    """Flip one bit of a file; positions below 0 count from its end."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def log_of(run: RunFolder, number: int = 0) -> Path:
    return run.holds_folder / f"{NAME}.{number:03d}.frames"


RECORD_BYTES = 64 + frame(0)[1].nbytes
