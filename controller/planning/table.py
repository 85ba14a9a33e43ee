"""The timeline of a plan on a terminal."""

from typing import TYPE_CHECKING

from annealscope.controller.config.wording import celsius, data_size, duration
from annealscope.controller.planning.values import AcquireStep, Plan, PlannedStep

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_COLUMNS = ("", "step", "start", "duration", "at", "frames", "size")


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
    for line in summary(plan):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
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
    return lines + _precision(plan)


def _precision(plan: Plan) -> list[str]:
    """Say what the records can tell, once for those that are alike."""
    names: dict[str, list[str]] = {}
    for hold in plan.holds:
        text = (
            f"lags up to {duration(hold.largest_lag_s)}; a tau of {duration(hold.tau_s)} comes out to "
            f"{hold.sigma_ln_tau:.1%}, {-hold.plain_bias:.0%} low without the finite-duration correction"
        )
        names.setdefault(text, []).append(hold.name)
    return [f"{', '.join(alike)}: {text}" for text, alike in names.items()]


def _timeline(plan: Plan) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    title = escape(f"{plan.name} on {plan.rig}")
    table = Table(*_COLUMNS, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
        column.no_wrap = True
    sizes = {hold.hold: data_size(hold.bytes) for hold in plan.holds}
    for planned in plan.steps:
        table.add_row(*(escape(cell) for cell in _row(planned, sizes)))
    return table


def _row(planned: PlannedStep, sizes: dict[int, str]) -> tuple[str, ...]:
    step = planned.step
    frames, size = ("", "")
    if isinstance(step, AcquireStep):
        frames, size = str(step.frames), sizes.get(step.hold, "")
    return (
        str(planned.index + 1),
        planned.label,
        duration(planned.t_start_s),
        duration(planned.duration_s),
        celsius(planned.setpoint_K),
        frames,
        size,
    )
