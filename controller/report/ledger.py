"""What was lost, when and why, and what else a reader of the numbers should know: one list in time order."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from annealscope.controller.config.wording import counted, duration
from annealscope.controller.report.load_journal import Records
from annealscope.controller.report.summary import HoldSummary, Loss
from annealscope.controller.report.summary_run import Interruption, LedgerEntry

MOST_LOSSES = 8
"""Holes of one hold with one reason that are listed one by one; more are told in one line."""

STANDING_TEXT = {
    "paused": "paused for",
    "suspended": "suspended for",
    "parked": "parked for",
    "prompt": "waited for the operator for",
}

CUT_SHORT = frozenset({"dose limit", "truncated", "parked", "stopped", "aborted", "failed", "crashed"})
"""Reasons for which an acquisition has less than was planned."""

ENDINGS = frozenset({"aborting", "faulted"})
"""States of the engine that are no planned end."""


def ledger(
    records: Records, holds: Sequence[HoldSummary], standing: Iterable[Interruption]
) -> list[LedgerEntry]:
    """Return everything that was lost or that intervened, in time order.

    Parameters
    ----------
    records
        The journal.
    holds
        What the hold files say.
    standing
        The times in which the plan stood still.
    """
    names = {hold.ordinal: hold.name for hold in holds}
    found = [entry for record in records if (entry := _of_record(record, names)) is not None]
    found += [_of_interruption(stretch) for stretch in standing]
    for hold in holds:
        found += _of_hold(hold)
    return sorted(found, key=lambda entry: (math.isnan(entry.t_s), entry.t_s))


def _of_record(record: Mapping[str, Any], names: Mapping[int, str]) -> LedgerEntry | None:
    """Return what one record means to a reader of the results; None for most."""
    t_s, why = float(record["t_s"]), str(record.get("why") or "")
    where = names.get(record.get("hold", 0), "")
    match record:
        case {"kind": "guard", "guard": guard}:
            what = f"guard {guard}: {record.get('action', '')}"
            return LedgerEntry(t_s, "notice", what, str(record.get("message", "")))
        case {"kind": "child", "event": "died" | "restarted" | "killed" as event, "role": role}:
            return LedgerEntry(t_s, "notice", f"{role} {event}", str(record.get("detail") or ""))
        case {"kind": "command", "command": command}:
            refused = "" if record.get("accepted", True) else f", refused: {why}"
            source = f"from {record.get('source', 'unknown')}{refused}"
            return LedgerEntry(t_s, "notice", f"command: {command}", source)
        case {"kind": "answered"}:
            return LedgerEntry(t_s, "notice", f"answered by {record.get('by', 'unknown')}")
        case {"kind": "segment"}:
            return LedgerEntry(t_s, "notice", f"new segment {record.get('segment', '')}".strip(), why, where)
        case {"kind": "decision"}:
            return LedgerEntry(t_s, "notice", "ended as the protocol asked", why, where)
        case {"kind": "run_continued"}:
            return LedgerEntry(t_s, "notice", "run continued", why)
        case {"kind": "state", "state": state} if state in ENDINGS:
            return LedgerEntry(t_s, "lost", str(state), why)
        case {"kind": "hold_closed", "analysis": "missing"}:
            what, reason = "closed without results", str(record.get("reason") or "")
            return LedgerEntry(t_s, "lost", what, reason, where)
        case {"kind": "hold_closed", "reason": reason} if reason in CUT_SHORT:
            return LedgerEntry(t_s, "lost", "closed before its end", str(reason), where)
    return None


def _of_interruption(stretch: Interruption) -> LedgerEntry:
    what = f"{STANDING_TEXT[stretch.state]} {duration(stretch.end_s - stretch.start_s)}"
    return LedgerEntry(stretch.start_s, "notice", what, stretch.why)


def _of_hold(hold: HoldSummary) -> Iterable[LedgerEntry]:
    """Yield the losses of a hold: each, or together where there are many with the same reason."""
    reasons = Counter((loss.why, loss.recorded) for loss in hold.losses)
    for (why, recorded), places in reasons.items():
        losses = [loss for loss in hold.losses if (loss.why, loss.recorded) == (why, recorded)]
        if places <= MOST_LOSSES:
            yield from (_of_loss(hold, loss, _frames(loss)) for loss in losses)
        else:
            total = sum(loss.frames for loss in losses)
            yield _of_loss(hold, losses[0], f"{total} frames in {places} places, first no. {losses[0].first}")


def _frames(loss: Loss) -> str:
    return f"frame {loss.first}" if loss.frames == 1 else f"{loss.frames} frames from no. {loss.first}"


def _of_loss(hold: HoldSummary, loss: Loss, frames: str) -> LedgerEntry:
    why = f"{loss.why}; recorded, but not used" if loss.recorded else loss.why
    return LedgerEntry(hold.opened_s + loss.t_s, "lost", frames, why, hold.name)


def counts(holds: Sequence[HoldSummary], entries: Sequence[LedgerEntry], planned: int) -> list[str]:
    """Say in numbers how complete the record is."""
    frames = sum(hold.frames for hold in holds)
    lost, unused = sum(hold.frames_lost for hold in holds), sum(hold.frames_unused for hold in holds)
    breaks = sum(max(len(hold.segment_slots) - 1, 0) for hold in holds)
    without = sum(not hold.analysed for hold in holds)
    return [
        f"{counted(frames, 'frame')} recorded, {lost} lost, {unused} recorded but not used",
        f"{len(holds)} of {max(planned, len(holds))} planned acquisitions, {without} without results",
        f"{counted(breaks, 'break')} between segments, "
        f"{counted(sum(entry.what.startswith('suspended') for entry in entries), 'suspension')}, "
        f"{counted(sum(entry.what.startswith('guard') for entry in entries), 'message')} of guards, "
        f"{counted(sum(entry.what.endswith(' restarted') for entry in entries), 'restart')}",
    ]
