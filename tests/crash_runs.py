"""Whole runs in one process that die where a test says: no children, the recorder's work is done directly."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
from small_run import write_inputs

from annealscope.controller.engine.commands import CommandQueue
from annealscope.controller.engine.runner import Engine
from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.record.framelog import FrameLogReader
from annealscope.controller.record.holdlogs import all_logs
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.record.runfolder import RunFolder, is_closed
from annealscope.controller.record.salvage import SalvagedLogs
from annealscope.controller.record.verify import verify
from annealscope.controller.session import run as session
from annealscope.controller.session.options import RunOptions
from annealscope.controller.session.prepare import prepare
from annealscope.controller.stream.framing import HoldFrames
from annealscope.controller.stream.messages import HoldClosed, NewSegment, Reading

SYNC_EVERY = 4
HEADER_BYTES = 64

PROTOCOL = """
schema_version: 1
name: Crashes
specimen: {material: AMZ4, state: as-cast}
limits: {max_temperature: 300 degC, max_heating_rate: 100 K/min, max_cooling_rate: 100 K/min}
settle: {within: 0.5 K, for: 3 s, timeout: 5 min}
safe: {cool_to: 25 degC, rate: 100 K/min, grace: 30 s}
optics:
  dark_field:
    mode: tem_dark_field
    high_tension: 300 kV
    magnification: 340 kx
    objective_aperture: 10 um
    ring: 4.27 1/nm
  nanobeam: {mode: nanobeam, high_tension: 300 kV, probe: 0.91 nm, probe_current: 1 pA, camera_length: 1 m}
acquisitions:
  ecm:
    kind: ecm
    optics: dark_field
    camera: imaging
    exposure: 4 s
    period: 20 s
    dose_rate: 4.4e5 e/nm^2/s
    region: {fresh: true}
    drift: {owner: annealscope, actuator: image_beam_shift, warn: 1 nm, limit: 2.5 nm, on_limit: flag}
    until: {frames: FRAMES}
  fem:
    kind: fem
    optics: nanobeam
    camera: diffraction
    exposure: 4 s
    grid: {points: [3, 4], pitch: 5 nm}
    haadf: true
    region: {fresh: true}
steps:
  - acquire: fem
  - ramp: {to: 40 degC, rate: 100 K/min}
  - hold:
      - wait: {until_age: 100 s}
      - prepare: ecm
      - acquire: ecm
  - park: End of the first day.
  - ramp: {to: 45 degC, rate: 100 K/min}
  - hold:
      - acquire: ecm
      - prompt: {message: "Is the specimen there?", timeout: 10 min, on_timeout: continue}
      - acquire: fem
  - cool: {to: 25 degC, rate: 100 K/min}
"""


class Died(BaseException):
    """The program is killed: nothing runs after this."""


class MortalEngine(Engine):
    """Dies without a word, where the real one makes everything safe."""

    def _fault(self, guard, message, exit_code):
        if "Died" not in message:
            super()._fault(guard, message, exit_code)

    def _end(self):
        if self._machine.over:
            super()._end()


class DirectStream:
    """A `Publisher` without children: what it is told is in the log at once, and durable now and then."""

    def __init__(self, folder, journal, *, lock_step, compression):
        self._journal, self._compression = journal, compression
        self._remembered, self._closed, self._recording = {}, {}, None
        self.viewers = SimpleNamespace(show_status=lambda status: None)

    def listen(self, handler):
        pass

    def start(self):
        pass

    def remember(self, hold, notes):
        self._remembered[hold] = notes

    def open_hold(self, opening):
        self._taken = HoldFrames(opening)
        if opening.method != "watch":
            self._recording = HoldRecording(opening, self._compression)
            for note in self._remembered.pop(opening.hold, ()):
                self._recording.note(note)

    def new_segment(self, why):
        segment, hold, first_seq = self._taken.new_segment(), self._recording.info.hold, self._taken.next_seq
        self._recording.note(NewSegment(hold=hold, segment=segment, first_seq=first_seq, why=why))
        self._journal.write("segment", hold=hold, segment=segment, first_seq=first_seq, why=why)
        return segment

    def send(self, frame, shift_applied_nm, beam_on):
        header = self._taken.header(frame, frame.data, shift_applied_nm, beam_on)
        for lost in self._taken.take_losses():
            self._recording.note(lost)
            fields = lost.model_dump(include={"hold", "first_seq", "frames", "why"})
            self._journal.write("lost", **fields, t_lost_s=lost.t_s)
        self._recording.append(header, frame.data)
        if header.seq % SYNC_EVERY == 0:
            self._recording.sync()
            self._journal.write("durable", hold=header.hold, seq=header.seq)

    def send_temperature(self, t_s, temperature_K, setpoint_K):
        if self._recording is not None:
            hold = self._recording.info.hold
            self._recording.note(
                Reading(hold=hold, t_s=t_s, temperature_K=temperature_K, setpoint_K=setpoint_K)
            )

    def close_hold(self, reason, end_seq=0):
        if self._recording is None:
            return
        self._taken.lose_rest(end_seq)
        for lost in self._taken.take_losses():
            self._recording.note(lost)
        recording, self._recording = self._recording, None
        recording.end_frames()
        analysis, info = recording.close(reason), recording.info
        lost = self._taken.next_seq - recording.frames
        self._closed[info.hold] = HoldClosed(
            hold=info.hold,
            path=f"holds/{info.name}.nxs",
            frames=recording.frames,
            lost=lost,
            analysis=analysis,
        )

    def closed_hold(self, hold):
        return self._closed.get(hold)

    def newest_drift(self):
        return None

    newest_live = trouble = failure = newest_drift

    def ready(self):
        return True

    def backlog(self):
        return 0

    def wait(self, timeout_s):
        pass

    def close(self):
        """Leave an open hold as the death of its recorder does: nothing is synced."""
        if self._recording is not None:
            self._recording._derivation.leave()
            self._recording._log.close()


@dataclass
class CrashRun:
    """A run in a folder of a test."""

    folder: Path
    frames: int = 32
    protocol: str = PROTOCOL
    evidence: dict[str, dict[int, int]] = field(default_factory=dict)
    """Checksums of all frames that were acknowledged at a death, by hold and number."""
    files: dict[Path, str] = field(default_factory=dict)
    """Checksums of the hold files that were complete at a death."""
    told: list[str] = field(default_factory=list)

    @property
    def run(self) -> RunFolder:
        return RunFolder((self.folder / "run").resolve())

    def records(self, *kinds):
        return [one for one in read_journal(self.run.journal) if not kinds or one["kind"] in kinds]

    @property
    def over(self) -> bool:
        """It has come to its end."""
        return [one["outcome"] for one in self.records()[-1:] if one["kind"] == "run_ended"] == ["success"]

    def begin(self, monkeypatch, dies=None, parks="through"):
        """Begin the run; see `_conduct`."""
        protocol, rig = write_inputs(self.folder, self.frames, self.protocol)
        prepared = prepare(protocol, rig, self.folder)
        prepared.check()
        options = RunOptions(self.run.path, seed=3, parks=parks)
        return self._conduct(
            monkeypatch,
            dies,
            lambda: session.carry_out(prepared, options, CommandQueue()),
        )

    def go_on(self, monkeypatch, dies=None, parks="through"):
        """Go on with it."""
        return self._conduct(
            monkeypatch,
            dies,
            lambda: session.carry_on(self.run.path, parks, CommandQueue(), tell=self.told.append),
        )

    def _conduct(self, monkeypatch, dies, program):
        """Let the program run; it dies right after the first journal record that ``dies`` says True of."""
        with monkeypatch.context() as patch:
            patch.setattr(session, "Publisher", DirectStream)
            patch.setattr(session, "Engine", MortalEngine)
            patch.setattr(Journal, "write", _mortal(Journal.write, dies or (lambda kind, fields: False)))
            with suppress(Died):
                return program()
        return None

    def tear(self, frames: float):
        """Cut the newest log of an open hold, by at most so many frames, and not by what was acknowledged."""
        for path in self.logs()[-1:]:
            log = FrameLogReader(path)
            seq, hold = [log.header(row).seq for row in range(log.rows)], log.info.hold
            frame_bytes = HEADER_BYTES + 2 * int(np.prod(log.info.camera.shape))
            log.close()
            durable = max((one["seq"] for one in self.records("durable") if one["hold"] == hold), default=-1)
            free = min(frames, sum(number > durable for number in seq))
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - int(free * frame_bytes))

    def logs(self):
        return sorted(self.run.holds_folder.glob("*.frames"))

    def note_evidence(self):
        """Remember what is on the disk: nothing of it may change any more."""
        for hold in self.run.holds():
            if is_closed(hold.path):
                self.files[hold.path] = _digest(hold.path)
            elif all_logs(self.run.holds_folder / hold.name):
                logs = SalvagedLogs(self.run.holds_folder / hold.name)
                self.evidence.setdefault(hold.name, {}).update((h.seq, h.crc32) for h in logs.headers)
                logs.close()

    def check(self):
        """Everything that was recorded is there, each number once, and the record is whole."""
        assert [str(finding) for finding in verify(self.run.path)] == []
        for path, digest in self.files.items():
            assert _digest(path) == digest, path
        for hold in self.run.holds():
            with h5py.File(hold.path) as file:
                detector = file["entry/instrument/detector"]
                found = dict(zip(detector["seq"][()].tolist(), detector["crc32"][()].tolist(), strict=True))
            assert self.evidence.get(hold.name, {}).items() <= found.items()
        self._check_ends()

    def _check_ends(self):
        ends = 0
        for record in self.records("run_started", "run_continued", "run_ended"):
            ends = ends + 1 if record["kind"] == "run_ended" else 0
            assert ends <= 1
        times = [record["t_s"] for record in self.records()]
        assert times == sorted(times)


def _mortal(write, dies):
    def wrapped(journal, kind, **fields):
        write(journal, kind, **fields)
        if dies(kind, fields):
            raise Died

    return wrapped


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def after(count, *kinds):
    """Die after the n-th record of these kinds, or of any."""
    seen = 0

    def dies(kind, fields):
        nonlocal seen
        seen += not kinds or kind in kinds
        return seen == count and (not kinds or kind in kinds)

    return dies
