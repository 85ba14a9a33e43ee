"""What a report knows of a whole run: values read from its folder, every one of them possibly absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, FloatArray

Weight = Literal["lost", "notice"]


@dataclass(frozen=True)
class TemperatureTrace:
    """Temperature over the whole run; the three arrays have the same shape (N,)."""

    t_s: FloatArray
    """On the run's clock."""

    measured_degC: FloatArray
    setpoint_degC: FloatArray


@dataclass(frozen=True)
class Interruption:
    """A stretch of time in which the plan stood still."""

    state: str
    """``paused``, ``suspended``, ``parked`` or ``prompt``."""

    start_s: float
    """On the run's clock, like ``end_s``."""

    end_s: float
    why: str = ""


@dataclass(frozen=True)
class LedgerEntry:
    """Something that a reader of the numbers should know."""

    t_s: float
    """On the run's clock; NaN when it has no moment."""

    weight: Weight
    """``lost``: data are missing; ``notice``: something intervened, but nothing is missing by it."""

    what: str
    why: str = ""
    where: str = ""
    """The hold it belongs to."""


@dataclass(frozen=True)
class RegionDose:
    """A place on the specimen, and what it has seen."""

    number: int
    position_nm: tuple[float, float] | None = None
    """(y, x) of the stage."""

    thickness: float = NOT_A_NUMBER
    """In mean free paths."""

    exposed_per_nm2: float = NOT_A_NUMBER
    """Electrons while frames were exposed."""

    beam_on_per_nm2: float = NOT_A_NUMBER
    """Electrons while the beam was on."""

    holds: tuple[str, ...] = ()
    """Names of the acquisitions that used it."""


@dataclass(frozen=True)
class DoseLedger:
    """The regions of a run, and the limit they are held against."""

    regions: tuple[RegionDose, ...] = ()
    limit_per_nm2: float = NOT_A_NUMBER
    counts: str = "beam_on"
    """Which of the two doses the limit is for."""

    def counted_per_nm2(self, region: RegionDose) -> float:
        """Return the dose that the limit is for."""
        return region.exposed_per_nm2 if self.counts == "exposed" else region.beam_on_per_nm2

    def share(self, region: RegionDose) -> float:
        """Return the dose of a region as a fraction of the limit; NaN when either is unknown."""
        return self.counted_per_nm2(region) / self.limit_per_nm2


@dataclass(frozen=True)
class ProbeSeries:
    """Results of several probe sizes, as two arrays to plot and numbers that follow from them."""

    x: FloatArray
    """Shape (n,)."""

    y: FloatArray
    sigma: FloatArray | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScaledVariance:
    """Heights of the first peak at several temperatures, brought to one thickness: V is inverse to it."""

    thickness: float
    """In mean free paths."""

    V: Mapping[str, tuple[float, float]]
    """Height and its standard error, by the name of the hold."""


@dataclass(frozen=True)
class RunSummary:
    """One run folder."""

    folder: Path
    title: str
    outcome: str
    """``success``, ``incomplete`` (planned steps done, but not everything is recorded), ``stopped``,
    ``aborted``, ``failed``, ``crashed``, ``parked``, or ``unfinished``: the journal has no end."""

    why: str = ""
    goes_on: bool = False
    """Whether it has ended, but may be continued."""

    started_s: float = 0.0
    """Zero of the run's time axis, on the run's clock."""

    ended_s: float = NOT_A_NUMBER
    started_utc: str = ""
    records: list[dict[str, Any]] = field(default_factory=list, repr=False)
    """The journal."""

    trace: TemperatureTrace | None = None
    interruptions: tuple[Interruption, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    """In time order."""

    holds: tuple[HoldSummary, ...] = ()
    holds_planned: int = 0
    dose: DoseLedger = DoseLedger()
    scaled_variance: ScaledVariance | None = None
    stratton_voyles: tuple[ProbeSeries, ...] = ()
    """Height of the first peak against 1/R^2, of each series of probe sizes."""

    pair_persistence: tuple[ProbeSeries, ...] = ()
    """Q^2/V against Q^2, of each series of probe sizes."""

    protocol_text: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """What is not there, in sentences."""

    @property
    def simulated(self) -> bool:
        """Whether the specimen was a simulated one, whose truth is known."""
        return any(hold.simulated for hold in self.holds)
