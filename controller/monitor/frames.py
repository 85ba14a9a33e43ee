"""Frames for a screen: any camera's counts as at most 1024 x 1024 bytes, black to white."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.controller.monitor.newest import Newest
from annealscope.controller.stream.messages import FrameHeader

LARGEST_SIDE = 1024
DARK_AND_BRIGHT = (0.1, 99.9)
"""Percentiles that are shown black and white: a few hot pixels do not darken the rest."""
SAMPLED_SIDE = 256
"""Percentiles are taken of about so many rows and columns."""
FOLLOWS = 0.3
"""Share of a change of black and white that each frame brings: they do not flicker."""
JUMPS = 0.5
"""A change of more than this share of the range is another scene, and taken at once."""

Counts = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shown:
    """A frame as it is displayed."""

    pixels: npt.NDArray[np.uint8]
    low: float
    """Counts that are black."""
    high: float
    """Counts that are white."""
    step: int
    """Camera pixels in a displayed one, along each side."""


class Scaler:
    """Makes frames displayable; black and white follow the scene slowly, as long as it is the same hold."""

    def __init__(self) -> None:
        self._hold: int | None = None
        self._low, self._high = 0.0, 1.0

    def show(self, header: FrameHeader, pixels: npt.NDArray[np.generic]) -> Shown:
        """Return a frame as it is displayed.

        Parameters
        ----------
        header
            Of the frame: another hold is another scene; with the beam off black and white stay.
        pixels
            Counts, shape (ny, nx), any type of numbers.
        """
        step = -(-max(pixels.shape) // LARGEST_SIDE)
        image = block_mean(pixels, step)
        self._follow(header, image)
        scaled = (image - np.float32(self._low)) * np.float32(255.0 / (self._high - self._low))
        return Shown(np.clip(scaled, 0, 255).astype(np.uint8), self._low, self._high, step)

    def _follow(self, header: FrameHeader, image: Counts) -> None:
        fresh = header.hold != self._hold
        if not (header.beam_on or fresh):
            return
        low, high = robust_range(image)
        change = max(abs(low - self._low), abs(high - self._high))
        share = 1.0 if fresh or change > JUMPS * (self._high - self._low) else FOLLOWS
        self._hold = header.hold
        self._low += share * (low - self._low)
        self._high += share * (high - self._high)


def robust_range(image: Counts) -> tuple[float, float]:
    """Return what is black and what is white in an image; white is above black also when all is one grey."""
    sample = image[:: -(-image.shape[0] // SAMPLED_SIDE), :: -(-image.shape[1] // SAMPLED_SIDE)]
    low, high = np.percentile(sample, DARK_AND_BRIGHT)
    return float(low), max(float(high), float(low) + 1.0)


def block_mean(pixels: npt.NDArray[np.generic], step: int) -> Counts:
    """Return the means of squares of ``step`` pixels a side, shape (ceil(ny / step), ceil(nx / step)).

    At the far edges they are means of what is there. What is not finite counts as 0.
    """
    finite = pixels if pixels.dtype.kind in "ui" else np.nan_to_num(pixels, posinf=0.0, neginf=0.0)
    if step == 1:
        return finite.astype(np.float32)
    ny, nx = (-(-n // step) for n in pixels.shape)
    rows, means = np.zeros((ny, pixels.shape[1]), np.float32), np.zeros((ny, nx), np.float32)
    for offset in range(min(step, pixels.shape[0])):  # whole rows at a time: 5 times as fast as reduceat
        part = finite[offset::step]
        rows[: len(part)] += part
    for offset in range(min(step, pixels.shape[1])):
        part = rows[:, offset::step]
        means[:, : part.shape[1]] += part
    counts = [np.minimum(step, n - np.arange(0, n, step)) for n in pixels.shape]
    means /= np.outer(*counts)
    return means


def frame_fields(newest: Newest, header: FrameHeader, shown: Shown) -> dict[str, Any]:
    """Return what is said of a frame beside its pixels; lengths are those of displayed pixels."""
    opening = newest.opening if newest.opening is not None and newest.opening.hold == header.hold else None
    camera_nm = opening.camera.pixel_nm if opening is not None else None
    pixel_nm = None if camera_nm is None else camera_nm * shown.step
    drift_nm = (newest.status or {}).get("drift_yx_nm") or ()
    return {
        "hold": header.hold,
        "seq": header.seq,
        "t_s": header.t_start_s,
        "beam_on": header.beam_on,
        "low": shown.low,
        "high": shown.high,
        "mean_counts": newest.statistics.mean_counts if newest.statistics else None,
        "contrast": newest.statistics.contrast if newest.statistics else None,
        "pixel_nm": pixel_nm,
        "drift_yx_px": [way_nm / pixel_nm for way_nm in drift_nm] if pixel_nm and drift_nm else None,
        "step": shown.step,
    }
