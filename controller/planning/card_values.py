"""What the pre-run card says."""

from dataclasses import dataclass

from annealscope.controller.planning.dose import DoseCounts
from annealscope.controller.planning.house_values import ServiceDue
from annealscope.controller.planning.sessions import Task
from annealscope.controller.planning.values import Method, Precision, SafeRule
from annealscope.drivers.interfaces import Optics


@dataclass(frozen=True)
class ColumnState:
    """A state of the column that the run needs."""

    name: str
    optics: Optics
    used_by: tuple[str, ...]
    """Names of acquisitions in the protocol."""
    by_hand: tuple[str, ...]
    """What the operator sets, in words."""


@dataclass(frozen=True)
class RegionNeed:
    """Regions that have seen no beam."""

    thickness: tuple[float, float] | None
    """In mean free paths; None: any."""
    regions: int
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class DoseNeed:
    """What a region of the specimen will have seen at most."""

    largest_per_nm2: float
    region: int
    limit_per_nm2: float | None
    counts: DoseCounts
    """Which time counts: with the beam on, or exposed."""


@dataclass(frozen=True)
class Expected:
    """What acquisitions that are alike can tell."""

    key: str
    """Name in the protocol."""
    method: Method
    temperatures_K: tuple[float, ...]
    precision: tuple[Precision, ...]
    """Of ECM movies."""
    sigma_variance: float | None
    """Relative, at the first peak of V(k); of FEM grids."""


@dataclass(frozen=True)
class SessionTasks:
    """What the operator is asked for in a session."""

    number: int
    duration_s: float
    parked: str | None
    """Message of the park that ends it; None: the run ends with it."""
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Card:
    """What the operator checks before a run, and does in it."""

    name: str
    rig: str
    duration_s: float
    frames: int
    acquisitions: int
    cameras: tuple[str, ...]
    states: tuple[ColumnState, ...]
    dose_rates: tuple[tuple[str, float], ...]
    """(acquisition, e/nm^2/s through vacuum); a scanned probe has a current instead."""
    regions: tuple[RegionNeed, ...]
    dose: DoseNeed | None
    highest_K: float
    max_temperature_K: float
    disk_bytes: int
    memory_bytes: int
    expected: tuple[Expected, ...]
    sessions: tuple[SessionTasks, ...]
    services: tuple[ServiceDue, ...]
    """What the laboratory has to do meanwhile; what the operator does of it is among their tasks too."""
    safe: SafeRule
    """What is done with the heater when nobody is in charge any more."""
    holder_set_by: str
    """``operator``: then nobody does it."""
