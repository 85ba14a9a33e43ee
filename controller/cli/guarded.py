"""The one place where an exception becomes a message and an exit code."""

import sys
from collections.abc import Callable
from typing import Any

from annealscope.controller.errors import ExitCode, RunError


def guarded(program: Callable[[], Any]) -> int:
    """Run and return the exit code."""
    try:
        program()
    except SystemExit as end:
        return (
            end.code
            if isinstance(end.code, int)
            else int(ExitCode.OK if end.code is None else ExitCode.INTERNAL)
        )
    except KeyboardInterrupt:
        complain("interrupted")
        return int(ExitCode.CTRL_C)
    except Exception as error:
        return _explain(error)
    return int(ExitCode.OK)


def _explain(error: Exception) -> int:
    """The one table from exceptions to exit codes; what is not in it is a bug and keeps its traceback."""
    from annealscope.controller.config.errors import ProtocolError
    from annealscope.drivers.interfaces import DeviceError

    if isinstance(error, ProtocolError):  # as compilers do: the place first, so that editors can jump to it
        sys.stderr.write(f"{error}\n")
        return int(ExitCode.INVALID_INPUT)
    if isinstance(error, RunError):
        code = error.exit_code
    elif type(error).__name__ == "InvalidData":  # by name: importing it would load numpy for every message
        code = ExitCode.INVALID_INPUT
    elif isinstance(error, DeviceError):
        code = ExitCode.DEVICE
    elif isinstance(error, OSError):  # of the machine: whoever reads input has a message of its own
        code = ExitCode.INTERNAL
    else:
        raise error
    complain(str(error))
    return int(code)


def complain(message: str) -> None:
    """Say something to whoever watches the terminal, beside the output."""
    sys.stderr.write(f"annealscope: {message}\n")
