"""What a run looks like from outside."""

from dataclasses import replace

from annealscope.controller.engine.acquire import Acquire
from annealscope.controller.engine.agenda import Agenda
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.orders import Orders
from annealscope.controller.engine.ports import Status


def snapshot(bench: Bench, agenda: Agenda, orders: Orders, state: str, why: str) -> Status:
    """Return the newest state of everything that a monitor shows."""
    entry, acquisition = agenda.current, agenda.acquisition
    planned_from_s, planned_to_s = agenda.planned
    status = Status(
        state=state,
        why=why,
        step=entry.label if entry else "",
        phase=entry.task.phase if entry else "",
        step_number=entry.number if entry else 0,
        steps=agenda.steps,
        t_s=bench.now_s,
        total_s=bench.plan.duration_s,
        temperature_K=bench.temperature.value,
        setpoint_K=bench.setpoint_K,
        frames_before=agenda.frames_before,
        prompt=orders.standing or (entry.task.question if entry else ""),
        order=orders.standing,
        alarm=orders.alarm,
        next_task=agenda.next_task,
        step_from_s=planned_from_s,
        step_to_s=planned_to_s,
    )
    return status if acquisition is None else _with_frames(status, bench, acquisition)


def _with_frames(status: Status, bench: Bench, acquisition: Acquire) -> Status:
    """Add what is known of an acquisition, its newest drift and relaxation time among it."""
    drift, live = bench.stream.newest_drift(), bench.stream.newest_live()
    if not acquisition.opened:  # what the stream has is of an earlier one
        drift = live = None
    dose = bench.doses.of(acquisition.region).counted(bench.plan.dose_counts)
    return replace(
        status,
        frames=acquisition.frames,
        frames_planned=acquisition.step.frames,
        frames_lost=acquisition.frames_lost,
        segment=acquisition.segment,
        drift_nm=max(abs(drift.measured_nm[0]), abs(drift.measured_nm[1])) if drift else None,
        drift_yx_nm=drift.measured_nm if drift else None,
        tau_s=live.tau_s if live else None,
        sigma_tau_s=live.sigma_tau_s if live else None,
        compiling=live is not None and live.compiling,
        region=acquisition.region if acquisition.opened else None,
        region_dose_per_nm2=dose if acquisition.opened else None,
    )
