"""What a parked run left behind, for `continue`: the journal folded to the place where it goes on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from annealscope.controller.engine.ramps import WayBack
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import read_journal
from annealscope.controller.planning import plan_to_json
from annealscope.controller.planning.dose import Dose, DoseLedger
from annealscope.controller.record.runfolder import RunFolder
from annealscope.controller.session.prepare import Prepared, prepare


@dataclass(frozen=True)
class ParkedRun:
    """A run that is parked: it ended in a park, and no step has begun since."""

    next_step: int
    """Index of the step to go on with."""
    back: WayBack | None
    """The way back to the hold that was left in its middle, if one was."""
    doses: DoseLedger
    """What each region had seen."""
    t_s: float
    """The run's clock when its program ended."""
    ended: datetime
    """The time of day then."""
    options: Mapping[str, Any]
    """Options of the run: seed, speed, compression, parks."""

    def clock_start_s(self, speed: str, night_s: float) -> float:
        """Return what the run's clock shows when it goes on: the time since is real, or one night."""
        if speed == "max":
            return self.t_s + night_s
        return self.t_s + max(0.0, (datetime.now(UTC) - self.ended).total_seconds())


def read_parked(run: RunFolder) -> ParkedRun:
    """Read where a parked run goes on. Raises RunError for a run that is not parked.

    A `continue` that failed before its first step, because a device did not answer, leaves it parked.
    """
    if run.is_running():
        raise RunError(f"the run in {run.path} is alive; it goes on by itself", ExitCode.USAGE)
    parked = last = None
    doses: dict[int, Dose] = {}
    for record in read_journal(run.journal):
        if record["kind"] in ("parked", "step"):
            parked = record if record["kind"] == "parked" else None
        elif record["kind"] == "dose":
            doses[record["region"]] = Dose(record["exposed_per_nm2"], record["beam_on_per_nm2"])
        last = record
    if last is None:
        raise RunError(f"{run.path} is not a run folder: its journal is empty", ExitCode.INVALID_INPUT)
    if parked is None or last["kind"] != "run_ended" or last["outcome"] not in ("parked", "failed"):
        raise RunError(_why_not(run, last), ExitCode.USAGE)
    return ParkedRun(
        next_step=int(parked["next"]),
        back=_way_back(parked),
        doses=DoseLedger(doses),
        t_s=float(last["t_s"]),
        ended=datetime.fromisoformat(last["utc"]),
        options=_options(run),
    )


def _way_back(parked: Mapping[str, Any]) -> WayBack | None:
    if parked["return_to_K"] is None:
        return None
    return WayBack(parked["return_to_K"], parked["rate_K_per_s"], parked["age_s"])


def prepare_again(run: RunFolder) -> Prepared:
    """Plan a run again from what its folder says, for going on with it.

    Raises
    ------
    ProtocolError, RunError
        Its inputs are damaged, or make another plan than the one that was begun.
    """
    prepared = prepare(run.protocol, run.rig, run.path)
    begun = _steps(run.plan.read_text(encoding="utf-8"), run)
    if begun != json.loads(plan_to_json(prepared.plan))["steps"]:
        message = (
            f"{run.protocol} and {run.rig} no longer make the plan of {run.plan}: they, or the program, were "
            "changed; start a new run for what is left"
        )
        raise RunError(message, ExitCode.INVALID_INPUT)
    return prepared


def _steps(plan_text: str, run: RunFolder) -> Any:
    try:
        return json.loads(plan_text)["steps"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{run.plan} cannot be read: {error}", ExitCode.INVALID_INPUT) from None


def _why_not(run: RunFolder, last: Mapping[str, Any]) -> str:
    """Say why a run cannot go on."""
    what = f"the run in {run.path} is not parked"
    if last["kind"] == "run_ended":
        return f"{what}: it has ended: {last['outcome']}, {last['why']}; start a new one"
    return f"{what}: its program died; what it recorded is read by `annealscope analyze`; start a new run"


def _options(run: RunFolder) -> dict[str, Any]:
    try:
        options: dict[str, Any] = json.loads(run.environment.read_text(encoding="utf-8"))
        return {name: options[name] for name in ("seed", "speed", "compression", "parks")}
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{run.environment} cannot be read: {error}", ExitCode.INVALID_INPUT) from None
