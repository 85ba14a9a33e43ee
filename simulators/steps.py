"""A value that changes at instants."""

import math
from typing import Generic, TypeVar

T = TypeVar("T")

CHANGES_KEPT = 256
"""Changes remembered, for exposures that are rendered late."""


class Steps(Generic[T]):
    """A value that changes at instants; remembers the last changes only."""

    def __init__(self, value: T) -> None:
        self._changes: tuple[tuple[float, T], ...] = ((-math.inf, value),)

    def set(self, t_s: float, value: T) -> None:
        """Change the value from a time on."""
        self._changes = (*self._changes[1 - CHANGES_KEPT :], (t_s, value))

    def at(self, t_s: float) -> T:
        """Return the value at a time, or the oldest one remembered."""
        return next(
            (value for since_s, value in reversed(self._changes) if since_s <= t_s), self._changes[0][1]
        )

    @property
    def newest(self) -> T:
        """The value from now on."""
        return self._changes[-1][1]
