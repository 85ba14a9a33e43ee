"""What it takes for bytes to survive a power cut."""

import os
import sys
from pathlib import Path


def sync_data(handle: int) -> None:
    """Return when the data of an open file, and its length, are on the disk."""
    getattr(os, "fdatasync", os.fsync)(handle)


def sync_file(path: Path) -> None:
    """Return when a file that is already written is on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def forget_copy(path: Path) -> None:
    """Let the next reading of a file come from the disk, where the system can be asked for that (Linux).

    After a sync that failed, the system may go on showing what never got to the disk, and call the next sync
    of it good.
    """
    if sys.platform == "linux":
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can (Windows does so by itself)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder, and those it lies in where there are none; their names are durable, too."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def move_into_place(temporary: Path, path: Path) -> None:
    """Let a finished file take its name in one step: readers see the old one or the new one, never a part."""
    sync_file(temporary)
    temporary.replace(path)
    sync_folder(path.parent)


def write_atomically(path: Path, text: str) -> None:
    """Write or replace a UTF-8 text file in one step."""
    write_bytes_atomically(path, text.encode())


def write_bytes_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write or replace a file in one step. Raises OSError, and leaves nothing half done."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        temporary.write_bytes(content)
        move_into_place(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
