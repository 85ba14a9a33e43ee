"""The newest of everything that a run tells those who look on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.controller.stream.messages import CameraInfo, FrameHeader, OpenHold


@dataclass(frozen=True)
class FrameStatistics:
    """What the counts of one whole frame say, at the camera's own resolution."""

    mean_counts: float
    """Above the offset."""
    std_counts: float
    saturated: float
    """Share of the pixels at the end of the camera's range."""

    @property
    def contrast(self) -> float:
        """Standard deviation over mean; NaN of a frame with no signal."""
        return self.std_counts / self.mean_counts if self.mean_counts > 0 else float("nan")


@dataclass(frozen=True)
class Newest:
    """What has come so far; None: nothing of this kind yet.

    Times are those of ``time.monotonic()`` in the process that receives.
    """

    status: Mapping[str, Any] | None = None
    """The fields of the engine's status."""
    status_at_s: float | None = None
    """When it came; None also when it is of a process that has died, and another one goes on with the run."""
    opening: OpenHold | None = None
    """What the frames are of."""
    frame: FrameHeader | None = None
    statistics: FrameStatistics | None = None
    """Of that frame."""
    preview: Mapping[str, Any] | None = None
    """hold, name, method, frames, t_s of the newest preview."""
    received: int = 0
    """Frames that came."""
    dropped: int = 0
    """Frames that were replaced by a newer one before they were shown."""


def frame_statistics(pixels: npt.NDArray[Any], camera: CameraInfo) -> FrameStatistics:
    """Measure the counts of a frame.

    Parameters
    ----------
    pixels
        As the camera gave them, shape (ny, nx).
    camera
        How to read them.
    """
    full = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else np.inf
    return FrameStatistics(
        mean_counts=float(pixels.mean(dtype=np.float64)) - camera.offset_counts,
        std_counts=float(pixels.std(dtype=np.float64)),
        saturated=float(np.count_nonzero(pixels >= full)) / pixels.size,
    )
