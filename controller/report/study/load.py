"""Reads the runs of a study; whatever is absent or damaged becomes a sentence, never an error."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import h5py

from annealscope.controller.config.study import Role, StudyFile
from annealscope.controller.live import LIVE_FILE, writer_lives
from annealscope.controller.report.bias import expected
from annealscope.controller.report.load import load_run
from annealscope.controller.report.load_arrays import UNREADABLE
from annealscope.controller.report.load_ecm import ecm_parts
from annealscope.controller.report.study.summary import RoleSummary, StudySummary
from annealscope.controller.report.summary import HoldSummary

OF_RESULTS = ("correlation", "fits", "drift", "two_time", "durations", "aging", "tau_map")
"""What of a movie is computed, and so differs in its beginning."""


def load_study_runs(given: StudyFile, extracts: Mapping[str, Path]) -> StudySummary:
    """Read what there is of a study.

    Parameters
    ----------
    given
        The study file.
    extracts
        Files of results of the beginnings of movies, by role; those that are not there are missed.
    """
    roles = {name: _role(given, name, role, extracts.get(name)) for name, role in given.roles.items()}
    return StudySummary(given.study.study, given.text, roles)


def command(given: StudyFile, role: Role) -> str:
    """Return the command that makes a run; empty when the study does not say with which protocol."""
    if role.protocol is None:
        return ""
    protocol, rig = given.source(role.protocol), given.source(role.rig)
    return f"annealscope run {protocol} --rig {rig} --seed {role.seed} --out {given.run_folder(role)}"


def is_run(folder: Path) -> bool:
    """Say whether a folder is that of a run."""
    return (folder / "journal.jsonl").is_file() or (folder / "holds").is_dir()


def _role(given: StudyFile, name: str, role: Role, extract: Path | None) -> RoleSummary:
    folder = given.run_folder(role)
    found = RoleSummary(name, folder, command(given, role), extract_s=getattr(role, "extract_s", None))
    if not is_run(folder):
        return replace(found, missing=_absent(found))
    found = replace(found, run=load_run(folder))
    if extract is not None:
        found = replace(found, extract=load_extract(found.holds("ecm"), extract))
    return replace(found, missing=_incomplete(found))


def _absent(role: RoleSummary) -> str:
    how = f"`{role.command}` makes it" if role.command else "name its folder in the study file"
    return f"{role.name}: there is no run in {role.folder}; {how}."


def _incomplete(role: RoleSummary) -> str:
    """Say what is wrong with a run that is there, if anything is."""
    if writer_lives(role.folder / LIVE_FILE):
        return f"{role.name}: the run still goes on; write this report again when it has ended."
    if role.run is not None and (role.run.goes_on or role.run.outcome == "unfinished"):
        return f"{role.name}: the run is {role.run.outcome}; `annealscope continue {role.folder}` goes on."
    if role.extract_s is not None and role.extract is None:
        return (
            f"{role.name}: the first {role.extract_s:g} s of its movie were not analysed; the whole of it "
            "stands in for them."
        )
    return ""


def load_extract(movies: Sequence[HoldSummary], path: Path) -> HoldSummary | None:
    """Return the beginning of one of the movies as a record of its own; None when it cannot be read."""
    try:
        with h5py.File(path, "r") as file:
            entry = file["entry"]
            parts, known = ecm_parts(entry, {}), dict(entry["extract"].attrs)
            slots, starts = (tuple(known[key].tolist()) for key in ("segment_slots", "segment_starts"))
            frames, lost, span_s = int(known["frames"]), int(known["lost"]), float(known["span_s"])
            movie = next(hold for hold in movies if hold.name == str(known["hold"]))
    except (*UNREADABLE, StopIteration):
        return None
    fits, computed = parts["fits"], {key: parts[key] for key in OF_RESULTS}
    seen = expected(fits.get("corrected"), fits.get("pixel"), parts["durations"], sum(slots), movie.period_s)
    return replace(
        movie, **computed, expected=seen, frames=frames, frames_planned=None, segment_slots=slots,
        segment_starts=starts, losses=tuple(loss for loss in movie.losses if loss.t_s < span_s),
        frames_lost=lost, missing=(),
    )  # fmt: skip
