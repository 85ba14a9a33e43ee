"""What a run folder says, read again from the formats in ``docs/files.md``: no line of annealscope is used.

Whoever wrote a mistake would read it back without noticing. So journal, frame logs and hold files are
parsed here a second time, with nothing but the standard library, NumPy and h5py.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

LOG_PREAMBLE = struct.Struct("<8sIII")
LOG_HEADER = struct.Struct("<HHIIIdddffffHH")
LOG_HEADER_BYTES = 64
LOG_NAME = re.compile(r"(?P<hold>.+)\.(?P<number>\d{3})\.frames")


@dataclass(frozen=True)
class FrameRow:
    """What is recorded of one frame."""

    seq: int
    slot: int
    segment: int
    t_start_s: float
    crc32: int
    """Of the pixels as they were received; equal to that of the pixels that are there."""


@dataclass
class HoldRecord:
    """One acquisition, from its hold file or from its logs."""

    name: str
    period_s: float
    frames: list[FrameRow] = field(default_factory=list)
    lost: list[tuple[int, int, str]] = field(default_factory=list)
    """(first number, frames, reason)."""
    segments: list[tuple[int, int]] = field(default_factory=list)
    """(number, first frame)."""
    closed: bool = False
    problems: list[str] = field(default_factory=list)
    """What does not have the checksum it should have."""


# ---------------------------------------------------------------------- journal


def journal_lines(path: Path) -> list[dict[str, Any] | None]:
    """Return the record of every line; None for one whose checksum does not hold."""
    if not path.exists():
        return []
    return [_journal_record(line) for line in path.read_bytes().splitlines(keepends=True)]


def journal(path: Path) -> list[dict[str, Any]]:
    """Return the records up to the first line that does not hold."""
    records = []
    for record in journal_lines(path):
        if record is None:
            break
        records.append(record)
    return records


def _journal_record(line: bytes) -> dict[str, Any] | None:
    match = re.fullmatch(rb'(\{.*), "crc": "([0-9a-f]{8})"\}\n', line, re.DOTALL)
    if match is None or zlib.crc32(match[1] + b"}") != int(match[2], 16):
        return None
    record: dict[str, Any] = json.loads(line)
    return record


# ---------------------------------------------------------------------- frame logs


def log_rows(path: Path) -> Iterator[FrameRow]:
    """Yield the intact frames of a log, whatever lies between them."""
    data = path.read_bytes()
    opening = log_opening(data)
    if opening is None:
        return
    first, record_bytes = _layout(data, opening)
    for start in range(first, len(data) - record_bytes + 1, record_bytes):
        row = _frame_row(data[start : start + record_bytes])
        if row is not None:
            yield row


def log_opening(data: bytes) -> dict[str, Any] | None:
    """Return what a log says of its hold; None when its beginning is damaged."""
    if len(data) < LOG_PREAMBLE.size:
        return None
    magic, version, length, checksum = LOG_PREAMBLE.unpack_from(data)
    text = data[LOG_PREAMBLE.size : LOG_PREAMBLE.size + length]
    if (magic, version) != (b"ASFRAMES", 1) or zlib.crc32(text) != checksum:
        return None
    opening: dict[str, Any] = json.loads(text)
    return opening


def rows_by_size(path: Path) -> int:
    """Return how many frames a log has room for, without a look at them."""
    with path.open("rb") as log:
        head = log.read(LOG_PREAMBLE.size)
        head += log.read(LOG_PREAMBLE.unpack(head)[2]) if len(head) == LOG_PREAMBLE.size else b""
    opening = log_opening(head)
    if opening is None:
        return 0
    first, record_bytes = _layout(head, opening)
    return max(0, path.stat().st_size - first) // record_bytes


def _layout(data: bytes, opening: dict[str, Any]) -> tuple[int, int]:
    """Return (position of the first frame, bytes of a frame with its header)."""
    camera = opening["camera"]
    pixels_bytes = int(np.prod(camera["shape"])) * np.dtype(camera["dtype"]).itemsize
    return _aligned(LOG_PREAMBLE.size + LOG_PREAMBLE.unpack_from(data)[2]), LOG_HEADER_BYTES + pixels_bytes


def _frame_row(record: bytes) -> FrameRow | None:
    header, (checksum,) = record[: LOG_HEADER.size], struct.unpack_from("<I", record, LOG_HEADER.size)
    fields = LOG_HEADER.unpack(header)
    intact = zlib.crc32(header) == checksum and fields[0] == 0xA5F1
    if not intact or zlib.crc32(record[LOG_HEADER_BYTES:]) != fields[4]:
        return None
    return FrameRow(seq=fields[2], slot=fields[3], segment=fields[13], t_start_s=fields[5], crc32=fields[4])


def _aligned(size: int) -> int:
    return -(-size // LOG_HEADER_BYTES) * LOG_HEADER_BYTES


# ---------------------------------------------------------------------- holds


def hold_names(run: Path) -> list[str]:
    """Return every hold that has left a file."""
    logs = {match["hold"] for path in run.glob("holds/*") if (match := LOG_NAME.fullmatch(path.name))}
    return sorted(logs | {path.stem for path in run.glob("holds/*.nxs")})


def read_hold(run: Path, name: str) -> HoldRecord:
    """Return what is recorded of a hold: its logs while the first of them is there, else its file."""
    logs = sorted(path for path in (run / "holds").glob(f"{name}.*.frames") if LOG_NAME.fullmatch(path.name))
    if logs and logs[0].name == f"{name}.000.frames":
        return _from_logs(name, logs)
    return _from_file(name, run / "holds" / f"{name}.nxs")


def _from_logs(name: str, logs: list[Path]) -> HoldRecord:
    opening = log_opening(logs[0].read_bytes())
    if opening is None:
        return HoldRecord(name, np.nan, problems=[f"{logs[0].name}: its beginning is damaged"])
    frames = sorted((row for path in logs for row in log_rows(path)), key=lambda row: row.seq)
    return HoldRecord(name, opening["period_s"], frames)


def _from_file(name: str, path: Path) -> HoldRecord:
    try:
        with h5py.File(path, "r") as file:
            return _from_entry(name, file["entry"])
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        return HoldRecord(name, np.nan, problems=[f"{path.name} cannot be read: {error}"])


def _from_entry(name: str, entry: h5py.Group) -> HoldRecord:
    detector = entry["instrument/detector"]
    hold = HoldRecord(name, json.loads(entry["instrument/open_hold"][()])["period_s"])
    names = ("seq", "slot", "segment", "frame_time", "crc32")
    columns = [detector[column][()] for column in names]
    hold.frames = [
        FrameRow(int(a), int(b), int(c), float(d), int(e)) for a, b, c, d, e in zip(*columns, strict=True)
    ]
    hold.problems = [*_wrong_pixels(detector, hold.frames), *_wrong_headers(detector)]
    lost, segments = detector["lost"], detector["segments"]
    losses = zip(lost["first_seq"][()], lost["frames"][()], lost["reason"].asstr()[()], strict=True)
    hold.lost = [(int(first), int(count), str(why)) for first, count, why in losses]
    begun = zip(segments["segment"][()], segments["first_seq"][()], strict=True)
    hold.segments = [(int(number), int(first)) for number, first in begun]
    hold.closed = "end_time" in entry
    return hold


def _wrong_pixels(detector: h5py.Group, rows: list[FrameRow]) -> Iterator[str]:
    frames = detector["data"]
    if len(frames) != len(rows):
        yield f"{len(frames)} frames, but {len(rows)} rows in the tables"
    for place, row in enumerate(rows[: len(frames)]):
        if zlib.crc32(np.ascontiguousarray(frames[place]).data) != row.crc32:
            yield f"frame {row.seq}: its pixels do not have their checksum"


def _wrong_headers(detector: h5py.Group) -> Iterator[str]:
    """Pack what the tables say of each frame as the log does, and hold it against the header's checksum."""
    names = ("valid", "seq", "slot", "crc32", "frame_time", "shift_applied", "count_time", "scan_position")
    names = (*names, "haadf", "lost_before", "segment", "header_crc32")
    for values in zip(*(detector[column][()] for column in names), strict=True):
        valid, seq, slot, crc, t_s, shift, count_s, scan, haadf, before, segment, checksum = values
        packed = LOG_HEADER.pack(
            *(0xA5F1, int(valid), int(seq), int(slot), int(crc), t_s, *shift, count_s, *scan, haadf),
            *(min(int(before), 0xFFFF), int(segment)),
        )
        if zlib.crc32(packed) != checksum:
            yield f"frame {seq}: what the tables say of it does not have its checksum"
