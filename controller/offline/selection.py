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

    def within(self, n: int, name: str) -> slice:
        """Return the span as a slice of n things of that name.

        Raises
        ------
        InvalidData
            It is empty or goes beyond them.
        """
        end = n if self.end is None else self.end
        if not 0 <= self.first < end <= n:
            raise InvalidData(
                f"{name} {self}: must be a part of 0:{n}, and not empty; the end is not included"
            )
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
        """Return which of n frames take part, shape (n,).

        Raises
        ------
        InvalidData
            A span does not fit, or no frame is left.
        """
        used = np.zeros(n, dtype=np.bool_)
        used[self.span_of_frames(n)] = True
        for span in self.exclude:
            used[span.within(n, "--exclude")] = False
        if not used.any():
            left_out = ", ".join(map(str, self.exclude))
            raise InvalidData(f"--exclude {left_out}: no frame of {self.frames} is left; exclude fewer")
        return used

    def span_of_frames(self, n: int) -> slice:
        """Return the frames of n from which some may be left out. Raises InvalidData when there are none."""
        return self.frames.within(n, "--frames")

    def n_slots(self, n: int) -> int:
        """Return the number of slots of a record of n frames without gaps, those left out included."""
        frames = self.span_of_frames(n)
        return int(frames.stop - frames.start)

    def spec(self, whole: EcmSpec, n: int) -> EcmSpec:
        """Return what the analysis has to know of the part, from what it would have to know of the whole.

        Raises
        ------
        InvalidData
            A span does not fit, or too few pixels are left.
        """
        y, x = self._pixels(whole.shape)
        shape = (y.stop - y.start) // self.bin, (x.stop - x.start) // self.bin
        try:
            return replace(
                whole,
                shape=shape,
                pixel_nm=whole.pixel_nm * self.bin,
                offset_counts=whole.offset_counts * self.bin**2,
                frames_expected=self.n_slots(n),
            )
        except InvalidData as error:
            if shape == whole.shape:
                raise
            raise InvalidData(f"{error}; take a larger --roi or a smaller --bin") from None

    def crop(self, frames: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the pixels that are looked at, not binned yet; a view."""
        y, x = self._pixels(frames.shape[1:])
        return frames[:, y, x]

    def _pixels(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Return the rows and columns that are looked at. Raises InvalidData when there are no such."""
        return self.y.within(shape[0], "--roi, rows"), self.x.within(shape[1], "--roi, columns")

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
