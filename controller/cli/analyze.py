"""`annealscope analyze`: which holds, where the results go, and one line about each."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from annealscope.analysis.values import InvalidData, Results
from annealscope.controller.cli.analyze_options import AnalyzeOptions
from annealscope.controller.cli.analyze_progress import FrameProgress
from annealscope.controller.cli.rows import FailedRow, Row, row_of
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.offline.analyze import compute, largest_difference
from annealscope.controller.offline.crosshold import write_run_file
from annealscope.controller.offline.sources import Source, hold_source, stack_source
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import log_paths
from annealscope.controller.record.holdreader import hold_stem
from annealscope.controller.record.results import (
    Entry,
    add_results,
    check_replaceable,
    read_results,
    room_to_add,
    write_results_file,
)
from annealscope.controller.record.runfolder import open_run
from annealscope.controller.stream.wire import results_to_entries

SAME_TO = 1e-5
"""Largest relative difference that another machine or library version may make."""


WHOLE = AnalyzeOptions()


def analyze_record(path: Path, output: Path | None, options: AnalyzeOptions = WHOLE) -> Iterator[Row]:
    """Analyse the holds of a run folder, or one hold file. Raises RunError, InvalidData."""
    _check_options(path, output, options)
    _check_has_frames(path)
    holds = _holds_below(path) if path.is_dir() else [path]
    if output is not None and len(holds) > 1:
        message = f"-o takes the results of one hold, {path} has {len(holds)}; name one of {holds[0].parent}"
        raise RunError(message, ExitCode.USAGE)
    if output is not None:
        check_replaceable(output)
    for hold in holds:
        try:
            yield _analyze_hold(hold, output, options)
        except InvalidData as error:
            if len(holds) == 1:
                raise
            yield FailedRow(hold.stem, str(error))
    if output is None and path.is_dir():
        _tie_together(path)


def _check_options(path: Path, output: Path | None, options: AnalyzeOptions) -> None:
    """Refuse what a hold says itself, and results of a part that would stand in for those of the hold."""
    if options.of_stacks:
        message = f"{options.of_stacks}: only for stacks of other programs; {path} says it itself"
        raise RunError(message, ExitCode.USAGE)
    if options.of_parts and output is None:
        message = (
            f"{options.of_parts}: these results are never those of {path} as a whole; name a file with -o"
        )
        raise RunError(message, ExitCode.USAGE)


def _check_has_frames(path: Path) -> None:
    """Refuse a file of results, which looks like a hold to whoever has only its name."""
    with suppress(RecordError):
        check_replaceable(path)
        if path.exists():
            message = f"{path} has results and no frames; give the hold or the movie that they are of"
            raise RunError(message, ExitCode.INVALID_INPUT)


def _analyze_hold(hold: Path, output: Path | None, options: AnalyzeOptions) -> Row:
    with hold_source(hold, options.selection(), exact=options.exact) as source:
        results = _compute(source, hold.stem) | source.given
    return row_of(hold.stem, results, _deliver(hold, list(results_to_entries(results)), output))


def analyze_stack(source: str, output: Path | None, options: AnalyzeOptions) -> Iterator[Row]:
    """Analyse anybody's frames. Raises RunError, InvalidData."""
    path = Path(source.partition("::")[0])
    target = output or Path(f"{path.stem}.results.nxs")
    _check_target(target, path)
    with stack_source(source, options.scale(), options.selection(), exact=options.exact) as opened:
        results = _compute(opened, path.name) | opened.given
    write_results_file(target, results_to_entries(results), source)
    remark = f"{opened.remark}; " if opened.remark else ""
    yield row_of(source, results, f"{remark}results in {target}")


def _compute(source: Source, title: str) -> Results:
    with FrameProgress(title) as progress:
        return compute(source, progress)


def _check_target(target: Path, source: Path) -> None:
    check_replaceable(target)
    if target.exists() and target.samefile(source):
        raise RunError(
            f"{target} has the frames: results never replace data; give another -o", ExitCode.USAGE
        )


def _tie_together(folder: Path) -> None:
    """Make ``run.nxs`` again; a run folder that cannot be written keeps the one it has."""
    run = open_run(folder)
    if not run.is_running():
        with suppress(OSError, RecordError):
            write_run_file(run)


def _holds_below(folder: Path) -> list[Path]:
    holds = [hold.path for hold in open_run(folder).holds()]
    if not holds:
        raise RunError(f"{folder} has no holds yet: nothing was acquired", ExitCode.INVALID_INPUT)
    return holds


def _deliver(hold: Path, entries: list[Entry], output: Path | None) -> str:
    """Put the results where they belong, and say where that is."""
    if output is not None:
        write_results_file(output, entries, hold.stem)
        return f"results in {output}"
    if log_paths(hold_stem(hold)):
        return f"the hold was never closed; {_write_beside(hold, entries)}"
    there = read_results(hold)
    if there:
        return _comparison(largest_difference(_arrays(entries), _arrays(there)))
    return _fill_in(hold.resolve(), entries)


def _fill_in(hold: Path, entries: list[Entry]) -> str:
    if not os.access(hold, os.W_OK):
        return f"the hold file is write-protected; {_write_beside(hold, entries)}"
    if not room_to_add(hold, entries):
        return f"too little room on the disk for a new hold file; {_write_beside(hold, entries)}"
    add_results(hold, entries)
    return "the results were missing, now they are in the file"


def _write_beside(hold: Path, entries: list[Entry]) -> str:
    beside = hold.with_name(f"{hold.stem}.results.h5")
    write_results_file(beside, entries, hold.stem)
    return f"results in {beside}"


def _comparison(difference: float) -> str:
    if difference == 0.0:
        return "the same numbers as in the file, bit for bit"
    if difference <= SAME_TO:
        return f"the same numbers as in the file within {difference:.1e}"
    return f"NOT the numbers in the file: they differ by up to {difference:.1e} of the largest value"


def _arrays(entries: list[Entry]) -> dict[str, Any]:
    return {part.path: array for part, array in entries}
