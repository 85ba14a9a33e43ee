"""Computing every number again: from a hold of a run, or from anybody's frame stack."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.speckle_size import FWHM_TIMES_APERTURE, aperture_from_speckles
from annealscope.analysis.values import FrameBlock, InvalidData, Results, uniform_block
from annealscope.controller.analysis_setup import Analysis, analysis_of, block_of
from annealscope.controller.offline.stacks import Frames, open_stack
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdreader import HoldReader
from annealscope.controller.threads import use_threads_for

BLOCK_FRAMES = 32
FRAMES_TO_MEASURE_SPECKLES = 16

Progress = Callable[[int, int], None]
"""Told (frames done, frames in all)."""


@dataclass(frozen=True)
class Source:
    """Frames and what is needed to make sense of them."""

    title: str
    analysis: Analysis
    """Has seen no frame yet."""
    n_frames: int
    blocks: Iterator[FrameBlock]


@dataclass(frozen=True)
class StackScale:
    """What a foreign stack does not say about itself."""

    period_s: float
    pixel_nm: float
    aperture_per_nm: float | None = None
    """Radius of the objective aperture; None: taken from the size of the speckles."""
    offset_counts: float = 0.0
    drift: bool = True


def compute(source: Source, progress: Progress = lambda done, total: None) -> Results:
    """Return all results of a source. Raises InvalidData."""
    done = 0
    for block in source.blocks:
        source.analysis.update(block)
        done += len(block)
        progress(done, source.n_frames)
    return source.analysis.result()


@contextmanager
def hold_source(path: Path) -> Iterator[Source]:
    """Open a hold of a run: its file, or the frame log when the hold was never closed.

    Raises
    ------
    RecordError
        The hold cannot be read.
    InvalidData
        It was not announced with all that its analysis needs.
    """
    with HoldReader(path) as hold:
        yield Source(hold.info.title, analysis_of(hold.info), hold.n_frames, _hold_blocks(path, hold))


def _hold_blocks(path: Path, hold: HoldReader) -> Iterator[FrameBlock]:
    try:
        for arrays in hold.iter_blocks(BLOCK_FRAMES):
            yield block_of(arrays)
    except OSError as error:
        raise RecordError(f"the frames of {path} cannot be read: {error}; is its disk all right?") from None


@contextmanager
def stack_source(source: str, scale: StackScale) -> Iterator[Source]:
    """Open a foreign stack. Raises BadStack, InvalidData."""
    with open_stack(source) as frames:
        spec = _stack_spec(frames, scale)
        use_threads_for(spec.shape)
        yield Source(source, EcmAnalysis(spec), len(frames), _stack_blocks(frames, scale.period_s))


def _stack_spec(frames: Frames, scale: StackScale) -> EcmSpec:
    aperture_per_nm = scale.aperture_per_nm
    if aperture_per_nm is None:
        aperture_per_nm = aperture_from_speckles(frames[:FRAMES_TO_MEASURE_SPECKLES], scale.pixel_nm)
    else:
        _check_speckles(aperture_per_nm, scale.pixel_nm, frames.shape[1:])
    return EcmSpec(
        shape=frames.shape[1:],
        period_s=scale.period_s,
        exposure_s=scale.period_s,
        pixel_nm=scale.pixel_nm,
        aperture_per_nm=aperture_per_nm,
        frames_expected=len(frames),
        offset_counts=scale.offset_counts,
        gain_counts_per_e=1.0,
        drift=scale.drift,
    )


def _check_speckles(aperture_per_nm: float, pixel_nm: float, shape: tuple[int, int]) -> None:
    """Refuse an aperture whose speckles cannot be seen in such frames. Raises InvalidData."""
    speckle_px = FWHM_TIMES_APERTURE / aperture_per_nm / pixel_nm
    if not 1 <= speckle_px <= min(shape):
        raise InvalidData(
            f"an aperture of {aperture_per_nm:g} 1/nm makes speckles of {speckle_px:.3g} pixels: they must "
            f"be at least 1 pixel wide and fit in the frame of {shape[0]} x {shape[1]}; check the aperture "
            f"and the pixel size ({pixel_nm:g} nm)"
        )


def _stack_blocks(frames: Frames, period_s: float) -> Iterator[FrameBlock]:
    for first in range(0, len(frames), BLOCK_FRAMES):
        yield uniform_block(frames[first : first + BLOCK_FRAMES], period_s, first)


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the largest difference of two sets of arrays by path, relative to the largest value of each.

    It is inf when paths, shapes or gaps (NaN) differ.
    """
    if set(one) != set(other):
        return float("inf")
    return max((_difference(one[path], other[path]) for path in one), default=0.0)


def _difference(a: Any, b: Any) -> float:
    if a is None or b is None:
        return 0.0 if a is b else float("inf")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    apart = float(np.nanmax(np.abs(a - b), initial=0.0))
    scale = float(np.nanmax(np.abs(b), initial=0.0))
    return 0.0 if apart == 0 else apart / scale if scale else float("inf")
