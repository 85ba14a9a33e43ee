"""Go or no-go, as far as plan, journal and disk tell: temperature, precision, dose, space, clocks."""

import math
from collections.abc import Iterator

from annealscope.controller.config.wording import celsius, data_size, duration, scientific
from annealscope.controller.monitor.go_values import Before, Item, judged, percent, unknown
from annealscope.controller.monitor.planned import PlannedHold, Precision, Service
from annealscope.controller.monitor.seen import RegionSeen
from annealscope.controller.units import to_celsius

LEAST_SPECKLES = 100
"""Each frame is divided by its mean: of fewer speckles that takes away a part of what they do."""
LOG_AND_FILE = 2.2
"""Frames are on the disk as a log, and then as a file, too; a tenth more."""
WORST_SIGMA = 0.2
"""Highest relative error of tau, where the protocol does not say one."""


def plan_items(before: Before) -> Iterator[Item]:
    """Yield what is known without any frame."""
    yield run(before)
    yield temperature(before)
    estimate = before.estimate
    if estimate is not None:
        yield from _of_estimate(before, estimate)
    yield from (service(before, rule) for rule in before.plan.house.services)


def _of_estimate(before: Before, estimate: PlannedHold) -> Iterator[Item]:
    if estimate.n_speckles is not None:
        yield speckles(estimate.n_speckles)
    if estimate.precision:
        yield precision(before, estimate.precision)
    if estimate.dose_per_nm2 is not None and before.plan.max_dose_per_region_per_nm2 is not None:
        yield dose(before, estimate.dose_per_nm2, before.plan.max_dose_per_region_per_nm2)
    yield space(before, estimate)


def run(before: Before) -> Item:
    """Say whether the run goes on by itself."""
    status, rule = before.status, "it goes on by itself"
    if status.get("prompt"):
        return unknown("run", rule, str(status["prompt"]), "asks the operator")
    if status["state"] != "running":
        return unknown("run", rule, str(status.get("why") or ""), str(status["state"]))
    return judged("run", "running", rule)


def temperature(before: Before) -> Item:
    """Say whether the temperature of the acquisition has settled, and has stayed."""
    settle, settled_s = before.plan.settle, before.story.settled_s
    found_K, wanted_K = float(before.status["temperature_K"]), before.step.setpoint_K
    value = f"{to_celsius(found_K):.2f} °C, set {celsius(wanted_K)}"
    if settle is None:
        return unknown("temperature", "the plan has none", "", value)
    rule = f"within {settle.within_K:g} K for {duration(settle.for_s)}"
    settling = settled_s is None and before.story.changed_temperature
    if settling or before.status["phase"] in ("ramping", "settling"):
        return unknown("temperature", rule, "it has not settled yet", value)
    if settled_s is not None:
        value += f", settled {duration(max(0.0, before.now_s - settled_s))} ago"
    away = abs(found_K - wanted_K) > settle.within_K
    return judged("temperature", value, rule, "it has left the band" if away else "")


def speckles(n_speckles: float) -> Item:
    """Say whether there are enough independent speckles in a frame."""
    wrong = "dividing frames by their mean takes signal away" if n_speckles < LEAST_SPECKLES else ""
    return judged("speckles", f"{n_speckles:.0f}", f"at least {LEAST_SPECKLES}", wrong)


def precision(before: Before, rows: tuple[Precision, ...]) -> Item:
    """Compare the expected error of tau with what the protocol wants; the bias of a plain fit beside it."""
    wanted, rule = _wanted_sigma(before)
    if before.tau_s is not None:
        tau_s = before.tau_s
        rows = (min(rows, key=lambda row: abs(math.log(row.tau_s / tau_s))),)
    sigma = _range([100 * row.sigma_ln_tau for row in rows])
    bias = _range([100 * row.plain_bias for row in rows])
    value = f"±{sigma} % at τ = {_range([row.tau_s for row in rows])} s; a plain fit is off by {bias} %"
    worst = max(row.sigma_ln_tau for row in rows)
    return judged("expected σ(τ), bias", value, rule, "" if worst <= wanted else "the record is short")


def _range(values: list[float]) -> str:
    low, high = _short(values[0]), _short(values[-1])
    return low if low == high else f"{low} … {high}"


def _short(value: float) -> str:
    return (f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}").replace("-", "−")


def _wanted_sigma(before: Before) -> tuple[float, str]:
    """Return the highest relative error of tau, and in words."""
    until = before.step.step.until
    for condition in until.conditions if until is not None else ():
        if condition.within is not None:
            return condition.within, f"at most {percent(condition.within)}, as the protocol asks"
    return WORST_SIGMA, f"at most {percent(WORST_SIGMA)}"


def dose(before: Before, dose_per_nm2: float, limit: float) -> Item:
    """Compare what the region will have seen with the protocol's limit."""
    seen = before.story.regions.get(before.story.region, RegionSeen(0))
    exposed = before.plan.dose_counts == "exposed"
    so_far = seen.exposed_per_nm2 if exposed else seen.beam_on_per_nm2
    total = dose_per_nm2 if before.step.step.setup.fresh_region else dose_per_nm2 + so_far
    wrong = "the acquisition ends at the limit" if total > limit else ""
    return judged(
        "dose of the region", f"{scientific(total)} e/nm²", f"at most {scientific(limit)} e/nm²", wrong
    )


def space(before: Before, estimate: PlannedHold) -> Item:
    """Compare what is free with what the frames take, first as a log, then as a file."""
    needed = LOG_AND_FILE * estimate.bytes
    rule = f"at least {data_size(needed)}"
    if before.free_bytes is None:
        return unknown("disk", rule, "the disk does not answer")
    wrong = "make room" if before.free_bytes < needed else ""
    return judged("disk", f"{data_size(before.free_bytes)} free", rule, wrong)


def service(before: Before, rule: Service) -> Item:
    """Say how long ago something was done that has to be done every few hours."""
    age_s = max(0.0, before.now_s - before.story.last_service_s(rule.name))
    left_s = rule.every_s - age_s
    value, every = f"done {duration(age_s)} ago", f"every {duration(rule.every_s)}"
    if left_s <= 0:
        return unknown(rule.name, every, "it is due, and done first", value)
    breaks = left_s < before.step.duration_s and rule.action == "suspend"
    why = f"falls due in {duration(left_s)}: a new segment there" if breaks else ""
    return Item(rule.name, value, every, "ok", why)
