"""From frame logs to the hold file: piece by piece while frames arrive, or at once after a crash."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from annealscope.controller.record.durable import sync_file, sync_folder
from annealscope.controller.record.holdfile import Analysis, HoldWriter, verify_against_log
from annealscope.controller.record.holdlogs import Frames, all_logs, log_paths
from annealscope.controller.record.tiles import TILE_FRAMES, Compression

Discard = Callable[[Path], object]
"""Takes a log out of the record: deletes it, or gives it another name."""


class Derivation:
    """A hold file being made of the frames in the logs.

    Parameters
    ----------
    path
        The hold file; one that is there is replaced.
    logs
        The frames; more may come.
    compression
        See `HoldWriter`.
    """

    def __init__(self, path: Path, logs: Frames, compression: Compression) -> None:
        self.hold = HoldWriter(path, logs.info, compression)
        self.frames = 0
        """Frames in the hold file."""
        self._path = path
        self._logs = logs
        self._tiles: Iterator[None] | None = None

    def step(self, frames: int, ended: bool) -> bool:
        """Do one small piece, at most a tile; return False when there was nothing to do.

        Parameters
        ----------
        frames
            Frames in the logs now.
        ended
            No more will come, so the last row of tiles may be a short one.
        """
        if self._tiles is None:
            count = min(TILE_FRAMES, frames - self.frames)
            if count == 0 or (count < TILE_FRAMES and not ended):
                return False
            self._tiles = self._next_row(count)
        if next(self._tiles, self) is self:
            self._tiles = None
        return True

    def close(self, reason: str, discard: Discard = Path.unlink) -> Analysis:
        """Complete the hold file, read it back, delete the logs; return whether results are in it.

        Parameters
        ----------
        reason
            Why there are no more frames.
        discard
            What is done to each log in the end.

        Raises
        ------
        RecordError
            The hold file does not hold what the logs hold; the logs stay.
        """
        analysis = self.hold.analysis
        self.hold.finalise(reason)
        retire_logs(self._path, self._logs, discard)
        return analysis

    def leave(self) -> None:
        """Stop without completing the hold file: the logs stay, they are the record."""
        self._tiles = None
        self.hold.close()
        self._logs.close()

    def _next_row(self, count: int) -> Iterator[None]:
        rows = [self._logs.read(self.frames + i) for i in range(count)]
        yield
        yield from self.hold.write_row(
            [header for header, _ in rows], np.stack([pixels for _, pixels in rows])
        )
        self.frames += count


def retire_logs(path: Path, logs: Frames, discard: Discard = Path.unlink) -> None:
    """Delete the logs of a complete hold file, after it was synced and read back; closes them in any case.

    Raises
    ------
    RecordError
        The hold file does not hold what the logs hold; they stay.
    """
    try:
        sync_file(path)
        sync_folder(path.parent)
        verify_against_log(path, logs)
    finally:
        logs.close()
    discard_logs(path.with_suffix(""), discard)


def discard_logs(stem: Path, discard: Discard = Path.unlink) -> None:
    """Delete the logs of a hold, the first one for good before the others: it says whether they count."""
    with suppress(PermissionError):  # on Windows, while a reader still has one open: only room is lost
        for first in log_paths(stem)[:1]:
            discard(first)
        rest = all_logs(stem)
        if rest:
            sync_folder(stem.parent)
        for path in rest:
            discard(path)
