"""From a protocol and a rig to what is done when, and what it takes. Pure: nothing is measured or opened."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from annealscope.controller.config.protocol import EcmAcquisition, HoldStep, Protocol, Wait
from annealscope.controller.config.quantities import ROOM_K
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.wording import celsius, duration_as_written
from annealscope.controller.planning.checks import problems_of
from annealscope.controller.planning.estimates import (
    analyst_memory_bytes,
    frame_bytes,
    largest_lag_frames,
    plain_bias,
    sigma_ln_tau,
    speckle_count,
    valid_shape,
)
from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    DriftPlan,
    ExecutableStep,
    HoldEstimate,
    Plan,
    PlannedStep,
    Precision,
    RampStep,
    SafeRule,
    SettleRule,
    WaitStep,
)
from annealscope.controller.units import ZERO_CELSIUS_K

RECORD_PER_TAU = (40, 20, 10, 5)
"""Precision is stated for records of so many relaxation times; the rule is to take the longest."""


def plan(
    protocol: Protocol,
    rig: RigConfig,
    *,
    free_disk_bytes: int | None = None,
    ram_bytes: int | None = None,
) -> Plan:
    """Lay out a protocol on a rig.

    Parameters
    ----------
    protocol, rig
        What is to be done, and with what.
    free_disk_bytes, ram_bytes
        Free space where the run is written, and memory of the machine; None leaves the check out.

    Returns
    -------
    Plan
        With its problems; a plan with errors must not be run.
    """
    settle, safe = protocol.settle, protocol.safe
    steps = tuple(_Layout(protocol).steps())
    laid_out = Plan(
        name=protocol.name,
        rig=rig.name,
        steps=steps,
        settle=SettleRule(settle.within_K, settle.for_s, settle.timeout_s),
        safe=SafeRule(safe.cool_to_K, safe.rate_K_per_s, safe.grace_s),
        max_temperature_K=min(protocol.limits.max_temperature_K, rig.envelope.max_temperature_K),
        holds=tuple(_estimates(steps, protocol, rig)),
    )
    problems = problems_of(laid_out, protocol, rig, free_disk_bytes, ram_bytes)
    return dataclasses.replace(laid_out, problems=problems)


def plan_to_json(plan: Plan) -> str:
    """Write a plan with its totals as JSON, for the run folder and for programs."""
    data: dict[str, Any] = dataclasses.asdict(plan)
    for row, planned in zip(data["steps"], plan.steps, strict=True):
        row["step"] = {"kind": planned.step.kind, **row["step"]}
    data["totals"] = {
        "duration_s": plan.duration_s,
        "frames": plan.frames,
        "bytes": plan.bytes,
        "disk_bytes": plan.disk_bytes,
        "memory_bytes": plan.memory_bytes,
        "largest_lag_s": plan.largest_lag_s,
        "dose_per_region_per_nm2": plan.dose_per_region_per_nm2,
    }
    return json.dumps(data, indent=2, allow_nan=False)


class _Layout:
    """Walks through a protocol and keeps time, temperature and age."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._t_s = 0.0
        self._settled_s = 0.0
        self._setpoint_K = ROOM_K
        self._index = 0
        self._hold = 0

    def steps(self) -> Iterator[PlannedStep]:
        """Yield the steps in order, with sequences written out."""
        for number, step in enumerate(self._protocol.steps):
            path = f"steps.{number}"
            if step.ramp is not None:
                yield self._ramp(path, RampStep(step.ramp.to_K, step.ramp.rate_K_per_s))
            elif step.cool is not None:
                yield self._ramp(path, CoolStep(step.cool.to_K, step.cool.rate_K_per_s))
            elif step.hold is not None:
                for below, held in enumerate(self._protocol.steps_of(step.hold)):
                    yield self._steady(f"{path}.hold.{below}", held)
            else:
                yield self._steady(path, step)

    def _ramp(self, path: str, step: RampStep | CoolStep) -> PlannedStep:
        duration_s = abs(step.target_K - self._setpoint_K) / step.rate_K_per_s + self._protocol.settle.for_s
        self._setpoint_K = step.target_K
        planned = self._planned(path, f"{step.kind} to {celsius(step.target_K)}", duration_s, step)
        self._settled_s = self._t_s
        return planned

    def _steady(self, path: str, step: HoldStep) -> PlannedStep:
        if step.wait is not None:
            return self._wait(path, step.wait)
        key = step.acquire or ""
        acquisition = self._protocol.acquisitions[key]
        self._hold += 1
        executable = _acquire_step(self._hold, key, acquisition, self._setpoint_K)
        label = f"acquire {executable.title}"
        return self._planned(path, label, acquisition.frames * acquisition.period_s, executable)

    def _wait(self, path: str, wait: Wait) -> PlannedStep:
        step = WaitStep(wait.for_s, wait.until_age_s)
        if wait.until_age_s is None:
            for_s = wait.for_s or 0.0
            return self._planned(path, f"wait {duration_as_written(for_s)}", for_s, step)
        left_s = max(0.0, self._settled_s + wait.until_age_s - self._t_s)
        return self._planned(path, f"wait to age {duration_as_written(wait.until_age_s)}", left_s, step)

    def _planned(self, path: str, label: str, duration_s: float, step: ExecutableStep) -> PlannedStep:
        planned = PlannedStep(self._index, path, label, self._t_s, duration_s, self._setpoint_K, step)
        self._index += 1
        self._t_s += duration_s
        return planned


def _acquire_step(hold: int, key: str, acquisition: EcmAcquisition, setpoint_K: float) -> AcquireStep:
    drift = acquisition.drift
    return AcquireStep(
        hold=hold,
        name=f"{hold:02d}_{key}_{setpoint_K - ZERO_CELSIUS_K:.0f}C",
        key=key,
        title=f"{key} at {celsius(setpoint_K)}",
        camera=acquisition.camera,
        exposure_s=acquisition.exposure_s,
        period_s=acquisition.period_s,
        frames=acquisition.frames,
        drift=DriftPlan(drift.warn_nm, drift.limit_nm) if drift is not None else None,
        dose_rate_per_nm2_s=acquisition.dose_rate_per_nm2_s,
        fresh_region=acquisition.region.fresh,
        setpoint_K=setpoint_K,
    )


def _estimates(steps: tuple[PlannedStep, ...], protocol: Protocol, rig: RigConfig) -> Iterator[HoldEstimate]:
    region = 1
    for number, planned in enumerate(p for p in steps if isinstance(p.step, AcquireStep)):
        step = planned.step
        if isinstance(step, AcquireStep) and step.camera in rig.cameras:
            region += int(step.fresh_region and number > 0)
            yield _estimate(step, region, protocol.limits.dose_counts, rig)


def _estimate(step: AcquireStep, region: int, dose_counts: str, rig: RigConfig) -> HoldEstimate:
    camera = rig.cameras[step.camera]
    duration_s = step.frames * step.period_s
    beam_s = duration_s if dose_counts == "beam_on" else step.frames * step.exposure_s
    analysed = valid_shape(camera.shape, step.drift is not None)
    n_speckles = speckle_count(analysed, camera.pixel_nm, rig.microscope.aperture_per_nm)
    return HoldEstimate(
        hold=step.hold,
        name=step.name,
        frames=step.frames,
        duration_s=duration_s,
        bytes=step.frames * frame_bytes(camera.shape),
        memory_bytes=analyst_memory_bytes(camera.shape, step.frames),
        region=region,
        dose_per_nm2=step.dose_rate_per_nm2_s * beam_s,
        largest_lag_s=largest_lag_frames(step.frames) * step.period_s,
        n_speckles=n_speckles,
        precision=tuple(_precision(n_speckles, duration_s, duration_s / n) for n in RECORD_PER_TAU),
    )


def _precision(n_speckles: float, duration_s: float, tau_s: float) -> Precision:
    return Precision(
        tau_s=tau_s,
        sigma_ln_tau=sigma_ln_tau(n_speckles, duration_s, tau_s),
        plain_bias=plain_bias(duration_s, tau_s),
    )
