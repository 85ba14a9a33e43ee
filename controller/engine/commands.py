"""What an operator can ask of a run, and the ladder that Ctrl-C climbs."""

import queue
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from annealscope.controller.errors import ExitCode


class Command(StrEnum):
    """What can be asked for; the last three in the order of their severity."""

    PAUSE = "pause"
    """The heater holds the temperature it has, the beam is blanked, frames stop at a boundary."""
    RESUME = "resume"
    """Go on after a pause, a suspension or a park; answers a prompt."""
    SKIP = "skip"
    """End the present step properly and go on with the next."""
    PARK = "park"
    """Close everything, cool down and switch off: the run can be continued another day."""
    STOP = "stop"
    """The cool-down that the protocol ends with, now; everything is closed and written."""
    ABORT = "abort"
    """The protocol's ``safe:`` ramp; everything is closed and written."""
    EMERGENCY = "emergency"
    """Every device to its safe state at once."""


LADDER = (Command.STOP, Command.ABORT, Command.EMERGENCY)
"""What the first, second and third Ctrl-C mean."""

CTRL_C = "ctrl-c"


@dataclass(frozen=True)
class Answer:
    """What became of a command."""

    accepted: bool
    why: str = ""
    """Why it was refused."""


def _nobody_listens(answer: Answer) -> None:
    """The journal has the answer in any case."""


@dataclass(frozen=True)
class Request:
    """A command, who gave it, and who wants to know what becomes of it."""

    command: Command
    source: str
    answered: Callable[[Answer], None] = _nobody_listens

    @property
    def exit_code(self) -> ExitCode:
        """Return what a run says to the shell that this has ended."""
        return ExitCode.CTRL_C if self.source == CTRL_C else ExitCode.OPERATOR


class CommandQueue:
    """Commands on their way to the engine's loop; safe to fill from signal handlers and threads."""

    def __init__(self) -> None:
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._rung = 0

    def put(
        self, command: Command, source: str, answered: Callable[[Answer], None] = _nobody_listens
    ) -> None:
        """Ask for a command.

        The engine takes it at its next turn; the answer goes into the journal (kind ``command``) and to
        ``answered``, which is called in the engine's thread and must return at once.
        """
        self._requests.put(Request(command, source, answered))

    def interrupt(self) -> Command:
        """Climb one rung of the ladder: called for each Ctrl-C; returns the command asked for."""
        command = LADDER[min(self._rung, len(LADDER) - 1)]
        self._rung += 1
        self.put(command, CTRL_C)
        return command

    def take(self) -> Request | None:
        """Return the oldest request, or None."""
        try:
            return self._requests.get_nowait()
        except queue.Empty:
            return None
