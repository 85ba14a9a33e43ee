"""The pre-run card: what the operator checks before a run, and is needed for while it goes on."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from annealscope.controller.planning.card_text import card_lines
from annealscope.controller.planning.card_values import (
    Card,
    ColumnState,
    DoseNeed,
    Expected,
    RegionNeed,
    SessionTasks,
)
from annealscope.controller.planning.sessions import Session, sessions_of, settings_of
from annealscope.controller.planning.values import (
    AcquireStep,
    ExecutableStep,
    HoldEstimate,
    Plan,
    WaitStep,
)

if TYPE_CHECKING:
    from rich.console import Console


def render(plan: Plan, console: "Console") -> None:
    """Print the card of a plan as plain lines, no wider than the console."""
    for line in card_lines(card(plan), console.width):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def card(plan: Plan) -> Card:
    """Return the pre-run card of a plan; ``dataclasses.asdict`` makes of it what JSON can hold."""
    acquisitions = _acquisitions(plan)
    return Card(
        name=plan.name,
        rig=plan.rig,
        duration_s=plan.duration_s,
        frames=plan.frames,
        acquisitions=len(acquisitions),
        cameras=_cameras(plan),
        states=_states(plan),
        dose_rates=_dose_rates(acquisitions),
        regions=_regions(plan),
        dose=_dose(plan),
        highest_K=max((planned.setpoint_K for planned in plan.steps), default=plan.start_K),
        max_temperature_K=plan.max_temperature_K,
        disk_bytes=plan.disk_bytes,
        memory_bytes=plan.memory_bytes,
        expected=tuple(_expected(plan)),
        sessions=tuple(_tasks(session) for session in sessions_of(plan)),
        services=plan.services,
        safe=plan.safe,
        holder_set_by=plan.holder_set_by,
    )


def _acquisitions(plan: Plan) -> tuple[AcquireStep, ...]:
    return tuple(planned.step for planned in plan.steps if isinstance(planned.step, AcquireStep))


def _dose_rates(acquisitions: tuple[AcquireStep, ...]) -> tuple[tuple[str, float], ...]:
    rates = {step.key: step.dose_rate_per_nm2_s for step in acquisitions if step.grid is None}
    return tuple((key, rate) for key, rate in rates.items() if rate > 0)


def _cameras(plan: Plan) -> tuple[str, ...]:
    """Return the cameras in the order of their use; the drift is watched with one too."""
    return tuple(dict.fromkeys(name for planned in plan.steps if (name := _camera(planned.step)) is not None))


def _camera(step: ExecutableStep) -> str | None:
    if isinstance(step, WaitStep):
        return step.watch.camera if step.watch is not None else None
    return step.camera if isinstance(step, AcquireStep) else None


def _states(plan: Plan) -> tuple[ColumnState, ...]:
    """Return the states in the order of their use; a checklist belongs to the first that has one."""
    states: dict[str, ColumnState] = {}
    for setting in settings_of(plan):
        setup = setting.setup
        if setup.optics is None:
            continue
        name = setup.optics_name or setup.key
        before = states.get(name, ColumnState(name, setup.optics, (), ()))
        used_by = tuple(dict.fromkeys((*before.used_by, setup.key)))
        by_hand = tuple(dict.fromkeys((*before.by_hand, *setup.checklist)))
        states[name] = ColumnState(name, setup.optics, used_by, by_hand)
    return tuple(states.values())


def _regions(plan: Plan) -> tuple[RegionNeed, ...]:
    used_by: dict[tuple[float, float] | None, list[str]] = {}
    for setting in settings_of(plan):
        if setting.setup.fresh_region:
            used_by.setdefault(setting.setup.thickness, []).append(setting.setup.key)
    return tuple(
        RegionNeed(thickness, len(keys), tuple(dict.fromkeys(keys))) for thickness, keys in used_by.items()
    )


def _dose(plan: Plan) -> DoseNeed | None:
    doses = plan.dose_per_region_per_nm2
    if not doses:
        return None
    largest = max(doses)
    return DoseNeed(largest, doses.index(largest) + 1, plan.max_dose_per_region_per_nm2, plan.dose_counts)


def _expected(plan: Plan) -> Iterator[Expected]:
    """Yield what can be told, once for acquisitions of the same name that can tell the same."""
    steps = {step.hold: step for step in _acquisitions(plan)}
    alike: dict[tuple[object, ...], list[HoldEstimate]] = {}
    for hold in plan.holds:
        alike.setdefault((steps[hold.hold].key, hold.precision, hold.sigma_variance), []).append(hold)
    for holds in alike.values():
        first = holds[0]
        temperatures_K = tuple(dict.fromkeys(steps[hold.hold].setpoint_K for hold in holds))
        yield Expected(
            steps[first.hold].key, first.method, temperatures_K, first.precision, first.sigma_variance
        )


def _tasks(session: Session) -> SessionTasks:
    park = session.park
    return SessionTasks(
        session.number, session.duration_s, park.message if park is not None else None, session.tasks
    )
