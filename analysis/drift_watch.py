"""Only the drift of a series of frames: nothing is correlated, nothing results (docs/methods/drift.md)."""

from annealscope.analysis.drift import DriftTracker
from annealscope.analysis.ecm import Displacement, displacement
from annealscope.analysis.values import FrameBlock


class DriftWatch:
    """Measures the displacement of frames as `EcmAnalysis` does, and keeps nothing of them.

    Parameters
    ----------
    shape
        Of a frame (ny, nx).
    pixel_nm, aperture_per_nm
        See `drift.register`.

    Raises
    ------
    InvalidData
        When the frame is too small or the aperture lets nothing through.
    """

    def __init__(self, shape: tuple[int, int], *, pixel_nm: float, aperture_per_nm: float) -> None:
        self._pixel_nm = pixel_nm
        self._tracker = DriftTracker(shape, pixel_nm=pixel_nm, aperture_per_nm=aperture_per_nm)

    def update(self, block: FrameBlock) -> list[Displacement]:
        """Take the next frames, raw counts of shape (n, ny, nx); return a displacement in nm for each."""
        return [self._locate(block, i) for i in range(len(block))]

    def _locate(self, block: FrameBlock, i: int) -> Displacement:
        match = self._tracker.locate(block.frames[i], int(block.slot[i]), int(block.segment[i]))
        return displacement(match, self._pixel_nm)
