"""Raw counts to normalised frames: drift correction, crop, frame mean, and which frames count as lost."""

from collections import deque
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from annealscope.analysis.ecm_rows import FrameState
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.shift import normalise_block, sample_block
from annealscope.analysis.values import FloatArray

SATURATED_SHARE = 1e-3
"""Of pixels at or above 0.98 of full scale: a frame with more is not used."""

TRIP_MEMORY = 31
"""Frames whose median brightness tells what the beam should be."""

CLIPPED_OVER = 1.1
"""Times the mean intensity: a largest count below is that of a picture without contrast."""

States = npt.NDArray[np.uint8]


class FrameCorrector:
    """Corrects the frames of one acquisition, in their order."""

    def __init__(self, spec: EcmSpec) -> None:
        self._spec = spec
        self._recent: deque[float] = deque(maxlen=TRIP_MEMORY)

    def __call__(
        self,
        raw: npt.NDArray[Any],
        d_px: FloatArray,
        known: States,
        out: npt.NDArray[np.float32],
    ) -> tuple[FloatArray, States]:
        """Write ``raw(r + d)``, cropped by the margin and divided by its mean, to ``out``.

        Parameters
        ----------
        raw
            Counts, shape (n, ny, nx).
        d_px
            Displacements (y, x), shape (n, 2).
        known
            `FrameState` of every frame as far as it is known already, shape (n,).
        out
            Shape (n, ny - 2 margin, nx - 2 margin); frames that are not valid hold nothing of use.

        Returns
        -------
        mean_e
            Electrons per pixel of every frame, shape (n,).
        state
            `FrameState` of every frame, shape (n,).
        """
        spec = self._spec
        beyond = spec.drift & (np.abs(d_px).max(axis=1) > spec.max_displacement_px)
        sample_block(raw, np.where(beyond[:, None], 0.0, d_px), out)
        mean_e = normalise_block(out, spec.offset_counts) / spec.gain_counts_per_e
        state = np.zeros(len(raw), dtype=np.uint8)
        state[beyond] = FrameState.BEYOND_MARGIN
        state[saturated_share(raw) > SATURATED_SHARE] = FrameState.SATURATED
        fresh = np.flatnonzero(known == FrameState.VALID)
        state[[i for i in fresh if self._tripped(mean_e[i])]] = FrameState.BEAM_TRIP
        state[~np.isfinite(mean_e)] = FrameState.NOT_A_NUMBER
        state[known != FrameState.VALID] = known[known != FrameState.VALID]
        return mean_e, state

    def _tripped(self, mean_e: float) -> bool:
        """Whether a frame is darker than half of what its predecessors were. Remembers it either way."""
        if np.isfinite(mean_e):
            self._recent.append(mean_e)
        return not (mean_e > 0 and mean_e >= 0.5 * float(np.median(self._recent)))


class LargestCount:
    """The largest count of a record, and how many pixels show it: many where a camera is at its limit.

    Limits below that of the type of number, as 16383 of a camera with 14 bits, are seen only by this.
    """

    def __init__(self) -> None:
        self.value = -np.inf
        self._showing = self._pixels = 0

    @property
    def share(self) -> float:
        """Of all pixels of all frames; NaN without any."""
        return self._showing / self._pixels if self._pixels else float("nan")

    def add(self, frames: npt.NDArray[Any]) -> None:
        """Take raw counts, shape (n, ny, nx)."""
        largest = frames.reshape(len(frames), -1).max(axis=1)
        value = float(largest.max())
        if value > self.value:
            self.value, self._showing = value, 0
        self._showing += int(np.count_nonzero(frames[largest == self.value] == self.value))
        self._pixels += frames.size

    def attributes(self, mean_e: float, spec: EcmSpec) -> dict[str, Any]:
        """Say whether so many pixels show it that counts above are missing.

        Parameters
        ----------
        mean_e
            Electrons per pixel.
        spec
            Offset and gain of the camera.
        """
        largest_e = (self.value - spec.offset_counts) / spec.gain_counts_per_e
        clipped = self.share > SATURATED_SHARE and largest_e > CLIPPED_OVER * mean_e
        return {"largest_count": self.value, "share_at_largest": self.share, "clipped": bool(clipped)}


def saturated_share(raw: npt.NDArray[Any]) -> FloatArray:
    """Share of the pixels of each frame near the top of the camera's range; 0 for floating-point counts.

    Parameters
    ----------
    raw
        Counts, shape (n, ny, nx).

    Returns
    -------
    FloatArray
        Shape (n,).
    """
    if not np.issubdtype(raw.dtype, np.integer):
        return np.zeros(len(raw))
    counts = np.zeros(len(raw), dtype=np.int64)
    _count_from(raw, int(0.98 * np.iinfo(raw.dtype).max), counts)
    return np.asarray(counts / raw[0].size)


@numba.njit(cache=True, parallel=True)
def _count_from(frames, top, counts):  # type: ignore[no-untyped-def]
    """Count the pixels of each frame that are at least ``top``."""
    for i in numba.prange(len(frames)):
        total = 0
        for row in frames[i]:
            for value in row:
                total += value >= top
        counts[i] = total
