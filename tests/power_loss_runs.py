"""What a run does to its disk, in small, and what must be there after a power cut at any moment of it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from record_samples import ecm_entries, frame, open_hold
from simulated_disk import Moment, SimulatedDisk

from annealscope.controller.journal import DURABLE, Journal, read_journal
from annealscope.controller.record.durable import write_atomically
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdreader import HoldReader
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.record.repair import repair
from annealscope.controller.record.results import add_results, read_results
from annealscope.controller.record.runfolder import RunFolder, create, save_run_file
from annealscope.controller.record.verify import verify
from annealscope.controller.stream.messages import FrameHeader
from annealscope.drivers.clock import VirtualClock

SHAPE = (48, 50)
"""A frame is a page and a bit."""
NAME = "02_ecm_100C"


@dataclass(frozen=True)
class Promises:
    """What the program has said is safe."""

    frames: int = 0
    """Acknowledged frames, from the first on."""
    records: tuple[str, ...] = ()
    """Kinds in the journal up to the last one that has to be durable."""
    texts: dict[str, frozenset[str]] = field(default_factory=dict)
    """What may be in a text file; it must be there."""
    results: bool = False
    run_file: bool = False


def plain_frame(seq: int) -> tuple[FrameHeader, np.ndarray]:
    """A frame of a hold without losses."""
    header, pixels = frame(seq, SHAPE)
    return header.model_copy(update={"lost_before": 0, "segment": 0, "slot": seq}), pixels


class Program:
    """Does what recorder and controller do, and keeps the promises they make."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self._disk = disk
        disk.promises = Promises()
        self.run = create(disk.root / "runs" / "one")
        self._journal = Journal(self.run.journal, VirtualClock())
        self._kinds: list[str] = []
        self.say("run_started", run="one")

    def promise(self, **changes: Any) -> None:
        self._disk.promises = replace(self._disk.promises, **changes)

    def note(self, kind: str, **fields: Any) -> None:
        self._journal.write(kind, **fields)
        self._kinds.append(kind)

    def say(self, kind: str, **fields: Any) -> None:
        self.note(kind, **fields)
        if kind in DURABLE:
            self.promise(records=tuple(self._kinds))
        self._disk.moment(f"journal {kind}")

    def write(self, name: str, text: str) -> None:
        before = self._disk.promises.texts
        self.promise(
            texts=before | {name: before.get(name, frozenset()) | {text}} if name in before else before
        )
        write_atomically(self.run.path / name, text)
        self.promise(texts=before | {name: frozenset({text})})
        self._disk.moment(f"wrote {name}")

    def open_hold(self) -> HoldRecording:
        recording = HoldRecording(open_hold(self.run.path, SHAPE), "auto")
        self.acknowledge(recording)
        return recording

    def restart(self, killed: HoldRecording) -> HoldRecording:
        """Leave a recording as the death of its process does, unsynced; begin another."""
        killed._derivation.leave()
        killed._log.close()
        return self.open_hold()

    def acknowledge(self, recording: HoldRecording) -> None:
        self.promise(frames=max(self._disk.promises.frames, recording.durable_seq + 1))
        self._disk.moment(f"acknowledged {recording.durable_seq}")

    def take(self, recording: HoldRecording, numbers: range, sync_every: int) -> None:
        for seq in numbers:
            recording.append(*plain_frame(seq))
            self._disk.moment(f"appended {seq}")
            if seq % sync_every == sync_every - 1:
                recording.sync()
                self.acknowledge(recording)

    def close(self, recording: HoldRecording) -> None:
        recording.end_frames()
        self.acknowledge(recording)
        recording.close("complete")
        self._disk.moment("closed")
        fields = {"path": f"holds/{NAME}.nxs", "frames": recording.frames, "lost": 0}
        self.say("hold_closed", hold=2, **fields, analysis="missing", reason="complete")

    def end(self) -> None:
        save_run_file(self.run)
        self.promise(run_file=True)
        self.say("run_ended", outcome="success")
        self.stop()

    def stop(self) -> None:
        self._journal.close()


def undisturbed(disk: SimulatedDisk) -> None:
    """A run that records one hold, ends, and is analysed later."""
    program = Program(disk)
    program.write("rig.yaml", "first")
    program.write("rig.yaml", "second\n" * 1000)
    program.say("hold_opened", hold=2, name=NAME)
    recording = program.open_hold()
    program.take(recording, range(5), sync_every=2)
    program.say("reading", temperature_K=373.0, setpoint_K=373.15)
    program.take(recording, range(5, 20), sync_every=7)
    while recording.derive():
        pass
    program.say("reading", temperature_K=373.1, setpoint_K=373.15)
    program.close(recording)
    program.end()
    add_results(recording.path, ecm_entries())
    program.promise(results=True)
    disk.moment("analysed")


def restarted(disk: SimulatedDisk) -> None:
    """A recorder is killed with frames that it had not synced; the next one finds and acknowledges them."""
    program = Program(disk)
    program.say("hold_opened", hold=2, name=NAME)
    killed = program.open_hold()
    program.take(killed, range(8), sync_every=5)
    while killed.derive():
        pass
    recording = program.restart(killed)
    program.take(recording, range(8, 19), sync_every=4)
    program.close(recording)
    program.end()


def scripted(disk: SimulatedDisk, steps: list[str]) -> None:
    """Any order of what recorder and engine do while a hold is open."""
    program = Program(disk)
    program.say("hold_opened", hold=2, name=NAME)
    recording = program.open_hold()
    for step in steps:
        match step:
            case "frame":
                seq = recording.last_seq + 1
                program.take(recording, range(seq, seq + 1), sync_every=1000)
            case "sync":
                recording.sync()
                program.acknowledge(recording)
            case "derive":
                recording.derive()
            case "restart":
                recording = program.restart(recording)
            case kind:
                program.say(kind, hold=2, temperature_K=373.0, setpoint_K=373.15, why="")
    recording.leave()
    program.stop()


def talkative(disk: SimulatedDisk) -> None:
    """Pages of the journal that need not be durable, before, between and after records that must."""
    program = Program(disk)
    program.say("hold_opened", hold=2, name=NAME)
    recording = program.open_hold()
    program.take(recording, range(3), sync_every=3)
    for segment in range(1, 4):
        for _ in range(50):
            program.note("reading", temperature_K=373.0, setpoint_K=373.15)
        disk.moment("talked")
        program.say("state", state="running", why=f"part {segment}")
    program.stop()
    recording.leave()


RUNS: dict[str, Callable[[SimulatedDisk], None]] = {
    "undisturbed": undisturbed,
    "restarted": restarted,
    "talkative": talkative,
}


# ---------------------------------------------------------------------- what must be there


def run_in(folder: Path) -> RunFolder:
    return RunFolder(folder / "runs" / "one")


def look(moment: Moment, folder: Path) -> None:
    """Fail when something that was promised is not there."""
    promises: Promises = moment.promises
    run = run_in(folder)
    if not promises.records:
        return
    _look_for_texts(run, promises)
    _look_for_frames(run, promises)
    if promises.results:
        assert [part.path for part, _ in read_results(run.hold_file(NAME))]
    if promises.run_file or run.run_file.exists():
        with h5py.File(run.run_file, "r") as file:
            assert list(file["entry/holds"]) == [NAME]


def recover(moment: Moment, folder: Path) -> None:
    """Fail when a recorder cannot go on, or when repair does not make a whole record."""
    promises: Promises = moment.promises
    run = run_in(folder)
    if not promises.records:
        return
    _go_on(run, promises, folder.with_name(f"{folder.name}.again"))
    repair(run.path)
    _look_for_frames(run, promises)
    assert repair(run.path) == []
    found = [finding for finding in verify(run.path) if finding.severity != "notice"]
    assert found == [], found


def _look_for_texts(run: RunFolder, promises: Promises) -> None:
    kinds = [record["kind"] for record in read_journal(run.journal)]
    assert kinds[: len(promises.records)] == list(promises.records)
    for name, texts in promises.texts.items():
        assert (run.path / name).read_text(encoding="utf-8") in texts


def _look_for_frames(run: RunFolder, promises: Promises) -> None:
    if not promises.frames:
        return
    with HoldReader(run.hold_file(NAME)) as hold:
        assert hold.n_frames >= promises.frames
        blocks = list(hold.iter_blocks())
    numbers = np.concatenate([block.slot for block in blocks])
    np.testing.assert_array_equal(numbers[: promises.frames], np.arange(promises.frames))
    for number, pixels in zip(numbers, np.concatenate([block.frames for block in blocks]), strict=True):
        np.testing.assert_array_equal(pixels, plain_frame(number)[1])


def _go_on(run: RunFolder, promises: Promises, copy: Path) -> None:
    """A recorder that is started again goes on with the hold, or knows that it is closed."""
    shutil.copytree(run.path, copy)
    Journal(RunFolder(copy).journal, VirtualClock()).close()
    try:
        recording = HoldRecording(open_hold(copy, SHAPE), "auto")
    except RecordError as error:
        assert "is a closed hold" in str(error)  # noqa: PT017 - it may also go on
        return
    assert recording.durable_seq + 1 >= promises.frames
    recording.append(*plain_frame(recording.last_seq + 1))
    recording.end_frames()
    recording.close("complete")
