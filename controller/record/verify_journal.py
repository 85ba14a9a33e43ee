"""Checks the journal: every line against its checksum, the numbers of the lines, one end for each part."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from annealscope.controller.journal import is_damaged
from annealscope.controller.record.findings import Finding
from annealscope.controller.record.story import Record

BEGINNINGS = ("run_started", "run_continued")


def check_journal(path: Path, lines: Sequence[dict[str, Any] | None], running: bool) -> Iterator[Finding]:
    """Yield what is wrong with a journal.

    Parameters
    ----------
    path
        The journal.
    lines
        Of `read_lines`.
    running
        Its run goes on, so that it has no end yet, and its last line may be half written.
    """
    if not lines:
        yield Finding(path, "there is no journal", "damage")
        return
    records = [record for record in lines if record is not None]
    yield from _check_lines(path, lines, running)
    yield from _check_numbers(path, lines)
    yield from _check_ends(path, records, running)


def has_end(records: Sequence[Record]) -> bool:
    """Say whether the newest part of the run has ended."""
    newest = next(
        (record for record in reversed(records) if record["kind"] in (*BEGINNINGS, "run_ended")), None
    )
    return newest is None or newest["kind"] == "run_ended"


def _check_lines(path: Path, lines: Sequence[Record | None], running: bool) -> Iterator[Finding]:
    bad = [number for number, line in enumerate(lines, start=1) if line is None]
    if is_damaged(lines):
        what = f"line {bad[0]} is damaged, and {len(lines) - bad[0]} lines come after it, which nothing reads"
        yield Finding(path, what, "damage")
    elif bad and not running:
        yield Finding(path, f"torn from line {bad[0]} on, as a crash leaves it", "notice")


def _check_numbers(path: Path, lines: Sequence[Record | None]) -> Iterator[Finding]:
    """A line that is missing, there twice, or in another place shows in the numbers."""
    for number, record in enumerate(lines):
        if record is not None and record["n"] != number:
            what = f"line {number + 1} has number {record['n']}, not {number}: lines are missing or moved"
            yield Finding(path, what, "damage")
            return


def _check_ends(path: Path, records: Sequence[Record], running: bool) -> Iterator[Finding]:
    """Each part of the run, from its start or from where it was continued, has one end."""
    part = ends = 0
    for record in records:
        if record["kind"] in BEGINNINGS:
            if part and not ends:
                yield Finding(path, f"part {part} of the run has no end: its program died", "notice")
            part, ends = part + 1, 0
        elif record["kind"] == "run_ended":
            ends += 1
            if ends == 2:
                yield Finding(path, f"part {part} of the run has more than one end", "damage")
    if not part:
        yield Finding(path, "the run has no beginning", "damage")
    elif not ends and not running:
        yield Finding(path, "the run has no end: its program died", "unfinished")
