"""What can go wrong in a run, and the exit code of each kind."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How the program ended, for the shell."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    INVALID_INPUT = 3
    DEVICE = 4
    OPERATOR = 5
    SAFETY = 6
    INCOMPLETE = 7
    CTRL_C = 130


class RunError(Exception):
    """A run that cannot start or go on; the message says what, rule, value, where, what next."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.INTERNAL) -> None:
        super().__init__(message)
        self.exit_code = exit_code


BY_THE_OPERATOR = (ExitCode.OPERATOR, ExitCode.CTRL_C)


def may_go_on(outcome: str, exit_code: int | None) -> bool:
    """Say whether a run may go on: whoever ended it was not its operator, and something is left."""
    stopped = outcome == "stopped" and exit_code not in BY_THE_OPERATOR
    return stopped or outcome in ("parked", "failed", "crashed")
