"""One hold being recorded: the log at once, because it is durable; the hold file when there is time."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from annealscope.controller.record.closedhold import ClosedHold, hold_path, is_finished, never_again
from annealscope.controller.record.derivation import Derivation
from annealscope.controller.record.durable import forget_copy, sync_file
from annealscope.controller.record.framelog import FrameLogWriter, Pixels, RecordError
from annealscope.controller.record.holdfile import Analysis
from annealscope.controller.record.holdlogs import HoldLogs, log_path, log_paths
from annealscope.controller.record.results import SPARE_BYTES, Entry
from annealscope.controller.record.tiles import Compression
from annealscope.controller.stream.messages import FrameHeader, Lost, NewSegment, OpenHold, Reading


class HoldRecording:
    """Takes frames in, makes them durable, and turns the log into the hold file piece by piece.

    After a crash of the recorder a new log is begun, and the hold file is made afresh from all of them.

    Parameters
    ----------
    open_hold
        Says which hold of which run folder.
    compression
        Of the hold file, see `HoldWriter`.

    Raises
    ------
    RecordError, OSError
        The hold is already closed, or its files cannot be written, or would soon fill the disk.
    """

    def __init__(self, open_hold: OpenHold, compression: Compression) -> None:
        self.info = open_hold
        self.path = hold_path(open_hold)
        if is_finished(open_hold):
            raise never_again(self.path)
        _check_room(self.path.parent)
        stem = self.path.with_name(open_hold.name)
        earlier = log_paths(stem)
        for path in earlier:
            sync_file(path)
            forget_copy(path)
        self._log = FrameLogWriter(log_path(stem, len(earlier)), open_hold)
        self._logs = HoldLogs(stem)
        self.frames = self._logs.rows
        """Frames in the logs."""
        self.last_seq = self._logs.header(self.frames - 1).seq if self.frames else -1
        self.durable_seq = self.last_seq
        self._derivation = Derivation(self.path, self._logs, compression)
        self._ended = False

    def append(self, header: FrameHeader, pixels: Pixels) -> bool:
        """Append a frame to the log; return False, and do nothing, for one that is there already."""
        if header.seq <= self.last_seq:
            return False
        self._log.append(header, pixels)
        self.last_seq = header.seq
        self.frames += 1
        return True

    @property
    def backlog(self) -> int:
        """Frames that are in the log but not yet in the hold file."""
        return self.frames - self._derivation.frames

    def note(self, note: Reading | NewSegment | Lost) -> None:
        """Keep for the hold file a temperature, a break, or why frames are missing."""
        hold = self._derivation.hold
        match note:
            case Reading():
                hold.add_reading(note)
            case Lost():
                hold.add_loss(note)
            case NewSegment() if note.segment != self._logs.info.segment:  # the first one is there
                hold.add_segment(note)

    def due_in_s(self) -> float | None:
        """Return how long the next `sync` may wait; None when nothing waits for one."""
        return self._log.due_in_s()

    def sync(self) -> None:
        """Make every frame durable."""
        self._log.sync()
        self.durable_seq = self.last_seq

    def derive(self) -> bool:
        """Do one small piece of the hold file, at most a tile; return False when there was nothing to do."""
        return self._derivation.step(self.frames, self._ended)

    def end_frames(self) -> None:
        """No more frames will come: all are durable now, and the last row may be derived."""
        self.sync()
        self._ended = True

    def write_results(self, entries: Iterable[Entry]) -> None:
        """Write the results into the hold file. Raises TypeError or ValueError for what HDF5 cannot hold."""
        self._finish_frames()
        self._derivation.hold.write_results(entries)

    def close(self, reason: str) -> Analysis:
        """Complete the hold file, read it back, delete the log; return whether results are in it.

        Raises
        ------
        RecordError
            The hold file does not hold what the log holds; the log stays.
        """
        self._finish_frames()
        self._log.close()
        return self._derivation.close(reason)

    def leave(self) -> None:
        """Stop without closing the hold: the log stays, it is the record."""
        self.sync()
        self._derivation.leave()
        self._log.close()

    def _finish_frames(self) -> None:
        self._ended = True
        while self.derive():
            pass


def take_up(open_hold: OpenHold, compression: Compression) -> HoldRecording | ClosedHold:
    """Return the recording of a hold that is announced: a new one, or one that an earlier recorder has left.

    Raises
    ------
    RecordError, OSError
        See `HoldRecording` and `ClosedHold`.
    """
    return ClosedHold(open_hold) if is_finished(open_hold) else HoldRecording(open_hold, compression)


def _check_room(folder: Path) -> None:
    """Refuse a disk that is full: HDF5 crashes on one without a word. Raises RecordError."""
    free = shutil.disk_usage(folder).free
    if free < SPARE_BYTES:
        raise RecordError(
            f"the disk of {folder} is full: {free / 1e6:.1f} MB are free, a log is begun with "
            f"{SPARE_BYTES / 1e6:.0f} MB at least; the frames acknowledged so far are safe; free some room"
        )
