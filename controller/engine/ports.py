"""What the engine needs from the rest of the program, so that it need not know the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from annealscope.controller.planning.values import AcquireStep
from annealscope.controller.stream.messages import DriftRow, HoldClosed, Live, OpenHold
from annealscope.drivers.interfaces import Frame

Pair = tuple[float, float]


class FrameStream(Protocol):
    """The way of the frames out of the engine, and of what is made of them back in."""

    def open_hold(self, opening: OpenHold) -> None:
        """Begin an acquisition."""

    def new_segment(self, why: str) -> int:
        """Break the open hold: no correlation crosses. Returns the number of the new segment."""

    def send(self, frame: Frame, shift_applied_nm: Pair, beam_on: bool) -> None:
        """Hand a frame over; ``frame.seq`` counts on through all segments of a hold."""

    def send_temperature(self, t_s: float, temperature_K: float, setpoint_K: float) -> None:
        """Record a temperature with the open hold."""

    def ready(self) -> bool:
        """Say whether the next exposure may begin (in a rehearsal it waits for drift row and recorder)."""

    def backlog(self) -> float:
        """Return which share of the frames that may wait for the disk does; 0 when frames wait for it."""

    def newest_drift(self) -> DriftRow | None:
        """Return the newest drift measurement of the open hold; None while the analyst is away."""

    def newest_live(self) -> Live | None:
        """Return the newest live result of the open hold."""

    def close_hold(self, reason: str, end_seq: int = 0) -> None:
        """End the acquisition; harmless when none is open.

        Parameters
        ----------
        reason
            Why no more frames are taken.
        end_seq
            One past the last number of the camera: frames before it that were not sent are lost.
        """

    def closed_hold(self, hold: int) -> HoldClosed | None:
        """Return the recorder's confirmation that a hold is complete on disk."""

    def trouble(self) -> str | None:
        """Say why nothing can be recorded at the moment, or None; it is being mended, see `failure`."""

    def failure(self) -> str | None:
        """Say why nothing can be recorded any more, or None."""

    def wait(self, timeout_s: float) -> None:
        """Handle what the children send, for at most ``timeout_s`` of real time."""


OpenHoldFactory = Callable[[AcquireStep, float, float], OpenHold]
"""Announces a hold: from its step, the time it settled at, and the time of its first exposure."""


@dataclass(frozen=True)
class NextTask:
    """What the plan wants of the operator next."""

    what: str
    t_s: float
    """When, on the run's clock, if nothing delays the plan any further."""


@dataclass(frozen=True)
class Status:
    """A snapshot for whoever watches."""

    state: str
    step: str
    phase: str
    step_number: int
    steps: int
    t_s: float
    total_s: float
    temperature_K: float
    setpoint_K: float
    why: str = ""
    """Why the run is in its state."""
    frames: int = 0
    frames_planned: int = 0
    frames_before: int = 0
    """Frames of the holds already closed."""
    frames_lost: int = 0
    """Of the open hold, by the camera."""
    segment: int = 0
    """Of the open hold."""
    drift_nm: float | None = None
    """The larger part of the newest displacement."""
    drift_yx_nm: Pair | None = None
    """Both parts of it, (y, x); positive: to larger index."""
    tau_s: float | None = None
    sigma_tau_s: float | None = None
    compiling: bool = False
    """The analysis is compiled, as happens once on a machine; its numbers come later."""
    prompt: str = ""
    """What the operator is asked for now."""
    order: str = ""
    """The same, when it is to be done at a holder that only the operator can set; asked in any state."""
    alarm: str = ""
    """Why somebody has to come now: such an order was not confirmed in time, or is one of safety."""
    next_task: NextTask | None = None
    step_from_s: float = 0.0
    """When the step begins by the plan: unlike ``t_s`` this counts no nights and no delays."""
    step_to_s: float = 0.0
    """When it ends by the plan."""
    region: int | None = None
    """Number of the region under the beam, in an acquisition."""
    region_dose_per_nm2: float | None = None
    """What it has seen so far, counted as the protocol's limit says."""


Observer = Callable[[Status], None]
