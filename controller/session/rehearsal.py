"""What a simulated specimen remembers from one day to the next."""

import json

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.record.durable import write_atomically
from annealscope.controller.record.runfolder import RunFolder
from annealscope.controller.session.devices import Devices

WORLD_FILE = "world.json"


def save_world(folder: RunFolder, devices: Devices) -> None:
    """Write down the age of a simulated specimen and the places that have seen the beam."""
    if devices.world is not None:
        write_atomically(folder.path / WORLD_FILE, json.dumps(devices.world.snapshot()))


def restore_world(folder: RunFolder, devices: Devices) -> None:
    """Give a simulated specimen its memory back. Raises RunError when it cannot be read."""
    if devices.world is None:
        return
    path = folder.path / WORLD_FILE
    try:
        devices.world.restore(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read: {error}", ExitCode.INVALID_INPUT) from None
