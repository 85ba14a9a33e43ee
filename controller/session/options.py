"""How a plan is carried out: where it is written, at which speed, who the operator is."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from annealscope.controller.config.errors import one_of
from annealscope.controller.config.protocol import Protocol
from annealscope.controller.engine.operator import AbsentOperator, Operator, RehearsalOperator
from annealscope.controller.errors import ExitCode, RunError
from annealscope.drivers.clock import Clock, VirtualClock, WallClock

MAX_SPEED = 10_000.0
"""A real clock that runs faster would leave no time between two readings."""

COMPRESSIONS = ("auto", "deflate", "none")
PARKS = ("auto", "end", "through")


@dataclass(frozen=True)
class RunOptions:
    """How a plan is carried out."""

    folder: Path | None = None
    """The run folder; must not exist, or be empty. None: ``runs/<UTC>_<name>``."""
    seed: int = 0
    """Seed of the simulated world."""
    speed: str = "max"
    """``max``: virtual time; ``real``; or a factor."""
    compression: str = "auto"
    """Of the hold files: ``auto``, ``deflate`` or ``none``."""
    parks: str = "auto"
    """A park ends the program (``end``), or a simulated night passes (``through``)."""
    acknowledge: str = ""
    """Why a heater that its guard has switched off may be heated again."""

    def __post_init__(self) -> None:
        _check_choice("compression", self.compression, COMPRESSIONS)
        _check_choice("parks", self.parks, PARKS)
        if self.parks == "through" and self.speed != "max":
            message = f"--parks through passes a night in no time: it needs --speed max, got {self.speed}"
            raise RunError(message, ExitCode.USAGE)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RunError(f"--{name} must be {one_of(choices)}, got {value!r}", ExitCode.USAGE)


def make_clock(speed: str, start_s: float = 0.0) -> Clock:
    """Return the clock of a rehearsal: ``max`` (virtual), ``real``, or a factor. Raises RunError."""
    if speed == "max":
        return VirtualClock(datetime.now(UTC).timestamp(), start_s)
    try:
        factor = 1.0 if speed == "real" else float(speed)
    except ValueError:
        factor = math.nan
    if not 0 < factor <= MAX_SPEED:
        message = f"--speed must be max, real or a number > 0 and at most {MAX_SPEED:g}, got {speed!r}"
        raise RunError(message, ExitCode.USAGE)
    return WallClock(factor, start_s)


def make_operator(options: RunOptions) -> Operator:
    """Return who answers prompts: on virtual time nobody else could."""
    if options.speed != "max":
        return AbsentOperator()
    return RehearsalOperator(through_parks=options.parks != "end")


def default_folder(protocol: Protocol) -> Path:
    """Return ``runs/<UTC>_<slug>`` below the present folder."""
    slug = "".join(c if c.isascii() and c.isalnum() else "-" for c in protocol.name.lower())
    slug = "-".join(part for part in slug.split("-") if part)[:40] or "run"
    return Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}_{slug}"
