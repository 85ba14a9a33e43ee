"""A guard with a simulated heater for tests, and what its logs say afterwards."""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from annealscope.drivers.envelope import Envelope, RiseLimits
from annealscope.drivers.guard_messages import DriverSpec, GuardSettings
from annealscope.drivers.lease import LadderRules

ROOM_K = 298.15
MAX_K = 573.15
RATE_K_PER_S = 20.0
LEASE_S = 0.5
GRACE_S = 0.5
RISE = RiseLimits(window_s=1.0, tolerance_K=10.0, least_rise_K=1.0)
ENVELOPE = Envelope(MAX_K, 50.0, 200.0, max_reading_age_s=0.1, resistance_ohm=(50.0, 150.0), rise=RISE)
HOLDER = "annealscope.simulators.standalone:StandaloneHolder"
BLANKER = "annealscope.simulators.standalone:StandaloneBlanker"


def guard_settings(
    folder: Path, grace_s=GRACE_S, lease_s=LEASE_S, envelope=ENVELOPE, **holder
) -> GuardSettings:
    """Return settings of a guard that keeps its files in a folder."""
    log = str(folder / "hardware.jsonl")
    return GuardSettings(
        holder=DriverSpec(HOLDER, {"log": log, **holder}),
        envelope=envelope,
        ladder=LadderRules(lease_s, grace_s, ROOM_K, 100.0),
        epoch_path=str(folder / "epoch.json"),
        log_path=str(folder / "guard.jsonl"),
        token="secret",  # noqa: S106 - a fresh one is made for each guard
        blanker=DriverSpec(BLANKER, {"log": log}),
    )


def lines_of(path: Path) -> list[dict]:
    """Return the JSON lines of a log, without a last one that is being written."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def hardware(folder: Path, *events: str) -> list[dict]:
    """Return what happened to the heater and the blanker, in order."""
    return [line for line in lines_of(folder / "hardware.jsonl") if line["what"] in events]


def guard_log(folder: Path, what: str) -> list[dict]:
    """Return lines of the guard's own log."""
    return [line for line in lines_of(folder / "guard.jsonl") if line["what"] == what]


def first_after(lines: list[dict], t_s: float) -> dict:
    """Return the first line after a time."""
    return next(line for line in lines if line["t_s"] >= t_s)


def wait_for(condition, within_s=10.0):
    """Wait until a condition returns something true, and return it."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        result = condition()
        if result:
            return result
        time.sleep(0.005)
    raise AssertionError(f"not within {within_s} s: {condition}")


def guard_is_gone(folder: Path, within_s=15.0) -> None:
    """Wait until the guard has ended by itself, its heater off."""
    wait_for(lambda: guard_log(folder, "ended"), within_s)
    if os.name == "posix":
        pid = guard_log(folder, "ready")[-1]["pid"]
        wait_for(lambda: not _alive(pid), 5.0)
    assert hardware(folder, "ramp", "hold", "off")[-1]["what"] == "off"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").exists() else True


def heater_is_inside(folder: Path, max_K=MAX_K) -> None:
    """Check that the true temperature and the setpoint never left the envelope."""
    samples = hardware(folder, "read")
    assert samples
    assert all(0 < line["temperature_K"] <= max_K and line["setpoint_K"] <= max_K for line in samples)


def setpoint_never_rises(folder: Path, from_s: float, to_s: float = float("inf")) -> None:
    """Check that nothing heated further between two times."""
    samples = [line["setpoint_K"] for line in hardware(folder, "read") if from_s <= line["t_s"] <= to_s]
    assert len(samples) > 5
    assert all(later <= earlier for earlier, later in itertools.pairwise(samples))


class Controller:
    """A process that starts a guard and heats, see ``guard_controller.py``."""

    def __init__(self, folder: Path, what: str, **settings) -> None:
        self.folder = folder
        script = Path(__file__).with_name("guard_controller.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder), what, json.dumps(settings)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == "heating"

    def says(self) -> str:
        """Return its next line."""
        return self.process.stdout.readline().strip()

    def kill(self) -> float:
        """End it at once; return when."""
        killed_s = time.monotonic()
        self.process.kill()
        self.finish()
        return killed_s

    def finish(self) -> None:
        """Wait for its end."""
        self.process.wait(20)
        self.process.stdout.close()
