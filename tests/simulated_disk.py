"""A disk that forgets at a power cut what was not synced: any page of a file, any name in a folder.

The program works on real files below a folder. Its `os.fsync` and `os.fdatasync` do not reach the
system: they note what a file, or a folder, has in it from then on for sure. At a crash every 4 KiB page
that was written since is there, or not, or torn; a file is as long as before, or as now, or in between; every
name that was made, moved or deleted since is in its folder or not. Real file systems are kinder than that.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

PAGE = 4096
TEAR = 16
"""A torn page has this many bytes, or a multiple, of the new one."""

Names = dict[str, int]
"""What is in a folder: inode by name."""


@dataclass(frozen=True)
class Moment:
    """All that a disk may show after a power cut now."""

    what: str
    root: int
    files: dict[int, tuple[bytes, bytes]]
    """(for sure, as the program sees it) by inode."""
    folders: dict[int, tuple[Names, Names]]
    promises: Any
    """What the program had said was safe."""

    def crash(self, target: Path, rng: np.random.Generator) -> Path:
        """Write one of the states to a new folder."""
        self._write(self.root, target, rng)
        return target

    def _write(self, inode: int, target: Path, rng: np.random.Generator) -> None:
        if inode in self.files:
            target.write_bytes(_pages(*self.files[inode], rng))
            return
        target.mkdir()
        sure, seen = self.folders.get(inode, ({}, {}))
        for name in sorted(sure | seen):
            there = sure.get(name) if rng.random() < 0.5 else seen.get(name)
            if there is not None:
                self._write(there, target / name, rng)


@dataclass
class SimulatedDisk:
    """Watches a folder.

    Parameters
    ----------
    root
        The folder; it is there for sure.
    without
        A place in the program whose syncs are left out, see `place_of_sync`.
    """

    root: Path
    without: str = ""
    promises: Any = None
    moments: list[Moment] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    """Where the program synced."""

    def __post_init__(self) -> None:
        self._sure: dict[int, bytes] = {}
        self._sure_names: dict[int, Names] = {}
        self._handles: dict[int, int] = {}

    @contextmanager
    def watching(self) -> Iterator["SimulatedDisk"]:
        """Take the program's syncs."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", self._sync)
            patch.setattr(os, "fdatasync", self._sync, raising=False)
            try:
                yield self
            finally:
                for handle in self._handles.values():
                    os.close(handle)

    def moment(self, what: str) -> None:
        """Keep what a power cut now could leave."""
        files, folders = {}, {}
        for inode, handle in self._inodes().items():
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                folders[inode] = (self._sure_names.get(inode, {}), _names(handle))
            else:
                seen = os.pread(handle, os.fstat(handle).st_size, 0)
                sure = self._sure.get(inode, b"")
                files[inode] = (sure, sure if seen == sure else seen)
        self.moments.append(Moment(what, self.root.stat().st_ino, files, folders, self.promises))

    def _sync(self, handle: int) -> None:
        place = place_of_sync(sys._getframe(1))
        self.places.add(place)
        self.moment(f"before {place}")
        if place == self.without:
            return
        inode = os.fstat(handle).st_ino
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            self._sure_names[inode] = _names(handle)
        else:
            own = self._inodes()[inode]  # the program's may be for writing only
            self._sure[inode] = os.pread(own, os.fstat(own).st_size, 0)
        self.moment(f"after {place}")

    def _inodes(self) -> dict[int, int]:
        """Return a handle for all that is or was below the root; held, so that no inode comes again."""
        for path in (self.root, *self.root.rglob("*")):
            if path.stat().st_ino not in self._handles:
                self._handles[path.stat().st_ino] = os.open(path, os.O_RDONLY)
        return self._handles


def place_of_sync(frame: FrameType | None) -> str:
    """Return the chain of functions that a sync was called from, up to the first outside `durable`."""
    names: list[str] = []
    while frame is not None and "annealscope" in frame.f_globals.get("__name__", ""):
        name = frame.f_code.co_qualname
        if not names or names[-1] != name:
            names.append(name)
        if not frame.f_globals["__name__"].endswith(".durable"):
            break
        frame = frame.f_back
    return " < ".join(names)


@contextmanager
def no_syncs() -> Iterator[None]:
    """Let the program run as fast as it can where nothing depends on what is durable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr(os, "fdatasync", lambda handle: None, raising=False)
        yield


def states(moments: list[Moment], count: int, seed: int) -> Iterator[tuple[Moment, np.random.Generator]]:
    """Yield moments in turn, each with random numbers of its own."""
    for number in range(count):
        yield moments[number % len(moments)], np.random.Generator(np.random.Philox(key=(seed, number)))


def _names(handle: int) -> Names:
    return {entry.name: entry.inode() for entry in os.scandir(handle)}


def _pages(sure: bytes, seen: bytes, rng: np.random.Generator) -> bytes:
    """Return a file of which some pages were written, some not, and some were torn."""
    if sure == seen:
        return sure
    shorter, longer = sorted((len(sure), len(seen)))
    size = int(rng.choice([shorter, longer, rng.integers(shorter, longer, endpoint=True)]))
    pages = bytearray(sure[:size].ljust(size, b"\0"))
    for first in range(0, size, PAGE):
        end = min(first + PAGE, size)
        fate = rng.random()
        written = 0 if fate < 0.4 else PAGE if fate < 0.8 else int(rng.integers(PAGE // TEAR)) * TEAR
        end = min(end, first + written)
        pages[first:end] = seen[first:end].ljust(end - first, b"\0")
    return bytes(pages)
