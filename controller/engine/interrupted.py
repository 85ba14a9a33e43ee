"""An acquisition that was under way when its program died, for the one that goes on with it."""

from dataclasses import dataclass

from annealscope.controller.stream.messages import OpenHold

WHY_A_SEGMENT = "the program had died"
"""Why the frames that are left belong to a new segment."""


@dataclass(frozen=True)
class Interrupted:
    """How far an acquisition was."""

    opening: OpenHold
    """As it was announced, with the segment and the number of the first frame that comes."""
    region: int
    """Number of its region."""
    lost: int
    """Frames that are lost, of those before."""
    ran_s: float
    """Time with the camera running."""
    reason: str | None = None
    """Why it had ended already, when only its file was still to be closed."""
