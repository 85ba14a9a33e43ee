"""The guard: the process that owns the holder, and lets nobody heat who is not there.

Run by the controller as ``python -m annealscope.drivers.guard`` with one JSON line on stdin, see
`guard_messages.GuardSettings`. It has a session of its own and does not die with a terminal. The end of stdin
means that the controller is gone. When the heater is off and nobody is left to want it, the guard ends.
"""

import importlib
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq

from annealscope.drivers.guard_core import Guard
from annealscope.drivers.guard_files import EpochFile, EventLog
from annealscope.drivers.guard_messages import (
    MAX_REQUEST_BYTES,
    BadMessage,
    DriverSpec,
    GuardSettings,
    decode_request,
    encode,
    settings_from_json,
)
from annealscope.drivers.interfaces import DeviceError
from annealscope.drivers.loopback import LOOPBACK

TICK_S = 0.02
REQUESTS_PER_TICK = 16
"""However many come, the heater is looked at in between."""
QUEUED_MESSAGES = 64
FAREWELL_MS = 300
MAX_SETTINGS_BYTES = 65536

Socket = zmq.Socket[bytes]


class GuardProcess:
    """The loop around a guard: requests from a socket, the end of stdin, SIGTERM, and a tick every 20 ms."""

    def __init__(self, guard: Guard, socket: Socket, log: EventLog) -> None:
        self._guard = guard
        self._socket = socket
        self._log = log
        self._parent_gone = threading.Event()
        self._terminated = threading.Event()
        self._bad_messages = 0

    def run(self) -> None:
        """Guard until the heater is off and nobody is left."""
        threading.Thread(target=self._wait_for_end_of_stdin, name="parent", daemon=True).start()
        signal.signal(signal.SIGTERM, lambda number, frame: self._terminated.set())
        next_tick_s = time.monotonic()
        while not self._over():
            self._heed_signals()
            self._guard.tick(time.monotonic())
            next_tick_s = max(next_tick_s + TICK_S, time.monotonic())
            self._serve_until(next_tick_s)
        self._log.note("ended", bad_messages=self._bad_messages)

    def _over(self) -> bool:
        nobody_left = self._parent_gone.is_set() or self._guard.ladder.ending
        return nobody_left and self._guard.at_rest

    def _heed_signals(self) -> None:
        ladder = self._guard.ladder
        if self._parent_gone.is_set() and ladder.owned_by_parent and ladder.owned:
            ladder.parent_gone(time.monotonic())
        if self._terminated.is_set() and not ladder.ending:
            ladder.end(time.monotonic(), "the guard was told to end (SIGTERM)")

    def _serve_until(self, t_s: float) -> None:
        for _ in range(REQUESTS_PER_TICK):
            if not self._socket.poll(max(0, round((t_s - time.monotonic()) * 1000))):
                return
            self._serve(self._socket.recv_multipart())
        time.sleep(max(0.0, t_s - time.monotonic()))

    def _serve(self, parts: list[bytes]) -> None:
        try:
            if len(parts) != 2:
                raise BadMessage(f"{len(parts) - 1} parts instead of 1")
            request = decode_request(parts[1])
        except BadMessage as error:
            self._bad_messages += 1
            if self._bad_messages.bit_count() == 1:
                self._log.note("bad_message", error=str(error), so_far=self._bad_messages)
            return
        reply = encode(self._guard.answer(time.monotonic(), request))
        with suppress(zmq.Again):  # somebody who does not listen
            self._socket.send_multipart([parts[0], reply], flags=zmq.DONTWAIT)

    def _wait_for_end_of_stdin(self) -> None:
        # os.read: a daemon thread inside sys.stdin.read would hold its lock while the interpreter exits.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        self._parent_gone.set()


def main() -> None:
    """Guard a holder. Exits with 1 when it cannot begin, or after a bug; the reason is in the log."""
    _ignore_terminal()
    try:
        settings = settings_from_json(sys.stdin.readline(MAX_SETTINGS_BYTES))
    except ValueError as error:
        sys.exit(str(error))
    log = EventLog(Path(settings.log_path))
    epochs = EpochFile(Path(settings.epoch_path))
    try:
        _guard(settings, epochs, log)
    except DeviceError as error:
        log.note("failed", why=str(error))
        sys.exit(1)
    except Exception as error:
        traceback.print_exc()
        log.note("failed", why=f"{type(error).__name__}: {error}")
        sys.exit(1)
    finally:
        log.close()
        epochs.close()


def _guard(settings: GuardSettings, epochs: EpochFile, log: EventLog) -> None:
    epochs.open()
    holder = load_device(settings.holder)
    blanker = load_device(settings.blanker) if settings.blanker else None
    for device in (holder, blanker):
        if device is not None:
            device.open()
    now_s = time.monotonic()
    guard = Guard(settings, holder, blanker, epochs.epoch, epochs.save, log.note, now_s, epochs.trip)
    context: zmq.Context[Socket] = zmq.Context()
    socket, endpoint = _bind(context)
    epochs.publish(endpoint, settings.token, settings.run)
    log.note("ready", endpoint=endpoint, pid=os.getpid(), rung=guard.ladder.rung, epoch=epochs.epoch)
    try:
        GuardProcess(guard, socket, log).run()
    except BaseException:  # a bug: the heater goes off before anything else
        holder.safe("the guard has failed")
        raise
    finally:
        socket.close(linger=FAREWELL_MS)
        context.term()
    holder.close()


def load_device(spec: DriverSpec) -> Any:
    """Make the device that a settings line names.

    Raises
    ------
    DeviceError
        There is no such function, or it does not make the device.
    """
    module, _, function = spec.factory.partition(":")
    try:
        return getattr(importlib.import_module(module), function)(**spec.arguments)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise DeviceError(
            f"guard: driver {spec.factory!r} cannot be made: {error}; it must be `module:function`, "
            f"called with {sorted(spec.arguments)}"
        ) from error


def _bind(context: "zmq.Context[Socket]") -> tuple[Socket, str]:
    """Return a bounded socket on a free port that only this machine can reach, and its address."""
    socket: Socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
    socket.setsockopt(zmq.SNDHWM, QUEUED_MESSAGES)
    socket.setsockopt(zmq.RCVHWM, QUEUED_MESSAGES)
    port = socket.bind_to_random_port(f"tcp://{LOOPBACK}")
    return socket, f"tcp://{LOOPBACK}:{port}"


def _ignore_terminal() -> None:
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


if __name__ == "__main__":
    main()
