"""The experiments that are struck: a ramp, a wait, a movie, a cool-down, each long enough to be hit in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.checker import Limits
from faults.heater import HeaterLimits
from small_run import rig_text

PROTOCOL = """
schema_version: 1
name: Struck run
specimen: {material: AMZ4, state: as-cast}
limits: {max_temperature: 300 degC, max_heating_rate: FASTEST, max_cooling_rate: FASTEST}
settle: {within: 1 K, for: SETTLE, timeout: 5 min}
safe: {cool_to: 25 degC, rate: FASTEST, grace: 4 s}
acquisitions:
  ecm:
    kind: ecm
    camera: imaging
    exposure: EXPOSURE
    period: PERIOD
    dose_rate: 4.4e4 e/nm^2/s
    region: {fresh: REGION}
    drift: {owner: annealscope, actuator: image_beam_shift, warn: 10 nm, limit: 30 nm, on_limit: flag}
    until: {frames: FRAMES}
steps:
  - ramp: {to: HOT, rate: RATE}
  - hold:
      - wait: {until_age: WAIT}
      - acquire: ecm
  - cool: {to: 25 degC, rate: RATE}
"""

SLOW = {
    **{"FASTEST": "60 K/min", "RATE": "4 K/min", "HOT": "40 degC", "SETTLE": "10 s", "WAIT": "600 s"},
    **{"EXPOSURE": "2 s", "PERIOD": "10 s", "REGION": "true"},
}
"""To be run 200 times faster than real time, or on virtual time; a short ramp, after which little drifts."""

QUICK = {
    **{"FASTEST": "40 K/s", "RATE": "20 K/s", "HOT": "100 degC", "SETTLE": "1 s", "WAIT": "4 s"},
    **{"EXPOSURE": "50 ms", "PERIOD": "100 ms", "REGION": "false"},
}
"""In real time, with a chip that is quick."""

LEASE_S = 3.0
"""What the program grants itself."""
GUARDED = Limits(max_K=773.15, heating_K_per_s=50.0)
HEATER = HeaterLimits(773.15, 50.0, lease_s=LEASE_S, grace_s=4.0, cool_to_K=298.15, safe_K_per_s=40.0)


@dataclass(frozen=True)
class Experiment:
    """Files and options of a run."""

    protocol: Path
    rig: Path
    speed: str
    limits: Limits
    hardware: Path | None = None
    """Log of a heater that lives in a process of its own."""


HOLD_FRAMES = 110
CYCLE_S = 3 * 3600.0
"""A ramp, 50 minutes of waiting, a movie of 110 frames, 20 minutes of waiting."""
SOAK_PROTOCOL = """
schema_version: 1
name: Soak
specimen: {material: AMZ4, state: as-cast}
limits: {max_temperature: 300 degC, max_heating_rate: 60 K/min, max_cooling_rate: 60 K/min}
settle: {within: 1 K, for: 30 s, timeout: 60 min}
safe: {cool_to: 25 degC, rate: 60 K/min, grace: 30 s}
acquisitions:
  ecm:
    kind: ecm
    camera: imaging
    exposure: 2 s
    period: 60 s
    dose_rate: 4.4e4 e/nm^2/s
    region: {fresh: true}
    drift: {owner: annealscope, actuator: image_beam_shift, warn: 10 nm, limit: 30 nm, on_limit: flag}
    until: {frames: FRAMES}
sequences:
  look:
    - wait: {until_age: 50 min}
    - acquire: ecm
steps:
"""


def soaked(folder: Path, hours: float, faults: Sequence[tuple[str, float]]) -> Experiment:
    """Write an experiment of many hours at 600 times real time, whose beam and column fail at given times."""
    cycles = max(1, round(hours * 3600 / CYCLE_S))
    steps = "".join(
        f"  - ramp: {{to: {100 + 2 * cycle} degC, rate: 20 K/min}}\n  - hold: look\n"
        for cycle in range(cycles)
    )
    failing = "".join(f"    - {{what: {what}, at: {at_s:g} s, for: 3 min}}\n" for what, at_s in faults)
    rig = (
        _coarse(rig_text()).rstrip() + "\n  camera_faults: {jitter: 50 ms, drops: 0.01, duplicates: 0.005}\n"
    )
    rig += f"  faults:\n{failing}" if failing else ""
    protocol, rig_path = _write(folder, {}, HOLD_FRAMES, rig, SOAK_PROTOCOL + steps + SOAK_END)
    return Experiment(protocol, rig_path, "600", _limits("600"))


SOAK_END = "  - cool: {to: 25 degC, rate: 60 K/min}\n"


def _coarse(rig: str) -> str:
    """Make the field of view wide: the image may drift far while nobody looks after it."""
    wide = rig.replace("pixel: 0.1647 nm", "pixel: 2 nm").replace("aperture: 0.726", "aperture: 0.12")
    return wide.replace("dark_field_fraction: 2.5e-3", "dark_field_fraction: 2e-5")


def simulated(folder: Path, frames: int, speed: str) -> Experiment:
    """Write an experiment whose heater is simulated in the program."""
    protocol, rig = _write(folder, SLOW, frames, _coarse(rig_text()))
    return Experiment(protocol, rig, speed, _limits(speed))


def _limits(speed: str) -> Limits:
    """Return the limits of the shipped rig; the faster the clock, the later a reading is stamped."""
    return Limits() if speed == "max" else Limits(stamped_late_s=0.1 * float(speed))


def guarded(folder: Path, frames: int) -> Experiment:
    """Write an experiment whose heater lives in the process of its guard, in real time."""
    from annealscope.controller.config.sources import read_source

    log = folder / "hardware.jsonl"
    text = read_source("simulated_guarded", "rigs").content.decode()
    text = re.sub(r"settings: \{.*\}", f"settings: {{overshoot_K: 0.5, log: '{log.as_posix()}'}}", text)
    text = text.replace("shape: [128, 128]", "shape: [64, 64]")
    protocol, rig = _write(folder, QUICK, frames, _coarse(text))
    return Experiment(protocol, rig, "real", GUARDED, log)


def _write(
    folder: Path, values: dict[str, str], frames: int, rig: str, protocol: str = PROTOCOL
) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    text = protocol.replace("FRAMES", str(frames))
    for name, value in values.items():
        text = text.replace(name, value)
    paths = folder / "struck.yaml", folder / "rig.yaml"
    for path, content in zip(paths, (text, rig), strict=True):
        path.write_text(content, encoding="utf-8")
    return paths
