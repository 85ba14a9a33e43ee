"""Going on with a run: whether it may, with what, and what of its record has to be completed before."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from annealscope.controller.config.wording import with_reason
from annealscope.controller.engine.agenda import Agenda
from annealscope.controller.engine.interrupted import WHY_A_SEGMENT, Interrupted
from annealscope.controller.engine.ramps import WayBack
from annealscope.controller.errors import ExitCode, RunError, may_go_on
from annealscope.controller.journal import is_damaged, read_journal, read_lines
from annealscope.controller.planning import Plan, plan_to_json
from annealscope.controller.planning.dose import DoseLedger, planned_dose
from annealscope.controller.planning.values import AcquireStep
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import log_paths
from annealscope.controller.record.repair import repair
from annealscope.controller.record.repair_hold import as_a_crash_leaves, losses_of, notes_of
from annealscope.controller.record.runfolder import RunFolder, is_closed
from annealscope.controller.record.salvage import SalvagedLogs
from annealscope.controller.record.story import HoldStory, stories
from annealscope.controller.session.left_off import LeftOff, OpenAcquisition, left_off
from annealscope.controller.session.prepare import Prepared, prepare
from annealscope.controller.stream.messages import FrameHeader, NewSegment
from annealscope.controller.stream.retold import Note


@dataclass(frozen=True)
class TakenUp:
    """An acquisition that is gone on with, and what the new recorder has to know of it."""

    acquisition: Interrupted
    notes: Sequence[Note]
    """Temperatures, breaks and losses, which are not in the frame logs."""
    end_s: float
    """When the newest frame was over, on the run's clock."""


@dataclass(frozen=True)
class Continuation:
    """With what a run goes on."""

    left: LeftOff
    start_at: int
    """Index of the step."""
    step: str
    """Its label."""
    back: WayBack | None
    """The way back to the temperature that this step expects."""
    doses: DoseLedger
    """What each region has seen."""
    taken_up: TakenUp | None
    """The acquisition that this step is, when it was under way."""
    options: Mapping[str, Any]
    """Options of the run: seed, speed, compression, parks."""

    def clock_start_s(self, speed: str, night_s: float) -> float:
        """Return what the run's clock shows when it goes on: later than all that was recorded.

        The time since is real; on virtual time a park lasts a night, and after a crash no time is lost.
        """
        newest_s = max(self.left.t_s, self.taken_up.end_s if self.taken_up else 0.0)
        if speed == "max":
            return newest_s + night_s if self.left.parked else newest_s
        alone_s = (datetime.now(UTC) - self.left.utc).total_seconds()
        return max(newest_s, self.left.t_s + alone_s)

    def __str__(self) -> str:
        ended = f"{self.left.utc:%Y-%m-%d %H:%M:%S} UTC"
        how = {"crashed": "the program had died", "failed": "the run had failed"}.get(
            self.left.outcome, f"the run was {self.left.outcome}"
        )
        if self.taken_up is None:
            return f"goes on with {self.step}; {how} at {ended}"
        opening = self.taken_up.acquisition.opening
        if self.taken_up.acquisition.reason is not None or opening.first_seq >= opening.frames_planned:
            return f"closes hold {opening.name}, which has all its frames, and goes on; {how} at {ended}"
        place = f"at frame {opening.first_seq} of {opening.frames_planned}"
        return f"goes on in hold {opening.name} {place}; {how} at {ended}"


def left_of(run: RunFolder) -> LeftOff:
    """Read where a run left off. Raises RunError for one that cannot go on."""
    if run.is_running():
        raise RunError(f"the run in {run.path} is alive; it goes on by itself", ExitCode.USAGE)
    if is_damaged(read_lines(run.journal)):
        message = f"{run.journal} is damaged before its end; nothing is appended: see `annealscope verify`"
        raise RunError(message, ExitCode.INVALID_INPUT)
    try:
        left = left_off(read_journal(run.journal))
    except ValueError:
        message = f"{run.path} is not a run folder: its journal is empty"
        raise RunError(message, ExitCode.INVALID_INPUT) from None
    if not may_go_on(left.outcome, left.exit_code):
        message = f"the run in {run.path} has ended: {with_reason(left.outcome, left.why)}; start a new one"
        raise RunError(message, ExitCode.USAGE)
    if left.ending and left.outcome != "stopped":
        message = (
            f"the run in {run.path} was being ended when its program died: {left.ending}; start a new one "
            "(`annealscope repair` completes the record of this one)"
        )
        raise RunError(message, ExitCode.USAGE)
    return left


def take_over(run: RunFolder, plan: Plan, left: LeftOff, tell: Callable[[str], None]) -> Continuation:
    """Complete the record of a run as far as it does not go on, and say with what it does.

    Parameters
    ----------
    run, plan
        The run.
    left
        Where it left off, see `left_of`.
    tell
        Takes one line for each thing that was done.

    Raises
    ------
    RunError
        The run cannot go on.
    """
    options = read_options(run)
    taken_up = _taken_up(run, left)
    for action in repair(run.path, keep=taken_up.acquisition.opening.name if taken_up else None):
        tell(f"{'done' if action.done else 'left'}: {action.path}: {action.what}")
    left = left_of(run)
    if taken_up is None and left.acquisition is not None:
        _check_gone(run, left.acquisition)
    start_at = len(plan.steps) if left.next_step is None else left.next_step
    return Continuation(
        left=left,
        start_at=start_at,
        step=plan.steps[start_at].label if start_at < len(plan.steps) else "the end",
        back=_way_back(left, plan, start_at),
        doses=_doses(left, plan, taken_up),
        taken_up=taken_up,
        options=options,
    )


def _check_gone(run: RunFolder, acquisition: OpenAcquisition) -> None:
    """An acquisition that is begun anew must have left nothing. Raises RunError."""
    if log_paths(run.holds_folder / acquisition.name) or run.hold_file(acquisition.name).exists():
        message = (
            f"{run.hold_file(acquisition.name)} can neither be gone on with nor be repaired: see "
            "`annealscope verify`; move its files out of the run folder to take it anew"
        )
        raise RunError(message, ExitCode.INCOMPLETE)


def _way_back(left: LeftOff, plan: Plan, start_at: int) -> WayBack | None:
    way = Agenda(plan, start_at).way_back(start_at)
    if way is None or left.specimen is None:
        return None
    specimen = left.specimen
    return WayBack(specimen.target_K, way.rate_K_per_s, specimen.age_s, specimen.left_s)


# ---------------------------------------------------------------------- the acquisition that was open


def _taken_up(run: RunFolder, left: LeftOff) -> TakenUp | None:
    """Return what an acquisition is gone on with; None where none was open, or its record has suffered."""
    acquisition = left.acquisition
    if acquisition is None or is_closed(run.hold_file(acquisition.name)):
        return None
    stem = run.holds_folder / acquisition.name
    story = stories(read_journal(run.journal))[acquisition.name]
    try:
        logs = SalvagedLogs(stem)
    except RecordError:
        return None
    with closing(logs):
        if not log_paths(stem) or not as_a_crash_leaves(logs, story):
            return None
        return _read(run, acquisition, logs, story)


def _read(run: RunFolder, acquisition: OpenAcquisition, logs: SalvagedLogs, story: HoldStory) -> TakenUp:
    headers, period_s = logs.headers, logs.info.period_s
    recorded_to = headers[-1].seq + 1 if headers else 0
    first_seq = max([recorded_to, *(loss.first_seq + loss.frames for loss in story.losses)])
    segment = 1 + max([logs.info.segment, *story.segments, *(header.segment for header in headers)])
    opening = logs.info.model_copy(
        update={"segment": segment, "first_seq": first_seq, "folder": str(run.path)}
    )
    goes_on = NewSegment(hold=opening.hold, segment=segment, first_seq=first_seq, why=WHY_A_SEGMENT)
    return TakenUp(
        acquisition=Interrupted(
            opening=opening,
            region=acquisition.region,
            lost=first_seq - len(headers),
            ran_s=_ran_s(headers, period_s),
            reason=acquisition.reason_at(first_seq),
        ),
        notes=(*notes_of(logs, story, losses_of(logs, story)), goes_on),
        end_s=headers[-1].t_start_s + period_s if headers else 0.0,
    )


def _ran_s(headers: Sequence[FrameHeader], period_s: float) -> float:
    """Return the time with the camera running: in each segment, first frame to end of the last."""
    segments = [list(frames) for _, frames in groupby(headers, lambda header: header.segment)]
    return sum(frames[-1].t_start_s - frames[0].t_start_s + period_s for frames in segments)


def _doses(left: LeftOff, plan: Plan, taken_up: TakenUp | None) -> DoseLedger:
    """Return the doses as they were written down, and what the dead program did not live to add."""
    missing = [(one.hold, one.region, one.frames) for one in left.uncounted]
    if taken_up is not None and left.acquisition is not None:
        open_hold, taken = left.acquisition, taken_up.acquisition.opening.first_seq
        missing.append((open_hold.hold, open_hold.region, max(0, taken - open_hold.counted)))
    steps = {one.step.hold: one.step for one in plan.steps if isinstance(one.step, AcquireStep)}
    ledger = DoseLedger(left.doses)
    for hold, region, frames in missing:
        step = steps[hold]
        dose = planned_dose(
            step.dose_rate_per_nm2_s, frames, step.exposure_s, step.period_s, beam_in_pause=step.beam_in_pause
        )
        ledger.add(region, dose)
    return ledger


# ---------------------------------------------------------------------- what the folder says


def prepare_again(run: RunFolder) -> Prepared:
    """Plan a run again from what its folder says, for going on with it.

    Raises
    ------
    ProtocolError, RunError
        Its inputs are damaged, or make another plan than the one that was begun.
    """
    prepared = prepare(run.protocol, run.rig, run.path)
    begun = _steps(run)
    if begun != json.loads(plan_to_json(prepared.plan))["steps"]:
        message = (
            f"{run.protocol} and {run.rig} no longer make the plan of {run.plan}: they, or the program, were "
            "changed; start a new run for what is left"
        )
        raise RunError(message, ExitCode.INVALID_INPUT)
    return prepared


def _steps(run: RunFolder) -> Any:
    try:
        return json.loads(run.plan.read_text(encoding="utf-8"))["steps"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{run.plan} cannot be read: {error}", ExitCode.INVALID_INPUT) from None


def read_options(run: RunFolder) -> dict[str, Any]:
    """Return the options that a run was begun with. Raises RunError."""
    try:
        options: dict[str, Any] = json.loads(run.environment.read_text(encoding="utf-8"))
        return {name: options[name] for name in ("seed", "speed", "compression", "parks")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{run.environment} cannot be read: {error}", ExitCode.INVALID_INPUT) from None
