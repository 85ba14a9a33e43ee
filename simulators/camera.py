"""A simulated camera that free-runs on the run's clock."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Channel, DeviceError, Frame, FrameSpec, Reading
from annealscope.simulators.camera_spec import CameraFaults, CameraSpec
from annealscope.simulators.random_streams import microseconds, stream
from annealscope.simulators.timed_faults import TimedFault, happens

Counts = npt.NDArray[np.uint16]

BUFFER_FRAMES = 256
"""Finished frames that a camera keeps for whoever comes late."""

SOON_S = 1e-9
"""Rounding of times: what is due within it is due."""


class Scene(Protocol):
    """What falls on a camera."""

    def expose(
        self, t_start_s: float, exposure_s: float, seq: int, scan_yx_nm: tuple[float, float] | None
    ) -> tuple[Counts, float | None]:
        """Return raw counts of the camera's shape, and the signal of the annular dark-field detector.

        Asked for in the order of the exposures, after they are over.
        """


@dataclass(frozen=True)
class _Fate:
    """What goes wrong with one exposure."""

    late_s: float = 0.0
    lost: bool = False
    repeated: bool = False


class FaultDraws:
    """Draws what goes wrong: a function of the seed, the camera, the acquisition and the frame's number.

    Parameters
    ----------
    faults
        How often, how much.
    pause_s
        Time between exposures: they begin earlier or later by less than half of it, so they never overlap.
    seed
        Seed of the run.
    name
        Purpose of the draws: one for each camera and acquisition.
    """

    def __init__(self, faults: CameraFaults, pause_s: float, seed: int, name: str) -> None:
        self._faults = faults
        self._latest_s = 0.5 * pause_s
        self._seed = seed
        self._name = name
        self._none = faults == CameraFaults()

    def fate(self, seq: int) -> _Fate:
        """Return what happens to a frame; the first one begins when the camera is told to start."""
        if self._none:
            return _Fate()
        rng = stream(self._seed, self._name, seq)
        jitter_s = float(rng.standard_normal()) * self._faults.jitter_s
        late_s = min(max(jitter_s, -self._latest_s), self._latest_s)
        lost, repeated = rng.random(2) < (self._faults.drop_rate, self._faults.duplicate_rate)
        return _Fate(late_s if seq else 0.0, bool(lost), bool(repeated))


@dataclass
class _Acquisition:
    """What happens between start and stop: exposure n begins near start + n * period, whoever looks."""

    spec: FrameSpec
    draws: FaultDraws
    start_s: float
    stop_s: float = math.inf
    next_seq: int = 0
    """The first frame that is neither given away nor lost."""
    last_data: Counts | None = None
    """Pixels of the newest frame that was given away."""

    @property
    def n_exposures(self) -> float:
        """Exposures until the camera ends by itself: as many as the scan has positions."""
        return len(self.spec.scan_yx_nm) or math.inf

    def exposure_start_s(self, seq: int) -> float:
        return self.start_s + seq * self.spec.period_s + self.draws.fate(seq).late_s

    def ready_s(self, seq: int) -> float:
        """When exposure ``seq`` is over; never, when the camera was stopped or the scan over before."""
        end_s = self.exposure_start_s(seq) + self.spec.exposure_s
        return end_s if end_s <= self.stop_s + SOON_S and seq < self.n_exposures else math.inf

    def finished(self, now_s: float) -> int:
        """Return the number of exposures that are over, if none of them began early or late."""
        elapsed_s = min(now_s, self.stop_s) + SOON_S - self.start_s - self.spec.exposure_s
        return int(min(math.floor(elapsed_s / self.spec.period_s) + 1, self.n_exposures))

    def first_kept(self, now_s: float) -> int:
        """Return the next frame that is still there: not pushed out of the buffer, and not lost."""
        seq = max(self.next_seq, self.finished(now_s) - BUFFER_FRAMES)
        while seq < self.n_exposures and self.draws.fate(seq).lost:
            seq += 1
        return seq


class SimulatedCamera:
    """A camera without hardware.

    A frame is computed when it is asked for, as its own exposure time saw it. Those not asked for wait in a
    buffer; when it is full, the oldest are lost. What else goes wrong is in `CameraSpec.faults`: exposures
    begin early or late, frames are lost, and a buffer is read twice, so that a frame has the pixels of the
    one delivered before it.

    Parameters
    ----------
    spec
        The camera.
    scene
        What it looks at.
    clock
        The run's clock.
    seed
        Same seed, same faults.
    faults
        Of the whole laboratory; while the camera is frozen it gives no frames.
    """

    dtype = "uint16"

    def __init__(
        self, spec: CameraSpec, scene: Scene, clock: Clock, seed: int, faults: Sequence[TimedFault] = ()
    ) -> None:
        self.name = spec.name
        self.shape = spec.shape
        self._spec = spec
        self._scene = scene
        self._clock = clock
        self._seed = seed
        self._faults = faults
        self._armed: FrameSpec | None = None
        self._acquisition: _Acquisition | None = None

    def open(self) -> None:
        """Connect: nothing to do."""

    def close(self) -> None:
        """Disconnect: nothing to do."""

    def describe(self) -> Mapping[str, Channel]:
        """Name the channels."""
        return {"running": Channel("", "1 between start and stop, else 0")}

    def read(self) -> Mapping[str, Reading]:
        """Return whether the camera runs."""
        return {"running": Reading(float(self._running), self._now_s())}

    def safe(self, why: str) -> None:
        """Stop."""
        self.stop()

    def arm(self, spec: FrameSpec) -> None:
        """Prepare for frames of this exposure and period; a scan ends by itself after its last position."""
        if not 0 < spec.exposure_s <= spec.period_s < math.inf:
            raise DeviceError(
                f"{self.name}: exposure must be > 0 and at most the period, "
                f"got exposure {spec.exposure_s:g} s, period {spec.period_s:g} s"
            )
        if self._running:
            raise DeviceError(f"{self.name}: cannot be armed while it runs; stop it first")
        self._armed = spec
        self._acquisition = None

    def start(self) -> None:
        """Begin: the first exposure starts now."""
        if self._armed is None or self._running:
            raise DeviceError(f"{self.name}: can be started once it is armed and does not run yet")
        pause_s = self._armed.period_s - self._armed.exposure_s
        start_s = self._now_s()
        name = f"{self.name}/faults/{microseconds(start_s)}"
        draws = FaultDraws(self._spec.faults, pause_s, self._seed, name)
        self._acquisition = _Acquisition(self._armed, draws, start_s)

    def next_frame(self, timeout_s: float = 0.0) -> Frame | None:
        """Return the next finished frame, or None when there is none within the timeout."""
        acquisition = self._acquisition
        if acquisition is None or happens(self._faults, "camera", self._now_s()):
            return None
        if timeout_s > 0:
            ready_s = acquisition.ready_s(acquisition.first_kept(self._now_s()))
            self._clock.sleep_until(min(ready_s, self._now_s() + timeout_s))
        seq = acquisition.first_kept(self._now_s())
        return self._deliver(acquisition, seq) if acquisition.ready_s(seq) <= self._now_s() + SOON_S else None

    def stop(self) -> None:
        """End; finished frames can still be fetched, the running exposure is discarded."""
        if self._acquisition is not None:
            self._acquisition.stop_s = min(self._acquisition.stop_s, self._now_s())

    @property
    def _running(self) -> bool:
        return self._acquisition is not None and math.isinf(self._acquisition.stop_s)

    def _deliver(self, acquisition: _Acquisition, seq: int) -> Frame:
        spec, lost = acquisition.spec, seq - acquisition.next_seq
        t_start_s = acquisition.exposure_start_s(seq)
        position = spec.scan_yx_nm[seq] if spec.scan_yx_nm else None
        data, haadf = self._scene.expose(t_start_s, spec.exposure_s, seq, position)
        if acquisition.draws.fate(seq).repeated and acquisition.last_data is not None:
            data = acquisition.last_data.copy()
        acquisition.next_seq, acquisition.last_data = seq + 1, data
        return Frame(data, seq, t_start_s, spec.exposure_s, lost, position, haadf)

    def _now_s(self) -> float:
        return self._clock.monotonic()
