"""Who stands at the microscope: the person who reads prompts, or a stand-in for rehearsals."""

from typing import Protocol

ANSWER_AFTER_S = 60.0
"""What a rehearsal allows for reading a prompt and doing what it asks for."""
NIGHT_S = 12 * 3600.0
"""From one day's park to the next day's first step."""


class Operator(Protocol):
    """Whoever answers prompts."""

    @property
    def night_s(self) -> float | None:
        """How long a park lasts; None: it ends the process, and `continue` goes on."""

    def answers(self, asked_s: float, now_s: float) -> bool:
        """Say whether a prompt that was shown at ``asked_s`` is answered by now."""


class AbsentOperator:
    """Nobody is simulated: prompts are answered by `resume`, and a park ends the process."""

    night_s: float | None = None

    def answers(self, asked_s: float, now_s: float) -> bool:
        """Return False: whoever is there gives the command `resume`."""
        return False


class RehearsalOperator:
    """Does everything that is asked for, and comes back the next morning.

    Parameters
    ----------
    through_parks
        A park lasts one simulated night; else it ends the rehearsal.
    """

    def __init__(self, *, through_parks: bool = True) -> None:
        self.night_s: float | None = NIGHT_S if through_parks else None

    def answers(self, asked_s: float, now_s: float) -> bool:
        """Return True a minute after the prompt."""
        return now_s - asked_s >= ANSWER_AFTER_S
