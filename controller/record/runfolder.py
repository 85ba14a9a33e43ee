"""The run folder: what lies where, which holds there are, and ``run.nxs``, which ties them together."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import psutil

from annealscope.controller.errors import ExitCode
from annealscope.controller.record.durable import move_into_place, sync_folder
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import SUFFIX, log_paths
from annealscope.controller.record.holdreader import hold_stem
from annealscope.controller.record.results import nexus_group, start_file
from annealscope.controller.units import ZERO_CELSIUS_K

BELIEVED = "corrected"
"""The estimator whose relaxation times are the ones to believe."""

CLOCKS_DISAGREE_S = 60.0
"""A process born so long after ``live.json`` was written is another one that was given the same number."""

HoldState = Literal["open", "closed", "crashed"]


@dataclass(frozen=True)
class HoldEntry:
    """One acquisition of a run."""

    name: str
    """File stem, e.g. ``02_ecm_100C``."""

    path: Path
    """Its hold file; need not exist when the hold crashed early."""

    state: HoldState
    """``crashed``: not closed, and the program that wrote it is gone; its frame log holds the frames."""


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def run_file(self) -> Path:
        """Links to every hold, and what follows from several of them."""
        return self.path / "run.nxs"

    @property
    def protocol(self) -> Path:
        """The protocol as it was read."""
        return self.path / "protocol.yaml"

    @property
    def plan(self) -> Path:
        """The resolved plan."""
        return self.path / "plan.json"

    @property
    def rig(self) -> Path:
        """The rig file as it was read."""
        return self.path / "rig.yaml"

    @property
    def environment(self) -> Path:
        """Versions of what ran."""
        return self.path / "environment.json"

    @property
    def journal(self) -> Path:
        """What happened, line by line."""
        return self.path / "journal.jsonl"

    @property
    def live(self) -> Path:
        """How to reach the run while it goes on."""
        return self.path / "live.json"

    @property
    def holds_folder(self) -> Path:
        """Hold files and frame logs."""
        return self.path / "holds"

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.path / "report"

    def hold_file(self, name: str) -> Path:
        """Return the path of a hold file."""
        return self.holds_folder / f"{name}.nxs"

    def holds(self) -> list[HoldEntry]:
        """Return every hold that has left a file, in the order of the plan."""
        stems = {
            hold_stem(path) for pattern in ("*.nxs", f"*{SUFFIX}") for path in self.holds_folder.glob(pattern)
        }
        running = self.is_running()
        return [_entry(stem, running) for stem in sorted(stems)]

    def is_running(self) -> bool:
        """Say whether the program that writes this run is still there."""
        try:
            pid = int(json.loads(self.live.read_text(encoding="utf-8"))["pid"])
            written_s = self.live.stat().st_mtime
            return psutil.Process(pid).create_time() <= written_s + CLOCKS_DISAGREE_S
        except psutil.AccessDenied:
            return True
        except (psutil.NoSuchProcess, OSError, ValueError, KeyError, TypeError, OverflowError):
            return False


def create(path: Path) -> RunFolder:
    """Make a new run folder.

    Raises
    ------
    RecordError
        The folder has something in it, or cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise RecordError(
                f"{path} is not empty; a run never writes over another one: give a new folder with --out",
                ExitCode.USAGE,
            )
        run = RunFolder(path.resolve())
        run.holds_folder.mkdir()
        run.report.mkdir()
        sync_folder(path)
    except OSError as error:
        raise RecordError(f"cannot make the run folder {path}: {error.strerror}", ExitCode.USAGE) from error
    return run


def open_run(path: Path | str) -> RunFolder:
    """Return a run folder for reading. Raises RecordError when it is none."""
    run = RunFolder(Path(path).resolve())
    if not run.holds_folder.is_dir():
        raise RecordError(
            f"{path} is not a run folder: it has no folder holds/ in it", ExitCode.INVALID_INPUT
        )
    return run


def write_run_file(run: RunFolder) -> None:
    """Write ``run.nxs``: a link to every hold, and the relaxation time against the temperature."""
    temporary = run.run_file.with_name("run.nxs.tmp")
    with h5py.File(temporary, "w") as file:
        entry = start_file(file, "run", run.path.name)
        links = nexus_group(entry, "holds", "NXcollection")
        readable = []
        for hold in run.holds():
            if hold.path.exists():
                links[hold.name] = h5py.ExternalLink(f"{run.holds_folder.name}/{hold.path.name}", "/entry")
                readable.append(hold.path)
        rows = [row for path in readable if (row := _relaxation(path)) is not None]
        if rows:
            _write_tau_of_T(nexus_group(entry, "tau_of_T", "NXdata"), rows)
            entry.attrs["default"] = "tau_of_T"
    move_into_place(temporary, run.run_file)


@dataclass(frozen=True)
class _Relaxation:
    """What one hold says about relaxation at its temperature."""

    hold: str
    temperature_degC: float
    tau_s: dict[str, tuple[float, float]]
    """Relaxation time and its sigma, by estimator."""
    flags: int
    """Why the fit to believe should not be believed, as in docs/methods/kww.md; 0: nothing found."""


def _entry(stem: Path, running: bool) -> HoldEntry:
    path = stem.with_name(f"{stem.name}.nxs")
    if _is_closed(path):
        state: HoldState = "closed"
    else:
        state = "open" if running and log_paths(stem) else "crashed"
    return HoldEntry(stem.name, path, state)


def _is_closed(path: Path) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return "entry/end_time" in file
    except OSError:
        return False


def _relaxation(path: Path) -> _Relaxation | None:
    """Read a hold's relaxation times; None when it has none."""
    try:
        with h5py.File(path, "r") as file:
            entry = file["entry"]
            groups = {name: group for name, group in entry.get("kww", {}).items() if "tau_s" in group.attrs}
            if not groups:
                return None
            believed = groups.get(BELIEVED)
            return _Relaxation(
                hold=path.stem,
                temperature_degC=_temperature_degC(entry),
                tau_s={name: _tau(group.attrs) for name, group in groups.items()},
                flags=0 if believed is None else int(believed.attrs.get("flags", 0)),
            )
    except (OSError, KeyError):
        return None


def _tau(attrs: Any) -> tuple[float, float]:
    return float(attrs["tau_s"]), float(attrs.get("sigma_tau_s", np.nan))


def _temperature_degC(entry: h5py.Group) -> float:
    """Return the mean measured temperature of a hold, or its setpoint when nothing was measured."""
    measured = entry["instrument/heater/value_log/value"][()]
    if len(measured):
        return float(np.nanmean(measured))
    return float(json.loads(entry["instrument/open_hold"].asstr()[()])["setpoint_K"]) - ZERO_CELSIUS_K


def _write_tau_of_T(data: h5py.Group, rows: Iterable[_Relaxation]) -> None:
    rows = sorted(rows, key=lambda row: row.temperature_degC)
    estimators = sorted(
        {name for row in rows for name in row.tau_s}, key=lambda name: (name != BELIEVED, name)
    )
    data.attrs.update(signal="tau_s", axes=["temperature"], temperature_indices=0, interpretation="spectrum")
    data["hold"] = [row.hold for row in rows]
    data["temperature"] = [row.temperature_degC for row in rows]
    data["temperature"].attrs["units"] = "degC"
    data["flags"] = np.array([row.flags for row in rows], dtype=np.uint16)
    data["flags"].attrs["long_name"] = f"flags of the {BELIEVED} fit; 0: nothing found against it"
    for name in estimators:
        columns = np.array([row.tau_s.get(name, (np.nan, np.nan)) for row in rows])
        stem = "tau_s" if name == estimators[0] else f"tau_s_{name}"
        for suffix, values in (("", columns[:, 0]), ("_errors", columns[:, 1])):
            data[stem + suffix] = values
            data[stem + suffix].attrs.update(
                units="s", long_name=f"{name} relaxation time{suffix.replace('_', ' ')}"
            )
    data.attrs["auxiliary_signals"] = [f"tau_s_{name}" for name in estimators[1:]]
