"""The page and what it asks for: files, the state as JSON, the stream of packets and, perhaps, commands."""

import json
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import resources
from pathlib import Path

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from annealscope.controller.client import RunClient
from annealscope.controller.errors import RunError
from annealscope.controller.monitor.board import Board
from annealscope.controller.monitor.feed import Feed
from annealscope.controller.monitor.guard import COMMAND_PATH, Guard
from annealscope.controller.monitor.model import Model
from annealscope.controller.monitor.viewer import ANSWER_WITHIN_S, TRY_AGAIN_LATER, Viewer, farewell

MAX_VIEWERS = 50
MAX_COMMAND_BYTES = 256
COMMANDS = ("pause", "resume", "skip", "park", "stop", "abort")
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".json": "application/json"}
"""What a system's own table may have wrong."""


class Monitor:
    """Answers requests about the run in a folder.

    Parameters
    ----------
    folder
        The run folder; it need not exist yet.
    control
        Whether commands are taken.
    answer_within_s
        Patience with a browser that does not draw.
    """

    def __init__(self, folder: Path, control: bool, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._folder = folder
        self._control = control
        self._answer_within_s = answer_within_s
        self._feed = Feed(folder)
        self._board = Board(self._feed, Model(folder, control))
        self._viewers = 0

    def routes(self) -> list[BaseRoute]:
        """Return what can be asked for."""
        commands = [Route(COMMAND_PATH, self.command, methods=["POST"])] if self._control else []
        return [
            Route("/", self.page),
            Route("/static/{name}", self.static),
            Route("/api/state", self.state),
            WebSocketRoute("/ws", self.watch),
            *commands,
        ]

    @asynccontextmanager
    async def listening(self, app: Starlette) -> AsyncIterator[None]:
        """Listen to the run as long as the application is up."""
        self._feed.start()
        yield
        await anyio.to_thread.run_sync(self._feed.close)

    async def page(self, request: Request) -> Response:
        """Return the page."""
        return _file("index.html")

    async def static(self, request: Request) -> Response:
        """Return a file of the page."""
        return _file(request.path_params["name"])

    async def state(self, request: Request) -> Response:
        """Return what the page shows, as JSON for programs."""
        return JSONResponse(await self._board.told())

    async def watch(self, websocket: WebSocket) -> None:
        """Show the run to one more browser."""
        await websocket.accept()
        if self._viewers >= MAX_VIEWERS:
            await farewell(websocket, TRY_AGAIN_LATER)
            return
        self._viewers += 1
        try:
            await Viewer(websocket, self._board, self._answer_within_s).serve()
        finally:
            self._viewers -= 1

    async def command(self, request: Request) -> Response:
        """Pass a command on to the run, and say what came of it."""
        name = _command_in(await _body(request))
        if name is None:
            return _refused(
                HTTPStatus.BAD_REQUEST, f'the body must be {{"command": one of {", ".join(COMMANDS)}}}'
            )
        try:
            await anyio.to_thread.run_sync(RunClient(self._folder).command, name)
        except RunError as error:
            return _refused(HTTPStatus.CONFLICT, str(error))
        return JSONResponse({"accepted": True, "command": name})


def make_app(folder: Path, port: int, token: str | None, answer_within_s: float = ANSWER_WITHIN_S) -> ASGIApp:
    """Return the guarded application.

    Parameters
    ----------
    folder
        The run folder; it need not exist yet.
    port
        That it is reached at, on this machine.
    token
        That commands need; None: there are no commands.
    answer_within_s
        Patience with a browser that does not draw.
    """
    monitor = Monitor(folder, token is not None, answer_within_s)
    return Guard(Starlette(routes=monitor.routes(), lifespan=monitor.listening), port, token)


def _file(name: str) -> Response:
    """Return one of the files that lie beside this module, and no other."""
    folder = resources.files(__package__) / "static"
    files = {file.name: file for file in folder.iterdir() if file.is_file()}
    if name not in files:
        return PlainTextResponse("there is no such file\n", 404)
    suffix = Path(name).suffix
    kind = TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(files[name].read_bytes(), media_type=kind)


async def _body(request: Request) -> bytes:
    """Return the body of a request, as far as it may go."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_COMMAND_BYTES:
            return b""
    return body


def _command_in(body: bytes) -> str | None:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return None
    name = asked.get("command") if isinstance(asked, dict) else None
    return name if name in COMMANDS else None


def _refused(status: HTTPStatus, message: str) -> JSONResponse:
    return JSONResponse({"accepted": False, "why": message}, status)
