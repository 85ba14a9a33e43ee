"""Frames and what is needed to make sense of them: from a hold of a run, or from anybody's frame stack."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from annealscope.analysis.bad_pixels import find_bad_pixels
from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.speckle_size import aperture_from_speckles
from annealscope.analysis.values import FrameBlock, InvalidData, Result, Results, uniform_block
from annealscope.controller.analysis_setup import Analysis, analysis_of, block_of, ecm_spec
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.offline.selection import Selection
from annealscope.controller.offline.stacks import Frames, open_stack
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdreader import HoldReader
from annealscope.controller.threads import use_threads_for

BLOCK_FRAMES = 32
BLOCK_BYTES = 2**28
"""At most so much is read at once, or one frame."""

FRAMES_TO_MEASURE_SPECKLES = 16
SIDE_TO_MEASURE_SPECKLES_PX = 2048
"""Speckles of larger frames are measured in the middle of these: there are enough."""

WHOLE = Selection()

Item = TypeVar("Item")


@dataclass(frozen=True)
class Source:
    """Frames and what is needed to make sense of them."""

    title: str
    analysis: Analysis
    """Has seen no frame yet."""
    n_frames: int
    """That are used."""
    blocks: Iterator[FrameBlock]
    given: Results = field(default_factory=dict)
    """What of the record was analysed, and how, for the file of results; empty: all of a hold."""
    remark: str = ""
    """What the reader should know of where numbers came from."""


@dataclass(frozen=True)
class StackScale:
    """How a foreign stack was taken."""

    period_s: float | None = None
    """None: as the file says."""
    pixel_nm: float | None = None
    """None: as the file says."""
    aperture_per_nm: float | None = None
    """Radius of the objective aperture; None: taken from the size of the speckles."""
    offset_counts: float = 0.0
    gain_counts_per_e: float = 1.0
    drift: bool = True


@contextmanager
def hold_source(path: Path, selection: Selection = WHOLE, *, exact: bool = False) -> Iterator[Source]:
    """Open a hold of a run, or a part of it: its file, or the frame log when the hold was never closed.

    Raises
    ------
    RecordError
        The hold cannot be read.
    InvalidData
        It was not announced with all that its analysis needs, or has no such part.
    """
    with HoldReader(path) as hold:
        if selection == WHOLE and not exact:
            yield Source(hold.info.title, analysis_of(hold.info), hold.n_frames, _hold_blocks(path, hold))
            return
        if hold.info.method != "ecm":
            raise InvalidData(f"{path} is no movie but {hold.info.method}: it is analysed whole")
        spec = replace(selection.spec(ecm_spec(hold.info), hold.n_frames), exact=exact)
        blocks = selection.part_of(_hold_blocks(path, hold), hold.n_frames)
        yield _part(hold.info.title, spec, selection, hold.n_frames, blocks)


def _hold_blocks(path: Path, hold: HoldReader) -> Iterator[FrameBlock]:
    try:
        for arrays in hold.iter_blocks(BLOCK_FRAMES):
            yield block_of(arrays)
    except OSError as error:
        raise RecordError(f"the frames of {path} cannot be read: {error}; is its disk all right?") from None


@contextmanager
def stack_source(
    source: str, scale: StackScale, selection: Selection = WHOLE, *, exact: bool = False
) -> Iterator[Source]:
    """Open a foreign stack, or a part of it.

    Raises
    ------
    BadStack
        It cannot be read.
    RunError
        Neither the caller nor the file says how it was taken.
    InvalidData
        It has no such part, or cannot be analysed.
    """
    with open_stack(source) as frames:
        spec = replace(_stack_spec(frames, scale, selection), exact=exact)
        blocks = _stack_blocks(frames, spec.period_s, selection)
        opened = _part(source, spec, selection, len(frames), blocks)
        yield replace(opened, remark=_remark(frames, scale, spec))


def _part(title: str, spec: EcmSpec, selection: Selection, n: int, blocks: Iterator[FrameBlock]) -> Source:
    use_threads_for(spec.shape)
    used = int(np.count_nonzero(selection.used(n)))
    return Source(title, EcmAnalysis(spec), used, blocks, {"input": _given(spec, selection)})


def _given(spec: EcmSpec, selection: Selection) -> Result:
    """Say what was analysed, and how; counts and sizes are those of the pixels after binning."""
    return Result(
        None,
        attrs={
            "frames": str(selection.frames),
            "exclude": [str(span) for span in selection.exclude],
            "roi": f"{selection.y},{selection.x}",
            "bin_px": selection.bin,
            "period_s": spec.period_s,
            "pixel_nm": spec.pixel_nm,
            "aperture_per_nm": spec.aperture_per_nm,
            "offset_counts": spec.offset_counts,
            "gain_counts_per_e": spec.gain_counts_per_e,
            "drift": spec.drift,
            "correlator": "exact" if spec.exact else "multi-tau",
        },
    )


def _stack_spec(frames: Frames, scale: StackScale, selection: Selection) -> EcmSpec:
    """Return the specification of the part of the stack that is analysed."""
    period_s, pixel_nm = _scales(scale.period_s or frames.period_s, scale.pixel_nm or frames.pixel_nm)
    whole = EcmSpec(
        shape=frames.shape[1:],
        period_s=period_s,
        exposure_s=period_s,
        pixel_nm=pixel_nm,
        aperture_per_nm=scale.aperture_per_nm or 1.0,
        frames_expected=len(frames),
        offset_counts=scale.offset_counts,
        gain_counts_per_e=scale.gain_counts_per_e,
        drift=scale.drift,
    )
    part = selection.spec(whole, len(frames))
    if scale.aperture_per_nm is not None:
        _check_speckles(part)
        return part
    return replace(part, aperture_per_nm=_measured_aperture(part, _stack_blocks(frames, period_s, selection)))


def _measured_aperture(part: EcmSpec, blocks: Iterator[FrameBlock]) -> float:
    """Return the aperture from the speckles of the first frames that follow each other, in 1/nm."""
    frames = _first_run(blocks)
    if len(frames) < 2:
        raise InvalidData(
            "no two of the frames used follow each other, so speckles cannot be measured; give --aperture"
        )
    if bad := find_bad_pixels(frames, part.offset_counts):
        bad.fill(frames)
    return aperture_from_speckles(frames, part.pixel_nm)


def _first_run(blocks: Iterator[FrameBlock]) -> npt.NDArray[Any]:
    """Return the middle of the first frames that follow each other, however they lie in blocks."""
    run: list[npt.NDArray[Any]] = []
    following = 0
    for block in blocks:
        if block.slot[0] != following:
            if len(run) > 1:
                break
            run = []
        run += [_middle(frame).copy() for frame in block.frames[: FRAMES_TO_MEASURE_SPECKLES - len(run)]]
        following = int(block.slot[-1]) + 1
        if len(run) == FRAMES_TO_MEASURE_SPECKLES:
            break
    return np.array(run)


def _middle(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    y, x = (max(side - SIDE_TO_MEASURE_SPECKLES_PX, 0) // 2 for side in frame.shape)
    return frame[y : y + SIDE_TO_MEASURE_SPECKLES_PX, x : x + SIDE_TO_MEASURE_SPECKLES_PX]


def _scales(period_s: float | None, pixel_nm: float | None) -> tuple[float, float]:
    """Return both scales, or name all that are missing at once. Raises RunError."""
    if period_s is not None and pixel_nm is not None:
        return period_s, pixel_nm
    missing = [
        option
        for option, value in (('--period "2 s"', period_s), ('--pixel "0.165 nm"', pixel_nm))
        if value is None
    ]
    message = f"the stack does not say how it was taken: give {' '.join(missing)}, with your numbers"
    raise RunError(message, ExitCode.USAGE)


def _remark(frames: Frames, scale: StackScale, spec: EcmSpec) -> str:
    """Say which numbers were not given, and where they come from."""
    found = []
    if scale.period_s is None:
        found.append(f"period {frames.period_s:g} s")
    if scale.pixel_nm is None:
        found.append(f"pixel {frames.pixel_nm:g} nm")
    remarks = [f"{' and '.join(found)} from the file"] if found else []
    if scale.aperture_per_nm is None:
        remarks.append(f"aperture {spec.aperture_per_nm:.3g} 1/nm from the speckles")
    return "; ".join(remarks)


def _check_speckles(spec: EcmSpec) -> None:
    """Refuse an aperture whose speckles cannot be seen in such frames. Raises InvalidData."""
    if not 1 <= spec.speckle_px <= min(spec.shape):
        raise InvalidData(
            f"an aperture of {spec.aperture_per_nm:g} 1/nm makes speckles of {spec.speckle_px:.3g} pixels: "
            f"they must be at least 1 pixel wide and fit in the frame of {spec.shape[0]} x {spec.shape[1]}; "
            f"check the aperture and the pixel size ({spec.pixel_nm:g} nm)"
        )


def _stack_blocks(frames: Frames, period_s: float, selection: Selection) -> Iterator[FrameBlock]:
    """Yield the frames that take part; slots count from the first of them."""
    begin = selection.span_of_frames(len(frames)).start
    for rows, pixels in _ahead(_read_runs(frames, selection)):
        yield selection.binned(uniform_block(pixels, period_s, rows.start - begin))


def _read_runs(frames: Frames, selection: Selection) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Read the frames that take part, a few at a time."""
    used = selection.used(len(frames))
    most = min(BLOCK_FRAMES, max(1, BLOCK_BYTES // frames.frame_bytes))
    begin = selection.span_of_frames(len(frames)).start
    for first in range(begin, len(frames), most):
        flags = used[first : first + most]
        edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)) + first
        for start, stop in edges.reshape(-1, 2).tolist():
            yield slice(start, stop), selection.crop(frames[start:stop])


def _ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Fetch the next item in a thread of its own while the present one is worked on."""
    with ThreadPoolExecutor(1, "read-ahead") as reader:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item
