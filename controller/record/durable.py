"""What it takes for bytes to survive a power cut."""

import os
from pathlib import Path


def sync_data(handle: int) -> None:
    """Return when the data of an open file, and its length, are on the disk."""
    getattr(os, "fdatasync", os.fsync)(handle)


def sync_file(path: Path) -> None:
    """Return when a file that is already written is on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can (Windows does so by itself)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def move_into_place(temporary: Path, path: Path) -> None:
    """Let a finished file take its name in one step: readers see the old one or the new one, never a part."""
    sync_file(temporary)
    temporary.replace(path)
    sync_folder(path.parent)


def write_atomically(path: Path, text: str) -> None:
    """Write or replace a UTF-8 text file in one step."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="")
    move_into_place(temporary, path)
