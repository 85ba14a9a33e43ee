"""`repair`: makes of what a crash has left a complete record. It only adds; raw frames are never changed."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from annealscope.controller.errors import ExitCode
from annealscope.controller.journal import read_lines
from annealscope.controller.record.findings import Action
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import all_logs
from annealscope.controller.record.repair_hold import repair_hold
from annealscope.controller.record.repair_journal import end_journal
from annealscope.controller.record.results import read_results
from annealscope.controller.record.runfolder import RunFolder, open_run, save_run_file
from annealscope.controller.record.story import HoldStory, stories


def repair(path: Path, dry_run: bool = False, keep: str | None = None) -> list[Action]:
    """Complete the record of a run whose program died.

    Holds that were never closed become hold files, made of their frame logs as recording does it, and closed
    with the reason ``crashed``; the journal gets the ends that are missing. Results are left to `analyze`.
    Doing it twice changes nothing more.

    Parameters
    ----------
    path
        The run folder.
    dry_run
        Only say what would be done.
    keep
        Name of a hold that is left as it is, because the run is about to go on with it.

    Returns
    -------
    list of Action
        What was done, and what was left because it cannot be repaired; empty for a complete record.

    Raises
    ------
    RecordError
        No run folder, or its run goes on.
    """
    run = open_run(path)
    if run.is_running():
        raise RecordError(f"the run in {run.path} is alive: nothing of it is repaired", ExitCode.USAGE)
    return list(_repair(run, dry_run, keep))


def _repair(run: RunFolder, dry_run: bool, keep: str | None) -> Iterator[Action]:
    told = stories(record for record in read_lines(run.journal) if record is not None)
    for name in (name for name in _unfinished(run) if name != keep):
        yield from repair_hold(run.holds_folder / name, told.get(name), dry_run)
    yield from _missing(run, told)
    yield from _tie_together(run, dry_run)
    yield from end_journal(run, told, dry_run)
    yield from _tidy(run, dry_run)


def _unfinished(run: RunFolder) -> list[str]:
    return [hold.name for hold in run.holds() if all_logs(run.holds_folder / hold.name)]


def _missing(run: RunFolder, told: Mapping[str, HoldStory]) -> Iterator[Action]:
    for name, story in told.items():
        path, recorded = run.hold_file(name), story.closed is not None or story.durable_seq >= 0
        if recorded and not path.exists() and not all_logs(run.holds_folder / name):
            yield Action(path, "left: its hold was recorded, but no file of it is there", done=False)


def _tie_together(run: RunFolder, dry_run: bool) -> Iterator[Action]:
    """Link the holds anew when ``run.nxs`` is older than one of them, or is not there."""
    files = [hold.path for hold in run.holds() if hold.path.exists()]
    if not _outdated(run, files):
        return
    if not dry_run:
        try:
            results = read_results(run.run_file)
        except RecordError:  # `analyze` makes them again
            results = []
        save_run_file(run, results)
    yield Action(run.run_file, "written anew, with a link to every hold")


def _outdated(run: RunFolder, files: list[Path]) -> bool:
    if not run.run_file.exists():
        return True
    return any(path.stat().st_mtime > run.run_file.stat().st_mtime for path in files)


def _tidy(run: RunFolder, dry_run: bool) -> Iterator[Action]:
    """Delete copies that never took their place, unless somebody is still writing them."""
    for path in sorted(run.path.rglob("*.tmp")):
        if _writer_is_alive(path):
            continue
        if not dry_run:
            path.unlink()
        yield Action(path, "deleted: a copy that never took its place")


def _writer_is_alive(path: Path) -> bool:
    """Say whether the process whose number is in the name of a temporary file is there."""
    number = path.suffixes[-2][1:] if len(path.suffixes) > 1 else ""
    return number.isdecimal() and int(number) != os.getpid() and psutil.pid_exists(int(number))
