"""`verify`: reads a whole record and says what is wrong with it; changes nothing."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import h5py

from annealscope.controller.journal import read_lines
from annealscope.controller.record.findings import Finding
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import all_logs
from annealscope.controller.record.holdreader import hold_stem
from annealscope.controller.record.results import UNREADABLE
from annealscope.controller.record.runfolder import RunFolder, open_run
from annealscope.controller.record.story import HoldStory, stories
from annealscope.controller.record.verify_hold import check_hold
from annealscope.controller.record.verify_journal import check_journal

CheckHolds = Callable[[Iterable[Path]], Iterable[Finding]]
"""Checks holds, by the paths of their files."""


def verify(path: Path) -> list[Finding]:
    """Check a run folder, or one hold of it.

    Every frame is compared with the checksum that it was received with, in hold files and frame logs; every
    number of the camera is recorded or lost, once; the tables and the journal agree; what is named is there.

    Parameters
    ----------
    path
        A run folder, a hold file, or one of its frame logs.

    Returns
    -------
    list of Finding
        Empty for a record that is complete and undamaged.

    Raises
    ------
    RecordError
        It is neither.
    """
    return list(check_run(open_run(path), _check_here) if path.is_dir() else _check_one(path))


def check_run(run: RunFolder, check_holds: CheckHolds) -> Iterator[Finding]:
    """Yield what is wrong with a run; the holds are checked by the function that is given."""
    running = run.is_running()
    lines = read_lines(run.journal)
    yield from check_journal(run.journal, lines, running)
    yield from _check_inputs(run)
    yield from _check_links(run)
    yield from _check_presence(run, stories(record for record in lines if record is not None))
    yield from check_holds([hold.path for hold in run.holds()])
    yield from _check_leftovers(run, running)


def _check_here(paths: Iterable[Path]) -> Iterator[Finding]:
    for path in paths:
        yield from _check_one(path)


def _check_one(path: Path) -> Iterator[Finding]:
    stem = hold_stem(path.resolve())
    if not path.exists() and not all_logs(stem):
        raise RecordError(f"{path} is neither a run folder nor a hold: there is no such file")
    if not all_logs(stem) and path.suffix != ".nxs":
        raise RecordError(f"{path} is neither a run folder, nor a hold file, nor a frame log")
    run = RunFolder(stem.parent.parent)
    records = (record for record in read_lines(run.journal) if record is not None)
    yield from check_hold(stem, stories(records).get(stem.name), run.is_running())


def _check_inputs(run: RunFolder) -> Iterator[Finding]:
    """The plan reads, and the protocol is the one that the holds have in them."""
    for path in (run.protocol, run.plan, run.rig, run.environment):
        if not path.exists():
            yield Finding(path, "is missing", "notice")
    for path in (run.plan, run.environment):
        try:
            json.loads(path.read_bytes() if path.exists() else b"{}")
        except (ValueError, RecursionError):
            yield Finding(path, "is damaged: it is no JSON", "damage")
    for hold in run.holds():
        if (digest := _protocol_digest(hold.path)) and run.protocol.exists():
            if hashlib.sha256(run.protocol.read_bytes()).hexdigest() != digest:
                yield Finding(run.protocol, f"is not the protocol of {hold.path.name} any more", "damage")
            return


def _protocol_digest(hold: Path) -> str:
    try:
        with h5py.File(hold, "r") as file:
            return str(file["entry/protocol/sha256"].asstr()[()])
    except UNREADABLE:  # the hold itself is checked elsewhere
        return ""


def _check_links(run: RunFolder) -> Iterator[Finding]:
    if not run.run_file.exists():
        yield Finding(run.run_file, "is missing: `annealscope analyze` makes it again", "unfinished")
        return
    try:
        with h5py.File(run.run_file, "r") as file:
            holds = file["entry/holds"]
            named = [holds.get(name, getlink=True).filename for name in holds]
    except (*UNREADABLE, AttributeError):
        yield Finding(run.run_file, "is damaged: `annealscope analyze` makes it again", "damage")
        return
    for name in named:
        if not (run.path / name).exists():
            yield Finding(run.path / name, "is missing: run.nxs has a link to it", "damage")


def _check_presence(run: RunFolder, told: Mapping[str, HoldStory]) -> Iterator[Finding]:
    """Every hold that the journal knows has left a file."""
    for name, story in told.items():
        path = run.hold_file(name)
        if path.exists() or all_logs(run.holds_folder / name):
            continue
        if story.closed is not None or story.durable_seq >= 0:
            yield Finding(path, f"is missing: the journal says that hold {story.hold} was recorded", "damage")
        else:
            what = "is missing: its hold was opened, and no frame of it was acknowledged"
            yield Finding(path, what, "notice")


def _check_leftovers(run: RunFolder, running: bool) -> Iterator[Finding]:
    for path in sorted(run.path.rglob("*.tmp")):
        if not running:
            yield Finding(path, "is left over: a copy that never took its place; repair deletes it", "notice")
    for path in sorted(run.holds_folder.glob("*.damaged")):
        yield Finding(path, "is a damaged frame log; what can be read of it is in the hold file", "notice")
    if run.live.exists() and not running:
        yield Finding(run.live, "is left over: the program that wrote it is gone", "notice")
