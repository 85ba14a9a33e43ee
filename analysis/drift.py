"""Displacement of speckle frames by cross-correlation with a running reference (docs/methods/drift.md).

d > 0 means that the features moved to larger index. Cross-correlation with one fixed filter, never phase
correlation: for band-limited speckle the division by the measured modulus promotes frequencies that hold only
noise. The reference is a running mean of aligned frames, never the first frame (the speckle forgets it) and
never a chain of consecutive steps (errors add up).
"""

import numpy as np

from annealscope.analysis.drift_band import AnyFrame, Band, Match, Spectrum
from annealscope.analysis.geometry import speckle_count
from annealscope.analysis.values import InvalidData

CHANCE_HERE = 3.0
"""Unrelated frames match no better at one place than this over sqrt(N_sp), N_sp speckles in a frame ..."""
CHANCE_ANYWHERE = 4.0
"""... and no better than this at the best of all places."""
RESUME_FRAMES = 3
"""After a break, so many frames that are not found mean that the speckle has changed."""


def register(frame: AnyFrame, reference: AnyFrame, *, pixel_nm: float, aperture_per_nm: float) -> Match:
    """Locate a frame against a reference frame.

    Parameters
    ----------
    frame, reference
        Counts, shape (ny, nx), any real type; an offset does not matter.
    pixel_nm
        Side of a pixel on the specimen.
    aperture_per_nm
        Radius q_a of the objective aperture: intensities hold spatial frequencies up to 2 q_a.

    Raises
    ------
    InvalidData
        When the shapes differ, a frame is too small, or a frame has no contrast.
    """
    if frame.shape != reference.shape:
        raise InvalidData(f"frame and reference must have one shape: got {frame.shape} and {reference.shape}")
    band = Band((frame.shape[0], frame.shape[1]), pixel_nm, aperture_per_nm)
    spectrum, expected = band.spectrum(frame), band.spectrum(reference)
    if not (band.energy(spectrum) > 0 and band.energy(expected) > 0):
        raise InvalidData("a frame without contrast cannot be located: check beam, focus and aperture")
    return band.match(spectrum, expected)


class DriftTracker:
    """Follows the drift of a series of frames (docs/methods/drift.md).

    The reference is the exponential running mean of the last `memory_frames` aligned frames; it changes only
    when the slot number passes a multiple of `update_slots`, so results do not depend on how frames were
    batched. Frames that match worse than chance allows are not averaged in; they get the last displacement
    and their low quality. After `memory_frames` of them in a row the reference starts anew at that
    displacement.

    Over the break between two segments the reference is kept, so that displacements go on from one origin.
    But the speckle may have changed in the meantime: when the first `RESUME_FRAMES` frames of a segment match
    no better than chance, the reference starts anew at the last displacement, without waiting any longer.

    Parameters
    ----------
    shape
        Of a frame (ny, nx).
    pixel_nm, aperture_per_nm
        See `register`.
    memory_frames
        Length of the running mean.
    update_slots
        Slots between two updates of the reference.

    Raises
    ------
    InvalidData
        When the frame is too small or the band holds no frequency.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        pixel_nm: float,
        aperture_per_nm: float,
        memory_frames: int = 30,
        update_slots: int = 8,
    ) -> None:
        self._band = Band(shape, pixel_nm, aperture_per_nm)
        self._memory_frames = memory_frames
        self._update_slots = update_slots
        speckles = speckle_count(shape, pixel_nm, aperture_per_nm)
        self._chance_here = float(np.clip(CHANCE_HERE / np.sqrt(speckles), 0.1, 0.5))
        self._chance_anywhere = self._chance_here * CHANCE_ANYWHERE / CHANCE_HERE
        self.reset()

    def reset(self) -> None:
        """Forget the reference; the next frame is the new origin."""
        self._reference: Spectrum | None = None
        self._fresh: Spectrum = self._band.empty()
        self._fresh_frames = 0
        self._averaged = 0
        self._misses = 0
        self._place = (0, 0)
        self._resuming = False
        self._last_px = self._before_px = (0.0, 0.0)

    @property
    def last_px(self) -> tuple[float, float]:
        """Displacement (y, x) of the newest frame that was found; (0, 0) before the first."""
        return self._last_px

    def locate(self, frame: AnyFrame, slot: int, segment: int = 0) -> Match:
        """Locate the next frame; frames must come in order (docs/methods/drift.md).

        Parameters
        ----------
        frame
            Counts, shape (ny, nx) as given at construction, any real dtype.
        slot
            Place of the frame on the time grid of its segment.
        segment
            Its segment; slots begin anew in each.

        Returns
        -------
        Match
            Displacement (y, x) in pixels against the first frame, and quality 0 ... 1. A frame that was not
            found has the last displacement and its low quality, one without contrast quality 0; ``found`` is
            False then.
        """
        self._go_to((segment, slot // self._update_slots))
        spectrum = self._band.spectrum(frame)
        if not self._band.energy(spectrum) > 0:
            return Match(self._last_px, 0.0, found=False)
        if self._reference is None:
            self._start(spectrum)
            return Match(self._last_px, 1.0)
        match = self._find(spectrum, self._reference)
        if not match.found:
            return self._miss(spectrum, match.quality)
        self._misses, self._resuming = 0, False
        self._before_px, self._last_px = self._last_px, match.d_px
        self._align(spectrum)
        return match

    def _go_to(self, place: tuple[int, int]) -> None:
        """Take in where the next frame stands: segment, and number of the period of the reference."""
        if place != self._place:
            self._fold()
            if place[0] != self._place[0]:
                self._resuming, self._misses = True, 0
            self._place = place

    def _find(self, spectrum: Spectrum, reference: Spectrum) -> Match:
        """Climb from the last displacement; unless that peak cannot be chance, look elsewhere too.

        First at the displacement before the last, which may have been an outlier, then everywhere.
        """
        here = self._band.match(spectrum, reference, near_px=self._last_px)
        if here.quality > 2 * self._chance_here:
            return here
        anywhere = self._band.match(spectrum, reference)
        if anywhere.quality >= self._chance_anywhere:
            return anywhere
        before = self._band.match(spectrum, reference, near_px=self._before_px)
        likely = max(here, before, key=lambda match: match.quality)
        return likely._replace(found=likely.quality >= self._chance_here)

    def _start(self, spectrum: Spectrum) -> None:
        self._fresh = self._band.empty()
        self._fresh_frames = self._averaged = self._misses = 0
        self._resuming = False
        self._align(spectrum)
        self._reference = self._fresh.copy()

    def _miss(self, spectrum: Spectrum, quality: float) -> Match:
        self._misses += 1
        if self._misses >= (RESUME_FRAMES if self._resuming else self._memory_frames):
            self._start(spectrum)
        return Match(self._last_px, quality, found=False)

    def _align(self, spectrum: Spectrum) -> None:
        self._band.add_moved(spectrum, self._last_px, self._fresh)
        self._fresh_frames += 1

    def _fold(self) -> None:
        """Take the aligned frames of the last period into the running mean."""
        if self._reference is None or not self._fresh_frames:
            return
        self._averaged = min(
            self._averaged + self._fresh_frames, max(self._memory_frames, self._fresh_frames)
        )
        keep = np.float32(1 - self._fresh_frames / self._averaged)
        self._reference = keep * self._reference + self._fresh / np.float32(self._averaged)
        self._fresh = self._band.empty()
        self._fresh_frames = 0
