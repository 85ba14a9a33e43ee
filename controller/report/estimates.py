"""All estimates of one hold side by side: the number to believe first."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from annealscope.controller.report.cells import UNKNOWN, Cell
from annealscope.controller.report.numbers import beside, pm
from annealscope.controller.report.style import Table
from annealscope.controller.report.summary import Expected, Fit, HoldSummary
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER

NAMES = {
    "corrected": "ratio, length in the model: believe this",
    "ratio": "ratio, plain",
    "pixel": "per pixel, plain",
    "ttcf": "two-time, free baseline",
    "roi": "image mean, free baseline",
}
"""What the estimators are, in the order in which they are shown."""

BIASED = ("ratio", "pixel")
"""Estimators whose error says nothing of what they are wrong by."""


def estimate_cells(hold: HoldSummary) -> list[list[tuple[str, Cell]]]:
    """Return one line per estimator, each cell with its name."""
    steps = _steps(hold)
    return [_line(name, fit, hold.expected, steps) for name, fit in _fits(hold)]


def _fits(hold: HoldSummary) -> Iterable[tuple[str, Fit]]:
    return [(name, hold.fits[name]) for name in NAMES if name in hold.fits]


def _steps(hold: HoldSummary) -> list[float]:
    """Return the steps of beta for which some fit has a time."""
    return sorted({step for _, fit in _fits(hold) for step in fit.tau_at_beta_s})


def _line(name: str, fit: Fit, expected: Expected | None, steps: list[float]) -> list[tuple[str, Cell]]:
    biased = name in BIASED
    sigmas = (NOT_A_NUMBER, NOT_A_NUMBER) if biased else (fit.sigma_tau_s, fit.sigma_beta)
    kind = "best" if name == "corrected" and not fit.flagged else ""
    seen = expected if biased else None
    return [
        ("Estimator", Cell(NAMES[name], None, kind, fit.flagged)),
        ("τ", _number(fit.tau_s, pm(fit.tau_s, sigmas[0], "s"), kind)),
        ("Expected", _number(seen.tau_s, pm(seen.tau_s, unit="s")) if seen else UNKNOWN),
        ("β", _number(fit.beta, pm(fit.beta, sigmas[1]), kind)),
        ("Expected β", _number(seen.beta, pm(seen.beta)) if seen else UNKNOWN),
        *((_title(step), _held(fit, step)) for step in steps),
    ]


def _title(step: float) -> str:
    return f"τ at β {step:+.2f}".replace("-", "−")


def _held(fit: Fit, step: float) -> Cell:
    tau_s = fit.tau_at_beta_s.get(step, NOT_A_NUMBER)
    return _number(tau_s, beside(tau_s, fit.sigma_tau_s, "s"))


def _number(value: float, text: str, kind: str = "") -> Cell:
    return Cell(text, value, kind) if np.isfinite(value) else UNKNOWN


def table_estimates(hold: HoldSummary) -> Table:
    """Return one row per estimator with everything that is known of its fit."""
    steps = _steps(hold)
    header = (
        "estimator", "model", "lags used", "tau / s", "sigma tau / s", "beta / 1", "sigma beta / 1", "errors",
        "tau expected of the bias / s", "beta expected of the bias / 1", "flags / 1",
        *(f"tau at beta {step:+.2f} / s" for step in steps),
    )  # fmt: skip
    return header, [_row(name, fit, hold.expected, steps) for name, fit in _fits(hold)]


def _row(name: str, fit: Fit, expected: Expected | None, steps: list[float]) -> tuple[Any, ...]:
    seen = expected if expected and name in BIASED else Expected(NOT_A_NUMBER, NOT_A_NUMBER)
    return (
        name, fit.model, fit.range, fit.tau_s, fit.sigma_tau_s, fit.beta, fit.sigma_beta, fit.errors,
        seen.tau_s, seen.beta, int(fit.flags), *(fit.tau_at_beta_s.get(step, NOT_A_NUMBER) for step in steps),
    )  # fmt: skip
