"""Reads the frames of a hold back, from its hold file or, while there is one, from its frame log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import h5py

from annealscope.controller.record.block import Block, block_of_rows
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import SUFFIX, HoldLogs, log_paths
from annealscope.controller.record.results import UNREADABLE
from annealscope.controller.stream.messages import OpenHold


class _Source(Protocol):
    """Where frames come from."""

    info: OpenHold
    n_frames: int

    def block(self, first: int, end: int) -> Block: ...

    def close(self) -> None: ...


class HoldReader:
    """The frames of one hold, closed or crashed.

    Where a frame log lies beside the hold file, the log is read: it is the record that was acknowledged.

    Parameters
    ----------
    path
        ``RUN/holds/NAME.nxs``, or one of its frame logs.

    Raises
    ------
    RecordError
        Neither file is there, or none can be read.
    """

    def __init__(self, path: Path) -> None:
        stem = hold_stem(path)
        self._source: _Source = _LogSource(stem) if log_paths(stem) else _FileSource(path)
        self.info = self._source.info
        """The message that opened the hold."""
        self.n_frames = self._source.n_frames
        """Undamaged frames."""

    def __enter__(self) -> "HoldReader":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def iter_blocks(self, n: int = 32) -> Iterator[Block]:
        """Yield all frames in order, ``n`` at a time.

        The numbers are bit for bit those of the frame headers, whichever file they come from.
        """
        for first in range(0, self.n_frames, n):
            yield self._source.block(first, min(first + n, self.n_frames))

    def close(self) -> None:
        """Close the files."""
        self._source.close()


def hold_stem(path: Path) -> Path:
    """Return the path of a hold without the suffix of its hold file or of its frame log."""
    name = path.name.rsplit(".", 2)[0] if path.name.endswith(SUFFIX) else path.name.removesuffix(".nxs")
    return path.with_name(name)


class _LogSource:
    def __init__(self, stem: Path) -> None:
        self._logs = HoldLogs(stem)
        self.info = self._logs.info
        self.n_frames = self._logs.intact_rows()

    def block(self, first: int, end: int) -> Block:
        return block_of_rows([self._logs.read(row) for row in range(first, end)])

    def close(self) -> None:
        self._logs.close()


class _FileSource:
    def __init__(self, path: Path) -> None:
        try:
            self._file = h5py.File(path, "r")
            instrument = self._file["entry/instrument"]
            self.info = OpenHold.model_validate_json(instrument["open_hold"].asstr()[()])
        except KeyError:
            raise RecordError(
                f"{path} is no hold of annealscope: it has no entry/instrument/open_hold; frames of another "
                "program are analysed by the name of their dataset, FILE::DATASET"
            ) from None
        except UNREADABLE as error:
            raise RecordError(f"{path} cannot be read as a hold file: {error}") from None
        self._detector = instrument["detector"]
        self.n_frames = len(self._detector["frame_time"])

    def block(self, first: int, end: int) -> Block:
        table = self._detector
        return Block(
            frames=table["data"][first:end],
            slot=table["slot"][first:end],
            segment=table["segment"][first:end],
            t_start_s=table["frame_time"][first:end],
            shift_applied_nm=table["shift_applied"][first:end],
            beam_on=table["valid"][first:end],
            scan_yx_nm=table["scan_position"][first:end],
            haadf=table["haadf"][first:end],
        )

    def close(self) -> None:
        self._file.close()
