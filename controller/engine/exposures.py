"""Frames of one camera through the segments of a hold: what comes, what is lost, what comes twice."""

import math
from dataclasses import replace

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.interrupted import Interrupted
from annealscope.controller.planning.dose import Dose
from annealscope.controller.planning.values import AcquireStep
from annealscope.drivers.interfaces import Camera, DeviceError, Frame, FrameSpec

KEEP_CLEAR = 0.1
"""The last share of a pause, in which the image is left alone: the next exposure may begin a little early."""
INSTANT_S = 1e-6
"""Two times on the frame grid closer than this are the same."""


class Exposures:
    """Runs the camera of an acquisition, counts its frames and the dose of its region.

    Frames are numbered through all segments. A frame that comes a second time is dropped; one that does not
    come is counted as lost when a later one shows it, or when the acquisition would be over.

    Parameters
    ----------
    step
        The acquisition.
    earlier
        How far a program was with it that has died.
    """

    def __init__(self, step: AcquireStep, earlier: Interrupted | None = None) -> None:
        self._step = step
        self._positions = scan_positions(step)
        self.frames = earlier.opening.first_seq if earlier else 0
        """Frames so far, lost ones included."""
        self.lost = earlier.lost if earlier else 0
        self.segment = earlier.opening.segment if earlier else 0
        self.region = earlier.region if earlier else 0
        """Number of the region under the beam."""
        self.running = False
        self.last_start_s = 0.0
        """Start of the newest exposure that was fetched; before the first of a segment: of that one."""
        self._base = self.frames
        """Number of the first frame of the segment."""
        self._start_s = 0.0
        """Of the segment."""
        self._beam_counted_s = 0.0
        """Up to when the beam has been counted."""
        self._ran_s = earlier.ran_s if earlier else 0.0
        """In earlier segments."""

    @property
    def planned(self) -> int:
        """Frames when the acquisition is over; a lost pattern of an area is taken again."""
        return self._step.frames + (self.lost if self._step.method == "diffraction" else 0)

    @property
    def complete(self) -> bool:
        """Say whether all frames were taken or lost."""
        return self.frames >= self.planned

    def running_s(self, now_s: float) -> float:
        """Return the time with the camera running, over all segments."""
        return self._ran_s + (now_s - self._start_s if self.running else 0.0)

    def dose_of_next(self) -> Dose:
        """Return what one more frame adds to the region."""
        rate, period_s = self._step.dose_rate_per_nm2_s, self._step.period_s
        exposed = rate * self._step.exposure_s
        return Dose(exposed, rate * period_s if self._step.beam_in_pause else exposed)

    # ------------------------------------------------------------------ camera and beam

    def arm(self, bench: Bench) -> None:
        """Prepare the camera for the frames that are left. Raises DeviceError when it cannot take them."""
        step, left = self._step, self._positions[self.frames :]
        self._camera(bench).arm(FrameSpec(step.exposure_s, step.period_s, left, step.beam_in_pause))

    def begin(self, bench: Bench) -> None:
        """Begin a segment: unblank, start the camera that was armed."""
        self.region = bench.microscope.region().number
        self._base = self.frames
        bench.look.begin(self._step.camera, first=self._ran_s == 0.0)
        bench.microscope.blank(False)
        self._start_s = self.last_start_s = self._beam_counted_s = bench.now_s
        self._camera(bench).start()
        self.running = True

    def end(self, bench: Bench) -> None:
        """End a segment: stop the camera, blank; the running exposure is discarded."""
        if not self.running:
            return
        self._camera(bench).stop()
        bench.microscope.blank(True)
        bench.look.end()
        self._ran_s = self.running_s(bench.now_s)
        self.running = False
        self._count_beam(bench)

    def fetch(self, bench: Bench) -> Frame | None:
        """Return the next finished frame of the plan, numbered in the hold, if there is one."""
        while not self.complete:
            frame = self._camera(bench).next_frame(0.0)
            if frame is None:
                return None
            check_form(frame, self._camera(bench))
            seq = self._base + frame.seq
            if seq >= self.frames:
                return self._taken(bench, frame, seq)
            message = f"frame {seq} came again, frame {self.frames} was the next"
            bench.journal.write("guard", guard="camera", message=message, action="dropped")
        return None

    def _taken(self, bench: Bench, frame: Frame, seq: int) -> Frame | None:
        """Count a frame and those lost before it; return it, unless it is one too many."""
        before = min(seq - self.frames, self.planned - self.frames)
        self.lost += before
        self.frames += before
        self.last_start_s = frame.t_start_s
        if self.complete:
            return None
        self.frames += 1
        bench.look.see(frame, bench.dark_counts.get(self._step.camera, 0.0))
        self._count_exposures(bench, before + 1)
        return replace(frame, seq=seq, lost_before=before)

    def check_overdue(self, bench: Bench) -> None:
        """Give up the last frames when they do not come; note how late a frame is that should be there."""
        late_s = bench.now_s - self.due_s()
        if late_s > self._step.period_s and self.frames and bench.now_s > self._all_over_s():
            self.lost += self.planned - self.frames
            self.frames = self.planned
        else:
            bench.look.overdue_periods = max(0.0, late_s / self._step.period_s)

    def _all_over_s(self) -> float:
        """A period after the end of the last exposure that was planned."""
        return self._start_s + (self.planned - self._base) * self._step.period_s + self._step.exposure_s

    def _camera(self, bench: Bench) -> Camera:
        return bench.cameras[self._step.camera]

    # ------------------------------------------------------------------ times

    def due_s(self) -> float:
        """When the next frame should be there."""
        is_first = self.frames == self._base
        return self.last_start_s + (0.0 if is_first else self._step.period_s) + self._step.exposure_s

    def in_pause(self, now_s: float) -> bool:
        """Say whether this is the pause after the newest frame: where later ones are the camera knows."""
        since_start_s = now_s - self.last_start_s + INSTANT_S
        pause_s = self._step.period_s - self._step.exposure_s
        return self._step.exposure_s <= since_start_s <= self._step.exposure_s + (1.0 - KEEP_CLEAR) * pause_s

    def next_seq(self, now_s: float) -> int:
        """Return the first frame whose exposure has not begun."""
        periods = (now_s - self.last_start_s - INSTANT_S) / self._step.period_s
        return max(self.frames - 1, self._base) + math.ceil(periods)

    # ------------------------------------------------------------------ dose

    def note_dose(self, bench: Bench) -> None:
        """Write down what the region has seen so far: a run that is continued counts on from there."""
        dose = bench.doses.of(self.region)
        bench.journal.write(
            "dose",
            region=self.region,
            hold=self._step.hold,
            frames=self.frames,
            exposed_per_nm2=dose.exposed_per_nm2,
            beam_on_per_nm2=dose.beam_on_per_nm2,
        )

    def _count_exposures(self, bench: Bench, frames: int) -> None:
        step = self._step
        bench.doses.exposures(self.region, step.dose_rate_per_nm2_s, step.exposure_s, frames)
        if step.beam_in_pause:
            self._count_beam(bench)
        else:
            bench.doses.beam(self.region, step.dose_rate_per_nm2_s, 0.0, frames * step.exposure_s)

    def _count_beam(self, bench: Bench) -> None:
        """Count the beam up to now, where it is on all the time."""
        if self._step.beam_in_pause:
            since_s, self._beam_counted_s = self._beam_counted_s, bench.now_s
            bench.doses.beam(self.region, self._step.dose_rate_per_nm2_s, since_s, self._beam_counted_s)


def check_form(frame: Frame, camera: Camera) -> None:
    """Raise DeviceError for a frame that is not what its camera is said to give: nothing could read it."""
    if frame.data.shape != camera.shape or frame.data.dtype != camera.dtype:
        raise DeviceError(
            f"{camera.name}: frame {frame.seq} has shape {frame.data.shape} and type {frame.data.dtype}, "
            f"{camera.shape} and {camera.dtype} were announced; check binning and mode of the camera"
        )


def scan_positions(step: AcquireStep) -> tuple[tuple[float, float], ...]:
    """Return the positions (y, x) in nm of a scanned probe, row by row, centred on the region."""
    if step.grid is None:
        return ()
    (rows, columns), pitch_nm = step.grid.points, step.grid.pitch_nm
    return tuple(
        ((row - (rows - 1) / 2) * pitch_nm, (column - (columns - 1) / 2) * pitch_nm)
        for row in range(rows)
        for column in range(columns)
    )
