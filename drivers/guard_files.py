"""What outlasts a guard: the epoch, with the address for who takes over, and the log."""

import json
import os
import queue
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from annealscope.drivers.guard_messages import encode
from annealscope.drivers.interfaces import DeviceError

MAX_LOG_BYTES = 8 * 2**20
"""Of one guard; what comes after is not logged, so that a flood of refused commands cannot fill the disk."""
MAX_WAITING_LINES = 1000
FAREWELL_S = 1.0
REPLACE_TRIES = 20
REPLACE_EVERY_S = 0.02
"""Windows does not replace a file while somebody reads it."""


class EpochFile:
    """The epoch of one holder, durable, and a lock that one guard at a time can have.

    Parameters
    ----------
    path
        JSON: ``epoch``, ``trip`` (null: none), ``endpoint``, ``token``, ``pid``, ``run``; readable by its
        owner only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: BinaryIO | None = None
        self._address: dict[str, Any] = {}
        self.epoch = 0
        self.trip: str | None = None

    def open(self) -> None:
        """Take the lock, and learn the highest epoch so far, and the trip that nobody has acknowledged yet.

        Raises
        ------
        DeviceError
            Another guard has this holder, or the file is no epoch file.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._path.with_name(f"{self._path.name}.lock").open("ab")
        try:
            _lock(self._lock)
            if self._path.exists():
                content = read_epoch_file(self._path)
                self.epoch, self.trip = content["epoch"], content.get("trip")
        except OSError:
            self.close()
            raise DeviceError(
                f"guard: another guard has the holder of {self._path}; end that run first, or `continue` it"
            ) from None
        except DeviceError:
            self.close()
            raise

    def publish(self, endpoint: str, token: str, run: str) -> None:
        """Say where this guard is, and for which run. Raises OSError."""
        self._address = {"endpoint": endpoint, "token": token, "pid": os.getpid(), "run": run}
        self.save(self.epoch, self.trip)

    def save(self, epoch: int, trip: str | None = None) -> None:
        """Make an epoch and the latched trip durable. Raises OSError."""
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        temporary.unlink(missing_ok=True)  # of a guard that was killed, or a link, which is not followed
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps({"epoch": epoch, "trip": trip, **self._address}).encode())
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, self._path)
        self.epoch, self.trip = epoch, trip

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def read_epoch_file(path: Path) -> dict[str, Any]:
    """Return what stands in an epoch file. Raises DeviceError."""
    try:
        content = json.loads(path.read_bytes())
        if _is_epoch_file(content):
            return dict(content)
    except (OSError, ValueError, RecursionError) as error:
        raise DeviceError(f"guard: {path} cannot be read: {error}; is a guard running?") from None
    raise DeviceError(f"guard: {path} is no epoch file; move it away when no heater is on")


def _is_epoch_file(content: object) -> bool:
    if not isinstance(content, dict) or not isinstance(content.get("trip"), str | None):
        return False
    return type(content.get("epoch")) is int and content["epoch"] >= 0


class EventLog:
    """JSON lines about what happened; it never stands in the way of what has to be done.

    A thread of its own writes them, for a disk may hang: lines that it does not take in time are dropped.

    Parameters
    ----------
    path
        Appended to; a disk that takes no more is ignored.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = 0
        self._waiting: queue.Queue[bytes] = queue.Queue(MAX_WAITING_LINES)
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def note(self, what: str, **fields: Any) -> None:
        """Write a line with the time, by `time.monotonic` and in UTC."""
        utc = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = encode({"t_s": time.monotonic(), "utc": utc, "what": what, **fields}) + b"\n"
        self._bytes += len(line)
        if self._bytes <= MAX_LOG_BYTES:
            with suppress(queue.Full):
                self._waiting.put_nowait(line)

    def close(self) -> None:
        """Give the lines that are waiting a moment to be written."""
        deadline_s = time.monotonic() + FAREWELL_S
        while self._waiting.unfinished_tasks and time.monotonic() < deadline_s:
            time.sleep(0.001)

    def _write(self) -> None:
        while True:
            line = self._waiting.get()
            with suppress(OSError), self._path.open("ab") as file:
                file.write(line)
            self._waiting.task_done()


def _replace(temporary: Path, path: Path) -> None:
    for _ in range(REPLACE_TRIES):
        try:
            temporary.replace(path)
            break
        except PermissionError:
            time.sleep(REPLACE_EVERY_S)
    else:
        raise PermissionError(f"{path} is held open by another process")
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _lock(file: BinaryIO) -> None:
    """Lock a file for as long as it is open. Raises OSError when somebody else has."""
    if os.name == "nt":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
