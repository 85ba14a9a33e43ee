"""From a protocol and a rig to what is done when, and what it takes. Pure: nothing is measured or opened."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from annealscope.controller.config.protocol import Protocol
from annealscope.controller.config.quantities import ROOM_K
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.steps import HoldStep, Park, Prompt, Step, Wait
from annealscope.controller.config.wording import celsius, duration_as_written, nm_per_minute
from annealscope.controller.planning.checks import problems_of
from annealscope.controller.planning.holds import estimates
from annealscope.controller.planning.services import house_rules, with_services
from annealscope.controller.planning.setups import acquire_step, setup_of, watch_of
from annealscope.controller.planning.values import (
    CoolStep,
    ExecutableStep,
    ParkStep,
    Plan,
    PlannedStep,
    PrepareStep,
    PromptStep,
    RampStep,
    SafeRule,
    SettleRule,
    Setup,
    WaitStep,
    WatchPlan,
)
from annealscope.drivers.interfaces import Optics

PROMPT_S = 60.0
"""An operator who stands by needs about so long to answer."""


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
    settle, safe, limits = protocol.settle, protocol.safe, protocol.limits
    house = house_rules(rig)
    steps, services = with_services(tuple(_Layout(protocol, rig).steps()), house.services)
    laid_out = Plan(
        name=protocol.name,
        rig=rig.name,
        steps=steps,
        settle=SettleRule(settle.within_K, settle.for_s, settle.timeout_s),
        safe=SafeRule(safe.cool_to_K, safe.rate_K_per_s, safe.grace_s),
        max_temperature_K=min(limits.max_temperature_K, rig.envelope.max_temperature_K),
        max_dose_per_region_per_nm2=limits.max_dose_per_region_per_nm2,
        dose_counts=limits.dose_counts,
        holder_set_by=rig.holder.set_by,
        holds=tuple(estimates(steps, rig, limits.dose_counts)),
        house=house,
        services=services,
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


@dataclass(frozen=True)
class _Placed:
    """A step of the protocol and its place there; those of a hold one by one."""

    path: str
    step: HoldStep


def _placed_steps(protocol: Protocol) -> Iterator[_Placed]:
    """Yield all steps in order, with sequences written out."""
    for number, step in enumerate(protocol.steps):
        path = f"steps.{number}"
        if step.hold is None:
            yield _Placed(path, step)
        else:
            for below, held in enumerate(protocol.steps_of(step.hold)):
                yield _Placed(f"{path}.hold.{below}", held)


class _Layout:
    """Walks through a protocol and keeps time, temperature, age and the state of the column."""

    def __init__(self, protocol: Protocol, rig: RigConfig) -> None:
        self._protocol = protocol
        self._rig = rig
        self._placed = tuple(_placed_steps(protocol))
        self._t_s = 0.0
        self._settled_s = 0.0
        self._setpoint_K = ROOM_K
        self._optics: Optics | None = None
        self._prepared: str | None = None
        self._index = 0
        self._hold = 0

    def steps(self) -> Iterator[PlannedStep]:
        """Yield the steps in order."""
        for number, placed in enumerate(self._placed):
            yield self._step(placed.path, placed.step, self._placed[number + 1 :])

    def _step(self, path: str, step: HoldStep, following: Sequence[_Placed]) -> PlannedStep:
        if step.wait is not None:
            return self._wait(path, step.wait, following)
        if step.prepare is not None:
            return self._prepare(path, step.prepare)
        if step.acquire is not None:
            return self._acquire(path, step.acquire)
        if step.prompt is not None:
            return self._prompt(path, step.prompt)
        if isinstance(step, Step) and step.park is not None:
            return self._park(path, step.park)
        return self._temperature(path, step)

    def _temperature(self, path: str, step: HoldStep) -> PlannedStep:
        if isinstance(step, Step) and step.ramp is not None:
            return self._ramp(path, RampStep(step.ramp.to_K, step.ramp.rate_K_per_s))
        if isinstance(step, Step) and step.cool is not None:
            return self._ramp(path, CoolStep(step.cool.to_K, step.cool.rate_K_per_s))
        raise ValueError(f"{path}: a step with no key that is laid out")

    def _ramp(self, path: str, step: RampStep | CoolStep) -> PlannedStep:
        duration_s = abs(step.target_K - self._setpoint_K) / step.rate_K_per_s + self._protocol.settle.for_s
        self._setpoint_K = step.target_K
        planned = self._planned(path, f"{step.kind} to {celsius(step.target_K)}", duration_s, step)
        self._settled_s = self._t_s
        return planned

    def _wait(self, path: str, wait: Wait, following: Sequence[_Placed]) -> PlannedStep:
        watch = self._watch(following) if wait.drift_below_nm_per_s is not None else None
        step = WaitStep(wait.for_s, wait.until_age_s, wait.drift_below_nm_per_s, wait.at_most_s, watch)
        duration_s = wait.for_s or 0.0
        if wait.until_age_s is not None:
            duration_s = max(0.0, self._settled_s + wait.until_age_s - self._t_s)
        return self._planned(path, _wait_label(wait), duration_s, step)

    def _watch(self, following: Sequence[_Placed]) -> WatchPlan | None:
        """Return how the drift is looked at: as the next movie will see it."""
        acquisitions = self._protocol.acquisitions
        keys = (placed.step.acquire for placed in following)
        movies = (acquisitions[key] for key in keys if key is not None and acquisitions[key].kind == "ecm")
        movie = next(movies, None)
        return watch_of(movie, self._protocol) if movie is not None else None

    def _prepare(self, path: str, key: str) -> PlannedStep:
        setup = setup_of(key, self._protocol, self._rig)
        duration_s = self._set_up(setup)
        return self._planned(path, f"prepare {key}", duration_s, PrepareStep(setup))

    def _acquire(self, path: str, key: str) -> PlannedStep:
        acquisition = self._protocol.acquisitions[key]
        setup = setup_of(key, self._protocol, self._rig)
        self._hold += 1
        step = acquire_step(self._hold, setup, acquisition, self._setpoint_K)
        duration_s = self._set_up(setup) + step.frames * step.period_s
        self._prepared = None
        return self._planned(path, f"acquire {step.title}", duration_s, step)

    def _set_up(self, setup: Setup) -> float:
        """Set up what is not set up yet, and return how long that takes."""
        changes = setup.optics is not None and setup.optics != self._optics
        duration_s = setup.settle_s if changes and setup.key != self._prepared else 0.0
        self._optics = setup.optics or self._optics
        self._prepared = setup.key
        return duration_s

    def _prompt(self, path: str, prompt: Prompt) -> PlannedStep:
        step = PromptStep(prompt.message, prompt.timeout_s, prompt.on_timeout or "cool")
        return self._planned(path, "prompt", min(PROMPT_S, prompt.timeout_s or PROMPT_S), step)

    def _park(self, path: str, park: Park) -> PlannedStep:
        safe = self._protocol.safe
        step = ParkStep(park.message, min(safe.cool_to_K, self._setpoint_K), safe.rate_K_per_s)
        duration_s = (self._setpoint_K - step.cool_to_K) / step.rate_K_per_s
        self._setpoint_K = step.cool_to_K
        planned = self._planned(path, "park", duration_s, step)
        self._settled_s = self._t_s
        return planned

    def _planned(self, path: str, label: str, duration_s: float, step: ExecutableStep) -> PlannedStep:
        planned = PlannedStep(self._index, path, label, self._t_s, duration_s, self._setpoint_K, step)
        self._index += 1
        self._t_s += duration_s
        return planned


def _wait_label(wait: Wait) -> str:
    if wait.for_s is not None:
        return f"wait {duration_as_written(wait.for_s)}"
    parts = []
    if wait.until_age_s is not None:
        parts.append(f"to age {duration_as_written(wait.until_age_s)}")
    if wait.drift_below_nm_per_s is not None:
        parts.append(f"drift below {nm_per_minute(wait.drift_below_nm_per_s)}")
    return f"wait {', '.join(parts)}"
