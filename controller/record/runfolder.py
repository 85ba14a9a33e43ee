"""The run folder: what lies where, which holds there are, and ``run.nxs``, which ties them together."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py

from annealscope.controller.errors import ExitCode
from annealscope.controller.live import LIVE_FILE, writer_lives
from annealscope.controller.record.durable import make_folder, sync_folder, write_bytes_atomically
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import SUFFIX, log_paths
from annealscope.controller.record.holdreader import hold_stem
from annealscope.controller.record.results import UNREADABLE, Entry, nexus_group, start_file, write_results

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
        return self.path / LIVE_FILE

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
        return writer_lives(self.live)


def create(path: Path) -> RunFolder:
    """Make a new run folder.

    Raises
    ------
    RecordError
        The folder has something in it, or cannot be made.
    """
    try:
        make_folder(path)
        if any(path.iterdir()):
            raise RecordError(
                f"{path} is not empty; a run never writes over another one: give a new folder with --out",
                ExitCode.USAGE,
            )
        run = RunFolder(path.resolve())
        run.holds_folder.mkdir()
        run.report.mkdir()
        run.journal.touch()  # its name is durable from now on; its records sync themselves
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


def save_run_file(run: RunFolder, results: Iterable[Entry] = ()) -> None:
    """Write ``run.nxs``: a link to every hold, and what follows from several of them.

    The file is made in memory: HDF5 itself crashes on a full disk, where plain files raise OSError.

    Parameters
    ----------
    run
        The run folder.
    results
        Made by `offline.crosshold`.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        entry = start_file(file, "run", run.path.name)
        links = nexus_group(entry, "holds", "NXcollection")
        for hold in run.holds():
            if hold.path.exists():
                links[hold.name] = h5py.ExternalLink(f"{run.holds_folder.name}/{hold.path.name}", "/entry")
        write_results(entry, results)
    write_bytes_atomically(run.run_file, content.getbuffer())


def _entry(stem: Path, running: bool) -> HoldEntry:
    path = stem.with_name(f"{stem.name}.nxs")
    if is_closed(path):
        state: HoldState = "closed"
    else:
        state = "open" if running and log_paths(stem) else "crashed"
    return HoldEntry(stem.name, path, state)


def is_closed(path: Path) -> bool:
    """Say whether a hold file was completed."""
    try:
        with h5py.File(path, "r") as file:
            return "entry/end_time" in file
    except UNREADABLE:
        return False
