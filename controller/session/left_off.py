"""Where a run left off: its journal, folded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from annealscope.controller.engine.conduct import ALL_DONE
from annealscope.controller.engine.ramps import SAME_SETPOINT_K
from annealscope.controller.planning.dose import Dose

Record = Mapping[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FINAL = frozenset(("complete", "dose limit", "truncated"))
"""Reasons for which an acquisition has all that it will have; after others it is gone on with."""


@dataclass(frozen=True)
class Specimen:
    """A temperature that the specimen was brought to, and how long it has been there."""

    target_K: float
    age_s: float
    left_s: float | None
    """When nobody was left to look after the heater, or it was last seen at another setpoint, on the run's
    clock; None: it was switched off."""


@dataclass(frozen=True)
class OpenAcquisition:
    """An acquisition that has a hold which was not closed."""

    hold: int
    name: str
    step: int
    """Index of its step."""
    region: int
    counted: int = 0
    """How many of its frames are in the dose of its region."""
    reason: str | None = None
    """Why no more frames were taken; None: there were more to come ..."""
    end_seq: int = 0
    """... and the number of frames then, lost ones included."""

    def reason_at(self, frames: int) -> str | None:
        """Return why no frames follow so many; those that were taken but did not reach the disk do."""
        return None if self.reason == "complete" and frames < self.end_seq else self.reason


class Uncounted(NamedTuple):
    """Frames of a hold that are not in the dose of its region."""

    hold: int
    region: int
    frames: int


@dataclass(frozen=True)
class LeftOff:
    """What the journal says of the moment in which a run was left."""

    outcome: str
    """As in the journal's ``run_ended``; ``crashed`` where there is none."""
    why: str
    exit_code: int | None
    """None where the journal has no ``run_ended``."""
    t_s: float
    """The run's clock then."""
    utc: datetime
    """The time of day then."""
    next_step: int | None
    """Index of the step to go on with: the one that was under way, else the next; None: all are done."""
    ending: str
    """Why the run was on its way to a planned end before all was done; empty: it was not."""
    specimen: Specimen | None
    """None: there was no temperature to come back to."""
    doses: Mapping[int, Dose]
    """Of each region, as far as they were written down ..."""
    uncounted: tuple[Uncounted, ...]
    """... and what is missing in them, of holds that are closed."""
    acquisition: OpenAcquisition | None
    """The acquisition that the next step is, when its hold was not closed."""

    @property
    def parked(self) -> bool:
        """Say whether the program had ended in a park."""
        return self.outcome == "parked"


def left_off(records: Iterable[Record]) -> LeftOff:
    """Fold a journal.

    Parameters
    ----------
    records
        The intact records, in order; at least one, else ValueError.
    """
    fold = _Fold()
    for record in records:
        fold.take(record)
    return fold.left_off()


@dataclass
class _Fold:
    """What is known after some records."""

    end: Record | None = None
    """The ``run_ended`` of the present part."""
    t_s: float = -1.0
    utc: datetime = EPOCH
    step: int | None = 0
    ending: str = ""
    target_K: float | None = None
    settled_s: float = 0.0
    frozen: Specimen | None = None
    """Set while the age does not go on, or nobody knows whether it does."""
    doses: dict[int, Dose] = field(default_factory=dict)
    uncounted: dict[int, Uncounted] = field(default_factory=dict)
    acquisitions: dict[int, OpenAcquisition] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Take the next record."""
        if record["kind"] == "run_continued":
            self._freeze(self.t_s, left_s=self.t_s)
            self.end, self.ending = None, ""
        match record:
            case {"kind": "step"} | {"kind": "parked"} | {"kind": "state"} | {"kind": "run_ended"}:
                self._take_progress(record)
            case {"kind": "settled", "setpoint_K": target_K} if not self.ending:
                self.target_K, self.frozen = target_K, None
                self.settled_s = record["t_s"] - record.get("age_s", 0.0)
            case {"kind": "reading", "setpoint_K": setpoint_K}:
                self._take_setpoint(record["t_s"], setpoint_K)
            case {"kind": "dose"}:
                self._take_dose(record)
            case {"kind": "hold_opened"} | {"kind": "closing"} | {"kind": "hold_closed"}:
                self._take_hold(record)
        if record["t_s"] > self.t_s:  # what repair writes has the time of the last record before it
            self.t_s, self.utc = float(record["t_s"]), datetime.fromisoformat(record["utc"])

    def left_off(self) -> LeftOff:
        """Return what is known now. Raises ValueError when that is nothing."""
        if self.t_s < 0:
            raise ValueError("the journal has no intact record")
        self._freeze(self.t_s, left_s=self.t_s)
        now = [one for one in self.acquisitions.values() if one.step == self.step]
        return LeftOff(
            outcome=self.end["outcome"] if self.end else "crashed",
            why=self.end["why"] if self.end else "its program died",
            exit_code=self.end["exit_code"] if self.end else None,
            t_s=self.t_s,
            utc=self.utc,
            next_step=self.step,
            ending=self.ending,
            specimen=self.frozen,
            doses=dict(self.doses),
            uncounted=tuple(self.uncounted.values()),
            acquisition=now[-1] if now else None,
        )

    def _freeze(self, t_s: float, left_s: float | None) -> None:
        """Keep the age as it is at a time."""
        if self.frozen is None and self.target_K is not None:
            self.frozen = Specimen(self.target_K, t_s - self.settled_s, left_s)

    def _take_setpoint(self, t_s: float, setpoint_K: float) -> None:
        """Note that a heater that was left alone had another temperature: it has not kept it until then."""
        frozen = self.frozen
        if frozen is None or frozen.left_s is None or abs(setpoint_K - frozen.target_K) <= SAME_SETPOINT_K:
            return
        self.frozen = replace(frozen, left_s=t_s)

    # ------------------------------------------------------------------ records

    def _take_progress(self, record: Record) -> None:
        match record:
            case {"kind": "step", "path": "safe"}:
                pass
            case {"kind": "step", "index": index}:
                self.step = index
                if record.get("step") == "park":
                    self._freeze(record["t_s"], left_s=None)
            case {"kind": "parked"}:
                self.step = int(record["next"])
                back_K = self.target_K = record["return_to_K"]
                self.frozen = None if back_K is None else Specimen(back_K, record["age_s"], None)
            case {"kind": "state", "state": "finishing" | "aborting", "why": why}:
                if why == ALL_DONE:
                    self.step = None
                elif self.step is not None:
                    self.ending = why
                    self._freeze(record["t_s"], left_s=None)
            case {"kind": "state", "state": "faulted"}:
                self._freeze(record["t_s"], left_s=record["t_s"])
            case {"kind": "run_ended"}:
                self.end = record

    def _take_dose(self, record: Record) -> None:
        region, hold = record["region"], record["hold"]
        self.doses[region] = Dose(record["exposed_per_nm2"], record["beam_on_per_nm2"])
        self.uncounted = {key: one for key, one in self.uncounted.items() if one.region != region}
        if hold in self.acquisitions:
            counted = record.get("frames", 0)
            self.acquisitions[hold] = replace(self.acquisitions[hold], counted=counted)

    def _take_hold(self, record: Record) -> None:
        hold = record["hold"]
        before = self.acquisitions.pop(hold, None)
        match record:
            case {"kind": "hold_opened"}:
                counted = before.counted if before else 0
                self.acquisitions[hold] = OpenAcquisition(
                    hold, record["name"], self.step or 0, record["region"], counted
                )
            case {"kind": "closing", "reason": reason, "frames": frames} if before is not None:
                final = reason if reason in FINAL else None
                self.acquisitions[hold] = replace(before, reason=final, end_seq=frames)
            case {"kind": "hold_closed"} if before is not None:
                frames = record["frames"] + record["lost"] - before.counted
                if frames > 0:
                    self.uncounted[hold] = Uncounted(hold, before.region, frames)
                if before.step == self.step:
                    self.step += 1
