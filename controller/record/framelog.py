"""The frame log: raw frames appended to one file, durable before they are acknowledged.

Layout, little endian: a preamble (magic, version, length and checksum of the JSON text that follows, which is
the `OpenHold` message), padded to a multiple of 64 bytes; then one record a frame, all of the same size: a
64-byte header that ends with its own checksum, and the raw pixels in C order. A record counts when both
checksums hold.
"""

import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.record.durable import sync_data, write_bytes_atomically
from annealscope.controller.stream.messages import FrameHeader, OpenHold

Pixels = npt.NDArray[Any]

VERSION = 1
ALIGNMENT = 64
SYNC_FRAMES = 16
SYNC_AFTER_S = 0.05

_PREAMBLE = struct.Struct("<8sIII")
_PREAMBLE_MAGIC = b"ASFRAMES"
_HEADER = struct.Struct("<HHIIIdddffffHH")
_CHECKSUM = struct.Struct("<I")
_HEADER_MAGIC = 0xA5F1
_BEAM_ON = 1
_MOST_LOST = 0xFFFF


class RecordError(RunError):
    """A record that cannot be written, or cannot be read as what it should be."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.INVALID_INPUT) -> None:
        super().__init__(message, exit_code)


class FrameLogWriter:
    """Appends frames to a new log; after any error it refuses everything.

    A disk that failed once may have dropped pages that it called written, so nothing is retried.

    Parameters
    ----------
    path
        File to create; must not exist.
    open_hold
        The message that opened the hold; every frame has its camera's shape and dtype.
    monotonic
        Real time in s, for the sync deadline.

    Raises
    ------
    RecordError
        The file exists already or cannot be written.
    """

    def __init__(
        self, path: Path, open_hold: OpenHold, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._dtype = np.dtype(open_hold.camera.dtype)
        self._shape = open_hold.camera.shape
        self._monotonic = monotonic
        self._pending = 0
        self._oldest_pending_s = 0.0
        self._broken = ""
        if path.exists():
            raise RecordError(
                f"{path} exists already; a log is never continued, the next one gets a new number"
            )
        with self._poison("create"):
            self._file = _create(path, _preamble(open_hold))

    def append(self, header: FrameHeader, pixels: Pixels) -> None:
        """Append one frame, shape and dtype as announced; durable only after `sync`. Raises RecordError."""
        if pixels.shape != tuple(self._shape) or pixels.dtype != self._dtype:
            raise RecordError(
                f"{self.path.name}: every frame of this hold is {_say(self._shape, self._dtype)}, "
                f"frame {header.seq} is {_say(pixels.shape, pixels.dtype)}; close the hold and open a new one"
            )
        packed = pack_header(header)
        with self._poison("append to"):
            self._write(packed)
            self._write(np.ascontiguousarray(pixels).data.cast("B"))
        if self._pending == 0:
            self._oldest_pending_s = self._monotonic()
        self._pending += 1

    def due_in_s(self) -> float | None:
        """Return how long the next `sync` may wait; 0 when it is due, None when nothing waits for one."""
        if self._pending == 0:
            return None
        if self._pending >= SYNC_FRAMES:
            return 0.0
        return max(0.0, self._oldest_pending_s + SYNC_AFTER_S - self._monotonic())

    def sync(self) -> None:
        """Return when every appended frame survives a power cut. Raises RecordError."""
        with self._poison("sync"):
            sync_data(self._file.fileno())
        self._pending = 0

    def close(self) -> None:
        """Close the file; does not sync."""
        self._file.close()

    def _write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest.nbytes:
            rest = rest[self._file.write(rest) :]

    @contextmanager
    def _poison(self, what: str) -> Iterator[None]:
        if self._broken:
            raise RecordError(self._broken)
        try:
            yield
        except OSError as error:
            self._broken = (
                f"cannot {what} {self.path}: {error.strerror or error}; the frames acknowledged so far are "
                "safe, nothing more goes into this file; free or change the disk, then restart the recorder"
            )
            raise RecordError(self._broken) from error


class FrameLogReader:
    """Reads a frame log by row; the log may still be growing.

    Raises
    ------
    RecordError
        No frame log, or its preamble is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise RecordError(f"cannot open frame log {path}: {error.strerror}") from error
        try:
            self.info, self._first_byte = self._read_preamble()
        except RecordError:
            self._file.close()
            raise
        camera = self.info.camera
        self._dtype = np.dtype(camera.dtype)
        self._shape = tuple(camera.shape)
        self._frame_bytes = int(np.prod(self._shape)) * self._dtype.itemsize
        self._row_bytes = ALIGNMENT + self._frame_bytes

    def __enter__(self) -> "FrameLogReader":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def rows(self) -> int:
        """Complete records in the file now; a torn one at the end does not count."""
        size = os.fstat(self._file.fileno()).st_size
        return max(0, size - self._first_byte) // self._row_bytes

    @property
    def torn(self) -> bool:
        """Say whether the file ends in the middle of a record."""
        size = os.fstat(self._file.fileno()).st_size
        return size < self._first_byte or (size - self._first_byte) % self._row_bytes != 0

    def read(self, row: int) -> tuple[FrameHeader, Pixels]:
        """Return one frame, shape and dtype of the camera.

        Raises
        ------
        RecordError
            There is no such row (yet), or a checksum says that it is damaged.
        """
        record = self._record(row, self._row_bytes)
        header = self._unpack(row, bytes(record[:ALIGNMENT]))
        pixels = memoryview(record)[ALIGNMENT:]
        if crc32(pixels) != header.crc32:
            raise self._damaged(row, f"checksum of the pixels (frame {header.seq}) does not match")
        return header, np.frombuffer(pixels, self._dtype).reshape(self._shape)

    def header(self, row: int) -> FrameHeader:
        """Return the header of one frame without its pixels; raises like `read`."""
        return self._unpack(row, bytes(self._record(row, ALIGNMENT)))

    def intact_rows(self) -> int:
        """Return how many records from the start on are undamaged; reads all of them."""
        for row in range(self.rows):
            try:
                self.read(row)
            except RecordError:
                return row
        return self.rows

    def close(self) -> None:
        """Close the file. Windows deletes no open file: close before the hold is closed."""
        self._file.close()

    def _read_preamble(self) -> tuple[OpenHold, int]:
        start = self._read_at(0, _PREAMBLE.size)
        if len(start) < _PREAMBLE.size or start[:8] != _PREAMBLE_MAGIC:
            raise RecordError(f"{self.path} is not a frame log: it does not start with {_PREAMBLE_MAGIC!r}")
        _, version, length, checksum = _PREAMBLE.unpack(start)
        if version != VERSION:
            raise RecordError(
                f"{self.path} is a frame log of version {version}; this program reads {VERSION}"
            )
        text = bytes(self._read_at(_PREAMBLE.size, length))
        if crc32(text) != checksum:
            raise RecordError(
                f"{self.path}: the preamble is damaged (checksum), so its frames cannot be read"
            )
        try:
            return OpenHold.model_validate_json(text), _aligned(len(start) + length)
        except ValueError as error:
            why = " ".join(str(error).split())[:200]
            raise RecordError(f"{self.path}: the preamble makes no sense: {why}") from None

    def _record(self, row: int, length: int) -> bytearray:
        if not 0 <= row < self.rows:
            raise RecordError(
                f"{self.path.name} has {self.rows} complete frames, row {row} is not among them"
            )
        return self._read_at(self._first_byte + row * self._row_bytes, length)

    def _read_at(self, position: int, length: int) -> bytearray:
        """Return up to ``length`` bytes, never more than there are, whatever a damaged length field says."""
        size = os.fstat(self._file.fileno()).st_size
        data = bytearray(max(0, min(length, size - position)))
        self._file.seek(position)
        done = 0
        while done < len(data) and (n := self._file.readinto(memoryview(data)[done:])):
            done += n
        return data

    def _unpack(self, row: int, packed: bytes) -> FrameHeader:
        try:
            return unpack_header(packed, self.info)
        except ValueError as error:
            raise self._damaged(row, str(error)) from None

    def _damaged(self, row: int, why: str) -> RecordError:
        return RecordError(f"{self.path.name}: row {row} is damaged: {why}")


def pack_header(header: FrameHeader) -> bytes:
    """Return the 64 bytes that stand before a frame's pixels.

    Times and shifts keep all their digits, because the analysis uses them; exposure, probe position and HAADF
    signal are stored in single precision; `lost_before` saturates at 65535 (`seq` tells the exact number).

    Raises
    ------
    RecordError
        A number does not fit its field.
    """
    scan_yx_nm = header.scan_yx_nm or (np.nan, np.nan)
    try:
        body = _HEADER.pack(
            _HEADER_MAGIC,
            _BEAM_ON if header.beam_on else 0,
            header.seq,
            header.slot,
            header.crc32,
            header.t_start_s,
            *header.shift_applied_nm,
            header.exposure_s,
            *scan_yx_nm,
            np.nan if header.haadf is None else header.haadf,
            min(header.lost_before, _MOST_LOST),
            header.segment,
        )
    except (struct.error, OverflowError) as error:
        raise RecordError(
            f"frame {header.seq} of hold {header.hold} does not fit the frame log: {error}"
        ) from None
    return body + _CHECKSUM.pack(crc32(body))


def header_checksum(header: FrameHeader) -> int:
    """Return the checksum of a frame's numbers, as it stands in its header in the log. Raises RecordError."""
    return int(_CHECKSUM.unpack(pack_header(header)[_HEADER.size :])[0])


def unpack_header(packed: bytes, info: OpenHold) -> FrameHeader:
    """Return the header that `pack_header` packed, with what its log says once for all. Raises ValueError."""
    body = packed[: _HEADER.size]
    if len(packed) != ALIGNMENT or _CHECKSUM.pack(crc32(body)) != packed[_HEADER.size :]:
        raise ValueError("checksum of the header does not match")
    magic, flags, seq, slot, checksum, t_start_s, dy, dx, exposure_s, scan_y, scan_x, haadf, lost, segment = (
        _HEADER.unpack(body)
    )
    if magic != _HEADER_MAGIC:
        raise ValueError(f"header starts with {magic:#06x}, not {_HEADER_MAGIC:#06x}")
    return FrameHeader(
        hold=info.hold,
        seq=seq,
        slot=slot,
        segment=segment,
        t_start_s=t_start_s,
        exposure_s=exposure_s,
        lost_before=lost,
        shape=info.camera.shape,
        dtype=np.dtype(info.camera.dtype).str,
        crc32=checksum,
        shift_applied_nm=(dy, dx),
        beam_on=bool(flags & _BEAM_ON),
        scan_yx_nm=None if np.isnan(scan_y) else (scan_y, scan_x),
        haadf=None if np.isnan(haadf) else haadf,
    )


def _create(path: Path, preamble: bytes) -> FileIO:
    """Return a new log open for appending; readers find it under its name only with a whole preamble."""
    write_bytes_atomically(path, preamble)
    return FileIO(path, "ab")


def _preamble(open_hold: OpenHold) -> bytes:
    text = open_hold.model_dump_json().encode()
    data = _PREAMBLE.pack(_PREAMBLE_MAGIC, VERSION, len(text), crc32(text)) + text
    return data.ljust(_aligned(len(data)), b"\0")


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _say(shape: tuple[int, ...], dtype: Any) -> str:
    return f"{' x '.join(map(str, shape))} {np.dtype(dtype)}"
