"""What the laboratory has to do every few hours, where it falls in a plan."""

import dataclasses
from collections.abc import Iterator, Sequence

from annealscope.controller.config.housekeeping import Clock
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.wording import duration
from annealscope.controller.planning.house_values import HouseRules, ServiceDue, ServiceRule
from annealscope.controller.planning.values import (
    AcquireStep,
    ParkStep,
    Plan,
    PlannedStep,
    PrepareStep,
    Problem,
    PromptStep,
    WaitStep,
)

_STEADY = (AcquireStep, WaitStep, PrepareStep, PromptStep)
"""Steps that are interrupted; what falls due in another one is done after it."""


def house_rules(rig: RigConfig) -> HouseRules:
    """Return what the guards of a run go by."""
    house = rig.housekeeping
    return HouseRules(
        services=tuple(
            ServiceRule(
                name, clock.every_s, clock.takes_s, _message(name, clock), clock.action,
                clock.by == "operator",
            )
            for name, clock in house.clocks.items()
        ),
        beam_below=house.beam.below,
        beam_action=house.beam.action,
        valves_action=house.valves.action,
        keep_free_bytes=round(house.disk.keep_free_bytes),
        park_after_s=house.disk.park_after_s,
    )  # fmt: skip


def _message(name: str, clock: Clock) -> str:
    message = clock.message or f"{name} is due"
    return f"{message}; then `resume`" if clock.by == "operator" and clock.action == "suspend" else message


def with_services(
    steps: Sequence[PlannedStep], rules: Sequence[ServiceRule]
) -> tuple[tuple[PlannedStep, ...], tuple[ServiceDue, ...]]:
    """Put in what falls due: steps that it interrupts last longer, and later ones begin later."""
    if not rules:
        return tuple(steps), ()
    calendar = _Calendar(rules)
    return tuple(calendar.step(planned) for planned in steps), tuple(calendar.services)


class _Calendar:
    """Walks through a plan with the clocks running."""

    def __init__(self, rules: Sequence[ServiceRule]) -> None:
        self._rules = rules
        self._due_s = {rule: rule.every_s for rule in rules}
        self._now_s = 0.0
        self.services: list[ServiceDue] = []

    def step(self, planned: PlannedStep) -> PlannedStep:
        """Return a step where it is in time, with what interrupts it."""
        start_s, duration_s = self._now_s, planned.duration_s
        if isinstance(planned.step, _STEADY):
            duration_s = self._interrupted(planned, start_s)
        self._now_s = start_s + duration_s
        if isinstance(planned.step, ParkStep):
            self._due_s = {rule: self._now_s + rule.every_s for rule in self._rules}
        return dataclasses.replace(planned, t_start_s=start_s, duration_s=duration_s)

    def _interrupted(self, planned: PlannedStep, start_s: float) -> float:
        """Note what falls due in a step, and return how long it lasts with that."""
        self._now_s, left_s = start_s, planned.duration_s
        if isinstance(planned.step, AcquireStep):
            for rule in self._rules:
                if rule.is_due(start_s, self._due_s[rule], left_s):
                    left_s = self._serve(rule, planned, start_s, left_s)
        while self._due_s[rule := min(self._rules, key=self._due_s.__getitem__)] < self._now_s + left_s:
            passes_s = max(self._due_s[rule] - self._now_s, 0.0)
            self._now_s, left_s = self._now_s + passes_s, left_s - passes_s
            left_s = self._serve(rule, planned, start_s, left_s)
        return self._now_s + left_s - start_s

    def _serve(self, rule: ServiceRule, planned: PlannedStep, start_s: float, left_s: float) -> float:
        """Do it now; return what is left of the step: time of a wait passes meanwhile."""
        suspends = rule.action == "suspend"
        self.services.append(
            ServiceDue(
                rule.name, planned.index, self._now_s, self._now_s - start_s, rule.takes_s, rule.message,
                suspends, rule.by_operator,
            )
        )  # fmt: skip
        lasts_s = rule.takes_s if suspends else 0.0
        self._now_s += lasts_s
        self._due_s[rule] = self._now_s + rule.every_s
        return left_s if isinstance(planned.step, AcquireStep) else max(0.0, left_s - lasts_s)


def service_problems(plan: Plan) -> Iterator[Problem]:
    """Warn of what breaks an acquisition in two."""
    for due in plan.services:
        planned = plan.steps[due.step]
        if isinstance(planned.step, AcquireStep) and due.suspends and due.into_s > 0:
            where = f"{duration(due.into_s)} into {planned.step.name}"
            message = f"{due.name} falls due {where}: a new segment there"
            yield Problem("warning", f"{planned.path}.acquire", message)
