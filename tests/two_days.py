"""A small experiment of two days with both methods, for tests of whole runs."""

PROTOCOL = """
schema_version: 1
name: Two days
specimen: {material: AMZ4, state: as-cast}
limits: {max_temperature: 300 degC, max_heating_rate: 60 K/min, max_cooling_rate: 60 K/min}
settle: {within: 0.5 K, for: 10 s, timeout: 5 min}
safe: {cool_to: 25 degC, rate: 50 K/min, grace: 30 s}
optics:
  dark_field:
    mode: tem_dark_field
    high_tension: 300 kV
    magnification: 340 kx
    objective_aperture: 10 um
    ring: 4.27 1/nm
  nanobeam: {mode: nanobeam, high_tension: 300 kV, probe: 0.91 nm, probe_current: 1 pA, camera_length: 1 m}
  area: {mode: diffraction, high_tension: 300 kV, camera_length: 1 m, settle: 10 s}
acquisitions:
  ecm:
    kind: ecm
    optics: dark_field
    camera: imaging
    exposure: 4 s
    period: 20 s
    dose_rate: 4.4e5 e/nm^2/s
    region: {fresh: true, thickness: [0.7, 0.9]}
    drift: {owner: annealscope, actuator: image_beam_shift, warn: 1 nm, limit: 2.5 nm, on_limit: flag}
    until: {frames: FRAMES}
  fem:
    kind: fem
    optics: nanobeam
    camera: diffraction
    exposure: 4 s
    grid: {points: [4, 4], pitch: 5 nm}
    haadf: true
    region: {fresh: true}
  saed: {kind: diffraction, optics: area, camera: diffraction, exposure: 1 s, region: {fresh: false}}
steps:
  - acquire: fem
  - acquire: saed
  - park: End of the first day.
  - ramp: {to: 275 degC, rate: 60 K/min}
  - hold:
      - wait: {until_age: 2000 s, drift_below: 30 nm/min, at_most: 3000 s}
      - prepare: ecm
      - acquire: ecm
      - prompt: {message: "Is the specimen there?", timeout: 10 min, on_timeout: continue}
      - acquire: fem
      - acquire: saed
  - cool: {to: 25 degC, rate: 50 K/min}
"""
