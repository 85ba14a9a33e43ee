"""The controller's end of the line to a guard: it asks, and waits a stated time for the answer."""

import threading
import time
from pathlib import Path
from typing import Any, Protocol

import zmq

from annealscope.drivers.guard_files import read_epoch_file
from annealscope.drivers.guard_messages import (
    MAX_REPLY_BYTES,
    BadMessage,
    Verb,
    decode_reply,
    encode,
)
from annealscope.drivers.interfaces import DeviceError, HeaterTripped, LeaseLapsed
from annealscope.drivers.loopback import LOOPBACK, is_loopback

ANSWER_S = 1.0
"""The longest that a call may take."""
SLICE_MS = 50
QUEUED_MESSAGES = 64

Socket = zmq.Socket[bytes]


class Watched(Protocol):
    """A process, as far as a link looks at it."""

    def why_ended(self) -> str | None:
        """Say why the process has ended; None while it lives."""


class GuardLink:
    """A line to one guard; it is opened by the first request, also after it was closed.

    Parameters
    ----------
    endpoint
        Where the guard listens: ``tcp://127.0.0.1:PORT``.
    token
        Its secret.
    process
        The guard's process, when this process has started it: its death is noticed at once then.

    Raises
    ------
    DeviceError
        For an endpoint on another machine.
    """

    def __init__(self, endpoint: str, token: str, process: Watched | None = None) -> None:
        if not is_loopback(endpoint):
            raise DeviceError(f"guard: the endpoint must be tcp://{LOOPBACK}:PORT, got {endpoint!r}")
        self._endpoint = endpoint
        self._token = token
        self._process = process
        self._seq = 0
        self._turn = threading.Lock()
        self._socket: Socket | None = None
        self.epoch = 0

    def ask(self, verb: Verb, **fields: Any) -> dict[str, Any]:
        """Send a request and return the answer, whether it is a refusal or not.

        Raises
        ------
        DeviceError
            There was no answer within a second.
        """
        if not self._turn.acquire(timeout=ANSWER_S):
            raise DeviceError("guard: a request by another thread has not been answered within 1 s")
        try:
            self._seq += 1
            self._socket = socket = self._socket or self._connected()
            self._send(socket, verb, fields)
            return self._answer(socket)
        finally:
            self._turn.release()

    def tell(self, verb: Verb, **fields: Any) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises
        ------
        LeaseLapsed, HeaterTripped, DeviceError
            The guard refuses, or there was no answer within a second.
        """
        reply = self.ask(verb, **fields)
        refused = reply.get("refused")
        if refused is None:
            return reply
        kinds = {"lapsed": LeaseLapsed, "tripped": HeaterTripped}
        raise kinds.get(refused, DeviceError)(f"guard: {verb} refused: {reply.get('error')}")

    def close(self) -> None:
        """Hang up; harmless when repeated."""
        if self._socket is not None:
            context = self._socket.context
            self._socket.close(linger=0)
            context.term()
            self._socket = None

    def _connected(self) -> Socket:
        socket: Socket = zmq.Context().socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_REPLY_BYTES)
        socket.setsockopt(zmq.SNDHWM, QUEUED_MESSAGES)
        socket.setsockopt(zmq.RCVHWM, QUEUED_MESSAGES)
        socket.connect(self._endpoint)
        return socket

    def _send(self, socket: Socket, verb: Verb, fields: dict[str, Any]) -> None:
        request = {"verb": verb, "token": self._token, "seq": self._seq, "epoch": self.epoch}
        try:
            message = encode({**request, "sent_s": time.monotonic(), **fields})
            socket.send(message, flags=zmq.DONTWAIT)
        except (zmq.ZMQError, ValueError) as error:
            raise DeviceError(f"guard: {verb} cannot be sent to {self._endpoint}: {error}") from None

    def _answer(self, socket: Socket) -> dict[str, Any]:
        """Wait for the answer to the newest request; what comes late for an older one is dropped.

        The patience is counted in turns: of a process that was stopped meanwhile, one turn is gone.
        """
        for _ in range(round(1000 * ANSWER_S / SLICE_MS)):
            if socket.poll(SLICE_MS):
                reply = _received(socket)
                if reply.get("seq") == self._seq:
                    return reply
                continue
            ended = self._process.why_ended() if self._process else None
            if ended is not None:
                raise DeviceError(
                    f"guard: its process has ended: {ended}; nobody controls the heater: "
                    "switch it off at the holder's own controller, or start a guard again"
                )
        raise DeviceError(
            f"guard: no answer from {self._endpoint} within {ANSWER_S:g} s; is the guard's process alive? "
            "Look at the heater at the holder's own controller"
        )


def _received(socket: Socket) -> dict[str, Any]:
    try:
        return decode_reply(socket.recv())
    except BadMessage:
        return {}


def link_from_epoch_file(path: Path) -> GuardLink:
    """Return a line to the guard that a crashed controller has left.

    Raises
    ------
    DeviceError
        There is no such file, or it names no guard.
    """
    content = read_epoch_file(path)
    endpoint, token = content.get("endpoint"), content.get("token")
    if not isinstance(endpoint, str) or not isinstance(token, str):
        raise DeviceError(f"guard: {path} does not say where its guard is; start a new one")
    return GuardLink(endpoint, token)
