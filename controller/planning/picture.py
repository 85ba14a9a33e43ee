"""The temperature-time picture of a plan, like Fig. A.9 of the paper: what is done when, and how hot.

Every session has its own panel, and the time axis is broken where the run is parked. Below the temperature
stand the acquisitions, a lane for each method, and what the operator is asked for. matplotlib is loaded when
a picture is drawn, not before.
"""

from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from annealscope.controller.config.wording import celsius, duration
from annealscope.controller.planning.picture_panel import (
    CURVE_MM,
    GAP_MM,
    GREY,
    INK,
    LANE_MM,
    LANES,
    LIMIT_LOOK,
    MARK_LOOK,
    MARKS,
    PALE,
    PURPLE,
    SERVICE_LOOK,
    Panel,
    break_axis,
    draw_panel,
    text_mm,
    tick_temperatures,
    tick_time,
    write_park,
)
from annealscope.controller.planning.sessions import Session, sessions_of
from annealscope.controller.planning.values import (
    AcquireStep,
    Plan,
    WaitStep,
)
from annealscope.controller.units import ZERO_CELSIUS_K

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")

_WIDTH_MM, _LEFT_MM, _RIGHT_MM, _TOP_MM, _BOTTOM_MM = 183.0, 19.0, 5.0, 14.5, 10.0
_NARROWEST_MM = 9.0

_STYLE: Any = {
    "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.labelsize": 7.5, "axes.linewidth": 0.6,
    "axes.spines.right": False, "axes.spines.top": False, "font.size": 7.0, "legend.fontsize": 6.5,
    "legend.frameon": False, "pdf.fonttype": 42, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "xtick.labelsize": 7, "ytick.labelsize": 7, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 2.5, "ytick.major.size": 2.5,
}  # fmt: skip
_ROOMY_ENTRIES = 9
"""A legend with more entries is set more tightly."""


def draw(plan: Plan, path: Path) -> None:
    """Draw a plan into a file.

    Parameters
    ----------
    plan
        The plan; one with problems is drawn too.
    path
        Where the picture goes, a PNG, PDF or SVG by its suffix.

    Raises
    ------
    ValueError
        For another suffix, or a plan without steps.
    """
    from matplotlib import rc_context

    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a picture is one of {', '.join(SUFFIXES)}, got {path.name!r}; choose such a name")
    with rc_context(_STYLE):
        figure(plan).savefig(path, dpi=300)


def figure(plan: Plan) -> "Figure":
    """Return the picture as a matplotlib figure, 183 mm wide; raises ValueError without steps."""
    from matplotlib import rc_context

    if not plan.steps:
        raise ValueError(f"the plan {plan.name!r} has no steps; there is nothing to draw")
    with rc_context(_STYLE):
        return _figure(plan)


def _figure(plan: Plan) -> "Figure":
    from matplotlib.figure import Figure

    lanes = _lanes(plan)
    height_mm = _TOP_MM + CURVE_MM + LANE_MM * len(lanes) + _BOTTOM_MM
    page = Figure(figsize=(_WIDTH_MM / 25.4, height_mm / 25.4))
    panels = tuple(_panels(plan, page, lanes, height_mm))
    low, high = _limits(plan)
    for panel in panels:
        panel.curve.set_ylim(low, high)
        draw_panel(panel, plan)
    _label_axes(page, panels, plan, lanes)
    _title(page, plan, panels, height_mm)
    return page


def _lanes(plan: Plan) -> tuple[str, ...]:
    steps = [planned.step for planned in plan.steps]
    used = [key for key in LANES if any(isinstance(s, AcquireStep) and s.method == key for s in steps)]
    tasks = any(session.tasks for session in sessions_of(plan))
    waits = any(isinstance(step, WaitStep) for step in steps)
    return (*(["wait"] if waits else []), *used, *(["operator"] if tasks else []))


def _panels(plan: Plan, page: "Figure", lanes: tuple[str, ...], height_mm: float) -> Iterator[Panel]:
    sessions = sessions_of(plan)
    gap_mm = min(GAP_MM, 0.3 * _WIDTH_MM / len(sessions))
    widths_mm = _widths(sessions, _WIDTH_MM - _LEFT_MM - _RIGHT_MM - gap_mm * (len(sessions) - 1))
    unit_s, _ = _unit(sessions)
    left_mm, lanes_mm = _LEFT_MM, LANE_MM * len(lanes)
    for session, width_mm in zip(sessions, widths_mm, strict=True):
        place = [left_mm / _WIDTH_MM, _BOTTOM_MM / height_mm, width_mm / _WIDTH_MM, lanes_mm / height_mm]
        below = page.add_axes((place[0], place[1], place[2], place[3]))
        curve = page.add_axes((place[0], place[1] + place[3], place[2], CURVE_MM / height_mm), sharex=below)
        start_K = plan.steps[session.steps[0].index - 1].setpoint_K if session.number > 1 else plan.start_K
        yield Panel(session, start_K, width_mm, unit_s, lanes, curve, below)
        left_mm += width_mm + gap_mm


def _widths(sessions: tuple[Session, ...], room_mm: float) -> list[float]:
    """Share the width by duration, with a least width for what is short."""
    least_s = sum(session.duration_s for session in sessions) * _NARROWEST_MM / room_mm
    shares = [max(session.duration_s, least_s, 1e-3) for session in sessions]
    return [room_mm * share / sum(shares) for share in shares]


def _unit(sessions: tuple[Session, ...]) -> tuple[float, str]:
    longest_s = max(session.duration_s for session in sessions)
    return next(
        ((size, name) for size, name in ((3600.0, "h"), (60.0, "min")) if longest_s > size), (1.0, "s")
    )


def _limits(plan: Plan) -> tuple[float, float]:
    """Return the lowest and highest temperature of the axis in degC; it shows the limit when that is near."""
    setpoints = [planned.setpoint_K - ZERO_CELSIUS_K for planned in plan.steps]
    low, high = min(plan.start_K - ZERO_CELSIUS_K, *setpoints), max(plan.start_K - ZERO_CELSIUS_K, *setpoints)
    span = max(high - low, 10.0)
    limit = plan.max_temperature_K - ZERO_CELSIUS_K
    return low - 0.08 * span, max(
        high + 0.14 * span, limit + 0.06 * span if limit < high + 0.5 * span else 0.0
    )


def _label_axes(page: "Figure", panels: tuple[Panel, ...], plan: Plan, lanes: tuple[str, ...]) -> None:
    """Give the first panel the axes' names, break the axis between panels, and write there why."""
    for panel in panels:
        first = panel is panels[0]
        tick_temperatures(panel, plan, first)
        panel.curve.tick_params(axis="x", length=0, labelbottom=False)
        panel.curve.spines["bottom"].set_visible(False)
        panel.below.set_yticks([row + 0.5 for row in range(len(lanes))])
        panel.below.tick_params(axis="y", length=0, pad=5, labelleft=first)
        panel.below.set_yticklabels([LANES[lane][0] if lane in LANES else lane for lane in lanes])
        panel.below.spines["top"].set(visible=True, linewidth=0.4, color=GREY)
        for row in range(1, len(lanes)):
            panel.below.axhline(row, color=PALE, lw=0.5, zorder=0)
        tick_time(panel)
        for axes in (panel.curve, panel.below):
            axes.spines["left"].set_visible(first)
        if not first:
            break_axis(panel, 0)
        if panel.session.park is not None:
            break_axis(panel, 1)
            write_park(panel, panel.session.park)
    for label, lane in zip(panels[0].below.get_yticklabels(), lanes, strict=True):
        label.set_color(LANES[lane][1] if lane in LANES else PURPLE if lane == "operator" else INK)
    panels[0].curve.set_ylabel("Setpoint / °C")
    _, unit = _unit(sessions_of(plan))
    since = "the session" if len(panels) > 1 else "the run"
    middle = (_LEFT_MM + _WIDTH_MM - _RIGHT_MM) / 2 / _WIDTH_MM
    page.text(
        middle, 0.012, f"Time since the start of {since} / {unit}", ha="center", va="bottom", fontsize=7.5
    )


def _title(page: "Figure", plan: Plan, panels: tuple[Panel, ...], height_mm: float) -> None:
    left, right = _LEFT_MM / _WIDTH_MM, 1 - _RIGHT_MM / _WIDTH_MM
    unit_s, unit = _unit(tuple(panel.session for panel in panels))
    total = f"{plan.duration_s / unit_s:.1f} {unit} in all"
    name = shorten(f"{plan.name} on {plan.rig}", 64, placeholder=" …")
    page.text(left, 1 - 5.5 / height_mm, name, fontsize=9, weight="bold", parse_math=False)
    page.text(right, 1 - 5.5 / height_mm, total, fontsize=8, ha="right")
    _legend(page, plan, panels, (left, 1 - 7.0 / height_mm))
    if len(panels) > 1:
        for panel in panels:
            words = (f"Session {panel.session.number}", duration(panel.session.duration_s))
            text = ", ".join(words)
            fits = text_mm(text, 7) < panel.width_mm
            panel.curve.set_title(text if fits else words[0][8:], fontsize=7, loc="left", color=GREY, pad=2)


def _legend(page: "Figure", plan: Plan, panels: tuple[Panel, ...], corner: tuple[float, float]) -> None:
    """Explain what occurs in this plan, in one row."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Any] = [Line2D([], [], color=INK, lw=1.3, label="setpoint")]
    if plan.max_temperature_K - ZERO_CELSIUS_K < panels[0].curve.get_ylim()[1]:
        entries.append(Line2D([], [], label=f"limit, {celsius(plan.max_temperature_K)}", **LIMIT_LOOK))
    lanes = panels[0].lanes
    entries += [Patch(fc=LANES[lane][1], label=LANES[lane][0]) for lane in lanes if lane in LANES]
    if "wait" in lanes:
        entries.append(Patch(fc=PALE, ec=GREY, lw=0.5, label="wait"))
    if any(isinstance(p.step, WaitStep) and p.step.watch is not None for p in plan.steps):
        entries.append(Patch(fc=PALE, ec=GREY, lw=0.5, hatch="////", label="wait for the drift"))
    if plan.services:
        names = ", ".join(dict.fromkeys(due.name for due in plan.services))
        entries.append(Line2D([], [], label=shorten(names, 30, placeholder=" …"), **SERVICE_LOOK))
    kinds = {task.kind for panel in panels for task in panel.session.tasks}
    entries += [
        Line2D([], [], marker=marker, label=label, **MARK_LOOK)
        for kind, (label, marker) in MARKS.items() if kind in kinds
    ]  # fmt: skip
    narrow = len(entries) > _ROOMY_ENTRIES
    page.legend(
        handles=entries, loc="upper left", bbox_to_anchor=corner, ncols=len(entries),
        borderaxespad=0, borderpad=0, columnspacing=0.6 if narrow else 1.1,
        handlelength=1.0 if narrow else 1.5, handletextpad=0.4 if narrow else 0.5,
    )  # fmt: skip
