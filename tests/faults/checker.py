"""The invariants of a run, computed from what it left behind by code that shares nothing with the program.

=====  ==================================================================================================
heat   the heater stays inside its envelope, and is not left on when nobody lives who is in charge
kept   every acknowledged frame is readable, with the checksum it was received with
once   every number of the camera is exactly one of recorded or lost with a reason
same   results in a file are, to the last bit, what `annealscope analyze` finds
ends   one beginning of the run, at most one end for each life of its program, and one end at the end
clean  no process is left over, no ``live.json``, no temporary file
gaps   no segment goes over a break: slots follow the time stamps, each life begins segments of its own
raw    frames seen in a log at any time are in the record with the same pixels
=====  ==================================================================================================
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.files import HoldRecord, hold_names, journal_lines, read_hold

INVARIANTS = ("heat", "kept", "once", "same", "ends", "clean", "gaps", "raw")

Records = Sequence[Mapping[str, Any]]
Seen = Mapping[tuple[str, int], int]
"""Checksum of the pixels by (hold, number) of every frame that was ever seen in a log."""


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold."""

    invariant: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.where}: {self.what}"


@dataclass(frozen=True)
class Limits:
    """What the heater may do."""

    max_K: float = 773.15
    heating_K_per_s: float = 100 / 60
    stamped_late_s: float = 0.1
    """A busy machine may write a reading down so much later than it was taken, on the run's clock."""


@dataclass(frozen=True)
class Circumstances:
    """What the checker cannot know from the folder."""

    limits: Limits = field(default_factory=Limits)
    deaths: int = 0
    """How often the program was killed, or may have been: so many of its lives need not have an end."""
    seen: Seen = field(default_factory=dict)
    processes: Sequence[str] = ()
    """What still runs that was started for this run."""


def check_run(run: Path, known: Circumstances | None = None) -> list[Violation]:
    """Return everything that is wrong with a run that has ended; `same` is another function's."""
    known = known or Circumstances()
    lines = journal_lines(run / "journal.jsonl")
    records = [line for line in lines if line is not None]
    holds = [read_hold(run, name) for name in hold_names(run)]
    found = [
        *_heat(records, known.limits),
        *_kept(records, holds),
        *_once(records, holds),
        *_ends(lines, records, known.deaths),
        *_clean(run, known.processes),
        *_gaps(records, holds),
        *_raw(holds, known.seen),
    ]
    return list(dict.fromkeys(found))


def frames_missing(run: Path, seen: Seen) -> int:
    """Return how many frames that were seen in a log are not in the record as they were."""
    holds = [read_hold(run, name) for name in hold_names(run)]
    there = {(hold.name, row.seq): row.crc32 for hold in holds for row in hold.frames}
    return sum(there.get(place) != crc for place, crc in seen.items())


# ---------------------------------------------------------------------- heat


def _heat(records: Records, limits: Limits) -> Iterator[Violation]:
    readings = [record for record in records if record["kind"] == "reading"]
    for reading in readings:
        if not 0 < reading["temperature_K"] <= limits.max_K:  # written so that a NaN is a violation
            yield Violation("heat", f"{reading['t_s']} s", f"{reading['temperature_K']} K was measured")
    for before, after in itertools.pairwise(readings):
        rise_K, time_s = after["setpoint_K"] - before["setpoint_K"], after["t_s"] - before["t_s"]
        if rise_K > limits.heating_K_per_s * (time_s + limits.stamped_late_s):
            yield Violation("heat", f"{after['t_s']} s", f"the setpoint rose by {rise_K} K in {time_s} s")


# ---------------------------------------------------------------------- kept, once, raw


def _kept(records: Records, holds: Sequence[HoldRecord]) -> Iterator[Violation]:
    """Every number up to an acknowledged one is there, unless its loss was told before."""
    for hold in holds:
        yield from (Violation("kept", hold.name, problem) for problem in hold.problems)
    by_name = {hold.name: {row.seq for row in hold.frames} for hold in holds}
    names, lost = _names(records), dict.fromkeys(_names(records), frozenset[int]())
    kept: dict[int, int] = {}
    for record in records:
        number = record.get("hold")
        if record["kind"] == "lost":
            lost[number] |= set(range(record["first_seq"], record["first_seq"] + record["frames"]))
        if record["kind"] == "durable" and number in names:
            promised = set(range(kept.get(number, -1) + 1, record["seq"] + 1)) - lost[number]
            kept[number] = max(kept.get(number, -1), record["seq"])
            missing = promised - by_name.get(names[number], set())
            if missing:
                what = f"acknowledged, and not there: {_in_short(missing)}"
                yield Violation("kept", names[number], what)


def _once(records: Records, holds: Sequence[HoldRecord]) -> Iterator[Violation]:
    told = {record["path"]: record for record in records if record["kind"] == "hold_closed"}
    opened = set(_names(records).values())
    for name in opened - {hold.name for hold in holds}:
        yield Violation("once", name, "was opened, and has left no file")
    for hold in holds:
        yield from (Violation("once", hold.name, what) for what in _wrong_numbers(hold))
        if not hold.closed:
            yield Violation("once", hold.name, "was never closed")
        said = told.get(f"holds/{hold.name}.nxs")
        there = (len(hold.frames), sum(count for _, count, _ in hold.lost))
        if said is None:
            yield Violation("once", hold.name, "the journal does not know that it was closed")
        elif (said["frames"], said["lost"]) != there:
            counted = (said["frames"], said["lost"])
            yield Violation(
                "once", hold.name, f"the journal counts {counted} frames and losses, it has {there}"
            )


def _wrong_numbers(hold: HoldRecord) -> Iterator[str]:
    recorded = Counter(row.seq for row in hold.frames)
    lost: Counter[int] = Counter()
    for first, count, why in hold.lost:
        lost.update(range(first, first + count))
        if not why.strip():
            yield f"{_in_short(range(first, first + count))}: lost without a reason"
    every = recorded + lost
    twice = {seq for seq, times in every.items() if times > 1}
    if twice:
        yield f"recorded or lost more than once: {_in_short(twice)}"
    missing = set(range(max(every, default=-1) + 1)) - set(every)
    if missing:
        yield f"neither recorded nor lost: {_in_short(missing)}"


def _raw(holds: Sequence[HoldRecord], seen: Seen) -> Iterator[Violation]:
    there = {(hold.name, row.seq): row.crc32 for hold in holds for row in hold.frames}
    gone = {place for place in seen if place not in there}
    changed = {place for place, crc in seen.items() if there.get(place, crc) != crc}
    for what, places in (("was in a log, and is not there", gone), ("has other pixels", changed)):
        for name, group in itertools.groupby(sorted(places), key=lambda place: place[0]):
            yield Violation("raw", name, f"{what}: {_in_short(seq for _, seq in group)}")


# ---------------------------------------------------------------------- ends


def lives(records: Records) -> list[list[Mapping[str, Any]]]:
    """Return the records of each life of the program."""
    parts: list[list[Mapping[str, Any]]] = []
    for record in records:
        if record["kind"] in ("run_started", "run_continued") or not parts:
            parts.append([])
        parts[-1].append(record)
    return parts


def _ends(lines: Sequence[Mapping[str, Any] | None], records: Records, deaths: int) -> Iterator[Violation]:
    if None in lines:
        yield Violation("ends", "journal", f"line {lines.index(None)} does not have its checksum")
    if [record["n"] for record in records] != list(range(len(records))):
        yield Violation("ends", "journal", "its records are not numbered one by one")
    kinds = [record["kind"] for record in records]
    if kinds[:1] != ["run_started"] or kinds.count("run_started") != 1:
        yield Violation(
            "ends", "journal", f"{kinds.count('run_started')} beginnings, the first record is {kinds[:1]}"
        )
    endless = 0
    for number, life in enumerate(lives(records)):
        ends = [place for place, record in enumerate(life) if record["kind"] == "run_ended"]
        endless += not ends
        if len(ends) > 1:
            yield Violation("ends", f"life {number}", f"{len(ends)} ends")
        if ends and ends[0] != len(life) - 1:
            yield Violation(
                "ends", f"life {number}", f"goes on with {life[ends[0] + 1]['kind']} after its end"
            )
    if endless > deaths:
        yield Violation("ends", "journal", f"{endless} lives have no end, {deaths} were killed")
    if kinds[-1:] != ["run_ended"]:
        yield Violation("ends", "journal", f"the last record is {kinds[-1:]}, not the end of the run")


# ---------------------------------------------------------------------- clean


def _clean(run: Path, processes: Iterable[str]) -> Iterator[Violation]:
    for process in processes:
        yield Violation("clean", "processes", f"still there: {process}")
    for path in run.rglob("*"):
        name = str(path.relative_to(run))
        if path.name == "live.json" or ".tmp" in path.suffixes:
            yield Violation("clean", name, "is left over")
        if path.suffix == ".frames":
            yield Violation("clean", name, "is left over: the hold is not closed")


# ---------------------------------------------------------------------- gaps


def _gaps(records: Records, holds: Sequence[HoldRecord]) -> Iterator[Violation]:
    births_s = [life[0]["t_s"] for life in lives(records)[1:]]
    for hold in holds:
        for segment, rows in itertools.groupby(hold.frames, key=lambda row: row.segment):
            yield from _segment_gaps(hold, segment, list(rows), births_s)
        first = {row.segment: row.seq for row in reversed(hold.frames)}
        if list(first) != sorted(first, reverse=True):
            yield Violation("gaps", hold.name, f"segments are not in order: {sorted(first.items())}")
        begun = dict(hold.segments) or first
        wrong = {number: seq for number, seq in first.items() if number and begun.get(number, -1) > seq}
        unknown = set(first) - set(begun) - {0}
        if wrong or unknown:
            what = f"segments {sorted(unknown | set(wrong))} are not where they were begun"
            yield Violation("gaps", hold.name, what)


def _segment_gaps(
    hold: HoldRecord, segment: int, rows: Sequence[Any], births_s: Sequence[float]
) -> Iterator[Violation]:
    where = f"{hold.name} segment {segment}"
    if rows[0].slot != 0:
        yield Violation("gaps", where, f"its first slot is {rows[0].slot}")
    for before, after in itertools.pairwise(rows):
        slots = max(1, round((after.t_start_s - before.t_start_s) / hold.period_s))
        if after.slot - before.slot != slots:
            which = f"frames {before.seq} and {after.seq} are {slots} periods apart"
            yield Violation("gaps", where, f"{which}, in slots {before.slot} and {after.slot}")
    for born_s in births_s:
        if rows[0].t_start_s < born_s <= rows[-1].t_start_s:
            yield Violation("gaps", where, f"goes over the death of the program before {born_s} s")


# ---------------------------------------------------------------------- helpers


def _names(records: Records) -> dict[int, str]:
    return {record["hold"]: record["name"] for record in records if record["kind"] == "hold_opened"}


def _in_short(numbers: Iterable[int]) -> str:
    """Say which frames: the first few, and how many."""
    ordered = sorted(numbers)
    shown = ", ".join(map(str, ordered[:5]))
    return f"{len(ordered)} frames ({shown}{', ...' if len(ordered) > 5 else ''})"
