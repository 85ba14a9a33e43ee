"""``live.json`` in a run folder: how to reach the run while it goes on, for its owner only."""

import json
import os
from pathlib import Path
from typing import Any

import psutil

from annealscope.controller.errors import ExitCode, RunError

LIVE_FILE = "live.json"
BEGINS_WITH = ("journal.jsonl", "plan.json", LIVE_FILE)
"""What a run folder has from its first moment on: one of them, at least."""
MAX_LIVE_BYTES = 4096
CLOCKS_DISAGREE_S = 60.0
"""A process born so long after the file was written is another one that was given the same number."""


def write_live(path: Path, content: dict[str, Any]) -> None:
    """Write the file in place of an older one; nobody but its owner can read it, not even for a moment.

    Raises OSError.
    """
    path.unlink(missing_ok=True)  # also a link, which is not followed
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)


def read_live(path: Path) -> dict[str, Any]:
    """Return what stands in the file. Raises RunError."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MAX_LIVE_BYTES))
        if isinstance(content, dict):
            return content
        raise ValueError("it has no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error}", ExitCode.INVALID_INPUT) from None


def writer_lives(path: Path) -> bool:
    """Say whether the program that wrote the file is still there."""
    try:
        pid = int(read_live(path)["pid"])
        written_s = path.stat().st_mtime
        return psutil.Process(pid).create_time() <= written_s + CLOCKS_DISAGREE_S
    except psutil.AccessDenied:
        return True
    except (psutil.NoSuchProcess, RunError, OSError, ValueError, KeyError, TypeError, OverflowError):
        return False


def is_foreign(folder: Path) -> bool:
    """Say whether a folder has something in it, but nothing that a run begins with. Raises OSError."""
    return any(folder.iterdir()) and not any((folder / name).exists() for name in BEGINS_WITH)
