"""What an operator can ask of a run, and the ladder that Ctrl-C climbs."""

import queue
from dataclasses import dataclass
from enum import StrEnum


class Command(StrEnum):
    """Commands in the order of their severity."""

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
class Request:
    """A command and who gave it."""

    command: Command
    source: str


class CommandQueue:
    """Commands on their way to the engine's loop; safe to fill from signal handlers and threads."""

    def __init__(self) -> None:
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._rung = 0

    def put(self, command: Command, source: str) -> None:
        """Ask for a command."""
        self._requests.put(Request(command, source))

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
