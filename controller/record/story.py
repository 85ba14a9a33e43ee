"""What the journal says of each hold: the part of the record that is not in the frame logs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from annealscope.controller.stream.messages import Lost, Reading

Record = Mapping[str, Any]


@dataclass
class HoldStory:
    """One hold, as the journal tells it."""

    hold: int
    name: str
    durable_seq: int = -1
    """Newest frame that was acknowledged, of those that the journal knows of."""
    losses: list[Lost] = field(default_factory=list)
    segments: dict[int, str] = field(default_factory=dict)
    """Why each segment after the first began."""
    readings: list[Reading] = field(default_factory=list)
    closed: Record | None = None
    """The record of its end; None while it is open, and after a crash."""


def stories(records: Iterable[Record]) -> dict[str, HoldStory]:
    """Return what the journal says of each hold, by name."""
    holds: dict[int, HoldStory] = {}
    newest = None
    for record in records:
        if record["kind"] == "hold_opened":
            newest = holds.setdefault(record["hold"], HoldStory(record["hold"], record["name"]))
            newest.closed = None
        elif record["kind"] == "reading" and newest is not None and newest.closed is None:
            newest.readings.append(_reading(newest.hold, record))
        elif record.get("hold") in holds:
            _tell(holds[record["hold"]], record)
    return {story.name: story for story in holds.values()}


def _reading(hold: int, record: Record) -> Reading:
    temperature_K, setpoint_K = record["temperature_K"], record["setpoint_K"]
    return Reading(hold=hold, t_s=record["t_s"], temperature_K=temperature_K, setpoint_K=setpoint_K)


def _tell(story: HoldStory, record: Record) -> None:
    match record:
        case {"kind": "durable", "seq": seq}:
            story.durable_seq = max(story.durable_seq, seq)
        case {"kind": "segment", "segment": segment, "why": why}:
            story.segments[segment] = why
        case {"kind": "lost", "first_seq": first_seq, "frames": frames, "t_lost_s": t_s, "why": why}:
            story.losses.append(Lost(hold=story.hold, first_seq=first_seq, frames=frames, t_s=t_s, why=why))
        case {"kind": "hold_closed"}:
            story.closed = record
