"""A hold whose file is complete, for a recorder that is told of it once more."""

from collections.abc import Iterable
from pathlib import Path

import h5py

from annealscope.controller.record.derivation import discard_logs
from annealscope.controller.record.framelog import Pixels, RecordError
from annealscope.controller.record.holdfile import Analysis
from annealscope.controller.record.holdlogs import log_paths
from annealscope.controller.record.results import UNREADABLE, Entry
from annealscope.controller.stream.messages import FrameHeader, Lost, NewSegment, OpenHold, Reading


class ClosedHold:
    """Stands for `HoldRecording` when the last recorder died after it had closed the hold.

    It takes what is in the file already, and nothing else.

    Parameters
    ----------
    open_hold
        Says which hold of which run folder.

    Raises
    ------
    RecordError
        The file cannot be read.
    """

    backlog = 0

    def __init__(self, open_hold: OpenHold) -> None:
        self.info = open_hold
        self.path = hold_path(open_hold)
        try:
            with h5py.File(self.path, "r") as file:
                file["entry/end_time"][()]  # a file without an end was never closed
                detector = file["entry/instrument/detector"]
                numbers, checksums = (detector[name][()].tolist() for name in ("seq", "crc32"))
                self._checksums = dict(zip(numbers, checksums, strict=True))
                self._analysis: Analysis = (
                    "complete" if file["entry"].attrs["analysis"] == "complete" else "missing"
                )
        except UNREADABLE as error:
            raise RecordError(f"{self.path} cannot be read: {error}; see `annealscope verify`") from None
        discard_logs(self.path.with_suffix(""))
        self.frames = len(self._checksums)
        self.durable_seq = max(self._checksums, default=-1)

    def append(self, header: FrameHeader, pixels: Pixels) -> bool:
        """Return False for a frame that is in the file. Raises RecordError for any other."""
        if self._checksums.get(header.seq) != header.crc32:
            raise never_again(self.path)
        return False

    def note(self, note: Reading | NewSegment | Lost) -> None:
        """Do nothing: it is in the file."""

    def due_in_s(self) -> None:
        """Nothing waits for a `sync`."""

    def sync(self) -> None:
        """Do nothing."""

    def derive(self) -> bool:
        """Return False: there is nothing to do."""
        return False

    def end_frames(self) -> None:
        """Do nothing."""

    def write_results(self, entries: Iterable[Entry]) -> None:
        """Do nothing: those that there are were written before the file was closed."""

    def close(self, reason: str) -> Analysis:
        """Return whether results are in the file."""
        return self._analysis

    def leave(self) -> None:
        """Do nothing."""


def hold_path(open_hold: OpenHold) -> Path:
    """Return the path of a hold's file."""
    return Path(open_hold.folder) / "holds" / f"{open_hold.name}.nxs"


def is_finished(open_hold: OpenHold) -> bool:
    """Say whether a hold was closed: its file was read back, and the first of its logs is gone."""
    path = hold_path(open_hold)
    return path.exists() and not log_paths(path.with_suffix(""))


def never_again(path: Path) -> RecordError:
    """Return the error for whoever wants to write to a closed hold."""
    return RecordError(f"{path} is a closed hold and is never written again; use a new run folder")
