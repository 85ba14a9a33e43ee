"""How much room on the disk acquisitions need that are not over."""

from collections.abc import Sequence

SPARE = 1.1
"""Files take so many times the space of their frames."""


def space_needed(ahead: Sequence[tuple[int, float]]) -> int:
    """Return the bytes still needed: for frames to come, the log of the largest acquisition, a tenth more.

    Parameters
    ----------
    ahead
        Of each acquisition that is not over: the bytes of all its frames, and the share of them to come.
    """
    to_come = sum(size * share for size, share in ahead)
    return round(SPARE * (to_come + max((size for size, _ in ahead), default=0)))
