"""What is known of every frame of a record, and where its slots lie in time."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.analysis.kww_gaps import UsedSlots, seen_s
from annealscope.analysis.values import FloatArray, InvalidData

Rows = npt.NDArray[Any]
"""One row per frame, dtype `ROW`."""

ROW = np.dtype(
    [
        ("slot", np.int64),
        ("segment", np.int64),
        ("t_start_s", np.float64),
        ("shift_nm", np.float64, 2),
        ("d_px", np.float64, 2),
        ("quality", np.float64),
        ("residual_px", np.float64, 2),
        ("mean_e", np.float64),
        ("state", np.uint8),
    ]
)


class FrameState(IntEnum):
    """Whether a frame is used, or why it counts as a lost slot."""

    VALID = 0
    BEYOND_MARGIN = 1
    SATURATED = 2
    BEAM_TRIP = 3
    """Darker than half of the frames before it."""
    BEAM_OFF = 4
    """The beam was blanked."""
    REPEATED = 5
    """The pixels of the frame before it once more: the camera delivered them twice."""
    NOT_A_NUMBER = 6
    """A pixel of the valid area is NaN or infinite, as at the edges of frames that were shifted before."""


LEAST_FRAMES = 32
"""Fewer usable frames are not a record."""

LONGEST_GAP = 4
"""Gaps between segments that are longer, in durations of the record, count as this long ..."""

LEAST_GAP_CUT = 10_000
"""... but never as less than so many slots, which cost nothing."""

STEADY_BEAM = 0.03
"""Largest standard deviation of the frame means, relative to their mean, of a beam that counts as steady."""


class FrameRows:
    """A table that grows by one row per frame."""

    def __init__(self, expected: int) -> None:
        self._rows = np.zeros(max(expected, 16), dtype=ROW)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def append(self, **columns: Any) -> None:
        """Add a row; columns not given are NaN or 0."""
        if self._used == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        row = self._rows[self._used : self._used + 1]
        row["residual_px"] = row["mean_e"] = np.nan
        for name, value in columns.items():
            row[name] = value
        self._used += 1

    @property
    def all(self) -> Rows:
        """A view of every row so far."""
        return self._rows[: self._used]


@dataclass(frozen=True)
class Timeline:
    """The slots of a record in time: segments that follow each other."""

    spacing_s: float
    """Measured mean distance of two slots."""

    segment: npt.NDArray[np.int64]
    """Number of each segment, shape (K,)."""

    slots: npt.NDArray[np.int64]
    """Slots of each segment, first to last used frame, lost ones included, shape (K,)."""

    first_slot: npt.NDArray[np.int64]
    """Slot number at which each segment begins, shape (K,)."""

    t_first_s: FloatArray
    """When the first used frame of each segment began, s since the start of the record, shape (K,)."""

    used: UsedSlots | None = None
    """Which slots have a frame that is used; None: all."""

    @property
    def n_slots(self) -> int:
        """Slots of all segments together."""
        return int(self.slots.sum())

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """First slot of each segment on one grid from the start of the record, shape (K,); none overlap.

        A gap counts as at most `LONGEST_GAP` times the record: nothing is left of a correlation then, and
        what is computed over the grid stays small.
        """
        starts: npt.NDArray[np.int64] = np.rint((self.t_first_s - self.t_first_s[0]) / self.spacing_s).astype(
            np.int64
        )
        longest = max(LONGEST_GAP * self.n_slots, LEAST_GAP_CUT)
        for k in range(1, len(starts)):
            end = starts[k - 1] + self.slots[k - 1]
            starts[k] = max(starts[k], end)
            starts[k:] -= max(starts[k] - end - longest, 0)
        return starts

    @property
    def layout(self) -> dict[str, Any]:
        """The slots as the finite-duration model takes them, see `kww_model.finite_kww`."""
        return {
            "spacing_s": self.spacing_s,
            "segments": self.slots.tolist(),
            "segment_starts": self.starts.tolist(),
            "used": self.used,
        }

    def seen_s(self, tau_s: float) -> float:
        """Duration without what gaps are longer than tau, see `UsedSlots.seen_slots`."""
        return seen_s(self.used, self.n_slots, self.spacing_s, tau_s)

    def t_s(self, segment: npt.ArrayLike, slot: npt.ArrayLike) -> FloatArray:
        """Time of slots in s since the start of the record."""
        at = np.searchsorted(self.segment, segment)
        return np.asarray(self.t_first_s[at] + (np.asarray(slot) - self.first_slot[at]) * self.spacing_s)


def usable(rows: Rows) -> int:
    """Count the frames that are used."""
    return int(np.count_nonzero(rows["state"] == FrameState.VALID))


def beam_spread(rows: Rows) -> float:
    """Return the standard deviation of the means of the frames used, relative to their mean; NaN of none."""
    means = rows["mean_e"][rows["state"] == FrameState.VALID]
    return float(means.std() / means.mean()) if len(means) else float("nan")


def timeline(rows: Rows) -> Timeline:
    """Measure the slot spacing and the extent of every segment from the time stamps of the frames used.

    Raises
    ------
    InvalidData
        When no segment has two frames, or time does not advance.
    """
    used = rows[rows["state"] == FrameState.VALID]
    segment, first = np.unique(used["segment"], return_index=True)
    last = np.append(first[1:], len(used)) - 1
    span_slots = used["slot"][last] - used["slot"][first]
    span_s = float(np.sum(used["t_start_s"][last] - used["t_start_s"][first]))
    if not span_slots.sum() > 0 or not span_s > 0:
        raise InvalidData(
            f"record: at least two usable frames of one segment at increasing times are needed, "
            f"got {len(used)} usable of {len(rows)} frames; record longer"
        )
    return Timeline(
        spacing_s=span_s / float(span_slots.sum()),
        segment=segment,
        slots=span_slots + 1,
        first_slot=used["slot"][first],
        t_first_s=used["t_start_s"][first] - rows["t_start_s"][0],
        used=_used_slots(np.split(used["slot"], first[1:])),
    )


def _used_slots(slots: list[npt.NDArray[np.int64]]) -> UsedSlots | None:
    """Flag the slots of each segment; None when none is lost."""
    if all(len(part) == np.ptp(part) + 1 for part in slots):
        return None
    flags = tuple(np.bincount(part - part[0]) > 0 for part in slots)
    return UsedSlots(flags, tuple(int(part[0]) for part in slots))
