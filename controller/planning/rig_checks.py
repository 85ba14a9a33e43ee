"""What a rig cannot do of a protocol: cameras, states of the column, actuators, the simulated specimen."""

from collections.abc import Iterator

from annealscope.controller.config.acquisitions import Acquisition
from annealscope.controller.config.errors import did_you_mean, one_of
from annealscope.controller.config.protocol import Protocol
from annealscope.controller.config.rig import CameraConfig, RigConfig, Simulation
from annealscope.controller.planning.holds import kind_of_camera
from annealscope.controller.planning.values import AcquireStep, Plan, PrepareStep, Problem

SIMULATED_STATES = ("as-cast", "annealed")
"""Specimens that can be simulated."""

FULLY_SAMPLED = 0.25
"""Radius of the aperture in cycles per pixel: behind a larger one detail is finer than two pixels."""

_SAME = 1e-3
"""Relative difference within which two settings are the same."""


def error(path: str, message: str) -> Problem:
    """Make a problem because of which a run is refused."""
    return Problem("error", path, message)


def warning(path: str, message: str) -> Problem:
    """Make a problem that a run can live with."""
    return Problem("warning", path, message)


def rig_problems(plan: Plan, protocol: Protocol, rig: RigConfig) -> Iterator[Problem]:
    """Find what a rig lacks for the acquisitions of a protocol."""
    for key, acquisition in protocol.acquisitions.items():
        yield from _camera(key, acquisition, rig)
        yield from _sampling(key, acquisition, rig)
        yield from _image_shift(key, acquisition, rig)
    used = {p.step.setup.optics_name for p in plan.steps if isinstance(p.step, PrepareStep | AcquireStep)}
    for name in protocol.optics:
        if name in used:
            yield from _optics(name, protocol, rig)
    if rig.simulation is not None:
        yield from _simulated_specimen(protocol)
        for key, acquisition in protocol.acquisitions.items():
            yield from _simulated_beam(key, acquisition, rig.simulation)


def _camera(key: str, acquisition: Acquisition, rig: RigConfig) -> Iterator[Problem]:
    camera = rig.cameras.get(acquisition.camera)
    path = f"acquisitions.{key}"
    if camera is None:
        hint = did_you_mean(acquisition.camera, rig.cameras)
        message = (
            f'the rig "{rig.name}" has no camera "{acquisition.camera}", only {one_of(rig.cameras)}{hint}'
        )
        yield error(f"{path}.camera", message)
        return
    yield from _kind_of_camera(path, acquisition, camera, rig)
    if acquisition.binning not in (None, camera.binning):
        message = (
            f'the camera "{acquisition.camera}" of the rig "{rig.name}" is binned by {camera.binning}, not '
            f"by {acquisition.binning}; give each binning an entry of its own in the rig file"
        )
        yield error(f"{path}.binning", message)


def _sampling(key: str, acquisition: Acquisition, rig: RigConfig) -> Iterator[Problem]:
    """Say that the pixels are too coarse for the speckle; a simulated camera cannot show it then."""
    camera = rig.cameras.get(acquisition.camera)
    if acquisition.kind != "ecm" or camera is None or camera.pixel_nm is None:
        return
    aperture_per_nm = rig.microscope.aperture_per_nm
    if camera.pixel_nm * aperture_per_nm > FULLY_SAMPLED:
        finest_nm = FULLY_SAMPLED / aperture_per_nm
        message = (
            f'{camera.pixel_nm:g} nm a pixel, by the rig "{rig.name}", are too coarse for the speckle behind '
            f"its aperture of {aperture_per_nm:g} 1/nm: at most {finest_nm:.2g} nm"
        )
        tell = warning if rig.simulation is None else error
        yield tell(f"acquisitions.{key}.camera", message)


def _kind_of_camera(
    path: str, acquisition: Acquisition, camera: CameraConfig, rig: RigConfig
) -> Iterator[Problem]:
    wanted = kind_of_camera(acquisition.kind)
    if camera.kind != wanted:
        fitting = [name for name, other in rig.cameras.items() if other.kind == wanted]
        instead = f"use {one_of(fitting)}" if fitting else f"this rig has no {wanted} camera"
        message = (
            f'"{acquisition.camera}" of the rig "{rig.name}" is a camera for {camera.kind}, '
            f"{acquisition.kind} needs one for {wanted}; {instead}"
        )
        yield error(f"{path}.camera", message)


def _image_shift(key: str, acquisition: Acquisition, rig: RigConfig) -> Iterator[Problem]:
    drift = acquisition.drift if acquisition.kind == "ecm" else None
    if drift is None:
        return
    if drift.owner != rig.image_shift_owner:
        owner = rig.image_shift_owner
        message = f'the image shift of the rig "{rig.name}" belongs to {owner}; only one may move it'
        yield error(f"acquisitions.{key}.drift.owner", message)
    if drift.actuator not in rig.microscope.actuators:
        message = f'the rig "{rig.name}" can move the image with {_listed(rig.microscope.actuators)} only'
        yield error(f"acquisitions.{key}.drift.actuator", message)


def _optics(name: str, protocol: Protocol, rig: RigConfig) -> Iterator[Problem]:
    state, microscope = protocol.optics[name], rig.microscope
    if state.mode not in microscope.modes:
        modes = one_of(microscope.modes)
        message = f'the microscope of the rig "{rig.name}" has no {state.mode}, only {modes}'
        yield error(f"optics.{name}.mode", message)
    present_kV = None if "high_tension" in microscope.set_by_operator else microscope.high_tension_kV
    if present_kV is not None and abs(state.high_tension_kV / present_kV - 1) > _SAME:
        message = (
            f'the rig "{rig.name}" stays at {present_kV:g} kV, nobody sets it to {state.high_tension_kV:g} kV'
        )
        yield error(f"optics.{name}.high_tension", message)


def _listed(words: tuple[str, ...]) -> str:
    return one_of(words) if words else "nothing"


def _simulated_specimen(protocol: Protocol) -> Iterator[Problem]:
    state = protocol.specimen.state
    if state and state not in SIMULATED_STATES:
        message = (
            f'a specimen that is "{state}" is not simulated, only {one_of(SIMULATED_STATES)}; '
            f"it will behave as {SIMULATED_STATES[0]}"
        )
        yield warning("specimen.state", message)


def _simulated_beam(key: str, acquisition: Acquisition, simulation: Simulation) -> Iterator[Problem]:
    """Without a state of the column the simulated beam is what it is."""
    if acquisition.kind != "ecm" or acquisition.optics is not None:
        return
    simulated = simulation.dose_rate_per_nm2_s
    if abs(acquisition.dose_rate_per_nm2_s / simulated - 1) > 0.01:
        message = (
            f"the simulated beam has {simulated:.3g} e/nm^2/s as long as no `optics` is named; the dose is "
            "counted with the declared rate"
        )
        yield warning(f"acquisitions.{key}.dose_rate", message)
