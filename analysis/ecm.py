"""Electron correlation microscopy, live: frames in, displacements and times out (docs/methods/ecm.md)."""

from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from annealscope.analysis.averages import part_totals
from annealscope.analysis.drift import DriftTracker
from annealscope.analysis.drift_band import Match
from annealscope.analysis.ecm_fits import corrected_fit
from annealscope.analysis.ecm_frames import FrameCorrector, LargestCount
from annealscope.analysis.ecm_mask import PixelMask, shown
from annealscope.analysis.ecm_preview import SoFar, ecm_preview
from annealscope.analysis.ecm_results import Beginning, Record, ecm_results, image_blocks
from annealscope.analysis.ecm_rows import LEAST_FRAMES, FrameRows, FrameState, Rows, timeline, usable
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.exact import ExactCorrelator
from annealscope.analysis.geometry import CHANNELS, LIVE_PIXELS, correlator_levels
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.multitau_tiles import BLOCK
from annealscope.analysis.slots import block_runs
from annealscope.analysis.twotime import TwoTime
from annealscope.analysis.values import FrameBlock, InvalidData, Results

__all__ = ["Displacement", "EcmAnalysis", "EcmLive", "EcmSpec"]

GROUP = 16
"""Slots that are averaged before the residual drift is measured; divides `BLOCK`."""

BEGINNINGS = 6
"""How many parts of a record, all from its first frame, are fitted to see tau against duration."""


class Displacement(NamedTuple):
    """Where the specimen stood in one frame."""

    measured_nm: tuple[float, float]
    """Displacement of the raw frame, (y, x); positive: to larger index. (0, 0) when drift is not measured."""

    quality: float
    """0 ... 1; 0 when drift is not measured."""

    found: bool
    """False: this is the displacement of an earlier frame, or none."""


def displacement(match: Match, pixel_nm: float) -> Displacement:
    """Return a match in nm."""
    return Displacement((match.d_px[0] * pixel_nm, match.d_px[1] * pixel_nm), match.quality, match.found)


@dataclass(frozen=True)
class EcmLive:
    """What the record says so far; the numbers are None until a fit is possible."""

    frames: int
    tau_s: float | None = None
    beta: float | None = None
    sigma_tau_s: float | None = None


class EcmAnalysis:
    """The ECM pipeline of one acquisition (docs/methods/ecm.md).

    Frames may come in blocks of any size. Displacements are returned at once; everything else is computed in
    blocks of 32 slots, so that results do not depend on how the frames were batched.

    Parameters
    ----------
    spec
        The acquisition.
    """

    def __init__(self, spec: EcmSpec) -> None:
        self._spec = spec
        self._rows = FrameRows(spec.frames_expected)
        self._raw: npt.NDArray[Any] | None = None
        self._newest: npt.NDArray[Any] | None = None
        """The frame before, where it lies in `_raw`."""
        self._waiting = 0
        self._mask = PixelMask(spec)
        self._corrector = FrameCorrector(spec)
        self._largest = LargestCount()
        self._corrected = np.empty((BLOCK, *spec.valid_shape), dtype=np.float32)
        self._tracker, self._residual = _trackers(spec)
        self._correlator: MultiTau | ExactCorrelator = (
            ExactCorrelator(spec.valid_shape, spec.frames_expected)
            if spec.exact
            else _correlator(spec.valid_shape, spec.frames_expected)
        )
        self._live_step, self._live_labels, self._live_correlator = self._make_live()
        self._two_time = TwoTime(spec.valid_shape, bin_frames=spec.ttcf_bin_slots, pixel_bin=spec.coarse)
        self._blocks = 0
        self._image_blocks = image_blocks(spec)
        self._beginnings: list[Beginning] = []

    def update(self, block: FrameBlock) -> list[Displacement]:
        """Take the next frames.

        Parameters
        ----------
        block
            n >= 0 frames of raw counts, shape (n, ny, nx) as in the specification, any real dtype but always
            the same one, in order of segment and slot.

        Returns
        -------
        list of Displacement
            One per frame of the block, in nm.

        Raises
        ------
        InvalidData
            When frames do not fit the specification or come out of order; none of the block is taken then.
        """
        self._check(block)
        return [self._take(block, i) for i in range(len(block))]

    def live(self) -> EcmLive:
        """Fit what has come so far: the finite-duration model on the `ratio` curve.

        That curve is used because it needs no baseline and its bias is in the model. Blocks of 32 slots that
        are not complete yet do not count, and frames larger than `LIVE_PIXELS` are thinned out evenly, so
        that a call takes well below a second.
        """
        rows = self._rows.all[: len(self._rows) - self._waiting]
        if usable(rows) < LEAST_FRAMES:
            return EcmLive(len(self._rows))
        try:
            totals = part_totals(self._live_correlator.parts(), self._live_shown(rows))
            fit = corrected_fit(totals, totals.g2()["ratio"], timeline(rows), self._spec)
        except InvalidData:
            return EcmLive(len(self._rows))
        if not np.isfinite(fit.tau_s):
            return EcmLive(len(self._rows))
        return EcmLive(len(self._rows), fit.tau_s, fit.beta, fit.sigma_tau_s)

    def preview(self) -> Results:
        """Show what has come so far, see `ecm_preview.ecm_preview`; more frames may follow."""
        rows = self._rows.all
        correlated = rows[: len(rows) - self._waiting]
        return ecm_preview(
            SoFar(
                spec=self._spec,
                rows=rows,
                correlated=correlated,
                correlator=self._live_correlator,
                labels=self._live_shown(correlated),
                step=self._live_step,
                two_time=self._two_time,
            )
        )

    def result(self) -> Results:
        """Everything the record says. Call it after the last frame.

        Returns
        -------
        Results
            By path below ``/entry`` of a hold file; shapes and units are in the last table of
            docs/methods/ecm.md.

        Raises
        ------
        InvalidData
            When fewer than 32 frames are usable.
        """
        self._flush()
        rows = self._rows.all
        if usable(rows) < LEAST_FRAMES:
            raise InvalidData(
                f"ECM needs at least {LEAST_FRAMES} usable frames: got {usable(rows)} of {len(rows)} "
                f"({_losses(rows)}); {_advice(rows)}"
            )
        beginnings = [part for part in self._beginnings if part.n_rows < len(rows)]
        every = ceil(len(beginnings) / BEGINNINGS) or 1  # more than expected came
        beginnings = beginnings[every - 1 :: every]
        sums, mask = self._correlator.sums(), self._mask
        return ecm_results(
            Record(
                spec=self._spec,
                rows=rows,
                sums=sums,
                two_time=self._two_time,
                beginnings=beginnings,
                largest=self._largest,
                bad_pixels=mask.places,
                footprint=mask.footprint(rows),
            )
        )

    def _take(self, block: FrameBlock, i: int) -> Displacement:
        """Locate one frame and keep it until its block of slots is complete."""
        slot, segment = int(block.slot[i]), int(block.segment[i])
        rows = self._rows.all
        if self._waiting and (rows["segment"][-1], rows["slot"][-1] // BLOCK) != (segment, slot // BLOCK):
            self._flush()
        raw = self._mask.filled(block.frames[i])
        state = self._state(block, i, raw)
        match = self._locate(raw, slot, segment, state)
        self._rows.append(
            slot=slot,
            segment=segment,
            t_start_s=block.t_start_s[i],
            shift_nm=block.shift_applied_nm[i],
            d_px=match.d_px,
            quality=match.quality,
            state=state,
        )
        if self._raw is None:
            self._raw = np.empty((BLOCK, *self._spec.shape), dtype=raw.dtype)
        self._raw[self._waiting] = raw
        self._newest = self._raw[self._waiting]
        self._waiting += 1
        return displacement(match, self._spec.pixel_nm)

    def _state(self, block: FrameBlock, i: int, raw: npt.NDArray[Any]) -> FrameState:
        """Say whether a frame is of no use even before it is corrected."""
        if block.beam_on is not None and not block.beam_on[i]:
            return FrameState.BEAM_OFF
        if block.saturated is not None and block.saturated[i]:
            return FrameState.SATURATED
        if self._newest is not None and _counts_are_equal(raw, self._newest):
            return FrameState.REPEATED
        return FrameState.VALID

    def _locate(self, raw: npt.NDArray[Any], slot: int, segment: int, state: FrameState) -> Match:
        """Measure the displacement of a frame; one that shows nothing new is not looked at."""
        if self._tracker is None:
            return Match((0.0, 0.0), 0.0, found=False)
        if state:
            return Match(self._tracker.last_px, 0.0, found=False)
        return self._tracker.locate(raw, slot, segment)

    def _flush(self) -> None:
        """Correct and correlate the frames of one block of slots."""
        if self._raw is None or not self._waiting:
            return
        rows = self._rows.all[-self._waiting :]
        frames = self._corrected[: self._waiting]
        raw = self._raw[: self._waiting]
        if self._mask.find(raw, rows) and len(rows) == len(self._rows):
            self._locate_again(raw, rows)
        rows["mean_e"], rows["state"] = self._corrector(raw, rows["d_px"], rows["state"], frames)
        self._waiting = 0
        valid = rows["state"] == FrameState.VALID
        if valid.all():
            self._largest.add(raw)
            self._correlate(frames, rows)
        elif valid.any():
            self._largest.add(raw[valid])
            self._correlate(frames[valid], rows[valid])
        frames[~valid] = 0
        for _, _, run in block_runs(rows["slot"], rows["segment"], GROUP):
            self._measure_residual(frames[run], rows[run], valid[run])
        self._blocks += 1
        if self._blocks % ceil(self._spec.frames_expected / (BEGINNINGS * BLOCK)) == 0:
            self._keep_beginning()

    def _locate_again(self, raw: npt.NDArray[Any], rows: Rows) -> None:
        """Measure the displacements of the first block once more, now that its bad pixels are filled."""
        if self._tracker is None:
            return
        self._tracker.reset()
        for frame, row in zip(raw, rows, strict=True):
            state = FrameState(row["state"])
            match = self._locate(frame, int(row["slot"]), int(row["segment"]), state)
            row["d_px"], row["quality"] = match.d_px, match.quality

    def _keep_beginning(self) -> None:
        """Remember the averages of the record so far; without a pair of frames there are none."""
        with suppress(InvalidData):
            labels = shown(self._image_blocks, self._mask.footprint(self._rows.all))
            totals = part_totals(self._correlator.parts(), labels)
            self._beginnings.append(Beginning(len(self._rows), totals))

    def _correlate(self, frames: npt.NDArray[np.float32], rows: Rows) -> None:
        place = rows["slot"], rows["segment"]
        self._correlator.update(frames, *place)
        if self._live_correlator is not self._correlator:
            self._live_correlator.update(frames[:, :: self._live_step, :: self._live_step], *place)
        self._two_time.update(frames, *place)

    def _measure_residual(
        self, frames: npt.NDArray[np.float32], rows: Rows, valid: npt.NDArray[np.bool_]
    ) -> None:
        """Locate the mean of some corrected frames against a running mean of such means."""
        if self._residual is None or not valid.any():
            return
        weights = valid.astype(np.float32) / np.float32(valid.sum())
        mean = np.tensordot(weights, frames, axes=1)
        match = self._residual.locate(mean, int(rows["slot"][0]) // GROUP, int(rows["segment"][0]))
        rows["residual_px"][valid] = match.d_px

    def _make_live(self) -> tuple[int, npt.NDArray[np.int64], MultiTau | ExactCorrelator]:
        """Return every which pixel is live, one label for all of these, and what correlates them."""
        ny, nx = self._spec.valid_shape
        step = ceil((ny * nx / LIVE_PIXELS) ** 0.5)
        labels = np.zeros((-(-ny // step), -(-nx // step)), dtype=np.int64)
        if step == 1:
            return step, labels, self._correlator
        return step, labels, _correlator(labels.shape, self._spec.frames_expected)

    def _live_shown(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the labels of the live pixels without those that bad ones may have touched."""
        step = self._live_step
        return shown(self._live_labels, self._mask.footprint(rows)[::step, ::step])

    def _check(self, block: FrameBlock) -> None:
        spec, n = self._spec, len(block)
        if block.frames.shape != (n, *spec.shape):
            raise InvalidData(f"frames must have shape {(n, *spec.shape)}: got {block.frames.shape}")
        if self._raw is not None and block.frames.dtype != self._raw.dtype:
            raise InvalidData(f"frames must keep their type {self._raw.dtype}: got {block.frames.dtype}")
        last = self._rows.all[-1:]
        segment = np.concatenate([last["segment"], block.segment])
        slot = np.concatenate([last["slot"], block.slot])
        step = np.diff(segment)
        if np.any(step < 0) or np.any((step == 0) & (np.diff(slot) <= 0)):
            raise InvalidData(
                f"frames must come in order of segment and slot: got slots {slot[:8].tolist()} of segments "
                f"{segment[:8].tolist()}, beginning with the last frame before this block"
            )


def _trackers(spec: EcmSpec) -> tuple[DriftTracker | None, DriftTracker | None]:
    """For raw frames, and for means of corrected frames."""
    if not spec.drift:
        return None, None
    raw = DriftTracker(spec.shape, pixel_nm=spec.pixel_nm, aperture_per_nm=spec.aperture_per_nm)
    residual = DriftTracker(
        spec.valid_shape,
        pixel_nm=spec.pixel_nm,
        aperture_per_nm=spec.aperture_per_nm,
        memory_frames=8,
        update_slots=1,
    )
    return raw, residual


def _correlator(shape: tuple[int, int], slots: int) -> MultiTau:
    return MultiTau(shape, channels=CHANNELS, levels=correlator_levels(slots))


def _counts_are_equal(raw: npt.NDArray[Any], before: npt.NDArray[Any]) -> bool:
    """Whether two frames are one: shot noise never repeats, a picture without contrast or noise may."""
    return bool(np.array_equal(raw[0], before[0]) and raw.min() < raw.max() and np.array_equal(raw, before))


def _losses(rows: Rows) -> str:
    counts = {s.name.lower().replace("_", " "): np.count_nonzero(rows["state"] == s) for s in FrameState if s}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none masked"


def _advice(rows: Rows) -> str:
    if np.any(rows["state"] == FrameState.NOT_A_NUMBER):
        return "leave out with --roi the edges that are not a number in some frames"
    return "record longer, or check beam, exposure, camera offset and drift"
