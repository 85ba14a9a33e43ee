"""A controller in a process of its own: starts a guard in a folder, heats, and then behaves as it is told.

``obey``: reads twenty times a second. ``spin``: a loop that never reads again. ``stubborn``: after
errors it goes on and asks for more heat, until it has been refused 20 times.
"""

import json
import sys
import time
from pathlib import Path

from guard_rig import RATE_K_PER_S, guard_settings

from annealscope.drivers.clock import WallClock
from annealscope.drivers.guard_start import start_guard
from annealscope.drivers.interfaces import DeviceError


def say(text: str) -> None:
    print(text, flush=True)


def be_stubborn(holder) -> None:
    refused = applied = 0
    while refused < 20:
        try:
            holder.ramp(570.0, RATE_K_PER_S)
            holder.read()
            applied += refused > 0
        except DeviceError:
            refused += 1
        time.sleep(0.05)
    say(json.dumps({"refused": refused, "applied": applied}))


def main() -> None:
    folder, what, settings = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    holder, _ = start_guard(guard_settings(folder, **settings), WallClock())
    holder.open()
    holder.ramp(500.0, RATE_K_PER_S)
    end_s = time.monotonic() + 0.5
    say("heating")
    if what == "stubborn":
        be_stubborn(holder)
        return
    while what == "obey" or time.monotonic() < end_s:
        holder.read()
        time.sleep(0.05)
    say(str(time.monotonic()))
    while True:
        pass


if __name__ == "__main__":
    main()
