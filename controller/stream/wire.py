"""Sockets and start-up of the publisher and its child processes: loopback TCP, bounded, never lingering."""

import json
import os
import secrets
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO
from zlib import crc32

import numpy as np
import numpy.typing as npt
import zmq

from annealscope.controller.stream.messages import (
    MAX_MESSAGE_BYTES,
    ArrayPart,
    BadMessage,
    FrameHeader,
    Message,
    Preview,
    ResultsHeader,
    decode,
    encode,
)
from annealscope.drivers.loopback import LOOPBACK, is_loopback

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]
Entry = tuple[ArrayPart, npt.NDArray[Any] | None]

SCHEME = "tcp://"
QUEUED_MESSAGES = 256
SEND_WITHIN_MS = 2000
"""A dead peer must not hang its sender; a living one empties its queue much sooner."""
FAREWELL_MS = 500
HANDSHAKE_MS = 5000
"""Who connects and says nothing is cut off."""


def bind(
    context: Context, kind: int, queued: int = QUEUED_MESSAGES, max_bytes: int = MAX_MESSAGE_BYTES
) -> tuple[Socket, str]:
    """Return a bounded socket on a free loopback port, and its endpoint.

    Parameters
    ----------
    context
        Of zmq.
    kind
        ``zmq.REP``, ``zmq.PUB``, ...
    queued
        Messages that wait in each direction, for every peer.
    max_bytes
        Largest part of a message that is taken in; who sends a larger one is cut off.
    """
    socket = _bounded(context, kind, queued, max_bytes)
    port = socket.bind_to_random_port(f"tcp://{LOOPBACK}")
    return socket, f"tcp://{LOOPBACK}:{port}"


def connect(
    context: Context,
    kind: int,
    endpoint: str,
    queued: int = QUEUED_MESSAGES,
    max_bytes: int = MAX_MESSAGE_BYTES,
) -> Socket:
    """Return a bounded socket connected to an endpoint on this machine, see `bind`.

    Raises ValueError for an endpoint on any other machine.
    """
    name, _, address = endpoint.removeprefix(SCHEME).rpartition("@")
    check_loopback(f"{SCHEME}{address}")
    socket = _bounded(context, kind, queued, max_bytes)
    if name:
        socket.setsockopt(zmq.ROUTING_ID, name.encode())
    socket.connect(f"{SCHEME}{address}")
    return socket


class Line:
    """A bound socket that talks to one peer: the one that was told its endpoint.

    Anybody on the machine can connect to a port. Here a peer is known by a name that nobody can guess, which
    stands in the endpoint. What others send is refused, and nothing is ever sent to them. A second peer of
    that name takes the place of the first: a child that was started again.

    Parameters
    ----------
    context
        Of zmq.
    max_bytes
        As in `bind`.
    """

    def __init__(self, context: Context, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.socket, address = bind(context, zmq.ROUTER, max_bytes=max_bytes)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # to nobody: an error, not silence
        self.socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        name = secrets.token_hex(16)
        self._name = name.encode()
        self.endpoint = address.replace(SCHEME, f"{SCHEME}{name}@")
        """For the peer alone: ``tcp://NAME@127.0.0.1:PORT``."""

    def send(self, message: Message, *arrays: npt.NDArray[Any]) -> bool:
        """Send at once, or return False: nobody is there, or takes nothing more. See `send`."""
        return _send(self.socket, [self._name, *_parts(message, arrays)], zmq.DONTWAIT)

    def receive(self) -> tuple[Any, list[memoryview]] | None:
        """Return what has arrived from the peer, or None. Raises BadMessage, see `receive`."""
        if not self.socket.poll(0):
            return None
        name, *frames = self.socket.recv_multipart(copy=False)
        if not secrets.compare_digest(name.bytes, self._name):
            raise BadMessage("it is of a stranger")
        return decode([frame.buffer for frame in frames])

    def close(self) -> None:
        """Close the socket; what was not delivered is dropped."""
        self.socket.close(0)


def check_loopback(endpoint: str) -> None:
    """Refuse every endpoint that another machine could reach. Raises ValueError."""
    if not is_loopback(endpoint):
        raise ValueError(
            f"endpoint must be tcp://{LOOPBACK}:PORT, got {endpoint!r}; from another machine use `ssh -L`"
        )


def _bounded(context: Context, kind: int, queued: int, max_bytes: int = MAX_MESSAGE_BYTES) -> Socket:
    socket: Socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDTIMEO, SEND_WITHIN_MS)
    socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.SNDHWM, queued)
    socket.setsockopt(zmq.RCVHWM, queued)
    return socket


def send(socket: Socket, message: Message, *arrays: npt.NDArray[Any], wait: bool = True) -> bool:
    """Send a message and its arrays, without copying large ones: do not write to them afterwards.

    Returns
    -------
    bool
        False when the queue is full, or nobody is connected: at once, or after 2 s when ``wait`` is true.
        Nothing was sent then.
    """
    return _send(socket, _parts(message, arrays), 0 if wait else zmq.DONTWAIT)


def _parts(message: Message, arrays: Sequence[npt.NDArray[Any]]) -> list[Any]:
    return encode(message, *(np.ascontiguousarray(array) for array in arrays))


def _send(socket: Socket, parts: Sequence[Any], flags: int) -> bool:
    try:
        socket.send_multipart(parts, flags=flags, copy=False)
    except zmq.Again:
        return False
    except zmq.ZMQError as error:
        if error.errno != zmq.EHOSTUNREACH:  # a peer that has never come, or has gone
            raise
        return False
    return True


def receive(socket: Socket, timeout_ms: float) -> tuple[Any, list[memoryview]] | None:
    """Return the next message and its array parts, or None after the timeout.

    Raises
    ------
    BadMessage
        Something else arrived; it is consumed: count it and go on.
    """
    if not socket.poll(max(0, round(timeout_ms))):
        return None
    frames = socket.recv_multipart(copy=False)
    return decode([frame.buffer for frame in frames])


def farewell(socket: Socket) -> None:
    """Close a socket, giving what was sent last a moment to leave."""
    context = socket.context
    socket.close(linger=FAREWELL_MS)
    context.term()


def pixels_of(header: FrameHeader, parts: list[memoryview]) -> npt.NDArray[Any]:
    """Return the frame that came with its header, (y, x), read-only. Raises BadMessage when damaged."""
    if len(parts) != 1:
        raise BadMessage(
            f"frame {header.seq} of hold {header.hold} came with {len(parts)} parts instead of 1"
        )
    if crc32(parts[0]) != header.crc32:
        raise BadMessage(
            f"frame {header.seq} of hold {header.hold} came damaged: its checksum does not match"
        )
    return _array(parts[0], header.dtype, header.shape)


def results_to_parts(results: Mapping[str, Any], hold: int) -> tuple[ResultsHeader, list[npt.NDArray[Any]]]:
    """Return the message that carries results, and its arrays.

    Parameters
    ----------
    results
        Objects with ``values`` (array or None), ``units`` and ``attrs``, by path.
    hold
        Ordinal of the hold.
    """
    entries = list(results_to_entries(results))
    header = ResultsHeader(hold=hold, entries=[part for part, _ in entries])
    return header, [array for _, array in entries if array is not None]


def results_to_entries(results: Mapping[str, Any]) -> Iterable[Entry]:
    """Yield each result as the part that describes it and its array, see `results_to_parts`."""
    for path, result in results.items():
        array = None if result.values is None else np.asarray(result.values, order="C")
        yield (
            ArrayPart(
                path=path,
                units=result.units,
                attrs={name: _plain(value) for name, value in result.attrs.items()},
                dtype=None if array is None else array.dtype.str,
                shape=() if array is None else array.shape,
            ),
            array,
        )


def parts_to_entries(header: ResultsHeader | Preview, parts: list[Any]) -> list[Entry]:
    """Return the entries of a message that carries results. Raises BadMessage."""
    expected = sum(entry.dtype is not None for entry in header.entries)
    if len(parts) != expected:
        raise BadMessage(f"results of hold {header.hold} came with {len(parts)} arrays instead of {expected}")
    arrays = iter(parts)
    return [
        (entry, None if entry.dtype is None else _array(next(arrays), entry.dtype, entry.shape))
        for entry in header.entries
    ]


def _array(buffer: Any, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    try:
        return np.frombuffer(buffer, np.dtype(dtype)).reshape(shape)
    except (TypeError, ValueError) as error:
        raise BadMessage(f"{len(buffer)} bytes are not an array of {dtype} {shape}: {error}") from None


def _plain(value: Any) -> Any:
    """Return numpy scalars and arrays as the numbers and lists that JSON knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


class Parent:
    """The process that started this one, at the other end of stdin.

    Parameters
    ----------
    stdin
        One JSON line with this process's settings; the end of the file means that the parent is gone.
    """

    def __init__(self, stdin: TextIO) -> None:
        self._stdin = stdin
        self.settings: dict[str, Any] = read_attach(stdin)
        self._gone = threading.Event()
        threading.Thread(target=self._wait_for_end, name="parent", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the parent still holds its end."""
        return not self._gone.is_set()

    def _wait_for_end(self) -> None:
        # os.read: a daemon thread inside sys.stdin.read would hold its lock while the interpreter exits.
        while os.read(self._stdin.fileno(), 4096):
            pass
        self._gone.set()


def read_attach(stdin: TextIO) -> dict[str, Any]:
    """Return the settings that the parent writes as the first line of stdin. Raises ValueError."""
    line = stdin.readline()
    try:
        settings = json.loads(line)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise ValueError(f"the first line of stdin must be a JSON object, got {line[:80]!r}")
    return settings


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which ends its children in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
