"""What changes from hold to hold: temperature, dose rate or age, and how an axis shows it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from annealscope.controller.report.paper import Paper, Relaxation
from annealscope.controller.report.summary import HoldSummary

SAME_DEGC = 0.5
"""Temperatures that are nearer than this are one."""

Holds = Sequence[HoldSummary]


@dataclass(frozen=True)
class Across:
    """An axis that results are drawn against."""

    key: str
    """In names of files."""

    words: str
    label: str
    value: Callable[[HoldSummary], float]
    published: Callable[[Relaxation], float] | None = None
    """Place of a published result; None where it has none."""

    log: bool = False


TEMPERATURE = Across(
    "temperature", "temperature", "Temperature / °C",
    lambda hold: hold.setpoint_degC, lambda row: row.temperature_degC,
)  # fmt: skip
DOSE_RATE = Across(
    "dose_rate", "the dose rate", "Dose rate / 10⁵ e nm⁻² s⁻¹",
    lambda hold: hold.dose_rate_per_nm2_s / 1e5, lambda row: row.dose_rate_per_nm2_s / 1e5, log=True,
)  # fmt: skip
AGE = Across("age", "age", "Age at the start / h", lambda hold: hold.age_s / 3600)


def across(holds: Holds) -> Across:
    """Return what changes: the temperature, or else the dose rate, or else the age."""
    for what in (TEMPERATURE, DOSE_RATE, AGE):
        if changes(holds, what):
            return what
    return TEMPERATURE


def changes(holds: Holds, what: Across) -> bool:
    """Return whether the holds have more than one value of a quantity."""
    values = np.array([what.value(hold) for hold in holds])
    known = values[np.isfinite(values)]
    step = SAME_DEGC if what is TEMPERATURE else 0.01 * np.abs(known).max(initial=0.0)
    return bool(np.ptp(known) > step) if known.size else False


def published_rows(holds: Holds, what: Across, paper: Paper | None) -> list[Relaxation]:
    """Return the published results that belong beside the holds: all, or those at their temperature."""
    if paper is None or what.published is None:
        return []
    if what is TEMPERATURE:
        return list(paper.relaxation)
    return [row for row in paper.relaxation if any(near(row, hold) for hold in holds)]


def near(row: Relaxation, hold: HoldSummary) -> bool:
    """Return whether a published result is at the temperature of a hold."""
    return abs(row.temperature_degC - hold.setpoint_degC) < SAME_DEGC
