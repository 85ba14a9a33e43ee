"""Recorded frames with their numbers, as columns."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from annealscope.controller.record.framelog import Pixels
from annealscope.controller.stream.messages import FrameHeader

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NOWHERE = (np.nan, np.nan)
"""Position of the probe where there is no scan."""


class Block(NamedTuple):
    """Consecutive frames of a hold; pairs are (y, x)."""

    frames: npt.NDArray[Any]
    """Raw counts, shape (n, ny, nx)."""
    slot: Integers
    segment: Integers
    t_start_s: Floats
    shift_applied_nm: Floats
    """Shape (n, 2)."""
    beam_on: npt.NDArray[np.bool_]
    scan_yx_nm: Floats
    """Shape (n, 2); NaN where there is no scan."""
    haadf: Floats
    """NaN where there is no signal."""


def block_of_rows(rows: Sequence[tuple[FrameHeader, Pixels]]) -> Block:
    """Return frames that came with their headers as a block."""
    headers = [header for header, _ in rows]
    scans = [header.scan_yx_nm or NOWHERE for header in headers]
    signals = [np.nan if header.haadf is None else header.haadf for header in headers]
    return Block(
        frames=rows[0][1][None] if len(rows) == 1 else np.stack([pixels for _, pixels in rows]),
        slot=np.array([header.slot for header in headers], dtype=np.int64),
        segment=np.array([header.segment for header in headers], dtype=np.int64),
        t_start_s=np.array([header.t_start_s for header in headers], dtype=np.float64),
        shift_applied_nm=np.array([header.shift_applied_nm for header in headers], dtype=np.float64),
        beam_on=np.array([header.beam_on for header in headers], dtype=np.bool_),
        scan_yx_nm=np.array(scans, dtype=np.float64),
        haadf=np.array(signals, dtype=np.float64),
    )
