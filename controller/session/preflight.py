"""What is measured of the machine before a run on a real clock begins."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from annealscope.controller.journal import Journal
from annealscope.controller.planning import AcquireStep, Plan

SYNCS = 20
BLOCK_BYTES = 64 * 1024
PERIOD_SHARE = 0.5
"""A disk that takes a larger share of the period for one small block keeps up with nothing else."""
OVER_A_NETWORK = frozenset(("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "fuse.sshfs", "9p"))


def preflight(folder: Path, plan: Plan, journal: Journal) -> None:
    """Measure where a run is written, and journal it with what there is to worry about.

    Parameters
    ----------
    folder
        The run folder, which exists.
    plan
        What is to be done there.
    journal
        Gets a record ``preflight``, and one of kind ``guard`` for each worry.
    """
    sync_s = max(sync_times_s(folder))
    file_system = file_system_of(folder)
    free_bytes = shutil.disk_usage(folder).free
    journal.write("preflight", sync_ms=round(1e3 * sync_s, 2), free_bytes=free_bytes, file_system=file_system)
    for message in worries(plan, sync_s, file_system):
        journal.write("guard", guard="preflight", message=message, action="noted")


def worries(plan: Plan, sync_s: float, file_system: str) -> Iterator[str]:
    """Yield what is not wrong, but may go wrong.

    Parameters
    ----------
    plan
        What is to be done.
    sync_s
        Longest time to write a small block and have it on the disk.
    file_system
        Its type; ``remote`` for any that is not of this machine.
    """
    periods_s = [one.step.period_s for one in plan.steps if isinstance(one.step, AcquireStep)]
    if periods_s and sync_s > PERIOD_SHARE * min(periods_s):
        yield (
            f"the disk took {sync_s:.2g} s to write a small block, a frame comes every {min(periods_s):g} s; "
            "write to a faster one"
        )
    if file_system in OVER_A_NETWORK or file_system == "remote":
        yield f"the run folder is on a network ({file_system}): when that fails, nothing is recorded"


def sync_times_s(folder: Path) -> list[float]:
    """Return how long it took to have a small block on the disk, several times; leaves nothing behind."""
    path = folder / "preflight.tmp"
    times_s = []
    try:
        with path.open("wb", buffering=0) as file:
            for _ in range(SYNCS):
                begun_s = time.perf_counter()
                file.write(os.urandom(BLOCK_BYTES))
                os.fsync(file.fileno())
                times_s.append(time.perf_counter() - begun_s)
    finally:
        path.unlink(missing_ok=True)
    return times_s


def file_system_of(folder: Path) -> str:
    """Return the type of the file system that a folder is on; empty when it is not known."""
    place = folder.resolve()
    found = ""
    depth = -1
    for mounted in psutil.disk_partitions(all=True):
        point = Path(mounted.mountpoint)
        if place.is_relative_to(point) and len(point.parts) > depth:
            depth = len(point.parts)
            found = "remote" if "remote" in mounted.opts.split(",") else mounted.fstype
    return found.lower()
