"""What a plan consists of: the steps as they are carried out, and what they will take."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from annealscope.controller.config.quantities import ROOM_K
from annealscope.controller.planning.house_values import HouseRules, ServiceDue
from annealscope.drivers.interfaces import Optics


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
class WatchPlan:
    """How the drift is looked at while nothing is recorded: a short exposure from time to time."""

    camera: str
    exposure_s: float
    period_s: float
    optics: Optics | None


@dataclass(frozen=True)
class WaitStep:
    """Let time pass at temperature."""

    kind: ClassVar[str] = "wait"
    for_s: float | None = None
    """From now ..."""
    until_age_s: float | None = None
    """... or until this long after the temperature has settled ..."""
    drift_below_nm_per_s: float | None = None
    """... and until the specimen drifts more slowly than this ..."""
    at_most_s: float | None = None
    """... but no longer than this: an age where ``until_age_s`` is given, else from now."""
    watch: WatchPlan | None = None
    """How the drift is measured; set with ``drift_below_nm_per_s``."""


@dataclass(frozen=True)
class DriftPlan:
    """Drift correction: who moves the image, and displacements from the reference that matter."""

    warn_nm: float
    limit_nm: float
    owner: Literal["annealscope", "microscope"] = "annealscope"
    """Who moves the image; the drift is measured either way."""
    on_limit: Literal["flag", "suspend", "stop"] = "flag"
    """Beyond the limit: frames are flagged, or the acquisition is suspended, or the run stops."""


@dataclass(frozen=True)
class FramesEnd:
    """After so many frames, lost ones included."""

    frames: int


@dataclass(frozen=True)
class DurationEnd:
    """After so much time with the acquisition running."""

    duration_s: float


@dataclass(frozen=True)
class PrecisionEnd:
    """When tau is known well enough."""

    within: float
    """Relative standard error of tau."""
    min_duration_tau: float = 0.0
    """Shortest record, in relaxation times."""
    checks: int = 1
    """It has to be found so many times in a row ..."""
    every_s: float = 0.0
    """... at this distance."""


EndCondition = FramesEnd | DurationEnd | PrecisionEnd


@dataclass(frozen=True)
class UntilPlan:
    """When an acquisition ends; `AcquireStep.frames` is its end in any case."""

    combine: Literal["any", "all"]
    conditions: tuple[EndCondition, ...]


@dataclass(frozen=True)
class GridPlan:
    """Positions of a scanned probe: row by row, centred on the region."""

    points: tuple[int, int]
    """(rows, columns)."""
    pitch_nm: float


@dataclass(frozen=True)
class Setup:
    """What is set up before an acquisition: by `PrepareStep`, or else by the acquisition itself."""

    key: str
    """Name of the acquisition in the protocol."""
    optics_name: str | None
    """Name of the state of the column in the protocol; None: it stays as it is."""
    optics: Optics | None
    settle_s: float
    """Time for the column to come to rest."""
    checklist: tuple[str, ...]
    """What the operator sets by hand, in words; empty: the driver does it all."""
    fresh_region: bool
    thickness: tuple[float, float] | None
    """Wanted thickness of the region in mean free paths."""


@dataclass(frozen=True)
class PrepareStep:
    """Set the column, find the region and focus, but take nothing yet."""

    kind: ClassVar[str] = "prepare"
    setup: Setup


@dataclass(frozen=True)
class PromptStep:
    """Ask the operator, and wait for `resume`."""

    kind: ClassVar[str] = "prompt"
    message: str
    timeout_s: float | None = None
    on_timeout: Literal["cool", "continue"] = "cool"


@dataclass(frozen=True)
class ParkStep:
    """Cool down, switch off, blank: the run can be left alone, and continued another day."""

    kind: ClassVar[str] = "park"
    message: str
    cool_to_K: float
    rate_K_per_s: float


Method = Literal["ecm", "fem", "diffraction"]


@dataclass(frozen=True)
class AcquireStep:
    """Take frames: a movie, patterns on a grid, or diffraction patterns of an area."""

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
    """Most frames."""
    drift: DriftPlan | None
    """None: the drift is measured by nobody and corrected by nobody."""
    dose_rate_per_nm2_s: float
    """On the specimen; of a probe: the mean over the area of the grid while the beam is on."""
    setup: Setup
    setpoint_K: float
    """Planned temperature."""
    method: Method = "ecm"
    until: UntilPlan | None = None
    """None: after `frames`."""
    grid: GridPlan | None = None
    haadf: bool = False
    beam_in_pause: bool = True


ExecutableStep = RampStep | CoolStep | WaitStep | PrepareStep | AcquireStep | PromptStep | ParkStep


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
    method: Method = "ecm"
    n_speckles: float | None = None
    """Independent speckles in the part of a frame that is analysed; None: not an ECM movie."""
    precision: tuple[Precision, ...] = ()
    """For relaxation times of a 40th, 20th, 10th and 5th of its duration; of ECM movies."""
    sigma_variance: float | None = None
    """Expected relative standard error of the first peak of V(k); of FEM grids."""


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
    max_dose_per_region_per_nm2: float | None = None
    """An acquisition that would bring its region above this ends there."""
    dose_counts: Literal["beam_on", "exposed"] = "beam_on"
    """Which time counts for the dose."""
    start_K: float = ROOM_K
    """Setpoint before the first step."""
    holder_set_by: Literal["annealscope", "operator"] = "annealscope"
    """The operator sets it at a controller of its own, as the run asks."""
    holds: tuple[HoldEstimate, ...] = ()
    problems: tuple[Problem, ...] = ()
    house: HouseRules = field(default_factory=HouseRules)
    services: tuple[ServiceDue, ...] = ()
    """What the laboratory has to do meanwhile."""

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
