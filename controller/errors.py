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
