"""Talking to a live run from a script or a notebook."""

from pathlib import Path
from typing import Any

from annealscope.controller.stream.control import ask


class RunClient:
    """A handle on the run that lives in a folder; every call raises RunError when there is none."""

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)

    def status(self) -> dict[str, Any]:
        """Return the newest snapshot: state, step, temperature_K, frames, drift_nm, tau_s, ..."""
        return ask(self._folder, "status")

    def stop(self) -> dict[str, Any]:
        """Ask for the planned cool-down; files are closed and results written."""
        return ask(self._folder, "stop")

    def abort(self) -> dict[str, Any]:
        """Ask for the protocol's ``safe:`` ramp; files are closed and results written."""
        return ask(self._folder, "abort")
