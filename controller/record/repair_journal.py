"""Gives a journal the ends that its program did not live to write."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from annealscope.controller.errors import ExitCode
from annealscope.controller.journal import Journal, is_damaged, read_lines
from annealscope.controller.record.findings import Action
from annealscope.controller.record.runfolder import RunFolder, is_closed
from annealscope.controller.record.story import HoldStory
from annealscope.controller.record.verify_journal import has_end
from annealscope.drivers.clock import VirtualClock

RUN_ENDED = {
    "outcome": "crashed",
    "why": "its program died; repair has completed the record",
    "exit_code": int(ExitCode.INCOMPLETE),
}


def end_journal(run: RunFolder, told: Mapping[str, HoldStory], dry_run: bool) -> Iterator[Action]:
    """Write the end of every hold that has been closed since, and of the run; yield what was written.

    A journal that is damaged in its middle is left as it is: what comes after the damage would have to go.
    """
    lines = read_lines(run.journal)
    records = [record for record in lines if record is not None]
    if not records or is_damaged(lines):
        what = "it is damaged before its end" if records else "there is no journal, and nothing to make it of"
        yield Action(run.journal, f"left: {what}", done=False)
        return
    ended = [
        story for story in told.values() if story.closed is None and is_closed(run.hold_file(story.name))
    ]
    ends = [("hold_closed", _hold_closed(run.hold_file(story.name), story.hold)) for story in ended]
    if not has_end(records):
        ends.append(("run_ended", RUN_ENDED))
    if ends and not dry_run:
        _append(run.journal, ends, after_s=records[-1]["t_s"])
    for kind, fields in ends:
        yield Action(run.journal, f"{kind} written: {fields.get('path', fields.get('outcome'))}")


def _hold_closed(path: Path, hold: int) -> dict[str, Any]:
    """Return what the recorder would have said of a hold file when it closed it."""
    with h5py.File(path, "r") as file:
        detector = file["entry/instrument/detector"]
        return {
            "hold": hold,
            "path": f"{path.parent.name}/{path.name}",
            "frames": len(detector["seq"]),
            "lost": int(detector["lost/frames"][()].sum()),
            "analysis": str(file["entry"].attrs["analysis"]),
            "reason": str(file["entry"].attrs["end_reason"]),
        }


def _append(path: Path, ends: list[tuple[str, dict[str, Any]]], after_s: float) -> None:
    """Write records with the time of the last one on the run's clock, which has stopped since."""
    journal = Journal(path, VirtualClock(wall_start_s=time.time(), start_s=after_s))
    try:
        for kind, fields in ends:
            journal.write(kind, **fields)
    finally:
        journal.close()
