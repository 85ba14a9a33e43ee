"""What each acquisition of a plan takes, and what it can tell."""

from collections.abc import Iterator, Sequence

from annealscope.controller.config.rig import CameraConfig, RigConfig
from annealscope.controller.planning.dose import DoseCounts, planned_dose
from annealscope.controller.planning.estimates import (
    analyst_memory_bytes,
    frame_bytes,
    largest_lag_frames,
    pattern_memory_bytes,
    plain_bias,
    sigma_ln_tau,
    sigma_variance,
    speckle_count,
    valid_shape,
)
from annealscope.controller.planning.values import (
    AcquireStep,
    HoldEstimate,
    PlannedStep,
    Precision,
    PrepareStep,
)

RECORD_PER_TAU = (40, 20, 10, 5)
"""Precision is stated for records of so many relaxation times; the rule is to take the longest."""


def estimates(
    steps: Sequence[PlannedStep], rig: RigConfig, dose_counts: DoseCounts
) -> Iterator[HoldEstimate]:
    """Yield what each acquisition takes; one without a camera is left out.

    Parameters
    ----------
    steps
        The steps of a plan.
    rig
        What they are carried out with.
    dose_counts
        Which time counts for the dose.
    """
    regions = regions_of(steps)
    for planned in steps:
        step = planned.step
        if isinstance(step, AcquireStep) and _has_its_camera(step, rig):
            yield _estimate(step, regions[step.hold], dose_counts, rig)


def regions_of(steps: Sequence[PlannedStep]) -> dict[int, int]:
    """Return the region of the specimen of each acquisition: numbers from 1, by ordinals of acquisitions."""
    regions: dict[int, int] = {}
    region, prepared = 0, None
    for planned in steps:
        step = planned.step
        if not isinstance(step, PrepareStep | AcquireStep):
            continue
        if step.setup.key != prepared:
            region += int(step.setup.fresh_region or region == 0)
        prepared = step.setup.key if isinstance(step, PrepareStep) else None
        if isinstance(step, AcquireStep):
            regions[step.hold] = region
    return regions


def _has_its_camera(step: AcquireStep, rig: RigConfig) -> bool:
    camera = rig.cameras.get(step.camera)
    return camera is not None and camera.kind == kind_of_camera(step.method)


def kind_of_camera(method: str) -> str:
    """Return the kind of camera that an acquisition needs."""
    return "imaging" if method == "ecm" else "diffraction"


def _estimate(step: AcquireStep, region: int, dose_counts: DoseCounts, rig: RigConfig) -> HoldEstimate:
    camera = rig.cameras[step.camera]
    dose = planned_dose(
        step.dose_rate_per_nm2_s,
        step.frames,
        step.exposure_s,
        step.period_s,
        beam_in_pause=step.beam_in_pause,
    )
    n_speckles = _speckles(step, camera, rig)
    return HoldEstimate(
        hold=step.hold,
        name=step.name,
        method=step.method,
        frames=step.frames,
        duration_s=step.frames * step.period_s,
        bytes=step.frames * frame_bytes(camera.shape),
        memory_bytes=_memory_bytes(step, camera),
        region=region,
        dose_per_nm2=dose.counted(dose_counts),
        largest_lag_s=largest_lag_frames(step.frames) * step.period_s if step.method == "ecm" else 0.0,
        n_speckles=n_speckles,
        precision=_precisions(step, n_speckles) if n_speckles is not None else (),
        sigma_variance=_sigma_variance(step),
    )


def _memory_bytes(step: AcquireStep, camera: CameraConfig) -> int:
    if step.method == "ecm":
        return analyst_memory_bytes(camera.shape, step.frames)
    return pattern_memory_bytes(camera.shape, step.grid.points[0] if step.grid is not None else 0)


def _speckles(step: AcquireStep, camera: CameraConfig, rig: RigConfig) -> float | None:
    if step.method != "ecm" or camera.pixel_nm is None:
        return None
    analysed = valid_shape(camera.shape, step.drift is not None)
    return speckle_count(analysed, camera.pixel_nm, rig.microscope.aperture_per_nm)


def _precisions(step: AcquireStep, n_speckles: float) -> tuple[Precision, ...]:
    duration_s = step.frames * step.period_s
    return tuple(_precision(n_speckles, duration_s, n) for n in RECORD_PER_TAU)


def _precision(n_speckles: float, duration_s: float, record_per_tau: int) -> Precision:
    tau_s = duration_s / record_per_tau
    return Precision(
        tau_s=tau_s,
        sigma_ln_tau=sigma_ln_tau(n_speckles, duration_s, tau_s),
        plain_bias=plain_bias(record_per_tau),
    )


def _sigma_variance(step: AcquireStep) -> float | None:
    probe_nm = step.setup.optics.probe_nm if step.setup.optics is not None else None
    if step.method != "fem" or probe_nm is None:
        return None
    return sigma_variance(step.frames, probe_nm)
