"""A small protocol and rig to be changed by tests."""

import time
from collections.abc import Callable

PROTOCOL = """\
schema_version: 1
name: test
specimen: {material: AMZ4}
limits: {max_temperature: 300 degC, max_heating_rate: 25 K/min, max_cooling_rate: 60 K/min}
settle: {within: 0.5 K, for: 30 s, timeout: 30 min}
safe: {cool_to: 25 degC, rate: 50 K/min, grace: 30 s}
acquisitions:
  ecm:
    kind: ecm
    camera: imaging
    exposure: 1 s
    period: 2 s
    dose_rate: 4.4e5 e/nm^2/s
    drift: {warn: 1 nm, limit: 5 nm}
    until: {frames: 2000}
sequences:
  look:
    - wait: {until_age: 2000 s}
    - acquire: ecm
steps:
  - ramp: {to: 100 degC, rate: 20 K/min}
  - hold: look
"""

RIG = """\
name: bench
holder: {driver: simulated}
microscope: {driver: simulated, aperture: 0.726 1/nm}
cameras:
  imaging: {driver: simulated, shape: [64, 96], pixel: 0.2 nm, gain: 10 counts/e, offset: 0 counts,
    read_noise: 2 e}
envelope: {max_temperature: 500 degC, max_heating_rate: 100 K/min, max_cooling_rate: 100 K/min}
calibration: {image_shift_matrix: [[1, 0], [0, 1]], image_shift_range: 500 nm}
"""


def changed(text: str, old: str, new: str) -> str:
    """Replace a piece of a text that has to be there once."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


def with_steps(steps: str) -> str:
    """The protocol with other steps."""
    return PROTOCOL[: PROTOCOL.index("steps:")] + "steps:\n" + steps


LIMIT_S = 0.5
"""No file may take longer; an ordinary machine needs less than 0.2 s."""


def runs_within(limit_s: float, work: Callable[[], object], attempts: int = 5) -> bool:
    """Say whether work takes no more processor time, in the best of a few attempts on a busy machine."""
    return any(_time_s(work) < limit_s for _ in range(attempts))


def _time_s(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin
