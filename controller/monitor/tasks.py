"""When the operator is wanted next, on the clock at the wall."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any


def next_task(
    status: Mapping[str, Any], quiet_s: float, now: datetime, virtual: bool
) -> dict[str, Any] | None:
    """Return what the operator does next, in how many seconds and at which time of day.

    Parameters
    ----------
    status
        The newest of the run.
    quiet_s
        Since it came: so much nearer is what is next.
    now
        Local time.
    virtual
        The run is not on a real clock: nobody can be there at a time of day.
    """
    task = status.get("next_task")
    if not task or status["state"] in ("finishing", "aborting"):
        return None
    in_s = max(0.0, task["t_s"] - status["t_s"] - (0.0 if virtual else quiet_s))
    return {"what": task["what"], "in_s": in_s, "at": None if virtual else time_of_day(now, in_s)}


def time_of_day(now: datetime, in_s: float) -> str:
    """Return a time to come as one says it: ``14:20``; on another day ``Tue 14:20``.

    >>> time_of_day(datetime(2024, 5, 6, 23, 0), 7200.0)
    'Tue 01:00'
    """
    then = now + timedelta(seconds=in_s)
    if then.date() == now.date():
        return f"{then:%H:%M}"
    return f"{_WEEKDAYS[then.weekday()]} {then:%H:%M}" if in_s < 6 * 86400 else f"{then:%Y-%m-%d %H:%M}"


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""In English whatever the language of the machine, as everything else."""
