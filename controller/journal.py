"""The run's journal: one JSON object a line, numbered and checksummed, append-only.

Kinds and their fields (besides ``n``, ``t_s`` on the run's clock, ``utc``, ``kind``, ``crc``):

=============  =======================================================================================
run_started    run, protocol, rig, seed, version, clock
preflight      sync_ms, free_bytes, file_system: of the disk that a run on a real clock is written to
run_continued  version, clock, left (outcome of the part before), left_at (UTC), why: the run goes on, and
               with what
state          state (the table in the engine's `machine`), why
step           index, path, step (ramp | cool | wait | prepare | acquire | prompt | park), label
phase          phase
settled        setpoint_K (null: that of the room), age_s: how long the specimen had it before
reading        temperature_K, setpoint_K
region         number, position_nm, thickness: the stage has moved to a fresh one
optics         name, by_hand (what the operator set): the column was set and read back
prompt         message, timeout_s (null: none); of a prompt, a checklist, or an order at a holder set by hand
answered       by (operator | timeout | who gave the command | temperature: the order shows in it | withdrawn:
               another order has taken its place)
hold_opened    hold, name, title, method, region, t_settled_s, setpoint_K, frames_planned
segment        hold, segment, first_seq (the next frame), why: no correlation crosses
lost           hold, first_seq, frames, t_lost_s, why
durable        hold, seq: every frame up to this one survives a power cut
decision       hold, why: what the protocol's `until` was waiting for has come true
dose           region, hold (0: a drift watch), frames (of the hold so far), exposed_per_nm2,
               beam_on_per_nm2: of the region so far
closing        hold, frames (lost ones included), reason: no more frames are taken
results        hold, tau_s, sigma_tau_s, beta, sigma_beta (of the corrected fit) or V_max, sigma_V_max,
               k_per_nm (of the first peak): the analysis has come to its end
hold_closed    hold, path, frames, lost, analysis (complete | missing), reason (complete | dose limit |
               truncated | parked | stopped | aborted | failed | crashed)
drift_rate     nm_per_min, from the watch at the end of a wait
parked         next (index of the step to go on with), return_to_K, rate_K_per_s and age_s: of the hold that
               was left in its middle (null: none was)
command        command, source, accepted, why (of a refusal)
guard          guard, message, action
child          role (recorder | analyst), event (started | killed: it hung | died | restarted: another one
               goes on with the open hold), pid, detail (what it said last)
drill          froze_after_s, allowed_s: how long after its last command the heater was frozen, on purpose
               and cold
run_ended      outcome (success | stopped | aborted | failed | parked | crashed), why, exit_code
=============  =======================================================================================
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from annealscope.controller.errors import ExitCode, RunError
from annealscope.drivers.clock import Clock

STANDING = frozenset({"paused", "suspended", "parked"})
"""States in which the plan stands still."""
GOING = frozenset({"arming", "running"})
"""States that end a park: in between the process may have ended and begun again."""

DURABLE = frozenset(
    (
        *("run_started", "run_continued", "state", "step", "settled", "region", "optics", "prompt"),
        *("answered", "hold_opened", "closing", "segment", "lost", "decision", "dose", "hold_closed"),
        *("parked", "command", "guard", "drill", "run_ended"),
    )
)
"""Kinds that are on the disk before the engine goes on; the others only survive the death of the process."""


class Journal:
    """Appends records; the engine's only file.

    Raises
    ------
    RunError
        The file is damaged before records that had to be durable; to append, they would have to go.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        if is_damaged(read_lines(path)):
            message = f"{path} is damaged before its end; nothing is appended: see `annealscope verify`"
            raise RunError(message, ExitCode.INVALID_INPUT)
        self._next, intact_bytes = _intact(path)
        self._gave_up = False
        self._file = path.open("ab")
        self._file.truncate(intact_bytes)  # a torn last line would hide what follows it

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record; returns when it is durable, for the kinds that have to be. Raises OSError."""
        try:
            self._append(kind, fields)
        except OSError:
            if not self._gave_up:
                raise

    def give_up(self) -> None:
        """From now on drop what cannot be written: the run is being ended because of it, as planned."""
        self._gave_up = True

    def _append(self, kind: str, fields: Mapping[str, Any]) -> None:
        self._file.flush()  # the rest of a line that the disk had no room for comes first, or nothing does
        utc = datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="milliseconds")
        record = {
            "n": self._next,
            "t_s": round(self._clock.monotonic(), 4),
            "utc": utc,
            "kind": kind,
            **fields,
        }
        body = json.dumps(record, allow_nan=True)
        self._file.write(f'{body[:-1]}, "crc": "{zlib.crc32(body.encode()):08x}"}}\n'.encode())
        self._next += 1
        self._file.flush()
        if kind in DURABLE:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file. Raises OSError when its end cannot be written, and nobody has given up on it."""
        try:
            self._file.close()
        except OSError:
            if not self._gave_up:
                raise


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the intact records in order; a torn or damaged line ends the reading."""
    for record, _ in _intact_lines(path):
        yield record


def read_lines(path: Path) -> list[dict[str, Any] | None]:
    """Return the record of every line, None for one that is torn or damaged; nothing for no file."""
    if not path.exists():
        return []
    with path.open("rb") as lines:
        return [intact_record(line) for line in lines]


def is_damaged(lines: Sequence[Mapping[str, Any] | None]) -> bool:
    """Say whether a record that was durable comes after a line that is torn or damaged.

    A power cut leaves no such journal: before the one that was being written, the last, all were on the disk.
    """
    behind = lines[lines.index(None) : -1] if None in lines else []
    return any(record is not None and record["kind"] in DURABLE for record in behind)


def _intact(path: Path) -> tuple[int, int]:
    """Return the number of intact records from the start on, and their bytes."""
    lengths = [length for _, length in _intact_lines(path)]
    return len(lengths), sum(lengths)


def _intact_lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            record = intact_record(line)
            if record is None:
                return
            yield record, len(line)


def intact_record(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line; None for one that is torn or damaged."""
    head, separator, tail = line.rpartition(b', "crc": "')
    if not separator or tail[8:] != b'"}\n' or f"{zlib.crc32(head + b'}'):08x}".encode() != tail[:8]:
        return None
    try:
        record = json.loads(head + b"}")
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("kind"), str) else None
