"""The report of a study for programs: its numbers as plain JSON values."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from annealscope.controller.plain import plain
from annealscope.controller.report.study.figures import Shown
from annealscope.controller.report.study.numbers_table import Number
from annealscope.controller.report.study.relaxation_table import Line, table_relaxation
from annealscope.controller.report.study.summary import RoleSummary, StudySummary
from annealscope.controller.report.verdicts import Check, checks


def digest(
    study: StudySummary, table: Sequence[Line], found: Sequence[Number], figures: Sequence[Shown]
) -> dict[str, Any]:
    """Return roles, both tables, comparisons with the truth, and what is missing; what is unknown is None."""
    header, rows = table_relaxation(table)
    value = {
        "study": study.title,
        "roles": {name: _role(role) for name, role in study.roles.items()},
        "table_1": [dict(zip(header, row, strict=True)) for row in rows],
        "table_2": [asdict(number) | {"apart": number.apart} for number in found],
        "checks": [_check(name, check) for name, role in study.roles.items() for check in _checks(role)],
        "missing": {shown.heading: shown.missing for shown in figures if shown.missing},
    }
    cleaned: dict[str, Any] = plain(value)
    return cleaned


def _role(role: RoleSummary) -> dict[str, Any]:
    run = role.run
    return {
        "folder": str(role.folder),
        "command": role.command,
        "missing": role.missing,
        "title": run.title if run else None,
        "outcome": run.outcome if run else None,
        "provenance": dict(run.provenance) if run else {},
    }


def _checks(role: RoleSummary) -> list[Check]:
    return checks(role.run.holds) if role.run else []


def _check(role: str, check: Check) -> dict[str, Any]:
    return {"role": role} | asdict(check) | {"ratio": check.ratio, "verdict": check.verdict}
