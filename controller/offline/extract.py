"""The beginning of a movie, analysed as a record of its own; the results are kept."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

from annealscope.analysis.values import InvalidData, Result
from annealscope.controller.offline.analyze import compute
from annealscope.controller.offline.selection import Selection, Span
from annealscope.controller.offline.sources import hold_source
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.results import UNREADABLE, write_results_file
from annealscope.controller.stream.wire import results_to_entries

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Beginning:
    """The first part of a movie, as its frame table has it."""

    frames: int
    segment_slots: tuple[int, ...]
    """Places on the time grid from the first to the last frame of each segment."""

    segment_starts: tuple[int, ...]
    """First slot of each segment, counted from the first one."""

    lost: int
    """Frames that the camera counted and that are not there."""


def first_movie(holds: Path) -> Path | None:
    """Return the first hold file of a folder that is a movie; None when there is none that can be read."""
    return next((path for path in sorted(holds.glob("*.nxs")) if _is_movie(path)), None)


def _is_movie(hold: Path) -> bool:
    try:
        with h5py.File(hold, "r") as file:
            return bool(file["entry"].attrs.get("method", "ecm") == "ecm")
    except UNREADABLE:
        return False


def beginning(hold: Path, span_s: float) -> Beginning:
    """Return what a closed hold has in its first ``span_s``.

    Raises
    ------
    RecordError
        The hold cannot be read.
    InvalidData
        It is not longer than that.
    """
    try:
        with h5py.File(hold, "r") as file:
            table = file["entry/instrument/detector"]
            seq, slot, segment, time_s = (table[key][()] for key in ("seq", "slot", "segment", "frame_time"))
    except UNREADABLE as error:
        raise RecordError(f"the frame times of {hold} cannot be read: {error}") from None
    if len(time_s) < 2:
        raise InvalidData(f"{hold} has {len(time_s)} frames: there is no part to take")
    t_s = time_s - time_s[0]
    period_s = float(np.median(np.diff(t_s)))
    if t_s[-1] + 2 * period_s < span_s:
        raise InvalidData(
            f"{hold} is {t_s[-1] + period_s:.0f} s long: an extract must be a part of it, got {span_s:g} s"
        )
    # Frames begin on a grid, give or take: half a period tells the last one inside from the next.
    n = int(np.searchsorted(t_s, span_s - period_s / 2))
    members = [np.flatnonzero(segment[:n] == number) for number in np.unique(segment[:n])]
    return Beginning(
        frames=n,
        segment_slots=tuple(int(np.ptp(slot[rows])) + 1 for rows in members),
        segment_starts=tuple(round(t_s[rows[0]] / period_s) for rows in members),
        lost=int(seq[n - 1] - seq[0]) + 1 - n,
    )


def extract_path(hold: Path, span_s: float, folder: Path) -> Path:
    """Return where the results of an extract are kept: another name when the hold or the program changes."""
    stat = hold.stat()
    key = f"{hold.resolve()} {stat.st_size} {stat.st_mtime_ns} {span_s!r} {version('annealscope')}"
    return folder / f"{_stem(hold, span_s)}_{hashlib.sha256(key.encode()).hexdigest()[:12]}.results.nxs"


def _stem(hold: Path, span_s: float) -> str:
    return f"{hold.parent.parent.name}_{hold.stem}_{span_s:g}s"


def make_extract(hold: Path, span_s: float, folder: Path, progress: Progress) -> Path:
    """Analyse the first ``span_s`` of a closed hold, as ``annealscope analyze --frames`` does.

    Parameters
    ----------
    hold
        A hold file with a movie.
    folder
        Where the results are kept; what is there already is not computed again.
    progress
        Told (frames done, frames in all).

    Returns
    -------
    Path of the file of results.

    Raises
    ------
    RecordError, InvalidData
        The hold cannot be read, or has no such part.
    """
    target = extract_path(hold, span_s, folder)
    if target.is_file():
        return target
    first = beginning(hold, span_s)
    with hold_source(hold, Selection(frames=Span(0, first.frames))) as source:
        results = compute(source, progress) | source.given
    results |= {"extract": Result(None, attrs={"span_s": span_s, "hold": hold.stem} | asdict(first))}
    folder.mkdir(parents=True, exist_ok=True)
    write_results_file(target, results_to_entries(results), f"{hold.stem}, first {span_s:g} s")
    for stale in folder.glob(f"{_stem(hold, span_s)}_*.results.nxs"):
        if stale != target:
            stale.unlink()
    return target
