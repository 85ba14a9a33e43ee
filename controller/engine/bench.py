"""What the steps of a run share: the devices, the stream, the journal, and what was read last."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from annealscope.controller.engine.feedback import FeedbackLaw
from annealscope.controller.engine.look import FrameLook
from annealscope.controller.engine.operator import AbsentOperator, Operator
from annealscope.controller.engine.ports import FrameStream, OpenHoldFactory
from annealscope.controller.engine.settle import Band
from annealscope.controller.journal import Journal
from annealscope.controller.planning.dose import DoseLedger
from annealscope.controller.planning.values import Plan
from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import (
    Camera,
    Device,
    Frame,
    HandSet,
    Holder,
    LeaseLapsed,
    Microscope,
    Optics,
    Reading,
)

READING_EVERY_S = 1.0
"""How often the temperature goes into the journal while it changes ..."""
READING_EVERY_IN_HOLD_S = 10.0
"""... and while it does not."""


@dataclass(frozen=True)
class Outlook:
    """What the run is about to do, as far as a guard asks."""

    steady: bool = True
    """The temperature is meant to be constant in the step that goes on or comes next."""
    exposes: bool = False
    """Frames are taken, or will be when the step that comes next has prepared."""
    acquisition_s: float = 0.0
    """How long the acquisition takes that begins now; 0 at any other time."""


@dataclass
class Bench:
    """The set-up on the table of one run."""

    clock: Clock
    holder: Holder
    microscope: Microscope
    cameras: Mapping[str, Camera]
    stream: FrameStream
    journal: Journal
    plan: Plan
    opening: OpenHoldFactory
    feedback: FeedbackLaw
    operator: Operator = field(default_factory=AbsentOperator)
    doses: DoseLedger = field(default_factory=DoseLedger)
    """What each region has seen; a run that is continued starts with what it had."""

    dark_counts: Mapping[str, float] = field(default_factory=dict)
    """Counts of a pixel that no electron has reached, by camera; 0 unless said otherwise."""
    free_bytes: Callable[[], int] | None = None
    """Says how much space is free where the run is written; None: nobody asks."""

    set_by_hand: Optics | None = None
    """State of the column that the operator has gone through the checklist for."""
    settled_s: float = 0.0
    """When the present temperature counted as settled: the zero of age."""
    target_K: float = float("nan")
    """The temperature that the specimen is meant to have while it is steady; NaN: whatever the room has."""
    prepared: str | None = None
    """Name of the acquisition that column and region were set up for, until something is taken."""
    temperature: Reading = field(default_factory=lambda: Reading(float("nan"), float("-inf"), "bad"))
    setpoint_K: float = float("nan")
    outlook: Outlook = Outlook()
    hand_set: HandSet | None = field(init=False)
    """The holder, when only the operator can set it."""
    look: FrameLook = field(init=False)
    """At the newest frames."""
    read_s: float = 0.0
    """When they were asked for; the age of a reading counts from here, however long the answer took."""
    lapse: str = ""
    """What was said about a lease that has lapsed, as long as the run has not come to rest because of it."""
    _seen_live_s: float = 0.0
    """When the lease was renewed for the last time before it lapsed."""
    _journalled_s: float = float("-inf")

    def __post_init__(self) -> None:
        self.look = FrameLook(self.plan.house.beam_below)
        self.hand_set = self.holder if isinstance(self.holder, HandSet) else None

    @property
    def now_s(self) -> float:
        """The run's clock."""
        return self.clock.monotonic()

    @property
    def age_s(self) -> float:
        """Time since the temperature has settled."""
        return self.now_s - self.settled_s

    @property
    def order(self) -> str:
        """What the operator has to do at a holder that only they can set; empty: nothing."""
        return self.hand_set.order if self.hand_set is not None else ""

    @property
    def devices(self) -> list[Device]:
        """All devices, the heater first."""
        return [self.holder, self.microscope, *self.cameras.values()]

    def band(self, target_K: float) -> Band:
        """The settling criterion of the protocol around a target."""
        settle = self.plan.settle
        return Band(target_K, settle.within_K, settle.for_s, settle.timeout_s)

    @property
    def in_band(self) -> bool:
        """Say whether the newest temperature is where it is meant to be."""
        asked_for = not math.isnan(self.target_K)
        return not asked_for or self.band(self.target_K).holds(self.temperature, self.read_s)

    def read(self, steady: bool) -> None:
        """Take the newest temperature, and record it from time to time."""
        last_s, self.read_s = self.read_s, self.now_s
        try:
            readings = self.holder.read()
        except LeaseLapsed as lapse:  # the heater was frozen for a while, and is ours again
            self._seen_live_s = self._seen_live_s if self.lapse else last_s
            self.lapse = str(lapse)
            readings = self.holder.read()
        self.temperature, setpoint = readings["temperature"], readings.get("setpoint")
        self.setpoint_K = setpoint.value if setpoint else self.holder.locate().setpoint_K
        every_s = READING_EVERY_IN_HOLD_S if steady else READING_EVERY_S
        if self.now_s - self._journalled_s >= every_s:
            self._record_temperature()

    def beam_was_on(self, frame: Frame) -> bool:
        """Say whether the beam was surely on during an exposure: with the lease of the heater it was lost."""
        return not self.lapse or frame.t_start_s + frame.exposure_s <= self._seen_live_s

    def _record_temperature(self) -> None:
        value_K, setpoint_K = round(self.temperature.value, 4), round(self.setpoint_K, 4)
        self.journal.write("reading", temperature_K=value_K, setpoint_K=setpoint_K)
        self.stream.send_temperature(self.temperature.t_s, value_K, setpoint_K)
        self._journalled_s = self.now_s
