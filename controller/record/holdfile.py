"""The hold file: frames, logs and results of one acquisition in one NeXus file that every reader opens."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import h5py
import numpy as np
import numpy.typing as npt

from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import HoldLogs
from annealscope.controller.record.results import Entry, nexus_group, start_file, write_results
from annealscope.controller.record.tiles import (
    TILE_FRAMES,
    Compression,
    compresses,
    create_frames,
    write_tiles,
)
from annealscope.controller.stream.messages import FrameHeader, OpenHold, Reading
from annealscope.controller.units import ZERO_CELSIUS_K

Analysis = Literal["complete", "missing"]

LOG_CHUNK = 1024
LAZY_BLOCK_BYTES = 128 * 1024 * 1024
"""What a lazy reader should load at a time: one tile column of the frames, over as long a time as fits."""


@dataclass(frozen=True)
class Column:
    """One number, or pair of numbers, that is kept of every frame."""

    name: str
    dtype: str
    units: str
    value: Callable[[FrameHeader], Any]
    width: int = 1


COLUMNS = (
    Column("seq", "i8", "", lambda header: header.seq),
    Column("slot", "i8", "", lambda header: header.slot),
    Column("segment", "i8", "", lambda header: header.segment),
    Column("frame_time", "f8", "s", lambda header: header.t_start_s),
    Column("count_time", "f8", "s", lambda header: header.exposure_s),
    Column("valid", "?", "", lambda header: header.beam_on),
    Column("lost_before", "i8", "", lambda header: header.lost_before),
    Column("shift_applied", "f8", "nm", lambda header: header.shift_applied_nm, width=2),
    Column("scan_position", "f8", "nm", lambda header: header.scan_yx_nm or (np.nan, np.nan), width=2),
    Column("haadf", "f8", "", lambda header: np.nan if header.haadf is None else header.haadf),
    Column("crc32", "u4", "", lambda header: header.crc32),
)
"""The frame table, below ``/entry/instrument/detector``; pairs are (y, x)."""


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
        self._last: FrameHeader | None = None
        self._file = h5py.File(path, "w")
        self._entry = start_file(self._file, "hold", open_hold.title)
        self.frames = _write_tree(self._entry, open_hold, compression)
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
            _extend(detector[column.name], [column.value(header) for header in headers])
        nominal_s = (first + np.arange(len(headers))) * self._info.period_s
        _extend(self._entry["data/time"], nominal_s)
        self._last = headers[-1]
        self._flush()

    def add_reading(self, reading: Reading) -> None:
        """Keep a temperature; it is written with the next row of frames."""
        self._readings.append(reading)

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
            _extend(heater[log]["time"], [reading.t_s for reading in self._readings])
            _extend(heater[log]["value"], np.array(kelvin) - ZERO_CELSIUS_K)
        self._readings.clear()
        self._file.flush()

    def _end_utc(self) -> str:
        """Return the label of the last exposure's end, from the clock of the frames."""
        start = datetime.fromisoformat(self._info.start_utc)
        if self._last is None:
            return start.isoformat()
        first_s = float(self._entry["instrument/detector/frame_time"][0])
        return (start + timedelta(seconds=self._last.t_start_s + self._last.exposure_s - first_s)).isoformat()


def verify_against_log(path: Path, logs: HoldLogs) -> None:
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


def _write_tree(entry: h5py.Group, info: OpenHold, compression: Compression) -> h5py.Dataset:
    """Create everything that does not depend on the frames to come; return their dataset."""
    entry["entry_identifier"] = info.name
    entry["experiment_identifier"] = info.run
    entry["start_time"] = info.start_utc
    entry.attrs.update(default="data", analysis="missing")
    instrument = nexus_group(entry, "instrument", "NXinstrument")
    instrument["open_hold"] = info.model_dump_json()
    frames = _write_detector(nexus_group(instrument, "detector", "NXdetector"), info, compression)
    _write_heater(
        nexus_group(instrument, "heater", "NXsensor", setpoint_degC=info.setpoint_K - ZERO_CELSIUS_K)
    )
    _write_data(nexus_group(entry, "data", "NXdata"), info, frames)
    _write_sample(nexus_group(entry, "sample", "NXsample"), info.settings)
    if "protocol" in info.settings:
        _write_protocol(nexus_group(entry, "protocol", "NXnote"), info.settings["protocol"])
    return frames


def _write_detector(detector: h5py.Group, info: OpenHold, compression: Compression) -> h5py.Dataset:
    camera = info.camera
    dtype = np.dtype(camera.dtype)
    frame_bytes = camera.shape[0] * camera.shape[1] * dtype.itemsize
    deflated = compresses(compression, frame_bytes, info.period_s)
    frames = create_frames(detector, "data", camera.shape, dtype, deflated)
    frames.attrs.update(units="counts", interpretation="image", long_name="raw counts")
    for column in COLUMNS:
        _growing(detector, column.name, column.dtype, column.units, column.width)
    for name in ("y_pixel_size", "x_pixel_size"):
        _quantity(detector, name, camera.pixel_nm, "nm")
    _quantity(detector, "offset", camera.offset_counts, "counts")
    _quantity(detector, "gain", camera.gain_counts_per_e, "counts/e")
    return frames


def _write_heater(heater: h5py.Group) -> None:
    heater["measurement"] = "temperature"
    for name in ("value_log", "setpoint_log"):
        log = nexus_group(heater, name, "NXlog")
        _growing(log, "time", "f8", "s")
        _growing(log, "value", "f8", "degC")
    heater.attrs["default"] = "value_log"


def _write_data(data: h5py.Group, info: OpenHold, frames: h5py.Dataset) -> None:
    """Create the default plot; its time axis is nominal, because viewers want a uniform one."""
    data.attrs.update(signal="data", axes=["time", "y", "x"], interpretation="image")
    data.attrs.update(time_indices=0, y_indices=1, x_indices=2)
    data["data"] = frames
    _growing(data, "time", "f8", "s")
    for name, length in zip(("y", "x"), info.camera.shape, strict=True):
        _quantity(data, name, np.arange(length) * info.camera.pixel_nm, "nm")


def _write_sample(sample: h5py.Group, settings: dict[str, Any]) -> None:
    known = settings.get("sample", {})
    known = known if isinstance(known, dict) else {"name": known}
    truth = settings.get("truth")
    sample["name"] = str(known.get("name") or "unnamed")
    sample["is_simulation"] = truth is not None
    sample["description"] = json.dumps(known)
    if truth is not None:
        nexus_group(sample, "truth", "NXcollection", **truth)


def _write_protocol(note: h5py.Group, text: str) -> None:
    note["type"] = "application/yaml"
    note["data"] = text
    note["sha256"] = hashlib.sha256(text.encode()).hexdigest()


def _quantity(group: h5py.Group, name: str, value: Any, units: str) -> None:
    group[name] = value
    group[name].attrs["units"] = units


def _growing(group: h5py.Group, name: str, dtype: str, units: str, width: int = 1) -> None:
    tail = () if width == 1 else (width,)
    dataset = group.create_dataset(
        name, shape=(0, *tail), maxshape=(None, *tail), chunks=(LOG_CHUNK, *tail), dtype=dtype
    )
    if units:
        dataset.attrs["units"] = units


def _extend(dataset: h5py.Dataset, values: Any) -> None:
    first = len(dataset)
    if len(values):
        dataset.resize(first + len(values), axis=0)
        dataset[first:] = values
