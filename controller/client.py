"""Talking to a live run from a script or a notebook."""

import time
from pathlib import Path
from typing import Any

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.live import LIVE_FILE
from annealscope.controller.stream.control import ask

ANSWER_WITHIN_S = 30.0
ASK_AGAIN_S = 0.05


class RunClient:
    """A handle on the run that lives in a folder; every call raises RunError when there is none.

    A command returns when the run has accepted it, and raises RunError when the run refuses it: what came of
    it is in the status and in the journal.
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)

    def status(self) -> dict[str, Any]:
        """Return the newest snapshot: state, step, temperature_K, frames, drift_nm, tau_s, ..."""
        return ask(self._folder, "status")

    def pause(self) -> None:
        """Ask for a pause: the heater keeps the temperature it has, the beam is blanked."""
        self.command("pause")

    def resume(self) -> None:
        """Let a paused or suspended run go on, or answer its prompt."""
        self.command("resume")

    def skip(self) -> None:
        """End the present step properly; the next one follows."""
        self.command("skip")

    def park(self) -> None:
        """Ask for a cool-down and an end from which ``annealscope continue`` goes on."""
        self.command("park")

    def stop(self) -> None:
        """Ask for the planned cool-down; files are closed and results written."""
        self.command("stop")

    def abort(self) -> None:
        """Ask for the protocol's ``safe:`` ramp; files are closed and results written."""
        self.command("abort")

    def command(self, name: str) -> None:
        """Give a command by its name."""
        number = ask(self._folder, name)["request"]
        deadline_s = time.monotonic() + ANSWER_WITHIN_S
        while time.monotonic() < deadline_s:
            answer = self._answer(number)
            if answer:
                self._check(name, answer)
                return
            time.sleep(ASK_AGAIN_S)
        message = f"the run in {self._folder} has not taken the command {name} within {ANSWER_WITHIN_S:g} s"
        raise RunError(message, ExitCode.DEVICE)

    def _answer(self, number: int) -> dict[str, Any]:
        """Return the answer; a run that has ended since has taken the command."""
        try:
            return ask(self._folder, f"answer {number}")
        except RunError:
            if (self._folder / LIVE_FILE).exists():
                raise
            return {"accepted": True}

    def _check(self, name: str, answer: dict[str, Any]) -> None:
        if not answer["accepted"]:
            message = f"the run in {self._folder} refuses to {name}: {answer['why']}"
            raise RunError(message, ExitCode.USAGE)
