"""A simulated camera that free-runs on the run's clock."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from annealscope.drivers.interfaces import Channel, DeviceError, Frame, FrameSpec, Reading
from annealscope.simulators.world import World

BUFFER_FRAMES = 256
"""Finished frames that a camera keeps for whoever comes late."""

SOON_S = 1e-9
"""Rounding of times: what is due within it is due."""


@dataclass
class _Acquisition:
    """What happens between start and stop: exposure n begins at start + n * period, whoever looks."""

    spec: FrameSpec
    start_s: float
    stop_s: float = math.inf
    delivered: int = 0
    """Frames given away or lost."""

    def exposure_start_s(self, seq: int) -> float:
        return self.start_s + seq * self.spec.period_s

    def ready_s(self, seq: int) -> float:
        """When exposure ``seq`` is over; never, when the camera was stopped before."""
        end_s = self.exposure_start_s(seq) + self.spec.exposure_s
        return end_s if end_s <= self.stop_s + SOON_S else math.inf

    def finished(self, now_s: float) -> int:
        """Return the number of exposures that are over."""
        elapsed_s = min(now_s, self.stop_s) + SOON_S - self.start_s - self.spec.exposure_s
        return math.floor(elapsed_s / self.spec.period_s) + 1


class SimulatedCamera:
    """A camera without hardware.

    A frame is computed when it is asked for, as its own exposure time saw it. Those not asked for wait in a
    buffer; when it is full, the oldest are lost.
    """

    name = "camera"
    dtype = "uint16"

    def __init__(self, world: World) -> None:
        self._world = world
        self.shape = world.spec.frame_shape
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
        """Prepare for frames of this exposure and period."""
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
        self._acquisition = _Acquisition(self._armed, self._now_s())

    def next_frame(self, timeout_s: float = 0.0) -> Frame | None:
        """Return the next finished frame, or None when there is none within the timeout."""
        acquisition = self._acquisition
        if acquisition is None:
            return None
        ready_s = acquisition.ready_s(acquisition.delivered)
        if timeout_s > 0:
            self._world.clock.sleep_until(min(ready_s, self._now_s() + timeout_s))
        return self._deliver(acquisition) if ready_s <= self._now_s() + SOON_S else None

    def stop(self) -> None:
        """End; finished frames can still be fetched, the running exposure is discarded."""
        if self._acquisition is not None:
            self._acquisition.stop_s = min(self._acquisition.stop_s, self._now_s())

    @property
    def _running(self) -> bool:
        return self._acquisition is not None and math.isinf(self._acquisition.stop_s)

    def _deliver(self, acquisition: _Acquisition) -> Frame:
        lost = max(0, acquisition.finished(self._now_s()) - BUFFER_FRAMES - acquisition.delivered)
        seq = acquisition.delivered + lost
        acquisition.delivered = seq + 1
        t_start_s, exposure_s = acquisition.exposure_start_s(seq), acquisition.spec.exposure_s
        return Frame(self._world.expose(t_start_s, exposure_s, self.name), seq, t_start_s, exposure_s, lost)

    def _now_s(self) -> float:
        return self._world.clock.monotonic()
