"""The frame logs of one hold, read as one: ``stem.000.frames``, then ``.001`` ... after a crash."""

import re
from pathlib import Path
from typing import Protocol

from annealscope.controller.record.framelog import FrameLogReader, Pixels, RecordError
from annealscope.controller.stream.messages import FrameHeader, OpenHold

SUFFIX = ".frames"


class Frames(Protocol):
    """The frames of one hold in order, however many files they come from."""

    info: OpenHold
    """The message that opened the hold."""

    @property
    def rows(self) -> int:
        """How many there are."""

    def read(self, row: int) -> tuple[FrameHeader, Pixels]:
        """Return one frame. Raises RecordError."""

    def header(self, row: int) -> FrameHeader:
        """Return the header of one frame. Raises RecordError."""

    def close(self) -> None:
        """Close the files."""


class HoldLogs:
    """The frames of one hold, while it is open or after a crash.

    Parameters
    ----------
    stem
        Path of the hold without suffix, e.g. ``RUN/holds/02_ecm_100C``.

    Raises
    ------
    RecordError
        There is no log, or a preamble is damaged.
    """

    def __init__(self, stem: Path) -> None:
        self._stem = stem
        self._logs: list[FrameLogReader] = []
        self._ended_rows: list[int] = []
        """Intact rows of every log but the newest, which alone can grow."""
        self._follow()
        if not self._logs:
            raise RecordError(f"there is no frame log {log_path(stem, 0).name} in {stem.parent}")
        self.info = self._logs[0].info

    def __enter__(self) -> "HoldLogs":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def rows(self) -> int:
        """Complete frames in all logs now; those of a crashed log count up to its first damage."""
        self._follow()
        return sum(self._ended_rows) + self._logs[-1].rows

    def intact_rows(self) -> int:
        """Return how many frames from the start on are undamaged; reads all of the newest log."""
        self._follow()
        return sum(self._ended_rows) + self._logs[-1].intact_rows()

    def read(self, row: int) -> tuple[FrameHeader, Pixels]:
        """Return one frame, see `FrameLogReader.read`."""
        log, row = self._locate(row)
        return log.read(row)

    def header(self, row: int) -> FrameHeader:
        """Return the header of one frame, see `FrameLogReader.header`."""
        log, row = self._locate(row)
        return log.header(row)

    def close(self) -> None:
        """Close the files. Windows deletes no open file: close before the hold is closed."""
        for log in self._logs:
            log.close()

    def _locate(self, row: int) -> tuple[FrameLogReader, int]:
        for log, rows in zip(self._logs, self._ended_rows, strict=False):
            if row < rows:
                return log, row
            row -= rows
        return self._logs[-1], row

    def _follow(self) -> None:
        """Go on to the newer log when the recorder has begun one."""
        while (path := log_path(self._stem, len(self._logs))).exists():
            newest = FrameLogReader(path)
            if self._logs:
                self._ended_rows.append(self._logs[-1].intact_rows())
            self._logs.append(newest)


def log_path(stem: Path, number: int) -> Path:
    """Return the path of a hold's log; the number counts the restarts before it."""
    return stem.with_name(f"{stem.name}.{number:03d}{SUFFIX}")


def log_paths(stem: Path) -> list[Path]:
    """Return the logs of a hold that is not closed, oldest first.

    The first log is the first that is deleted, after the hold file was read back: where it is gone, the hold
    is closed, and the other logs do not count.
    """
    logs = all_logs(stem)
    return logs if logs and logs[0] == log_path(stem, 0) else []


def all_logs(stem: Path) -> list[Path]:
    """Return every log that lies there, oldest first, whether or not it counts."""
    name = re.compile(re.escape(stem.name) + r"\.\d{3}" + re.escape(SUFFIX))
    return sorted(path for path in stem.parent.glob(f"*{SUFFIX}") if name.fullmatch(path.name))
