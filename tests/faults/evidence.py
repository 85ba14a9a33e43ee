"""Every frame that was ever in a log, kept aside: hard links outlive the deletion of a log."""

import contextlib
import os
import threading
from pathlib import Path

from faults.files import LOG_NAME, log_rows, rows_by_size

LOOK_EVERY_S = 0.01


class Evidence:
    """Watches the logs of a run folder, and knows the pixels of every frame that was in one.

    Parameters
    ----------
    run
        The run folder; need not exist yet.
    store
        A folder beside it, on the same file system.
    """

    def __init__(self, run: Path, store: Path) -> None:
        self._run, self._store = run, store
        self._over = threading.Event()
        self._seen: dict[tuple[str, int], int] = {}
        store.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def frames_in_log(self) -> int:
        """Return how many frames the newest hold has in its logs, by the size of what was written."""
        logs = sorted(self._store.glob("*.frames"))
        if not logs:
            return 0
        newest = LOG_NAME.fullmatch(logs[-1].name)["hold"]
        return sum(rows_by_size(path) for path in logs if path.name.startswith(f"{newest}."))

    def look(self) -> dict[tuple[str, int], int]:
        """Return (hold, number) -> checksum of the pixels, of every frame so far.

        What was read once is kept: a log that is changed later cannot change its own evidence.
        """
        self._link()
        for path in sorted(self._store.glob("*.frames")):
            hold = LOG_NAME.fullmatch(path.name)["hold"]
            for row in log_rows(path):
                self._seen.setdefault((hold, row.seq), row.crc32)
        return dict(self._seen)

    def end(self) -> dict[tuple[str, int], int]:
        """Stop watching; return all that was seen."""
        self._over.set()
        self._thread.join()
        return self.look()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._link()

    def _link(self) -> None:
        for path in self._run.glob("holds/*.frames"):
            if not (self._store / path.name).exists():
                with contextlib.suppress(OSError):  # deleted, or linked by the other thread, in this moment
                    os.link(path, self._store / path.name)
