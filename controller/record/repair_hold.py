"""Makes the hold file that a crash has prevented, of the frame logs that it has left."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from annealscope.controller.record.accounting import Span, account, spans_of
from annealscope.controller.record.derivation import Derivation, discard_logs, retire_logs
from annealscope.controller.record.findings import Action
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdfile import HoldWriter
from annealscope.controller.record.holdlogs import Frames, all_logs, log_paths
from annealscope.controller.record.results import SPARE_BYTES
from annealscope.controller.record.runfolder import is_closed
from annealscope.controller.record.salvage import SalvagedLogs
from annealscope.controller.record.story import HoldStory
from annealscope.controller.record.verify_hold import check_file
from annealscope.controller.stream.messages import Lost, NewSegment, Reading
from annealscope.controller.stream.retold import Note

CRASHED = "crashed"
"""Why a hold has no more frames."""
NOT_ON_DISK = "they were not on the disk when the program died"
DAMAGED = "damaged in the frame log"
UNKNOWN = "not known: nothing was written about it"


def repair_hold(stem: Path, story: HoldStory | None, dry_run: bool) -> Iterator[Action]:
    """Close a hold that has frame logs; yield what was done.

    Parameters
    ----------
    stem
        Path of the hold without suffix.
    story
        What the journal says of it: temperatures, breaks and losses.
    dry_run
        Only say what would be done.
    """
    path = stem.with_name(f"{stem.name}.nxs")
    try:
        if not log_paths(stem) and is_closed(path):
            yield _drop_leftovers(path, stem, dry_run)
        elif _finish(path, stem, dry_run):
            yield Action(path, "read back, it holds every frame of its logs; they are deleted")
        else:
            yield from _rebuild(path, stem, story, dry_run)
    except (RecordError, OSError) as error:
        yield Action(path, f"left: {error}", done=False)


def _drop_leftovers(path: Path, stem: Path, dry_run: bool) -> Action:
    """Delete later logs of a hold that was closed, when its file is undamaged."""
    findings = list(check_file(path))
    logs = ", ".join(log.name for log in all_logs(stem))
    if findings:
        return Action(path, f"left, with {logs}: {findings[0].what}", done=False)
    if not dry_run:
        discard_logs(stem)
    return Action(path, f"undamaged; its last logs are deleted: {logs}")


def _finish(path: Path, stem: Path, dry_run: bool) -> bool:
    """Do the last step of closing where only that is missing: the file is complete and holds all frames."""
    if not is_closed(path):
        return False
    logs = SalvagedLogs(stem)
    if dry_run or not logs.whole:
        logs.close()
        return logs.whole
    try:
        retire_logs(path, logs)
    except (RecordError, OSError):  # it differs: the logs are the record
        return False
    return True


def _rebuild(path: Path, stem: Path, story: HoldStory | None, dry_run: bool) -> Iterator[Action]:
    logs = SalvagedLogs(stem)
    discard = Path.unlink if as_a_crash_leaves(logs, story) else set_aside
    fate = "deleted" if discard is Path.unlink else "damaged, and kept as *.damaged"
    try:
        _check_room(stem)
        losses = losses_of(logs, story)
        if not dry_run:
            _derive(path, logs, story, losses).close(CRASHED, discard)
    finally:
        logs.close()
    missing = sum(loss.frames for loss in losses)
    yield Action(path, f"made of {logs.rows} frames, {missing} are lost; its logs are {fate}")
    for finding in logs.findings:
        if finding.severity == "damage":
            yield Action(finding.path, f"cannot be repaired: {finding.what}", done=False)


def set_aside(log: Path) -> None:
    """Give a damaged log a name that takes it out of the record; its bytes stay for whoever can read more."""
    log.rename(log.with_name(f"{log.name}.damaged"))


def _derive(path: Path, logs: Frames, story: HoldStory | None, losses: list[Lost]) -> Derivation:
    derivation = Derivation(path, logs, "auto")
    for note in notes_of(logs, story, losses):
        _tell(derivation.hold, note)
    while derivation.step(logs.rows, ended=True):
        pass
    return derivation


def _tell(hold: HoldWriter, note: Note) -> None:
    match note:
        case Reading():
            hold.add_reading(note)
        case NewSegment():
            hold.add_segment(note)
        case Lost():
            hold.add_loss(note)


def notes_of(logs: Frames, story: HoldStory | None, losses: Sequence[Lost]) -> list[Note]:
    """Return what a recorder has to know of a hold beside its logs: losses, breaks and temperatures."""
    reasons = {} if story is None else story.segments
    breaks, segment = [], logs.info.segment
    for header in map(logs.header, range(logs.rows)):
        if header.segment != segment:
            segment = header.segment
            why = reasons.get(segment, UNKNOWN)
            breaks.append(NewSegment(hold=header.hold, segment=segment, first_seq=header.seq, why=why))
    readings = [] if story is None else story.readings
    return [*losses, *breaks, *readings]


def losses_of(logs: SalvagedLogs, story: HoldStory | None) -> list[Lost]:
    """Return a loss for every number that was not recorded, with the reason where the journal has it."""
    recorded = spans_of([header.seq for header in logs.headers])
    known = [] if story is None else [loss for loss in story.losses if not _overlaps(loss, recorded)]
    counted = [*recorded, *(Span(loss.first_seq, loss.first_seq + loss.frames) for loss in known)]
    end = max((span.end for span in counted), default=0)
    acknowledged = -1 if story is None else story.durable_seq
    if end <= acknowledged:
        counted.append(Span(acknowledged + 1, acknowledged + 1))  # empty: up to there all are accounted for
    unknown = [_unrecorded(logs, span, acknowledged) for span in account(counted).missing]
    return sorted([*known, *unknown], key=lambda loss: loss.first_seq)


def _overlaps(loss: Lost, recorded: list[Span]) -> bool:
    return any(span.first < loss.first_seq + loss.frames and loss.first_seq < span.end for span in recorded)


def _unrecorded(logs: SalvagedLogs, span: Span, acknowledged: int) -> Lost:
    """Return the loss of frames about which the journal says nothing."""
    newest = logs.headers[-1].seq if logs.headers else -1
    if span.first > max(newest, acknowledged):
        why = NOT_ON_DISK
    else:
        why = DAMAGED if span.first <= acknowledged or not logs.whole else UNKNOWN
    before = [header for header in logs.headers if header.seq < span.first]
    t_s = before[-1].t_start_s + (span.first - before[-1].seq) * logs.info.period_s if before else 0.0
    return Lost(hold=logs.info.hold, first_seq=span.first, frames=span.end - span.first, t_s=t_s, why=why)


def as_a_crash_leaves(logs: SalvagedLogs, story: HoldStory | None) -> bool:
    """Say whether nothing is wrong with the logs of a hold but what the death of its program leaves."""
    newest = logs.headers[-1].seq if logs.headers else -1
    return logs.whole and (story is None or story.durable_seq <= newest)


def _check_room(stem: Path) -> None:
    """Refuse a disk that is too full: HDF5 crashes on one instead of raising. Raises RecordError."""
    needed = sum(path.stat().st_size for path in all_logs(stem)) + SPARE_BYTES
    free = shutil.disk_usage(stem.parent).free
    if free < needed:
        raise RecordError(f"{needed / 1e9:.1f} GB are needed on the disk, {free / 1e9:.1f} GB are free")
