"""What the page shows, made of the files of a run and of the newest that it tells those who look on."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.controller.config.rig import RigConfig
from annealscope.controller.monitor import pieces
from annealscope.controller.monitor.go import go, upcoming
from annealscope.controller.monitor.go_values import Before
from annealscope.controller.monitor.life import life_of
from annealscope.controller.monitor.newest import Newest
from annealscope.controller.monitor.outside import Lookout, Outside
from annealscope.controller.monitor.planned import SeenPlan, read_plan, read_rig, shown_plan
from annealscope.controller.monitor.regions import beam_radius_nm, dose
from annealscope.controller.monitor.story import Story
from annealscope.controller.monitor.tail import JournalTail
from annealscope.controller.monitor.tasks import next_task

REAL = ("real", "1", "1.0")
"""Speeds of a run on a real clock."""
DAMAGED = "journal.jsonl is damaged: what follows that place is not shown; see `annealscope verify`"


class Model:
    """Everything that is known of the run in a folder; not for several threads at a time.

    Parameters
    ----------
    folder
        The run folder; it need not exist yet.
    control
        Whether the page may give commands.
    """

    def __init__(self, folder: Path, control: bool = False) -> None:
        self._folder = folder
        self._control = control
        self._lookout = Lookout(folder)
        self._tail = JournalTail(folder / "journal.jsonl")
        self._story = Story()
        self._plan: SeenPlan | None = None
        self._rig: RigConfig | None = None
        self._missing: tuple[str, ...] = ()
        """What is the matter with plan and rig."""
        self._unreadable = ""
        """What is the matter with the journal at the moment."""

    def hello(self) -> dict[str, Any]:
        """Return what does not change while a process carries out the run."""
        self._read()
        story, plan = self._story, self._plan
        return {
            "title": plan.name if plan else str(story.first.get("protocol") or self._folder.name),
            "run": self._folder.name,
            "folder": str(self._folder),
            "version": str(story.begun.get("version") or ""),
            "rig": plan.rig if plan else str(story.first.get("rig") or ""),
            "simulated": self._rig is not None and self._rig.simulation is not None,
            "control": self._control,
            "virtual": self._virtual,
            "utc_zero": _utc_zero(story.begun),
            "plan": shown_plan(plan) if plan else None,
        }

    def state(self, newest: Newest) -> dict[str, Any]:
        """Return how things stand; reads what was appended to the journal."""
        self._read()
        story, status, outside = self._story, newest.status or {}, self._lookout.now()
        quiet_s = None if newest.status_at_s is None else time.monotonic() - newest.status_at_s
        life = life_of(self._folder, story, outside, quiet_s)
        asked = story.asked[-1] if story.asked else None
        return {
            "life": life.life,
            "outcome": (story.ended or {}).get("outcome"),
            "message": "; ".join(text for text in (life.message, *self._complaints) if text),
            "quiet_s": quiet_s,
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": pieces.shown_status(status) if "step" in status else None,
            "step_actual": pieces.step_actual(story.steps),
            "interruptions": pieces.interruptions(story),
            "next_task": next_task(status, quiet_s or 0.0, datetime.now(), self._virtual),
            "prompt_since_s": asked.t_from_s if asked and asked.t_to_s is None else None,
            "lost": pieces.lost(story, status),
            "viewer": {"received": newest.received, "dropped": newest.dropped},
            "disk": pieces.disk(self._plan, story, status.get("frames", 0), outside.free_bytes),
            "dose": dose(story, self._plan, newest, beam_radius_nm(newest.opening, self._rig)),
            "alarms": [{"t_s": record["t_s"], "text": line.text} for record, line in story.alarms],
            "hold": pieces.shown_hold(newest.opening, story, str(status.get("phase", ""))),
            "go": self._go(newest, outside) if life.life == "live" else None,
            "done": pieces.done([*story.holds.values()]),
        }

    def log(self) -> dict[str, Any]:
        """Return the last lines of what happened, in words."""
        self._read()
        lines = [
            {"t_s": record["t_s"], "utc": record.get("utc"), "level": line.level, "text": line.text}
            for record, line in self._story.lines
        ]
        if self._tail.damaged:
            lines.append({"t_s": self._story.t_s, "utc": None, "level": "alarm", "text": DAMAGED})
        return {"lines": lines}

    def trace(self) -> tuple[dict[str, Any], Mapping[str, npt.NDArray[np.float32]]]:
        """Return the temperature so far: a header, and ``t_s``, ``temperature_degC``."""
        self._read()
        return {}, pieces.trace(self._story)

    # ------------------------------------------------------------------ files

    def _read(self) -> None:
        """Take up what was appended to the journal; plan and rig are read when a run is there."""
        try:
            records, again = self._tail.new_records()
        except OSError as error:
            self._unreadable = f"journal.jsonl cannot be read: {error.strerror}"
            return
        self._unreadable = ""
        if again:
            self._story, self._plan, self._missing = Story(), None, ()
        self._story.take(records)
        never_read = self._plan is None and not self._missing
        if never_read and (records or (self._folder / "plan.json").is_file()):
            self._read_inputs()  # they are there before the first record

    def _read_inputs(self) -> None:
        self._plan, no_plan = read_plan(self._folder)
        self._rig, no_rig = read_rig(self._folder)
        self._missing = tuple(text for text in (no_plan, no_rig) if text)

    @property
    def _complaints(self) -> tuple[str, ...]:
        return (*self._missing, self._unreadable, DAMAGED if self._tail.damaged else "")

    @property
    def _virtual(self) -> bool:
        return str(self._story.begun.get("clock", "real")) not in REAL

    # ------------------------------------------------------------------ inside

    def _go(self, newest: Newest, outside: Outside) -> dict[str, Any] | None:
        """Return the card of the next acquisition; None: none comes soon, or it is well under way."""
        status, plan = newest.status or {}, self._plan
        if plan is None or "step" not in status:
            return None
        step = upcoming(plan, status)
        if step is None:
            return None
        before = [seen.tau_s for seen in self._story.holds.values() if seen.tau_s is not None]
        tau_s = before[-1] if before else None
        return go(Before(plan, step, self._story, status, newest, outside.free_bytes, tau_s))


def _utc_zero(begun: Mapping[str, Any]) -> str | None:
    """Return the time of day at which the run's clock was zero, ISO 8601."""
    try:
        zero = datetime.fromisoformat(begun["utc"]) - timedelta(seconds=begun["t_s"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return zero.isoformat(timespec="milliseconds")
