"""What the monitor keeps of a run's history."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass
class Stretch:
    """Something that lasts: a step that was really done, or a time in which the plan stood still."""

    what: str
    t_from_s: float
    t_to_s: float | None = None
    """None: it still lasts."""
    why: str = ""
    index: int = -1
    """Of a step."""


@dataclass
class HoldSeen:
    """An acquisition that has begun."""

    hold: int
    name: str
    title: str = ""
    method: str = "ecm"
    region: int | None = None
    lost: int = 0
    """Frames of it that are not in the record."""
    closed: bool = False
    """Its file is complete; `frames` and `reason` are those of its end."""
    frames: int = 0
    reason: str = ""
    tau_s: float | None = None
    sigma_tau_s: float | None = None
    V_max: float | None = None
    """Of the first peak."""
    sigma_V_max: float | None = None


@dataclass
class RegionSeen:
    """A region of the specimen that the beam has seen."""

    number: int
    y_nm: float | None = None
    x_nm: float | None = None
    thickness: float | None = None
    exposed_per_nm2: float = 0.0
    beam_on_per_nm2: float = 0.0
