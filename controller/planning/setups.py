"""From acquisitions of a protocol to what is set up and taken."""

from annealscope.controller.config.acquisitions import (
    Acquisition,
    DiffractionAcquisition,
    EcmAcquisition,
    FemAcquisition,
)
from annealscope.controller.config.optics import AreaDiffraction, DarkField, Nanobeam
from annealscope.controller.config.protocol import Protocol
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.until import DurationCondition, FramesCondition, PrecisionCondition
from annealscope.controller.config.wording import celsius
from annealscope.controller.planning.dose import grid_dose_rate_per_nm2_s
from annealscope.controller.planning.values import (
    AcquireStep,
    DriftPlan,
    DurationEnd,
    EndCondition,
    FramesEnd,
    GridPlan,
    PrecisionEnd,
    Setup,
    UntilPlan,
    WatchPlan,
)
from annealscope.controller.units import ZERO_CELSIUS_K
from annealscope.drivers.interfaces import Optics

WATCH_PERIOD_S = 10.0
"""From look to look while the drift is watched and nothing is recorded."""


def setup_of(key: str, protocol: Protocol, rig: RigConfig) -> Setup:
    """Return what is set up for the acquisition of a name."""
    acquisition = protocol.acquisitions[key]
    state = protocol.optics.get(acquisition.optics or "")
    optics = optics_of(acquisition, protocol)
    return Setup(
        key=key,
        optics_name=acquisition.optics,
        optics=optics,
        settle_s=state.settle_s if state is not None else 0.0,
        checklist=_checklist(optics, rig),
        fresh_region=acquisition.region.fresh,
        thickness=acquisition.region.thickness,
    )


def optics_of(acquisition: Acquisition, protocol: Protocol) -> Optics | None:
    """Return the state of the column for an acquisition; None leaves it as it is."""
    state = protocol.optics.get(acquisition.optics or "")
    if state is None:
        return None
    dose_rate = None if isinstance(acquisition, FemAcquisition) else acquisition.dose_rate_per_nm2_s
    return Optics(
        mode=state.mode,
        high_tension_kV=state.high_tension_kV,
        magnification=state.magnification if isinstance(state, DarkField) else None,
        objective_aperture_um=state.objective_aperture_nm / 1000 if isinstance(state, DarkField) else None,
        ring_per_nm=state.ring_per_nm if isinstance(state, DarkField) else None,
        probe_nm=state.probe_nm if isinstance(state, Nanobeam) else None,
        probe_current_pA=state.probe_current_pA if isinstance(state, Nanobeam) else None,
        camera_length_m=state.camera_length_m if isinstance(state, Nanobeam | AreaDiffraction) else None,
        dose_rate_per_nm2_s=dose_rate,
        normalize=state.normalize,
    )


def _checklist(optics: Optics | None, rig: RigConfig) -> tuple[str, ...]:
    """Say in words what the operator of a rig sets by hand of a state."""
    if optics is None:
        return ()
    settings = {
        "mode": optics.mode.replace("_", " "),
        "high_tension": _with_unit(optics.high_tension_kV, "kV"),
        "magnification": _with_unit(optics.magnification, "x"),
        "objective_aperture": _with_unit(optics.objective_aperture_um, "um"),
        "ring": _with_unit(optics.ring_per_nm, "1/nm"),
        "probe": _with_unit(optics.probe_nm, "nm"),
        "probe_current": _with_unit(optics.probe_current_pA, "pA"),
        "camera_length": _with_unit(optics.camera_length_m, "m"),
        "dose_rate": _with_unit(optics.dose_rate_per_nm2_s, "e/nm^2/s"),
    }
    wanted = ((name, settings[name]) for name in rig.microscope.set_by_operator)
    return tuple(f"{name.replace('_', ' ')}: {value}" for name, value in wanted if value)


def _with_unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.6g} {unit}"


def watch_of(acquisition: Acquisition, protocol: Protocol) -> WatchPlan:
    """Return how the drift is looked at before an acquisition."""
    optics = optics_of(acquisition, protocol)
    return WatchPlan(acquisition.camera, acquisition.exposure_s, WATCH_PERIOD_S, optics)


def acquire_step(hold: int, setup: Setup, acquisition: Acquisition, setpoint_K: float) -> AcquireStep:
    """Return an acquisition as it is carried out.

    Parameters
    ----------
    hold
        Its ordinal in the plan.
    setup, acquisition
        What is set up, and what is taken.
    setpoint_K
        Temperature.
    """
    ecm = acquisition if isinstance(acquisition, EcmAcquisition) else None
    grid = acquisition.grid if isinstance(acquisition, FemAcquisition) else None
    return AcquireStep(
        hold=hold,
        name=f"{hold:02d}_{setup.key}_{setpoint_K - ZERO_CELSIUS_K:.0f}C",
        key=setup.key,
        title=f"{setup.key} at {celsius(setpoint_K)}",
        camera=acquisition.camera,
        exposure_s=acquisition.exposure_s,
        period_s=acquisition.frame_period_s,
        frames=acquisition.frames,
        drift=_drift(ecm) if ecm is not None else None,
        dose_rate_per_nm2_s=_dose_rate_per_nm2_s(acquisition, setup.optics),
        setup=setup,
        setpoint_K=setpoint_K,
        method=acquisition.kind,
        until=_until(ecm) if ecm is not None else None,
        grid=GridPlan(grid.points, grid.pitch_nm) if grid is not None else None,
        haadf=isinstance(acquisition, FemAcquisition) and acquisition.haadf,
        beam_in_pause=isinstance(acquisition, DiffractionAcquisition) or acquisition.beam_in_pause == "on",
    )


def _drift(acquisition: EcmAcquisition) -> DriftPlan | None:
    drift = acquisition.drift
    if drift is None:
        return None
    return DriftPlan(drift.warn_nm, drift.limit_nm, drift.owner, drift.on_limit)


def _dose_rate_per_nm2_s(acquisition: Acquisition, optics: Optics | None) -> float:
    if isinstance(acquisition, FemAcquisition):
        current_pA = (optics.probe_current_pA if optics is not None else None) or 0.0
        return grid_dose_rate_per_nm2_s(current_pA, acquisition.grid.points, acquisition.grid.pitch_nm)
    return acquisition.dose_rate_per_nm2_s or 0.0


def _until(acquisition: EcmAcquisition) -> UntilPlan | None:
    """Return an end that depends on the data; any other is a number of frames."""
    until = acquisition.until
    if not until.precision_conditions:
        return None
    return UntilPlan("any" if until.any else "all", tuple(_end(condition) for condition in until.conditions))


def _end(condition: FramesCondition | DurationCondition | PrecisionCondition) -> EndCondition:
    if isinstance(condition, FramesCondition):
        return FramesEnd(condition.frames)
    if isinstance(condition, DurationCondition):
        return DurationEnd(condition.duration_s)
    return PrecisionEnd(condition.tau_within, condition.min_duration_tau, condition.checks, condition.every_s)
