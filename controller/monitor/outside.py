"""What is known of a run without its journal and without its word: looked at once a second at most."""

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from annealscope.controller.live import LIVE_FILE, is_foreign, writer_lives

LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Outside:
    """The run folder and its disk."""

    exists: bool = False
    """There is such a folder."""
    foreign: bool = False
    """It has something in it, but nothing that a run would have."""
    announced: bool = False
    """``live.json`` is there: a process carries the run out, or has died in it."""
    alive: bool = False
    """That process is there."""
    begun: bool = False
    """The journal is not empty."""
    journal_age_s: float = float("inf")
    """Since something was written to the journal."""
    free_bytes: int | None = None
    report: str = ""
    """Path of the report; empty: there is none."""


class Lookout:
    """Looks at a run folder from time to time. `now` is what it saw last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked_s = float("-inf")
        self._seen = Outside()

    def now(self) -> Outside:
        """Return what there is; what was seen a moment ago is not looked at again."""
        if time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            self._seen = self._look()
        return self._seen

    def _look(self) -> Outside:
        folder, live = self._folder, self._folder / LIVE_FILE
        if not folder.is_dir():
            return Outside()
        announced = live.exists()
        journal_bytes, journal_age_s = _size_and_age(folder / "journal.jsonl")
        return Outside(
            exists=True,
            foreign=_is_foreign(folder),
            announced=announced,
            alive=announced and writer_lives(live),
            begun=journal_bytes > 0,
            journal_age_s=journal_age_s,
            free_bytes=_free_bytes(folder),
            report=report_of(folder),
        )


def _is_foreign(folder: Path) -> bool:
    with suppress(OSError):  # it may vanish, or be forbidden
        return is_foreign(folder)
    return False


def report_of(folder: Path) -> str:
    """Return the path of the report of a run; empty: there is none."""
    report = folder / "report" / "index.html"
    return str(report) if report.is_file() else ""


def _size_and_age(path: Path) -> tuple[int, float]:
    """Return the size of a file, and the time in s since it was written; of none that is for ever."""
    try:
        status = path.stat()
    except OSError:
        return 0, float("inf")
    return status.st_size, time.time() - status.st_mtime


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
