"""The timeline of a plan on a terminal."""

from collections.abc import Iterable, Iterator
from textwrap import shorten
from typing import TYPE_CHECKING

from annealscope.controller.config.wording import (
    celsius,
    clock,
    counted,
    data_size,
    duration,
    duration_as_written,
    nm_per_minute,
    per_minute,
)
from annealscope.controller.planning.house_values import ServiceDue
from annealscope.controller.planning.sessions import sessions_of
from annealscope.controller.planning.text import wrapped
from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    HoldEstimate,
    ParkStep,
    Plan,
    PlannedStep,
    Precision,
    PromptStep,
    RampStep,
    WaitStep,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_COLUMNS = ("", "step", "start", "lasts", "at", "hold", "frames", "size")
_TEXT_COLUMNS = ("step", "hold")

_LONGEST_MESSAGE = 44
"""Of a prompt or a park; the card has the whole."""


def render(plan: Plan, console: "Console") -> None:
    """Print the timeline, what it takes, and the problems.

    Parameters
    ----------
    plan
        The plan.
    console
        A rich console; what is printed is plain lines when it is no terminal.
    """
    console.print(_timeline(plan))
    console.print()
    for told in summary(plan):
        for line in wrapped(told.lstrip(), told[: len(told) - len(told.lstrip())], console.width):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    for problem in plan.problems:
        style = "bold red" if problem.severity == "error" else "yellow"
        text = f"{problem.severity}: {problem.path}: {problem.message}"
        console.print(text, style=style, highlight=False, markup=False)


def summary(plan: Plan) -> list[str]:
    """Say in a few paragraphs what a plan takes and what it can tell."""
    sessions = len(sessions_of(plan))
    in_sessions = f" in {sessions} sessions" if sessions > 1 else " in all"
    lines = [
        f"{duration(plan.duration_s)}{in_sessions}, {plan.frames} frames, {data_size(plan.bytes)} of frames; "
        f"up to {data_size(plan.disk_bytes)} of disk and {data_size(plan.memory_bytes)} of memory",
    ]
    doses = plan.dose_per_region_per_nm2
    if doses:
        most = max(doses)
        lines.append(f"{counted(len(doses), 'region')}, at most {most:.3g} e/nm^2 in one")
    return lines + _variances(plan.holds) + _precisions(plan.holds)


def _variances(holds: Iterable[HoldEstimate]) -> list[str]:
    """Say how well V(k) will be known, in one line for grids that are alike."""
    names: dict[str, list[str]] = {}
    for hold in holds:
        if hold.sigma_variance is not None:
            names.setdefault(f"{hold.sigma_variance:.1%}", []).append(hold.name)
    if not names:
        return []
    return [
        "Expected standard error of the first peak of V(k):",
        *(f"  {', '.join(alike)}: {sigma}" for sigma, alike in names.items()),
    ]


def _precisions(holds: Iterable[HoldEstimate]) -> list[str]:
    """Say what movies can tell, in one line for those that are alike."""
    names: dict[str, list[str]] = {}
    per_tau: dict[int, None] = {}
    for hold in holds:
        if hold.precision:
            names.setdefault(_told(hold), []).append(hold.name)
            per_tau |= dict.fromkeys(round(hold.duration_s / told.tau_s) for told in hold.precision)
    if not names:
        return []
    shares = ", ".join(f"T/{n}" for n in per_tau)
    return [
        f"What a record of duration T can tell of a tau of {shares}: expected standard error, "
        "(bias of a fit that takes no account of T)",
        *(f"  {', '.join(alike)}: {told}" for told, alike in names.items()),
        f"Rule: T of at least {max(per_tau)} tau.",
    ]


def _told(hold: HoldEstimate) -> str:
    return f"{', '.join(map(_cell, hold.precision))}; lags up to {duration(hold.largest_lag_s)}"


def _cell(precision: Precision) -> str:
    return f"{precision.tau_s:.4g} s ± {precision.sigma_ln_tau:.1%} ({precision.plain_bias:+.0%})"


def _timeline(plan: Plan) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    title = escape(f"{plan.name} on {plan.rig}")
    table = Table(
        *_COLUMNS,
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for name, column in zip(_COLUMNS, table.columns, strict=True):
        column.justify = "left" if name in _TEXT_COLUMNS else "right"
        column.no_wrap = name not in _TEXT_COLUMNS
    sizes = {hold.hold: data_size(hold.bytes) for hold in plan.holds}
    for planned in plan.steps:
        due = [one for one in plan.services if one.step == planned.index]
        table.add_row(*(escape(cell) for cell in _row(planned, sizes, due)))
    return table


def _row(planned: PlannedStep, sizes: dict[int, str], services: list[ServiceDue]) -> tuple[str, ...]:
    step = planned.step
    name, frames, size = "", "", ""
    if isinstance(step, AcquireStep):
        at_most = "≤ " if step.until is not None else ""
        name, frames, size = step.name, f"{at_most}{step.frames}", sizes.get(step.hold, "")
    return (
        str(planned.index + 1),
        "\n".join((_short(planned), *(f"  {due.name} at +{clock(due.into_s)}" for due in services))),
        clock(planned.t_start_s),
        clock(planned.duration_s),
        celsius(planned.setpoint_K),
        name,
        frames,
        size,
    )


def _short(planned: PlannedStep) -> str:
    """Name a step without its temperature, which has a column."""
    step = planned.step
    if isinstance(step, RampStep | CoolStep):
        return f"{step.kind}, {per_minute(step.rate_K_per_s)}"
    if isinstance(step, PromptStep | ParkStep):
        return f"{step.kind}: {shorten(step.message, _LONGEST_MESSAGE, placeholder=' …')}"
    if isinstance(step, WaitStep) and step.drift_below_nm_per_s is not None:
        return "\n".join(_wait_for_drift(step, step.drift_below_nm_per_s))
    return f"acquire {step.key}" if isinstance(step, AcquireStep) else planned.label


def _wait_for_drift(step: WaitStep, below_nm_per_s: float) -> Iterator[str]:
    """Yield one condition a line: they stand in a narrow column."""
    age = f" to age {duration_as_written(step.until_age_s)}" if step.until_age_s is not None else ""
    yield f"wait{age}"
    yield f"  drift < {nm_per_minute(below_nm_per_s)}"
    if step.at_most_s is not None:
        yield f"  at most {duration_as_written(step.at_most_s)}"
