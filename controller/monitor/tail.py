"""A journal that is being written: only what was appended is read."""

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

from annealscope.controller.journal import intact_record

Record = dict[str, Any]


class JournalTail:
    """Reads on where it left off; a last line that is not complete yet waits.

    Parameters
    ----------
    path
        The journal; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None
        """Device and number of the file: another one has replaced it when they change."""
        self._read_bytes = 0
        self._seen_bytes = 0
        self.damaged = False
        """A line is damaged: what follows it is not read."""

    def new_records(self) -> tuple[list[Record], bool]:
        """Return the intact records that were appended, and whether the journal is another one than before.

        Then they are all that it has, from its first on. Raises OSError; a file that does not exist is empty.
        """
        if not self._path.is_file():
            return [], self._start_again(None)
        with self._path.open("rb") as file:
            return self._new_records(file)

    def _new_records(self, file: BinaryIO) -> tuple[list[Record], bool]:
        status = os.fstat(file.fileno())
        identity = (status.st_dev, status.st_ino)
        replaced = identity != self._identity or status.st_size < self._read_bytes
        again = self._start_again(identity) if replaced else False
        if status.st_size == self._seen_bytes:
            return [], again
        self._seen_bytes = status.st_size
        file.seek(self._read_bytes)
        return self._records(file.read(status.st_size - self._read_bytes)), again

    def _start_again(self, identity: tuple[int, int] | None) -> bool:
        """Forget what was read; return whether anything was."""
        was_read = self._read_bytes > 0
        self._identity, self._read_bytes, self._seen_bytes, self.damaged = identity, 0, 0, False
        return was_read

    def _records(self, content: bytes) -> list[Record]:
        """Return the intact records at the beginning of what was appended."""
        records = []
        self.damaged = False
        for line in io.BytesIO(content):
            if not line.endswith(b"\n"):
                break
            record = intact_record(line)
            if record is None:
                self.damaged = True
                break
            records.append(record)
            self._read_bytes += len(line)
        return records
