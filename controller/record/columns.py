"""The tables of a hold file: which number of what goes into which column."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from annealscope.controller.record.framelog import header_checksum

TEXT = "text"
"""Type of a column of words."""


@dataclass(frozen=True)
class Column:
    """One number, pair of numbers or text that is kept of every frame, or of every event."""

    name: str
    dtype: str
    units: str
    value: Callable[[Any], Any]
    width: int = 1


COLUMNS = (
    Column("seq", "i8", "", lambda header: header.seq),
    Column("slot", "i8", "", lambda header: header.slot),
    Column("segment", "i8", "", lambda header: header.segment),
    Column("frame_time", "f8", "s", lambda header: header.t_start_s),
    Column("count_time", "f8", "s", lambda header: header.exposure_s),
    Column("valid", "?", "", lambda header: header.beam_on),
    Column("lost_before", "i8", "", lambda header: header.lost_before),
    Column("shift_applied", "f8", "nm", lambda header: header.shift_applied_nm, width=2),
    Column("scan_position", "f8", "nm", lambda header: header.scan_yx_nm or (np.nan, np.nan), width=2),
    Column("haadf", "f8", "", lambda header: np.nan if header.haadf is None else header.haadf),
    Column("crc32", "u4", "", lambda header: header.crc32),
    Column("header_crc32", "u4", "", header_checksum),
)
"""The frame table, below ``/entry/instrument/detector``; pairs are (y, x)."""

EVENTS = {
    "segments": (
        Column("segment", "i8", "", lambda begun: begun.segment),
        Column("first_seq", "i8", "", lambda begun: begun.first_seq),
        Column("reason", TEXT, "", lambda begun: begun.why),
    ),
    "lost": (
        Column("first_seq", "i8", "", lambda lost: lost.first_seq),
        Column("frames", "i8", "", lambda lost: lost.frames),
        Column("time", "f8", "s", lambda lost: lost.t_s),
        Column("reason", TEXT, "", lambda lost: lost.why),
    ),
}
"""Tables in groups beside those columns: one row for each segment begun, and for each loss of frames."""
