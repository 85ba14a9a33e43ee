"""The timeline of a plan on a terminal."""

from typing import TYPE_CHECKING

from annealscope.controller.config.wording import celsius, clock, data_size, duration, per_minute
from annealscope.controller.planning.layout import RECORD_PER_TAU
from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    HoldEstimate,
    Plan,
    PlannedStep,
    Precision,
    RampStep,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_COLUMNS = ("", "step", "start", "lasts", "at", "hold", "frames", "size")
_TEXT_COLUMNS = ("step", "hold")


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
    for line in summary(plan):
        console.print(line, highlight=False, markup=False)
    for problem in plan.problems:
        style = "bold red" if problem.severity == "error" else "yellow"
        text = f"{problem.severity}: {problem.path}: {problem.message}"
        console.print(text, style=style, highlight=False, markup=False)


def summary(plan: Plan) -> list[str]:
    """Say in a few lines what a plan takes and what it can tell."""
    lines = [
        f"{duration(plan.duration_s)} in all, {plan.frames} frames, {data_size(plan.bytes)} of frames; "
        f"up to {data_size(plan.disk_bytes)} of disk and {data_size(plan.memory_bytes)} of memory",
    ]
    doses = plan.dose_per_region_per_nm2
    if doses:
        most = max(doses)
        lines.append(f"{len(doses)} region{'s' if len(doses) > 1 else ''}, at most {most:.3g} e/nm^2 in one")
    return lines + (_precisions(plan) if plan.holds else [])


def _precisions(plan: Plan) -> list[str]:
    """Say what the records can tell, in one line for those that are alike."""
    names: dict[str, list[str]] = {}
    for hold in plan.holds:
        names.setdefault(_told(hold), []).append(hold.name)
    shares = ", ".join(f"T/{n}" for n in RECORD_PER_TAU)
    return [
        f"What a record of duration T can tell of a tau of {shares}: expected standard error, "
        "(bias of a fit that takes no account of T)",
        *(f"  {', '.join(alike)}: {told}" for told, alike in names.items()),
        f"Rule: T of at least {max(RECORD_PER_TAU)} tau.",
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
        table.add_row(*(escape(cell) for cell in _row(planned, sizes)))
    return table


def _row(planned: PlannedStep, sizes: dict[int, str]) -> tuple[str, ...]:
    step = planned.step
    name, frames, size = "", "", ""
    if isinstance(step, AcquireStep):
        name, frames, size = step.name, str(step.frames), sizes.get(step.hold, "")
    return (
        str(planned.index + 1),
        _short(planned),
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
    return f"acquire {step.key}" if isinstance(step, AcquireStep) else planned.label
