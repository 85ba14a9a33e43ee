"""From a protocol file to a report: configuration, plan, engine, streams, records, command line.

Public names: `load_protocol`, `plan`, `run`, `open_run`, `RunClient`. They are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annealscope.controller.client import RunClient
    from annealscope.controller.config.load import load_protocol
    from annealscope.controller.planning import plan
    from annealscope.controller.record.runfolder import open_run
    from annealscope.controller.session.run import run

_HOMES = {
    "RunClient": "client",
    "load_protocol": "config.load",
    "open_run": "record.runfolder",
    "plan": "planning",
    "run": "session.run",
}

__all__ = ["RunClient", "load_protocol", "open_run", "plan", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
