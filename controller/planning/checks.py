"""What a plan runs into: the rig's envelope, the dose, the disk, the memory."""

from collections.abc import Iterator
from itertools import zip_longest

from annealscope.controller.config.checks import step_number
from annealscope.controller.config.errors import Fault
from annealscope.controller.config.for_each import written_out
from annealscope.controller.config.protocol import Protocol, Specimen
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.wording import celsius, data_size, per_minute
from annealscope.controller.config.yaml_nodes import parse_yaml
from annealscope.controller.planning.rig_checks import error, rig_problems, warning
from annealscope.controller.planning.services import service_problems
from annealscope.controller.planning.setups import optics_of
from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    Plan,
    PlannedStep,
    PrepareStep,
    Problem,
    RampStep,
    WaitStep,
)

MEMORY_SHARE = 0.6
"""Share of the machine's memory that the analyst may need."""

FINEST_SETTLE_K = 0.1
"""No sensor of a heating holder tells smaller deviations from its own noise."""

FRAME_PER_DRIFT = 4
"""A displacement of more than the frame divided by this leaves too little that is in every frame."""

_ROUNDING = 1 + 1e-9


def problems_of(
    plan: Plan, protocol: Protocol, rig: RigConfig, free_disk_bytes: int | None, ram_bytes: int | None
) -> tuple[Problem, ...]:
    """Find all problems; what is not known of the machine (None) is not checked."""
    return (
        *_settling(protocol),
        *rig_problems(plan, protocol, rig),
        *_drift_limits(protocol, rig),
        *_pauses(protocol),
        *_pitches(protocol),
        *_envelope(plan, rig),
        *_transitions(plan, protocol),
        *_ages(plan),
        *_watches(plan),
        *_preparations(plan),
        *_doses(plan, protocol),
        *service_problems(plan),
        *_machine(plan, free_disk_bytes, ram_bytes),
    )


def problem_faults(problems: tuple[Problem, ...], content: bytes | str, file: str) -> list[Fault]:
    """Put problems at their places in the text of the protocol."""
    document = written_out(parse_yaml(content, file))
    paths = [
        tuple(int(part) if part.isdigit() else part for part in problem.path.split("."))
        for problem in problems
    ]
    return [document.fault(path, problem.message) for path, problem in zip(paths, problems, strict=True)]


def _settling(protocol: Protocol) -> Iterator[Problem]:
    if protocol.settle.within_K < FINEST_SETTLE_K:
        message = (
            f"{protocol.settle.within_K:g} K is less than the noise of a heating holder's sensor, about "
            f"{FINEST_SETTLE_K:g} K: the temperature may never count as reached"
        )
        yield warning("settle.within", message)


def _drift_limits(protocol: Protocol, rig: RigConfig) -> Iterator[Problem]:
    for key, acquisition in protocol.acquisitions.items():
        drift = acquisition.drift if acquisition.kind == "ecm" else None
        camera = rig.cameras.get(acquisition.camera)
        if drift is None or camera is None or camera.pixel_nm is None:
            continue
        most_nm = min(camera.shape) * camera.pixel_nm / FRAME_PER_DRIFT
        if drift.limit_nm > most_nm:
            message = (
                f"{drift.limit_nm:g} nm is more than a quarter of the frame, {most_nm:.2g} nm: too little "
                "of the specimen would stay in view"
            )
            yield warning(f"acquisitions.{key}.drift.limit", message)


def _envelope(plan: Plan, rig: RigConfig) -> Iterator[Problem]:
    for planned, before_K in _with_setpoint_before(plan):
        if isinstance(planned.step, RampStep | CoolStep):
            path = f"{planned.path}.{planned.step.kind}"
            for problem in _beyond(path, "to", planned.step, before_K, rig):
                yield error(problem.path, f"{problem.message} {step_number(planned.index + 1)}")
    safe = CoolStep(plan.safe.cool_to_K, plan.safe.rate_K_per_s)
    yield from _beyond("safe", "cool_to", safe, float("inf"), rig)


def _with_setpoint_before(plan: Plan) -> Iterator[tuple[PlannedStep, float]]:
    for before, planned in zip((None, *plan.steps), plan.steps, strict=False):
        yield planned, plan.start_K if before is None else before.setpoint_K


def _beyond(
    path: str, target: str, step: RampStep | CoolStep, before_K: float, rig: RigConfig
) -> Iterator[Problem]:
    envelope = rig.envelope
    if step.target_K > envelope.max_temperature_K:
        limit = celsius(envelope.max_temperature_K)
        yield error(
            f"{path}.{target}", f'{celsius(step.target_K)} is more than the rig "{rig.name}" bears, {limit}'
        )
    heats = step.target_K > before_K
    fastest = envelope.max_heating_rate_K_per_s if heats else envelope.max_cooling_rate_K_per_s
    if step.rate_K_per_s > fastest * _ROUNDING:
        rate, limit = per_minute(step.rate_K_per_s), per_minute(fastest)
        yield error(f"{path}.rate", f'{rate} is faster than the rig "{rig.name}" bears, {limit}')


def _transitions(plan: Plan, protocol: Protocol) -> Iterator[Problem]:
    """What is hotter than the specimen stays a glass is allowed, but is rarely meant."""
    for planned in plan.steps:
        if isinstance(planned.step, RampStep):
            above = _passed(planned.step.target_K, protocol.specimen)
            if above:
                message = f"{celsius(planned.step.target_K)} is above the specimen's {above}"
                yield warning(f"{planned.path}.ramp.to", f"{message} {step_number(planned.index + 1)}")


def _passed(temperature_K: float, specimen: Specimen) -> str:
    """Return the highest transition of the specimen below a temperature, or nothing."""
    for name, onset_K in (
        ("crystallization onset", specimen.crystallization_onset_K),
        ("glass transition", specimen.glass_transition_K),
    ):
        if onset_K is not None and temperature_K > onset_K:
            return f"{name}, {celsius(onset_K)}"
    return ""


def _pauses(protocol: Protocol) -> Iterator[Problem]:
    """The image is moved only while no exposure runs."""
    for key, acquisition in protocol.acquisitions.items():
        drift = acquisition.drift if acquisition.kind == "ecm" else None
        moves = drift is not None and drift.owner == "annealscope"
        if moves and not acquisition.exposure_s < acquisition.frame_period_s:
            message = (
                "leaves no pause to correct drift in; make it longer than the exposure, or leave out `drift`"
            )
            yield error(f"acquisitions.{key}.period", message)


def _pitches(protocol: Protocol) -> Iterator[Problem]:
    """Patterns that overlap tell less than their number."""
    for key, acquisition in protocol.acquisitions.items():
        optics = optics_of(acquisition, protocol)
        probe_nm = optics.probe_nm if optics is not None else None
        if acquisition.kind == "fem" and probe_nm is not None and acquisition.grid.pitch_nm < probe_nm:
            message = (
                f"{acquisition.grid.pitch_nm:g} nm is less than the probe is wide, {probe_nm:g} nm: "
                "neighbouring patterns are of the same atoms, and the variance is known less well than their "
                "number says"
            )
            yield warning(f"acquisitions.{key}.grid.pitch", message)


def _ages(plan: Plan) -> Iterator[Problem]:
    for planned in plan.steps:
        step = planned.step
        only_age = isinstance(step, WaitStep) and step.until_age_s is not None and step.watch is None
        if only_age and planned.duration_s == 0:
            message = "this age has passed already when the step begins; the step waits for nothing"
            yield warning(f"{planned.path}.wait.until_age", f"{message} {step_number(planned.index + 1)}")


def _watches(plan: Plan) -> Iterator[Problem]:
    for planned in plan.steps:
        step = planned.step
        if isinstance(step, WaitStep) and step.drift_below_nm_per_s is not None and step.watch is None:
            message = (
                "no acquisition of kind ecm follows, with whose camera the drift could be watched; "
                "wait for a time or an age"
            )
            yield error(f"{planned.path}.wait.drift_below", f"{message} {step_number(planned.index + 1)}")


def _preparations(plan: Plan) -> Iterator[Problem]:
    """What is prepared is meant for what is taken next."""
    setups = [(p, p.step) for p in plan.steps if isinstance(p.step, PrepareStep | AcquireStep)]
    following = [step.setup.key for _, step in setups[1:]]
    for (planned, step), next_key in zip_longest(setups, following):
        if isinstance(step, PrepareStep) and next_key != step.setup.key:
            what = f'"{next_key}" comes next' if next_key else "nothing is taken afterwards"
            message = f"{what}: this preparation is in vain"
            yield warning(f"{planned.path}.prepare", f"{message} {step_number(planned.index + 1)}")


def _doses(plan: Plan, protocol: Protocol) -> Iterator[Problem]:
    limit = protocol.limits.max_dose_per_region_per_nm2
    if limit is None:
        return
    steps = {p.step.hold: p for p in plan.steps if isinstance(p.step, AcquireStep)}
    doses: dict[int, float] = {}
    for hold in plan.holds:
        before = doses.get(hold.region, 0.0)
        doses[hold.region] = before + hold.dose_per_nm2
        if before <= limit * _ROUNDING < doses[hold.region]:
            message = (
                f"brings its region to {doses[hold.region]:.3g} e/nm^2, more than limits.max_dose_per_region "
                f"({limit:.3g} e/nm^2); take fewer frames or a fresh region"
            )
            step = steps[hold.hold]
            yield error(f"{step.path}.acquire", f"{message} {step_number(step.index + 1)}")


def _machine(plan: Plan, free_disk_bytes: int | None, ram_bytes: int | None) -> Iterator[Problem]:
    if free_disk_bytes is not None and plan.disk_bytes > free_disk_bytes:
        message = (
            f"the run may need {data_size(plan.disk_bytes)} of disk, {data_size(free_disk_bytes)} are free; "
            "choose another --out or take fewer frames"
        )
        yield error("steps", message)
    if ram_bytes is not None and plan.memory_bytes > MEMORY_SHARE * ram_bytes:
        message = (
            f"the analysis may need {data_size(plan.memory_bytes)} of memory, more than {MEMORY_SHARE:.0%} "
            f"of the {data_size(ram_bytes)} of this machine; use a smaller or binned camera"
        )
        yield error("acquisitions", message)
