"""What a plan consists of: the steps as they are carried out, and what they will take."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from annealscope.controller.config.quantities import ROOM_K


@dataclass(frozen=True)
class RampStep:
    """Go to a temperature, then settle."""

    kind: ClassVar[str] = "ramp"
    target_K: float
    rate_K_per_s: float


@dataclass(frozen=True)
class CoolStep:
    """Go down to a temperature, then settle."""

    kind: ClassVar[str] = "cool"
    target_K: float
    rate_K_per_s: float


@dataclass(frozen=True)
class WaitStep:
    """Let time pass at temperature; one of the two is set."""

    kind: ClassVar[str] = "wait"
    for_s: float | None = None
    """From now ..."""
    until_age_s: float | None = None
    """... or until this long after the temperature has settled."""


@dataclass(frozen=True)
class DriftPlan:
    """Drift correction is on; displacements from the reference that are reported and that are too much."""

    warn_nm: float
    limit_nm: float


@dataclass(frozen=True)
class AcquireStep:
    """Take one movie."""

    kind: ClassVar[str] = "acquire"
    hold: int
    """Ordinal of the acquisition in the plan, from 1."""
    name: str
    """Stem of its file names, e.g. ``01_ecm_100C``."""
    key: str
    """Name of the acquisition in the protocol."""
    title: str
    camera: str
    exposure_s: float
    period_s: float
    frames: int
    drift: DriftPlan | None
    """None: the drift is measured by nobody and corrected by nobody."""
    dose_rate_per_nm2_s: float
    fresh_region: bool
    setpoint_K: float


ExecutableStep = RampStep | CoolStep | WaitStep | AcquireStep


@dataclass(frozen=True)
class PlannedStep:
    """A step and its place in the protocol and in time."""

    index: int
    """From 0."""
    path: str
    """Place in the protocol, e.g. ``steps.1.hold.0``; the steps of a sequence count below their hold."""
    label: str
    t_start_s: float
    """Expected start, from the start of the run."""
    duration_s: float
    """Expected duration; a ramp settles in the shortest time that ``settle`` allows."""
    setpoint_K: float
    """Setpoint when the step ends."""
    step: ExecutableStep


@dataclass(frozen=True)
class SettleRule:
    """When a temperature counts as reached."""

    within_K: float
    for_s: float
    timeout_s: float


@dataclass(frozen=True)
class SafeRule:
    """What happens when nobody is in charge any more."""

    cool_to_K: float
    rate_K_per_s: float
    grace_s: float


@dataclass(frozen=True)
class Precision:
    """What a record can tell of one relaxation time."""

    tau_s: float
    sigma_ln_tau: float
    """Expected relative standard error, good to 30 %."""
    plain_bias: float
    """Expected relative bias of a fit that takes no account of the finite duration."""


@dataclass(frozen=True)
class HoldEstimate:
    """What one acquisition takes, and what it can tell."""

    hold: int
    name: str
    frames: int
    duration_s: float
    bytes: int
    """Raw frames, not compressed."""
    memory_bytes: int
    """Need of the analyst."""
    region: int
    """Number of the region of the specimen, from 1."""
    dose_per_nm2: float
    """Electrons it adds to its region, counted as the limits say."""
    largest_lag_s: float
    """Longest time over which frames are correlated."""
    n_speckles: float
    """Independent speckles in the part of a frame that is analysed."""
    precision: tuple[Precision, ...]
    """For relaxation times of a 40th, 20th, 10th and 5th of its duration."""


@dataclass(frozen=True)
class Problem:
    """Something a plan runs into."""

    severity: Literal["error", "warning"]
    """A run with an error is refused."""
    path: str
    """Place in the protocol, e.g. ``steps.0.ramp.to``."""
    message: str


@dataclass(frozen=True)
class Plan:
    """A protocol on a rig: what is done when, and what it takes."""

    name: str
    rig: str
    steps: tuple[PlannedStep, ...]
    settle: SettleRule
    safe: SafeRule
    max_temperature_K: float
    """The run stops above: the lower one of the protocol's limit and of the holder's."""
    start_K: float = ROOM_K
    """Setpoint before the first step."""
    holds: tuple[HoldEstimate, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def duration_s(self) -> float:
        """Expected duration of the whole."""
        return sum(step.duration_s for step in self.steps)

    @property
    def frames(self) -> int:
        """Frames of all acquisitions."""
        return sum(hold.frames for hold in self.holds)

    @property
    def bytes(self) -> int:
        """Raw frames of all acquisitions, not compressed."""
        return sum(hold.bytes for hold in self.holds)

    @property
    def disk_bytes(self) -> int:
        """Space the run may need: all frames, the log of the largest open acquisition, a tenth more."""
        largest = max((hold.bytes for hold in self.holds), default=0)
        return (self.bytes + largest) * 11 // 10

    @property
    def memory_bytes(self) -> int:
        """Largest need of the analyst."""
        return max((hold.memory_bytes for hold in self.holds), default=0)

    @property
    def largest_lag_s(self) -> float:
        """Longest time over which frames are correlated."""
        return max((hold.largest_lag_s for hold in self.holds), default=0.0)

    @property
    def dose_per_region_per_nm2(self) -> tuple[float, ...]:
        """Electrons of each region of the specimen, in the order of their use."""
        doses: dict[int, float] = {}
        for hold in self.holds:
            doses[hold.region] = doses.get(hold.region, 0.0) + hold.dose_per_nm2
        return tuple(doses.values())

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems because of which the run is refused."""
        return tuple(problem for problem in self.problems if problem.severity == "error")
