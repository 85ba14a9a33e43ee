"""A recorder that dies where a test wants it: ``python -m dying_recorder``.

Each line of the file that ``DIE_AT`` names is a place where one process dies, one after the other. `os._exit`
writes nothing that waits in memory, as a kill does.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annealscope.controller.record import derivation
from annealscope.controller.record.holdfile import HoldWriter
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.stream.messages import HoldClosed
from annealscope.controller.stream.recorder import Recorder, main, wire

BEFORE = {
    "before the hold is opened": (Recorder, "_open"),
    "before a frame is appended": (HoldRecording, "append"),
    "before a sync": (HoldRecording, "sync"),
    "before an acknowledgement": (Recorder, "_acknowledge"),
    "before a piece of the hold file": (HoldRecording, "derive"),
    "before the last sync": (HoldRecording, "end_frames"),
    "before the results are written": (HoldRecording, "write_results"),
    "before the hold file is complete": (HoldWriter, "finalise"),
    "before the hold file is read back": (derivation, "verify_against_log"),
    "before the logs are deleted": (derivation, "discard_logs"),
}
AFTER = {
    "after the hold was opened": (Recorder, "_open"),
    "after the end of the frames": (Recorder, "_end"),
    "after the logs were deleted": (derivation, "discard_logs"),
}
PLACES = (*BEFORE, *AFTER, "after one of the logs was deleted", "before the hold is called closed")


def die_at(place: str) -> None:
    """Die when this is the next place."""
    path = Path(os.environ["DIE_AT"])
    places = path.read_text().splitlines()
    if places[:1] == [place]:
        path.write_text("\n".join(places[1:]))
        os._exit(9)


def patch(owner: Any, name: str, before: str = "", after: str = "") -> None:
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def dying(*args: Any, **kwargs: Any) -> Any:
        die_at(before)
        result = original(*args, **kwargs)
        die_at(after)
        return result

    setattr(owner, name, dying)


def patch_all() -> None:
    for place, (owner, name) in BEFORE.items():
        patch(owner, name, before=place)
    for place, (owner, name) in AFTER.items():
        patch(owner, name, after=place)
    discard_logs, send = derivation.discard_logs, wire.send

    def discarding(stem: Path, discard: Callable[[Path], object] = Path.unlink) -> None:
        def dying(log: Path) -> None:
            discard(log)
            die_at("after one of the logs was deleted")

        discard_logs(stem, dying)

    def sending(socket: Any, message: Any, *arrays: Any, wait: bool = True) -> bool:
        if isinstance(message, HoldClosed):
            die_at("before the hold is called closed")
        return send(socket, message, *arrays, wait=wait)

    derivation.discard_logs, wire.send = discarding, sending


if __name__ == "__main__":
    patch_all()
    main()
