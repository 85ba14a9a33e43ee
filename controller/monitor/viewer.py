"""The conversation with one browser: it gets what is new, draws it, says so, and only then gets more."""

import json
import time

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from annealscope.controller.monitor.board import Board
from annealscope.controller.monitor.packets import packet

PAINT_EVERY_S = 0.1
STATE_EVERY_S = 0.5
"""When there is nothing new to draw."""
ANSWER_WITHIN_S = 20.0
"""Who has not drawn by then is asleep: it is cut off, and comes back by itself when it wakes. A line of
1 Mbit/s takes 11 s for all that a browser gets first."""
FAREWELL_S = 1.0
KINDS = ("hello", "state", "log", "trace", "preview", "frame")
"""In the order in which they are sent."""
TRY_AGAIN_LATER, POLICY_VIOLATED = 1013, 1008
"""Codes of the WebSocket protocol."""


class Viewer:
    """One browser at the other end of a WebSocket.

    Parameters
    ----------
    websocket
        Accepted.
    board
        Where the packets are.
    answer_within_s
        Patience with a browser that does not draw.
    """

    def __init__(self, websocket: WebSocket, board: Board, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._websocket = websocket
        self._board = board
        self._answer_within_s = answer_within_s
        self._sent: dict[str, int] = {}
        """Numbers of the packets that it has, by kind."""
        self._paints = 0

    async def serve(self) -> None:
        """Show the run until the browser goes away, or says or does what it should not."""
        try:
            while await self._paint():
                await self._board.new_picture(STATE_EVERY_S)
        except (WebSocketDisconnect, RuntimeError):  # it has gone, perhaps while something was sent
            return
        await farewell(self._websocket, POLICY_VIOLATED)

    async def _paint(self) -> bool:
        """Send what is new and wait until it is drawn; return False when it is not, in time."""
        start_s, drawn = time.monotonic(), False
        with anyio.move_on_after(self._answer_within_s):
            await self._send_news()
            drawn = await self._drawn()
        await anyio.sleep(max(0.0, start_s + PAINT_EVERY_S - time.monotonic()))
        return drawn

    async def _send_news(self) -> None:
        packets = await self._board.packets()
        for kind in KINDS:
            if kind in packets and packets[kind].number != self._sent.get(kind):
                await self._websocket.send_bytes(packets[kind].data)
                self._sent[kind] = packets[kind].number
        self._paints += 1
        await self._websocket.send_bytes(packet("paint", {"n": self._paints}))

    async def _drawn(self) -> bool:
        try:
            return bool(json.loads(await self._websocket.receive_text()) == {"painted": self._paints})
        except (ValueError, KeyError, RecursionError):  # no text, or none that we understand
            return False


async def farewell(websocket: WebSocket, code: int) -> None:
    """Close a connection, if its other end still takes anything."""
    with anyio.move_on_after(FAREWELL_S):
        try:
            await websocket.close(code)
        except (WebSocketDisconnect, RuntimeError):  # it has gone
            return
