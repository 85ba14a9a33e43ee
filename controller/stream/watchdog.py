"""Notices a process that lives but does not answer."""

import time
from collections.abc import Callable


class Watchdog:
    """Silence counts only while an answer is owed; it is measured in real time.

    Parameters
    ----------
    limit_s
        Silence that is too long.
    real_s
        Real time in s; given by tests.
    """

    def __init__(self, limit_s: float, real_s: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._real_s = real_s
        self._silent_since_s: float | None = None

    def watch(self, *, owes: bool, heard: bool) -> bool:
        """Take in whether an answer is owed and whether one came; return True after too long a silence."""
        now_s = self._real_s()
        if not owes:
            self._silent_since_s = None
            return False
        if heard or self._silent_since_s is None:
            self._silent_since_s = now_s
        return now_s - self._silent_since_s > self._limit_s
