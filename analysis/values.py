"""The values that go into and come out of the analysis pipelines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

ROBUST_SIGMA = 1.4826
"""Standard deviation of a normal distribution, in median absolute deviations."""


class InvalidData(ValueError):
    """Data that cannot be analysed: wrong shape, too short, not finite."""


@dataclass(frozen=True)
class Result:
    """One named result: an array, or a group that carries attributes only (``values`` is None)."""

    values: npt.NDArray[Any] | None
    """The numbers; None for a group of attributes."""

    units: str = ""
    """Unit of the values; empty for pure numbers."""

    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Numbers, strings or lists of them. On a group: ``signal`` and ``axes`` name its default plot."""


Results = dict[str, Result]
"""Results by their path below ``/entry`` of a hold file, e.g. ``"g2/pixel"``."""


@dataclass(frozen=True)
class FrameBlock:
    """Consecutive recorded frames with what is needed to place them in time and space."""

    frames: npt.NDArray[Any]
    """Raw counts, shape (n, ny, nx), any real dtype."""

    slot: npt.NDArray[np.int64]
    """Place of each frame on the regular time grid of its segment, shape (n,), increasing within it."""

    segment: npt.NDArray[np.int64]
    """Segment of each frame, shape (n,), never decreasing; no correlation crosses a change."""

    t_start_s: FloatArray
    """Start of each exposure on the run's clock in s, shape (n,)."""

    shift_applied_nm: FloatArray
    """Image shift set while the frame was taken, (y, x) in nm of the actuator, shape (n, 2)."""

    beam_on: npt.NDArray[np.bool_] | None = None
    """False where the beam was blanked during the exposure, shape (n,); None: it never was."""

    scan_yx_nm: FloatArray | None = None
    """Position of the probe, (y, x) in nm, shape (n, 2); None: no scan."""

    haadf: FloatArray | None = None
    """Signal of the annular dark-field detector in counts, shape (n,), NaN where there is none."""

    saturated: npt.NDArray[np.bool_] | None = None
    """True where the camera was saturated, shape (n,); None: the counts show it."""

    def __len__(self) -> int:
        return len(self.slot)


def uniform_block(frames: npt.NDArray[Any], period_s: float, first: int = 0) -> FrameBlock:
    """Wrap frames that follow each other without a gap and without image shift, all in segment 0.

    Slots and segments are explained in docs/methods/g2.md.

    Parameters
    ----------
    frames
        Raw counts, shape (n, ny, nx), any real dtype; not copied.
    period_s
        Start to start, s.
    first
        Slot of the first frame.

    Returns
    -------
    FrameBlock
        With ``t_start_s`` = slot times period.
    """
    slot = np.arange(first, first + len(frames), dtype=np.int64)
    return FrameBlock(
        frames=frames,
        slot=slot,
        segment=np.zeros(len(frames), dtype=np.int64),
        t_start_s=slot.astype(np.float64) * period_s,
        shift_applied_nm=np.zeros((len(frames), 2)),
    )
