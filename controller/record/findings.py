"""What is wrong with a record: one line for each fault, with how bad it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["damage", "unfinished", "notice"]


@dataclass(frozen=True)
class Finding:
    """One thing that is not as a complete, undamaged record has it."""

    path: Path
    """The file it is about."""
    what: str
    severity: Severity
    """``damage``: something that was recorded is not there, or not what it was. ``unfinished``: left by a
    crash, nothing is lost, `repair` completes it. ``notice``: good to know.
    """


@dataclass(frozen=True)
class Action:
    """One thing that `repair` did, or would do, or leaves alone."""

    path: Path
    """The file it is about."""
    what: str
    done: bool = True
    """False: it cannot be repaired, and is as it was."""
