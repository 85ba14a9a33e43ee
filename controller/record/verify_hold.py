"""Checks one hold: every frame against its checksum, every number against the others."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import h5py
import numpy as np
import numpy.typing as npt

from annealscope.controller.record.accounting import Span, account, spans_of
from annealscope.controller.record.columns import COLUMNS, EVENTS
from annealscope.controller.record.findings import Finding, Severity
from annealscope.controller.record.framelog import RecordError, header_checksum
from annealscope.controller.record.holdlogs import all_logs, log_paths
from annealscope.controller.record.results import UNREADABLE
from annealscope.controller.record.runfolder import is_closed
from annealscope.controller.record.salvage import SalvagedLogs
from annealscope.controller.record.story import HoldStory
from annealscope.controller.record.tiles import TILE_FRAMES
from annealscope.controller.stream.messages import FrameHeader

Table = Mapping[str, npt.NDArray[Any]]
"""The columns of the frame table by name."""


@dataclass(frozen=True)
class _Contents:
    """What the tables of a hold say."""

    table: Table
    lost: list[Span]
    segments: list[tuple[int, int]]
    """(number, first_seq); empty when that is not known."""


Checking = Generator[Finding, None, _Contents | None]
"""Yields what is wrong, and returns what the tables say; None when they cannot be read."""


def check_hold(stem: Path, story: HoldStory | None, running: bool) -> Iterator[Finding]:
    """Yield what is wrong with a hold.

    Parameters
    ----------
    stem
        Path of the hold without suffix.
    story
        What the journal says of it; None when there is no journal, or nothing in it.
    running
        Its run goes on: the log of an open hold may grow, and need not be complete.
    """
    path = stem.with_name(f"{stem.name}.nxs")
    if log_paths(stem):
        contents = yield from _check_logs(stem, story, running)
        if not running:
            yield Finding(path, _unfinished(path), "unfinished")
    else:
        for log in all_logs(stem):
            yield Finding(log, "is left over: its hold is closed; repair deletes it", "unfinished")
        contents = yield from check_file(path)
    if contents is not None:
        yield from _check_order(path, contents)
        yield from _check_account(path, contents, story, bool(log_paths(stem)))


def _unfinished(path: Path) -> str:
    if is_closed(path):
        return "is complete, but was not read back, and its logs lie beside it; repair does the rest"
    return "was never closed: its frames are in the frame logs; nothing is lost"


# ---------------------------------------------------------------------- frame logs


def _check_logs(stem: Path, story: HoldStory | None, running: bool) -> Checking:
    try:
        logs = SalvagedLogs(stem)
    except RecordError as error:
        yield Finding(log_paths(stem)[0], str(error), "damage")
        return None
    logs.close()
    yield from (finding for finding in logs.findings if not running or finding.severity == "damage")
    losses = [] if story is None else story.losses
    lost = [Span(loss.first_seq, loss.first_seq + loss.frames) for loss in losses]
    table = {
        column.name: np.array([column.value(header) for header in logs.headers], column.dtype)
        for column in COLUMNS
        if column.name not in ("scan_position", "haadf", "shift_applied")
    }
    return _Contents(table, lost, [])


# ---------------------------------------------------------------------- hold file


def check_file(path: Path) -> Checking:
    """Yield what is wrong with a hold file by itself, return its tables; None when they cannot be read."""
    if not path.exists():
        yield Finding(path, "is missing", "damage")
        return None
    try:
        with h5py.File(path, "r") as file:
            detector = file["entry/instrument/detector"]
            contents = _read_tables(detector)
            yield from _check_frames(path, detector["data"], contents.table)
            yield from _check_headers(path, contents.table)
            yield from _check_others(path, file)
            if "entry/end_time" not in file:
                yield Finding(path, "was never closed, and its frame logs are gone", "damage")
    except Exception as error:  # what is damaged makes HDF5 raise about anything
        yield Finding(path, f"cannot be read as a hold file: {_in_short(error)}", "damage")
        return None
    return contents


def _read_tables(detector: h5py.Group) -> _Contents:
    if "header_crc32" not in detector:
        raise RecordError("written by an earlier version, its tables have no checksum; `analyze` reads it")
    table = {column.name: detector[column.name][()] for column in COLUMNS}
    lost, segments = (
        {column.name: detector[name][column.name][()] for column in EVENTS[name]}
        for name in ("lost", "segments")
    )
    lengths = {len(values) for values in (*table.values(), detector["data"])}
    if len(lengths) > 1:
        raise RecordError(f"its tables have different lengths: {sorted(lengths)}")
    return _Contents(
        table,
        [Span(int(a), int(a + n)) for a, n in zip(lost["first_seq"], lost["frames"], strict=True)],
        [(int(n), int(a)) for n, a in zip(segments["segment"], segments["first_seq"], strict=True)],
    )


def _check_frames(path: Path, frames: h5py.Dataset, table: Table) -> Iterator[Finding]:
    different: list[int] = []
    expected = table["crc32"]
    for first in range(0, len(frames), TILE_FRAMES):
        rows = range(first, min(first + TILE_FRAMES, len(frames)))
        try:
            block = frames[rows.start : rows.stop]
        except UNREADABLE as error:  # a tile that does not inflate, or is not there
            span = Span(int(table["seq"][first]), int(table["seq"][rows.stop - 1]) + 1)
            yield Finding(path, f"{span} cannot be read: {_in_short(error)}", "damage")
            continue
        found = [crc32(pixels.data) for pixels in block]
        different += [row for row, checksum in zip(rows, found, strict=True) if checksum != expected[row]]
    for span in spans_of(table["seq"][different]):
        yield Finding(path, f"{span}: the pixels do not match their checksum", "damage")


def _check_headers(path: Path, table: Table) -> Iterator[Finding]:
    different = [
        row for row, checksum in enumerate(table["header_crc32"]) if _checksum(table, row) != checksum
    ]
    for span in spans_of(table["seq"][different]):
        yield Finding(path, f"{span}: the numbers in the tables do not match their checksum", "damage")


def _checksum(table: Table, row: int) -> int | None:
    """Return the checksum of what the tables say of a frame; None when no frame can have such numbers."""
    scan, haadf = table["scan_position"][row], table["haadf"][row]
    try:
        return header_checksum(
            FrameHeader(
                hold=0,
                seq=table["seq"][row],
                slot=table["slot"][row],
                segment=table["segment"][row],
                t_start_s=table["frame_time"][row],
                exposure_s=table["count_time"][row],
                lost_before=table["lost_before"][row],
                shape=(1, 1),  # stands for any: the log says it once for all frames
                dtype="|u1",
                crc32=table["crc32"][row],
                shift_applied_nm=tuple(table["shift_applied"][row]),
                beam_on=table["valid"][row],
                scan_yx_nm=None if np.isnan(scan).any() else tuple(scan),
                haadf=None if np.isnan(haadf) else haadf,
            )
        )
    except (RecordError, ValueError):
        return None


def _check_others(path: Path, file: h5py.File) -> Iterator[Finding]:
    """Read everything but the frames: checksums and compression show damage, too."""
    found: list[h5py.Dataset] = []
    file.visititems(lambda name, node: found.append(node) if isinstance(node, h5py.Dataset) else None)
    frames = file["entry/instrument/detector/data"]
    for dataset in (other for other in found if other != frames):
        try:
            dataset[()]
        except UNREADABLE as error:
            yield Finding(path, f"{dataset.name} cannot be read: {_in_short(error)}", "damage")


# ---------------------------------------------------------------------- numbers


def _check_order(path: Path, contents: _Contents) -> Iterator[Finding]:
    """Counters and times only go up, within the segments that were begun."""
    table = contents.table
    seq, segment = table["seq"], table["segment"]
    steps, same = np.diff(seq, prepend=-1), np.diff(segment, prepend=segment[:1]) == 0
    same[:1] = False
    faults = {
        "its number is not above the one before": steps < 1,
        "more were lost before it than its number leaves": table["lost_before"] > steps - 1,
        "it began before the frame before it": np.diff(table["frame_time"], prepend=-np.inf) < 0,
        "its segment is below the one before": np.diff(segment, prepend=0) < 0,
        "its slot is not above the one before": same & (np.diff(table["slot"], prepend=-1) < 1),
        "its slot is below 0": table["slot"] < 0,
        "its segment is not the one that was begun": _wrong_segment(contents),
    }
    for fault, rows in faults.items():
        if rows.any():
            row = int(np.argmax(rows))
            others = f", and {rows.sum() - 1} more" if rows.sum() > 1 else ""
            yield Finding(path, f"frame {seq[row]} (row {row}{others}): {fault}", "damage")


def _wrong_segment(contents: _Contents) -> npt.NDArray[np.bool_]:
    """Say of which frames the table of segments says something else."""
    segment = contents.table["segment"]
    if not contents.segments:
        return np.zeros(len(segment), dtype=bool)
    numbers, first_seq = np.array(contents.segments).T
    place = np.searchsorted(first_seq, contents.table["seq"], side="right") - 1
    return np.asarray(np.where(place < 0, -1, numbers[place]) != segment)


def _check_account(
    path: Path, contents: _Contents, story: HoldStory | None, crashed: bool
) -> Iterator[Finding]:
    """Every number is exactly one of recorded or lost; the journal counts as many."""
    recorded = spans_of(contents.table["seq"])
    missing, twice = account([*recorded, *contents.lost])
    kind: Severity = "unfinished" if crashed else "damage"
    for span in missing:
        yield Finding(path, f"{span}: neither recorded nor lost", kind)
    for span in twice:
        yield Finding(path, f"{span}: recorded or lost more than once", "damage")
    end = max((span.end for span in (*recorded, *contents.lost)), default=0)
    if story is not None and end <= story.durable_seq:
        span = Span(end, story.durable_seq + 1)
        yield Finding(path, f"{span}: acknowledged as recorded, but not there", "damage")
    if story is not None and story.closed is not None and not crashed:
        yield from _compare_counts(path, contents, story.closed)


def _compare_counts(path: Path, contents: _Contents, closed: Mapping[str, Any]) -> Iterator[Finding]:
    found = {"frames": len(contents.table["seq"]), "lost": sum(_lengths(contents.lost))}
    for name, count in found.items():
        if closed.get(name, count) != count:
            what = f"{name}: {count} in the file, {closed[name]} in the journal when the hold was closed"
            yield Finding(path, what, "damage")


def _lengths(spans: Iterable[Span]) -> Iterator[int]:
    return (span.end - span.first for span in spans)


def _in_short(error: Exception) -> str:
    """Return the first line of what HDF5 says."""
    return (str(error).splitlines() or [type(error).__name__])[0]
