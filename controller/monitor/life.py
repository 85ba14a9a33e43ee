"""Whether a run goes on, has ended or has died, as far as one can see from outside."""

from pathlib import Path
from typing import NamedTuple

from annealscope.controller.config.wording import duration, with_reason
from annealscope.controller.errors import may_go_on
from annealscope.controller.monitor.outside import Outside
from annealscope.controller.monitor.seen import Record
from annealscope.controller.monitor.story import Story

SILENT_S = 10.0
"""A run tells its state every second; after so long it is out of reach."""
STARTING_S = 60.0
"""So long after its last word in the journal a run that nobody can reach yet may be starting."""


class Life(NamedTuple):
    """Where a run stands."""

    life: str
    """waiting, starting, live, ended, died, unreachable, no run."""
    message: str
    """For whoever looks; empty when all is as it should be."""


def life_of(folder: Path, story: Story, outside: Outside, quiet_s: float | None) -> Life:
    """Return whether a run goes on.

    Parameters
    ----------
    folder
        The run folder.
    story
        What its journal says.
    outside
        The folder, and the process that carries the run out.
    quiet_s
        Since it last told its state; None: it has not yet.
    """
    if story.ended is not None:
        return Life("ended", how_it_ended(folder, story.ended, outside.report))
    if outside.announced and outside.alive:
        return _alive(story, outside, quiet_s)
    if outside.announced:
        return Life("died", f"the program that carried out this run has died; go on with: {_go_on(folder)}")
    return _unannounced(folder, story, outside)


def how_it_ended(folder: Path, ended: Record, report: str) -> str:
    """Say how a run ended, and what can be done with it.

    Parameters
    ----------
    folder
        The run folder.
    ended
        The ``run_ended`` of its journal.
    report
        Path of its report; empty: there is none.
    """
    outcome = str(ended.get("outcome", "ended"))
    parts = [with_reason(outcome, ended.get("why"))]
    if report:
        parts.append(f"report: {report}")
    if may_go_on(outcome, ended.get("exit_code")):
        parts.append(f"go on with: {_go_on(folder)}")
    return "; ".join(parts)


def _alive(story: Story, outside: Outside, quiet_s: float | None) -> Life:
    if quiet_s is not None and quiet_s <= SILENT_S:
        return Life("live", "")
    if quiet_s is None and (not story.steps or outside.journal_age_s < SILENT_S):
        return Life("starting", "the run is starting")
    since = "" if quiet_s is None else f" for {duration(round(quiet_s))}"
    return Life("unreachable", f"no word from the run{since}, but its program is there: it may be stuck")


def _unannounced(folder: Path, story: Story, outside: Outside) -> Life:
    if not outside.exists:
        return Life("waiting", f"{folder} does not exist yet; the page begins when the run does")
    if outside.foreign:
        return Life("no run", f"{folder} is not a run folder: it has no journal.jsonl")
    if outside.begun and not story.begun:
        return Life(
            "no run", f"{folder} has no journal that can be read: it is damaged, or of another version"
        )
    if not story.begun:
        return Life("waiting", "the run has not begun; the page begins when it does")
    if outside.journal_age_s < STARTING_S:
        return Life("starting", "the run is starting")
    return Life("died", f"the journal has no end, and no program carries the run out: {_go_on(folder)}")


def _go_on(folder: Path) -> str:
    return f"annealscope continue {folder}"
