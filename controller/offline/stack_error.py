"""What is wrong with a file that should be a stack of frames."""

from annealscope.controller.errors import ExitCode, RunError


class BadStack(RunError):
    """A file that is not a stack of frames."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.INVALID_INPUT)
