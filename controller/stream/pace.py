"""How often something is worth its time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

REST_AT_MOST_S = 20.0
"""What took very long had to be compiled first, or was kept waiting: that says nothing of the next time."""


class Pace:
    """Says when something that may be left out is due again: seldom when it takes long.

    Parameters
    ----------
    every_s
        It is at least so long from the end of one to the beginning of the next.
    share
        Of the time that it may take, > 0.
    """

    def __init__(self, every_s: float, share: float) -> None:
        self._every_s, self._share = every_s, share
        self._due_s = 0.0

    @property
    def due(self) -> bool:
        """Whether it may be done now."""
        return time.monotonic() >= self._due_s

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Take the time of what is done in this context."""
        begin_s = time.monotonic()
        yield
        end_s = time.monotonic()
        rest_s = min((end_s - begin_s) / self._share, REST_AT_MOST_S)
        self._due_s = end_s + max(self._every_s, rest_s)
