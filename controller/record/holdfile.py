"""The hold file: frames, logs and results of one acquisition in one NeXus file that every reader opens."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import h5py
import numpy as np
import numpy.typing as npt

from annealscope.controller.record.columns import COLUMNS, EVENTS
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import Frames
from annealscope.controller.record.holdtree import extend, write_tree
from annealscope.controller.record.results import Entry, start_file, write_results
from annealscope.controller.record.tiles import TILE_FRAMES, Compression, write_tiles
from annealscope.controller.stream.messages import FrameHeader, Lost, NewSegment, OpenHold, Reading
from annealscope.controller.units import ZERO_CELSIUS_K

Analysis = Literal["complete", "missing"]

BEGINNING = "the acquisition began"
"""Why there is a first segment."""

LAZY_BLOCK_BYTES = 128 * 1024 * 1024
"""What a lazy reader should load at a time: one tile column of the frames, over as long a time as fits."""


class HoldWriter:
    """Writes a hold file row by row of tiles; after each row it opens in any reader, whatever happens next.

    Parameters
    ----------
    path
        File to create; one that is there is replaced.
    open_hold
        The message that opened the hold; it is kept in the file.
    compression
        ``deflate``, ``none``, or ``auto``: deflate unless the camera is too fast for it.
    """

    def __init__(self, path: Path, open_hold: OpenHold, compression: Compression = "auto") -> None:
        self._info = open_hold
        self._readings: list[Reading] = []
        self._segments = [
            NewSegment(hold=open_hold.hold, segment=open_hold.segment, first_seq=0, why=BEGINNING)
        ]
        self._losses: list[Lost] = []
        self._last: FrameHeader | None = None
        self._file = h5py.File(path, "w")
        self._entry = start_file(self._file, "hold", open_hold.title)
        self.frames = write_tree(self._entry, open_hold, compression)
        self._file.flush()

    def write_row(self, headers: Sequence[FrameHeader], frames: npt.NDArray[Any]) -> Iterator[None]:
        """Write up to 16 frames (n, ny, nx) and their headers; only the last row may be shorter.

        Yields after every tile, so that the caller can look after more urgent things; the row is in the file
        when the iteration ends.
        """
        first = len(self.frames)
        if first % TILE_FRAMES:
            raise RecordError(f"a row of tiles starts at a multiple of {TILE_FRAMES} frames, not at {first}")
        yield from write_tiles(self.frames, first, frames)
        detector = self._entry["instrument/detector"]
        for column in COLUMNS:
            extend(detector[column.name], [column.value(header) for header in headers])
        nominal_s = (first + np.arange(len(headers))) * self._info.period_s
        extend(self._entry["data/time"], nominal_s)
        self._last = headers[-1]
        self._flush()

    def add_reading(self, reading: Reading) -> None:
        """Keep a temperature; it is written with the next row of frames."""
        self._readings.append(reading)

    def add_segment(self, segment: NewSegment) -> None:
        """Keep a break of the hold, like a reading."""
        self._segments.append(segment)

    def add_loss(self, lost: Lost) -> None:
        """Keep what became of frames that are not in the file, like a reading."""
        self._losses.append(lost)

    def write_results(self, entries: Iterable[Entry]) -> None:
        """Write the results of the hold, see `results.write_results`."""
        write_results(self._entry, entries)
        self._entry.attrs["analysis"] = "complete"

    @property
    def analysis(self) -> Analysis:
        """Whether the results are in the file."""
        return "complete" if self._entry.attrs["analysis"] == "complete" else "missing"

    def finalise(self, reason: str) -> None:
        """Write what is known only at the end, and close the file."""
        self._entry["end_time"] = self._end_utc()
        self._entry.attrs["end_reason"] = reason
        _, height, width = self.frames.chunks
        depth = LAZY_BLOCK_BYTES // (height * width * self.frames.dtype.itemsize)
        self.frames.attrs["chunks"] = [max(1, min(len(self.frames), depth)), height, width]
        self.close()

    def close(self) -> None:
        """Close the file as it is: still without an end, when it was not finalised."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        """Let HDF5 hand everything to the system: only this leaves a file that opens after a crash."""
        heater = self._entry["instrument/heater"]
        for log, kelvin in (
            ("value_log", [reading.temperature_K for reading in self._readings]),
            ("setpoint_log", [reading.setpoint_K for reading in self._readings]),
        ):
            extend(heater[log]["time"], [reading.t_s for reading in self._readings])
            extend(heater[log]["value"], np.array(kelvin) - ZERO_CELSIUS_K)
        detector = self._entry["instrument/detector"]
        for name, kept in (("segments", self._segments), ("lost", self._losses)):
            for column in EVENTS[name]:
                extend(detector[name][column.name], [column.value(event) for event in kept])
            kept.clear()
        self._readings.clear()
        self._file.flush()

    def _end_utc(self) -> str:
        """Return the label of the last exposure's end, from the clock of the frames."""
        start = datetime.fromisoformat(self._info.start_utc)
        if self._last is None:
            return start.isoformat()
        first_s = float(self._entry["instrument/detector/frame_time"][0])
        return (start + timedelta(seconds=self._last.t_start_s + self._last.exposure_s - first_s)).isoformat()


def verify_against_log(path: Path, logs: Frames) -> None:
    """Read every frame of a hold file back and compare it with what was received.

    Raises
    ------
    RecordError
        A frame is missing, or differs.
    """
    with h5py.File(path, "r") as file:
        detector = file["entry/instrument/detector"]
        frames, table = detector["data"], [detector[column.name][()] for column in COLUMNS]
        if len(frames) != logs.rows:
            raise RecordError(f"{path} has {len(frames)} frames instead of {logs.rows}; its logs are kept")
        for first in range(0, len(frames), TILE_FRAMES):
            for row, pixels in enumerate(frames[first : first + TILE_FRAMES], start=first):
                _compare(path, row, pixels, table, logs.header(row))


def _compare(path: Path, row: int, pixels: npt.NDArray[Any], table: list[Any], header: FrameHeader) -> None:
    if crc32(pixels.data) != header.crc32:
        raise RecordError(
            f"{path}: frame {row} reads back damaged; its log is kept, `annealscope analyze` reads it"
        )
    for column, values in zip(COLUMNS, table, strict=True):
        if not np.array_equal(values[row], np.asarray(column.value(header), column.dtype), equal_nan=True):
            raise RecordError(
                f"{path}: {column.name} of frame {row} reads back as {values[row]}; its log is kept"
            )
