"""A small protocol and rig to be changed by tests."""

import time
from collections.abc import Callable

import pytest

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import parse_protocol, parse_rig
from annealscope.controller.planning import Plan, plan

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

WHOLE = """\
schema_version: 1
name: whole
specimen: {material: AMZ4, state: as-cast}
limits: {max_temperature: 300 degC, max_heating_rate: 25 K/min, max_cooling_rate: 60 K/min}
settle: {within: 0.5 K, for: 30 s, timeout: 30 min}
safe: {cool_to: 25 degC, rate: 50 K/min, grace: 30 s}
optics:
  dark: {mode: tem_dark_field, high_tension: 300 kV, magnification: 340 kx, objective_aperture: 10 um,
    ring: 4.27 1/nm, settle: 60 s}
  beam: {mode: nanobeam, high_tension: 300 kV, probe: 0.91 nm, probe_current: 15 pA, camera_length: 1 m,
    settle: 60 s}
  area: {mode: diffraction, high_tension: 300 kV, camera_length: 1 m, settle: 30 s}
acquisitions:
  ecm:
    kind: ecm
    optics: dark
    camera: imaging
    binning: 4
    exposure: 1 s
    period: 2 s
    beam_in_pause: on
    dose_rate: 4.4e5 e/nm^2/s
    region: {fresh: true, thickness: [0.7, 0.9]}
    drift: {warn: 1 nm, limit: 5 nm}
    until: {frames: 2000}
  fem:
    kind: fem
    optics: beam
    camera: diffraction
    exposure: 4 s
    grid: {points: [10, 20], pitch: 5 nm}
    haadf: true
  saed:
    kind: diffraction
    optics: area
    camera: diffraction
    exposure: 1 s
steps:
  - hold:
      - wait: {until_age: 2000 s, drift_below: 1 nm/min, at_most: 4000 s}
      - prepare: ecm
      - acquire: ecm
      - acquire: fem
      - acquire: saed
"""
"""All kinds of acquisitions."""

WHOLE_RIG = """\
name: bench
holder: {driver: simulated}
microscope:
  driver: simulated
  aperture: 0.726 1/nm
  modes: [tem_dark_field, nanobeam, diffraction]
  high_tension: 300 kV
cameras:
  imaging: {driver: simulated, shape: [128, 128], binning: 4, pixel: 0.2 nm, gain: 10 counts/e,
    offset: 0 counts, read_noise: 2 e}
  diffraction: {driver: simulated, kind: diffraction, shape: [256, 256], k_pixel: 0.05 1/nm,
    gain: 10 counts/e, offset: 0 counts, read_noise: 2 e}
envelope: {max_temperature: 500 degC, max_heating_rate: 100 K/min, max_cooling_rate: 100 K/min}
calibration: {image_shift_matrix: [[1, 0], [0, 1]], image_shift_range: 500 nm}
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


LARGE_RIG = RIG.replace("shape: [64, 96]", "shape: [128, 192]")
"""The same, large enough for a drift limit of 5 nm."""


def changed(text: str, old: str, new: str) -> str:
    """Replace a piece of a text that has to be there once."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


def with_steps(steps: str) -> str:
    """The protocol with other steps."""
    return PROTOCOL[: PROTOCOL.index("steps:")] + "steps:\n" + steps


def planned(protocol: str = PROTOCOL, rig: str = LARGE_RIG, **machine: int) -> Plan:
    """Plan a protocol on a rig, both given as texts."""
    return plan(parse_protocol(protocol), parse_rig(rig), **machine)


def said(text: str) -> list[str]:
    """Return the first line of every fault of a protocol."""
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text, "p.yaml")
    return [str(fault).split("\n")[0] for fault in caught.value.faults]


LIMIT_S = 0.5
"""No file may take longer; an ordinary machine needs less than 0.2 s."""


def runs_within(limit_s: float, work: Callable[[], object], attempts: int = 5) -> bool:
    """Say whether work takes no more processor time, in the best of a few attempts on a busy machine."""
    return any(_time_s(work) < limit_s for _ in range(attempts))


def _time_s(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin
