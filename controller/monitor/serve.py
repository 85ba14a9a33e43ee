"""The monitor as a process: ``python -m annealscope.controller.monitor.serve`` beside a run, or for a person.

As a child of a run it gets one JSON line on stdin, ``{"folder": RUN}``, says its address in one line on
stdout, and ends when the run's program does.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.monitor.app import make_app
from annealscope.controller.monitor.viewer import ANSWER_WITHIN_S
from annealscope.controller.stream.wire import Parent
from annealscope.drivers.loopback import LOOPBACK

PORT = 8765
PORTS_TRIED = 20
MAX_MESSAGE_BYTES = 256
"""Of a browser: it only ever says that it has drawn."""
CLOSE_WITHIN_S = 2
GONE_AFTER_MS = 30_000
"""A browser that does not take what was sent is given up after this, where the system can do that."""


def listen(port: int | None) -> socket.socket:
    """Return a socket that listens on this machine alone.

    Parameters
    ----------
    port
        None: 8765, or the next one that is free.

    Raises
    ------
    RunError
        The port is taken.
    """
    ports = range(PORT, PORT + PORTS_TRIED) if port is None else [port]
    for candidate in ports:
        try:
            listener = socket.create_server((LOOPBACK, candidate))
        except OSError as error:
            why = str(error.strerror).partition(" (while")[0]  # which says the address again
            continue
        _give_up_silent_peers(listener)
        return listener
    tried = f"port {port} cannot be had" if port is not None else f"ports {PORT} to {ports[-1]} are all taken"
    raise RunError(f"{tried} ({why}); give another one with --port", ExitCode.USAGE)


def url_of(listener: socket.socket) -> str:
    """Return the address of the page."""
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}/"


def serve(
    folder: Path, listener: socket.socket, token: str | None, over: Callable[[], bool] | None = None
) -> None:
    """Serve the page until Ctrl-C, or until it is over.

    Parameters
    ----------
    folder
        The run folder; it need not exist yet.
    listener
        Of `listen`; it is closed in the end.
    token
        That commands need; None: there are no commands.
    over
        Says whether to end; None: only Ctrl-C does.
    """
    server = make_server(folder, listener.getsockname()[1], token)
    if over is not None:
        threading.Thread(target=_end_when, args=(over, server), name="over", daemon=True).start()
    server.run(sockets=[listener])


def make_server(
    folder: Path, port: int, token: str | None, answer_within_s: float = ANSWER_WITHIN_S
) -> uvicorn.Server:
    """Return the server of an application, see `make_app`."""
    config = uvicorn.Config(
        make_app(folder, port, token, answer_within_s),
        host=LOOPBACK,
        loop="asyncio",
        http="h11",
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # it costs more time than the loopback saves
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=CLOSE_WITHIN_S,
    )
    return uvicorn.Server(config)


def _give_up_silent_peers(listener: socket.socket) -> None:
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_AFTER_MS)


def _end_when(over: Callable[[], bool], server: uvicorn.Server) -> None:
    while not over():
        time.sleep(0.2)
    server.should_exit = True


def main() -> None:
    """Serve the page beside a run, until its program ends."""
    parent = Parent(sys.stdin)
    try:
        listener = listen(None)
    except RunError as error:
        sys.stdout.write(f"{error}\n")
        return
    sys.stdout.write(f"{url_of(listener)}\n")
    sys.stdout.flush()
    serve(Path(parent.settings["folder"]), listener, None, over=lambda: not parent.alive)


if __name__ == "__main__":
    main()
