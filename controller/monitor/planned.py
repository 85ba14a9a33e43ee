"""What a run was to do: its plan, and what of its rig the page shows."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import load_rig
from annealscope.controller.config.quantities import ROOM_K
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.units import to_celsius


class _Part(BaseModel):
    """Fields that are not shown are not looked at: a plan of another version is read as far as it goes."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Drift(_Part):
    """Displacements from the reference that matter to an acquisition."""

    warn_nm: float
    limit_nm: float


class Setup(_Part):
    """What is set up before an acquisition."""

    fresh_region: bool = False


class Condition(_Part):
    """When an acquisition ends."""

    within: float | None = None
    """With this relative error of tau; None: something else ends it."""


class Until(_Part):
    """All that may end an acquisition."""

    conditions: tuple[Condition, ...] = ()


class Step(_Part):
    """What is done in a step; its kind has only some of the fields."""

    kind: str
    """ramp, cool, wait, prepare, acquire, prompt or park."""
    hold: int | None = None
    """Number of an acquisition, from 1."""
    name: str | None = None
    title: str = ""
    method: str | None = None
    frames: int | None = None
    exposure_s: float = 0.0
    period_s: float = 0.0
    drift: Drift | None = None
    """None: nobody measures it."""
    setup: Setup = Setup()
    until: Until | None = None
    drift_below_nm_per_s: float | None = None
    """Of a wait."""


class PlannedStep(_Part):
    """A step and its place in time."""

    index: int
    label: str
    t_start_s: float
    duration_s: float
    setpoint_K: float
    step: Step


class Precision(_Part):
    """What a record can tell of one relaxation time."""

    tau_s: float
    sigma_ln_tau: float
    plain_bias: float


class PlannedHold(_Part):
    """What an acquisition takes, and what it can tell."""

    hold: int
    frames: int
    bytes: int = 0
    dose_per_nm2: float | None = None
    n_speckles: float | None = None
    precision: tuple[Precision, ...] = ()


class Settle(_Part):
    """When a temperature counts as reached."""

    within_K: float
    for_s: float


class Service(_Part):
    """Something that the laboratory has to do every few hours."""

    name: str
    every_s: float
    action: str = "suspend"


class House(_Part):
    """What the guards of a run go by."""

    services: tuple[Service, ...] = ()


class SeenPlan(_Part):
    """A plan, as far as it is shown."""

    name: str
    rig: str = ""
    steps: tuple[PlannedStep, ...] = Field(min_length=1)
    holds: tuple[PlannedHold, ...] = ()
    settle: Settle | None = None
    start_K: float = ROOM_K
    max_temperature_K: float | None = None
    """Above it the run stops."""
    max_dose_per_region_per_nm2: float | None = None
    dose_counts: str = "beam_on"
    house: House = House()


def read_plan(folder: Path) -> tuple[SeenPlan | None, str]:
    """Return the plan of a run, and what is the matter when there is none."""
    path = folder / "plan.json"
    if not path.is_file():
        return None, f"{path.name} is missing: the steps of the plan are not shown"
    try:
        return SeenPlan.model_validate_json(path.read_bytes()), ""
    except OSError as error:
        return None, f"{path.name} cannot be read: {error.strerror}; the steps of the plan are not shown"
    except ValidationError as error:
        return None, f"{path.name} is damaged, or of another version ({_first(error)}): it is not shown"


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def read_rig(folder: Path) -> tuple[RigConfig | None, str]:
    """Return the rig of a run, and what is the matter when there is none."""
    path = folder / "rig.yaml"
    if not path.is_file():
        return None, f"{path.name} is missing: what is known of the cameras comes with their frames only"
    try:
        return load_rig(path), ""
    except ProtocolError as error:
        return None, f"{path.name} is damaged, or of another version: {str(error).splitlines()[0]}"


def shown_plan(plan: SeenPlan) -> dict[str, Any]:
    """Return the plan as the page draws it."""
    return {
        "start_degC": to_celsius(plan.start_K),
        "max_degC": None if plan.max_temperature_K is None else to_celsius(plan.max_temperature_K),
        "steps": [_shown_step(step) for step in plan.steps],
    }


def _shown_step(planned: PlannedStep) -> dict[str, Any]:
    step = planned.step
    return {
        "index": planned.index,
        "label": planned.label,
        "kind": step.kind,
        "t_start_s": planned.t_start_s,
        "duration_s": planned.duration_s,
        "setpoint_degC": to_celsius(planned.setpoint_K),
        "hold": step.hold,
        "name": step.name,
        "method": step.method,
        "frames": step.frames,
        "drift_warn_nm": step.drift.warn_nm if step.drift else None,
        "drift_limit_nm": step.drift.limit_nm if step.drift else None,
    }
