"""Commands to a live run from another process: a loopback socket, its address and token in ``live.json``."""

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import zmq

from annealscope.controller.config.wording import with_reason
from annealscope.controller.errors import ExitCode, RunError, may_go_on
from annealscope.controller.journal import is_damaged, read_lines
from annealscope.controller.live import LIVE_FILE, read_live, write_live, writer_lives
from annealscope.controller.stream import wire

ANSWER_WITHIN_MS = 5000
MAX_REQUEST_BYTES = 4096
MAX_ANSWER_BYTES = 64 * 1024
ANSWERS_AT_ONCE = 10
GO_ON = "`annealscope continue` goes on"

Handler = Callable[[str], dict[str, Any]]
"""Takes the name of a request, returns the answer. Raises ValueError for a request it does not know."""


class ControlServer:
    """The run's end: polled by the loop, never by a thread of its own.

    Parameters
    ----------
    context
        Of zmq.
    folder
        The run folder, for ``live.json``.
    handler
        Answers the requests.
    frames_endpoint, news_endpoint
        Where viewers get frames, and everything else, for ``live.json``.
    """

    def __init__(
        self,
        context: wire.Context,
        folder: Path,
        handler: Handler,
        frames_endpoint: str | None = None,
        news_endpoint: str | None = None,
    ) -> None:
        self.socket, endpoint = wire.bind(context, zmq.REP, max_bytes=MAX_REQUEST_BYTES)
        self._token = secrets.token_hex(16)
        self._handler = handler
        self._path = folder / LIVE_FILE
        address = {"pid": os.getpid(), "endpoint": endpoint, "token": self._token}
        looking_on = {"frames_endpoint": frames_endpoint, "news_endpoint": news_endpoint}
        write_live(self._path, {**address, **looking_on})

    def poll(self) -> None:
        """Answer what has been asked, but not so much that the run would wait for it."""
        for _ in range(ANSWERS_AT_ONCE):
            if not self.socket.poll(0):
                return
            self.socket.send(json.dumps(self._answer(self.socket.recv_multipart())).encode())

    def close(self) -> None:
        """Withdraw the address and close the socket."""
        self._path.unlink(missing_ok=True)
        self.socket.close(0)

    def _answer(self, parts: list[bytes]) -> dict[str, Any]:
        try:
            (request,) = parts
            asked = json.loads(request)
            if not secrets.compare_digest(str(asked["token"]), self._token):
                return {"error": "wrong token"}
            return self._handler(str(asked["request"]))
        except Exception as error:  # whatever anybody sends, the run goes on
            return {"error": f"bad request: {error}"}


def ask(folder: Path, request: str) -> dict[str, Any]:
    """Send a request to the run that lives in a folder, and return its answer. Raises RunError."""
    live = _address(folder)
    context: wire.Context = zmq.Context()
    try:
        socket = wire.connect(context, zmq.REQ, live["endpoint"], max_bytes=MAX_ANSWER_BYTES)
        socket.send(json.dumps({"token": live["token"], "request": request}).encode())
        if not socket.poll(ANSWER_WITHIN_MS):
            raise _no_answer(folder, live["pid"])
        answer = _decoded(socket.recv(), folder)
    finally:
        context.destroy(linger=0)
    if "error" in answer:
        raise RunError(f"the run in {folder} refused {request!r}: {answer['error']}", ExitCode.USAGE)
    return answer


def _address(folder: Path) -> dict[str, Any]:
    """Return what ``live.json`` says. Raises RunError: there is no run, or the file is damaged."""
    path = folder / LIVE_FILE
    if not path.is_file():
        raise RunError(_why_not_alive(folder), ExitCode.USAGE)
    content = read_live(path)
    try:
        live = {"pid": int(content["pid"]), "endpoint": str(content["endpoint"]), "token": content["token"]}
        wire.check_loopback(live["endpoint"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunError(f"{path} cannot be read: {error}", ExitCode.INVALID_INPUT) from None
    if not writer_lives(path):
        raise RunError(_why_not_alive(folder), ExitCode.USAGE)
    return live


def _decoded(answer: bytes, folder: Path) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        fields = json.loads(answer)
        if isinstance(fields, dict):
            return fields
    message = f"what answers in the place of the run in {folder} is no run; has its program died?"
    raise RunError(message, ExitCode.DEVICE)


def _no_answer(folder: Path, pid: int) -> RunError:
    if not (folder / LIVE_FILE).exists():  # it ended just now
        return RunError(_why_not_alive(folder), ExitCode.USAGE)
    message = f"the run in {folder} (process {pid}) does not answer; has its program died?"
    return RunError(message, ExitCode.DEVICE)


def _why_not_alive(folder: Path) -> str:
    if not folder.is_dir():
        return f"no such folder: {folder}"
    return f"no run is alive in {folder}: {_why_nothing_lives(folder)}"


def _why_nothing_lives(folder: Path) -> str:
    """Say what the journal knows of the run. Raises RunError when it cannot be read."""
    path = folder / "journal.jsonl"
    try:
        lines = read_lines(path)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", ExitCode.INVALID_INPUT) from None
    if is_damaged(lines):
        return f"its journal.jsonl is damaged: see `annealscope verify {folder}`"
    records = [line for line in takewhile(bool, lines) if line]
    if not records:
        return "it is not a run folder"
    if (folder / LIVE_FILE).exists():
        return f"its program died; {GO_ON}"
    return _how_it_ended(records[-1])


def _how_it_ended(last: dict[str, Any]) -> str:
    if last["kind"] != "run_ended":
        return f"it is just starting, or its program died; then {GO_ON}"
    ended = f"that run has ended: {with_reason(last['outcome'], last['why'])}"
    return f"{ended}; {GO_ON}" if may_go_on(last["outcome"], last.get("exit_code")) else ended
