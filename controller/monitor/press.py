"""Makes the packets of what has come, each anew only when there is something new to say."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from annealscope.controller.monitor.feed import Received
from annealscope.controller.monitor.frames import LARGEST_SIDE, Scaler, frame_fields
from annealscope.controller.monitor.model import Model
from annealscope.controller.monitor.newest import FrameStatistics, Newest, frame_statistics
from annealscope.controller.monitor.packets import Item, packet
from annealscope.controller.plain import plain
from annealscope.controller.stream.messages import FrameHeader, OpenHold

SLOWLY_EVERY_S = 1.0
"""What is known of the run as a whole, its log and its temperature so far are made anew so often."""


@dataclass(frozen=True)
class Packet:
    """A message to the browser; its number grows when what it says changes."""

    number: int
    data: bytes


class Press:
    """Has the newest packet of each kind; for one thread at a time.

    Parameters
    ----------
    model
        What is known of the run beside what it tells.
    """

    def __init__(self, model: Model) -> None:
        self.packets: dict[str, Packet] = {}
        """By kind."""
        self.made_of = Received(connections=-1)
        self._model = model
        self._scaler = Scaler()
        self._slowly_due_s = 0.0

    def told(self, received: Received) -> dict[str, Any]:
        """Return ``hello`` and ``state`` as they are now, for programs."""
        try:
            state = self._model.state(self._with_statistics(received))
            told = {"hello": self._model.hello(), "state": state}
        except Exception as error:  # as in `make`
            told = {"hello": {}, "state": _unreadable(error)}
        return {name: plain(fields) for name, fields in told.items()}

    def make(self, received: Received) -> None:
        """Make the packets of which there is something new; what cannot be read the state says."""
        try:
            self._make(received)
        except Exception as error:  # whatever lies in the folder, the page stays
            self._put("state", _unreadable(error))

    def _make(self, received: Received) -> None:
        before = self.made_of
        self.made_of = received = replace(received, newest=self._with_statistics(received))
        if received.pixels is not before.pixels or received.newest.opening is not before.newest.opening:
            self._put_frame(received)
        if received.newest.preview is not None and received.items is not before.items:
            self._put("preview", received.newest.preview, received.items)
        self._put("state", self._model.state(received.newest))
        if received.connections != before.connections or time.monotonic() >= self._slowly_due_s:
            self._make_slowly()

    def _make_slowly(self) -> None:
        self._slowly_due_s = time.monotonic() + SLOWLY_EVERY_S
        self._put("hello", self._model.hello())
        self._put("log", self._model.log())
        header, arrays = self._model.trace()
        self._put("trace", header, {name: Item(values) for name, values in arrays.items()})

    def _with_statistics(self, received: Received) -> Newest:
        """Return the newest with the statistics of its frame, which are measured once."""
        newest, pixels, statistics = received.newest, received.pixels, self.made_of.newest.statistics
        known = pixels is self.made_of.pixels and statistics is not None
        if not known and pixels is not None and newest.frame is not None:
            statistics = _statistics(newest.frame, pixels, newest.opening)
        return replace(newest, statistics=statistics)

    def _put_frame(self, received: Received) -> None:
        header, pixels = received.newest.frame, received.pixels
        if header is not None and pixels is not None:
            shown = self._scaler.show(header, pixels)
            self._put("frame", frame_fields(received.newest, header, shown), {"pixels": Item(shown.pixels)})

    def _put(self, kind: str, fields: Mapping[str, Any], items: Mapping[str, Item] | None = None) -> None:
        data, before = packet(kind, fields, items), self.packets.get(kind, Packet(0, b""))
        if data != before.data:
            self.packets[kind] = Packet(before.number + 1, data)


def _unreadable(error: Exception) -> dict[str, Any]:
    """Return the state of a run that cannot be shown."""
    message = f"the monitor cannot make sense of the run folder: {type(error).__name__}: {error}"
    return {"life": "unreachable", "message": message, "status": None}


def _statistics(
    header: FrameHeader, pixels: npt.NDArray[Any], opening: OpenHold | None
) -> FrameStatistics | None:
    """Return the statistics of a frame, or None: how to read its counts is not known yet."""
    if opening is None or opening.hold != header.hold:
        return None
    every = max(1, pixels.shape[0] // LARGEST_SIDE)  # rows enough, and a large camera costs no more
    return frame_statistics(pixels[::every], opening.camera)
