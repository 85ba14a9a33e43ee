"""The newest packets for everybody who looks on: made once for all of them, and only when somebody does."""

import time
from typing import Any

import anyio
import anyio.to_thread

from annealscope.controller.monitor.feed import Feed
from annealscope.controller.monitor.model import Model
from annealscope.controller.monitor.press import Packet, Press

RENEW_EVERY_S = 0.25
"""How old a state may be; what is to be drawn is made at once."""
LOOK_EVERY_S = 0.02
"""For something new to draw."""


class Board:
    """Shares the packets among the connections.

    Parameters
    ----------
    feed
        What the run tells.
    model
        What is known of it beside.
    """

    def __init__(self, feed: Feed, model: Model) -> None:
        self._feed = feed
        self._press = Press(model)
        self._one_at_a_time = anyio.Lock()
        self._made_s = float("-inf")

    async def packets(self) -> dict[str, Packet]:
        """Return the newest packet of each kind, by kind."""
        async with self._one_at_a_time:
            if self._new_picture() or time.monotonic() - self._made_s >= RENEW_EVERY_S:
                await anyio.to_thread.run_sync(self._press.make, self._feed.received)
                self._made_s = time.monotonic()
            return dict(self._press.packets)

    async def told(self) -> dict[str, Any]:
        """Return ``hello`` and ``state`` as they are now, for programs."""
        async with self._one_at_a_time:
            return await anyio.to_thread.run_sync(self._press.told, self._feed.received)

    async def new_picture(self, timeout_s: float) -> None:
        """Wait until there is something new to draw, or for the timeout."""
        with anyio.move_on_after(timeout_s):
            while not self._new_picture():
                await anyio.sleep(LOOK_EVERY_S)

    def _new_picture(self) -> bool:
        return self._feed.received.pictures != self._press.made_of.pictures
