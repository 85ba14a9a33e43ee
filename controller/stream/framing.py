"""From a frame of the camera to its header: its place on the time grid, and what was lost before it."""

from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from annealscope.controller.stream.messages import FrameHeader, Lost, OpenHold
from annealscope.controller.stream.slots import SlotCounter
from annealscope.drivers.interfaces import Frame

BY_THE_CAMERA = "the camera lost them"


class HoldFrames:
    """Counts the frames of one hold, so that each is either sent or known to be lost.

    Parameters
    ----------
    opening
        The hold as it was announced; it may go on where a process that has died left it.
    """

    def __init__(self, opening: OpenHold) -> None:
        self._opening = opening
        self._slots = SlotCounter(opening.period_s)
        self._losses: list[Lost] = []
        self.segment = opening.segment
        self.next_seq = opening.first_seq
        """One past the newest frame of the camera."""
        self.last_seq = opening.first_seq - 1
        """The newest frame that was sent, or that an earlier process has accounted for."""
        self._next_s = 0.0
        """When the frame after the newest one should have begun."""

    def follows(self, frame: Frame) -> bool:
        """Say whether a frame is newer than all before it."""
        return frame.seq >= self.next_seq

    @property
    def losing(self) -> bool:
        """Whether the newest frame could not be sent."""
        return self.last_seq < self.next_seq - 1

    def new_segment(self) -> int:
        """Break the time grid; return the number of the new segment."""
        self.segment += 1
        return self.segment

    def lose(self, frame: Frame, why: str) -> None:
        """Count a frame that came but cannot be sent."""
        self._count(frame)
        self._add_loss(frame.seq, 1, frame.t_start_s, why)

    def lose_rest(self, end_seq: int) -> None:
        """Count what the camera should have given up to a number, when nothing more is waited for."""
        missing = end_seq - self.next_seq
        if missing > 0:
            self._add_loss(self.next_seq, missing, self._next_s, BY_THE_CAMERA)
            self.next_seq = end_seq

    def header(
        self, frame: Frame, pixels: npt.NDArray[Any], shift_applied_nm: tuple[float, float], beam_on: bool
    ) -> FrameHeader:
        """Return the header of a frame that is sent.

        What the frame log keeps in single precision is rounded here, so that analysis during the run and
        from the log see the same numbers.
        """
        self._count(frame)
        lost_before = frame.seq - self.last_seq - 1
        self.last_seq = frame.seq
        scan = frame.scan_yx_nm
        return FrameHeader(
            hold=self._opening.hold,
            seq=frame.seq,
            slot=self._slots.place(frame.t_start_s, self.segment),
            segment=self.segment,
            t_start_s=frame.t_start_s,
            exposure_s=_single(frame.exposure_s),
            lost_before=lost_before,
            shape=frame.data.shape,
            dtype=frame.data.dtype.str,
            crc32=crc32(pixels.data),
            shift_applied_nm=shift_applied_nm,
            beam_on=beam_on,
            scan_yx_nm=None if scan is None else (_single(scan[0]), _single(scan[1])),
            haadf=None if frame.haadf is None else _single(frame.haadf),
        )

    def take_losses(self) -> list[Lost]:
        """Return the losses since the last call, one for each run of frames with one reason."""
        losses, self._losses = self._losses, []
        return losses

    def _count(self, frame: Frame) -> None:
        missing = frame.seq - self.next_seq
        if missing > 0:
            first_s = frame.t_start_s - missing * self._opening.period_s
            self._add_loss(self.next_seq, missing, first_s, BY_THE_CAMERA)
        self.next_seq = frame.seq + 1
        self._next_s = frame.t_start_s + self._opening.period_s

    def _add_loss(self, first_seq: int, frames: int, t_s: float, why: str) -> None:
        before = self._losses[-1] if self._losses else None
        if before is not None and before.why == why and before.first_seq + before.frames == first_seq:
            self._losses[-1] = before.model_copy(update={"frames": before.frames + frames})
            return
        self._losses.append(
            Lost(hold=self._opening.hold, first_seq=first_seq, frames=frames, t_s=t_s, why=why)
        )


def _single(value: float) -> float:
    return float(np.float32(value))
