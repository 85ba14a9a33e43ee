"""Tells acquisitions at one temperature apart, by what differs between them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from annealscope.controller.config.wording import duration, scientific
from annealscope.controller.report.summary import HoldSummary

SAME_K = 0.5
"""Set temperatures that are nearer than this are one."""


@dataclass(frozen=True)
class Visit:
    """Neighbouring acquisitions at one set temperature, each by another method."""

    holds: tuple[HoldSummary, ...]
    hottest_K: float
    """Highest set temperature up to now."""


def told_apart(holds: Sequence[HoldSummary]) -> tuple[HoldSummary, ...]:
    """Return the holds; where a temperature is visited more than once, their labels say which visit it is."""
    variants: dict[str, str] = {}
    by_temperature = sorted(visits(holds), key=lambda visit: visit.holds[0].temperature_label)
    for _, group in groupby(by_temperature, key=lambda visit: visit.holds[0].temperature_label):
        alike = list(group)
        for visit, words in zip(alike, _differences(alike), strict=True):
            variants |= {hold.name: words for hold in visit.holds}
    return tuple(replace(hold, variant=variants[hold.name]) for hold in holds)


def visits(holds: Iterable[HoldSummary]) -> list[Visit]:
    """Return the visits in the order of the run; a method that comes again begins a new one."""
    found: list[Visit] = []
    hottest_K = float("-inf")
    for hold in sorted(holds, key=lambda hold: hold.ordinal):
        hottest_K = float(np.fmax(hottest_K, hold.setpoint_K))
        here = found[-1].holds if found else ()
        if any(_apart(other, hold) for other in here) or not here:
            found.append(Visit((hold,), hottest_K))
        else:
            found[-1] = Visit((*here, hold), hottest_K)
    return found


def _apart(first: HoldSummary, second: HoldSummary) -> bool:
    return first.method == second.method or first.temperature_label != second.temperature_label


def _history(visit: Visit) -> str:
    below_K = visit.hottest_K - visit.holds[0].setpoint_K
    if not below_K > SAME_K:
        return ""
    return f"after {visit.holds[0].setpoint_degC + below_K:.4g} °C"


def _probe(visit: Visit) -> str | None:
    return next((f"probe {hold.probe_nm:g} nm" for hold in visit.holds if np.isfinite(hold.probe_nm)), None)


def _dose_rate(visit: Visit) -> str | None:
    rates = [hold.dose_rate_per_nm2_s for hold in visit.holds if hold.method == "ecm"]
    return next((f"{scientific(rate, 1)} e/nm²/s" for rate in rates if np.isfinite(rate)), None)


def _acquisition(visit: Visit) -> str | None:
    return visit.holds[0].acquisition or None


def _age(visit: Visit) -> str | None:
    age_s = visit.holds[0].age_s
    return f"at age {duration(age_s)}" if np.isfinite(age_s) else None


def _number(visit: Visit) -> str:
    return f"no. {visit.holds[0].ordinal}"


ASPECTS: tuple[Callable[[Visit], str | None], ...] = (
    _history, _probe, _dose_rate, _acquisition, _age, _number,
)  # fmt: skip
"""What visits are told apart by, the most telling first; None: it says nothing. The last always differs."""


def _differences(visits_: Sequence[Visit]) -> list[str]:
    """Return words for each visit: the first aspect that tells all apart, or else as many as it takes."""
    if len(visits_) == 1:
        return [""]
    answers = [[aspect(visit) for visit in visits_] for aspect in ASPECTS]
    columns = [[word for word in column if word is not None] for column in answers if None not in column]
    words = next((column for column in columns[:-1] if _distinct(column) == len(column)), None)
    return words if words is not None else _joined(columns)


def _joined(columns: Sequence[Sequence[str]]) -> list[str]:
    words = [""] * len(columns[0])
    for column in columns:
        longer = [", ".join(filter(None, pair)) for pair in zip(words, column, strict=True)]
        if _distinct(longer) > _distinct(words):
            words = longer
    return words


def _distinct(words: Sequence[str]) -> int:
    return len(set(words))
