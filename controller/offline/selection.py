"""Which part of a record is analysed: some frames, some pixels, binned or not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.analysis.binning import sum_block
from annealscope.analysis.ecm_frames import SATURATED_SHARE, saturated_share
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.values import FrameBlock, InvalidData

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Span:
    """Numbers from ``first`` to before ``end``; an end of None is the last there is."""

    first: int = 0
    end: int | None = None

    def within(self, n: int) -> slice:
        """Return the span as a slice of n things. Raises InvalidData when it is empty or goes beyond them."""
        end = n if self.end is None else self.end
        if not 0 <= self.first < end <= n:
            raise InvalidData(f"{self} must be a part of 0:{n}, and not empty; the end is not included")
        return slice(self.first, end)

    def __str__(self) -> str:
        return f"{self.first}:{'' if self.end is None else self.end}"


ALL = Span()


@dataclass(frozen=True)
class Selection:
    """A part of a record."""

    frames: Span = ALL
    exclude: tuple[Span, ...] = ()
    """Frames left out, numbered as in the record: lost slots, which lags cross."""
    y: Span = ALL
    x: Span = ALL
    bin: int = 1
    """Side of the squares of pixels whose counts are added up, after the crop."""

    def __post_init__(self) -> None:
        if self.bin < 1:
            raise InvalidData(f"pixels must be binned by 1 or more: got {self.bin}")

    def used(self, n: int) -> Flags:
        """Return which of n frames take part, shape (n,). Raises InvalidData when a span does not fit."""
        used = np.zeros(n, dtype=np.bool_)
        used[self.frames.within(n)] = True
        for span in self.exclude:
            used[span.within(n)] = False
        return used

    def n_slots(self, n: int) -> int:
        """Return the number of slots of a record of n frames without gaps, those left out included."""
        frames = self.frames.within(n)
        return int(frames.stop - frames.start)

    def spec(self, whole: EcmSpec, n: int) -> EcmSpec:
        """Return what the analysis has to know of the part, from what it would have to know of the whole.

        Raises
        ------
        InvalidData
            A span does not fit, or too few pixels are left.
        """
        y, x = (span.within(size) for span, size in zip((self.y, self.x), whole.shape, strict=True))
        return replace(
            whole,
            shape=((y.stop - y.start) // self.bin, (x.stop - x.start) // self.bin),
            pixel_nm=whole.pixel_nm * self.bin,
            offset_counts=whole.offset_counts * self.bin**2,
            frames_expected=self.n_slots(n),
        )

    def crop(self, frames: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the pixels that are looked at, not binned yet; a view."""
        return frames[:, self.y.within(frames.shape[1]), self.x.within(frames.shape[2])]

    def binned(self, block: FrameBlock) -> FrameBlock:
        """Return frames that have been cropped, binned; which were saturated can only be seen before."""
        if self.bin == 1:
            return block
        return replace(
            block,
            frames=sum_block(block.frames, self.bin),
            saturated=saturated_share(block.frames) > SATURATED_SHARE,
        )

    def part_of(self, blocks: Iterator[FrameBlock], n: int) -> Iterator[FrameBlock]:
        """Yield the part of a record of n frames that comes in blocks."""
        used, first = self.used(n), 0
        for block in blocks:
            kept = used[first : first + len(block)]
            first += len(block)
            if kept.any():
                yield self.binned(_rows(replace(block, frames=self.crop(block.frames)), kept))


def _rows(block: FrameBlock, kept: Flags) -> FrameBlock:
    """Return some frames of a block."""
    part: dict[str, Any] = {
        name: column if column is None else column[kept] for name, column in vars(block).items()
    }
    return FrameBlock(**part)
