"""One session of the picture of a plan: its temperature, and the lanes of what is done below."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from annealscope.controller.config.wording import celsius
from annealscope.controller.planning.sessions import Session
from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    ParkStep,
    Plan,
    PlannedStep,
    RampStep,
    WaitStep,
)
from annealscope.controller.units import ZERO_CELSIUS_K

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PURPLE, RED = "#0072b2", "#d55e00", "#009e73", "#aa4499", "#c0392b"
INK, GREY, PALE = "#1c2024", "#6b727b", "#e3e5e8"
"""Colours that any colour vision tells apart."""

LANES = {"ecm": ("ECM", BLUE), "fem": ("FEM", ORANGE), "diffraction": ("diffraction", GREEN)}
MARKS = {
    "set": ("set by hand", "s"),
    "prompt": ("prompt", "v"),
    "park": ("park", "X"),
    "holder": ("set holder", "D"),
    "service": ("service", "P"),
}
LIMIT_LOOK: Any = {"color": RED, "lw": 0.7, "ls": (0, (4, 3))}
SERVICE_LOOK: Any = {"color": PURPLE, "lw": 0.8, "ls": (0, (1, 1.5)), "zorder": 4}
MARK_LOOK: Any = {
    "ls": "", "ms": 4, "mfc": "white", "mec": PURPLE, "mew": 0.9, "clip_on": False, "zorder": 4,
}  # fmt: skip

CURVE_MM, LANE_MM, GAP_MM = 50.0, 4.6, 7.0


@dataclass(frozen=True)
class Panel:
    """One session: its temperature, and its lanes below."""

    session: Session
    start_K: float
    width_mm: float
    unit_s: float
    lanes: tuple[str, ...]
    curve: "Axes"
    below: "Axes"

    @property
    def mm_per_s(self) -> float:
        """Scale of the time axis."""
        return self.width_mm / self.span_s

    @property
    def span_s(self) -> float:
        """Length of the time axis."""
        return max(self.session.duration_s, 1.0)

    def t(self, t_s: float) -> float:
        """Return a time of the plan on the axis of the panel."""
        return (t_s - self.session.t_start_s) / self.unit_s


def text_mm(text: str, size_pt: float) -> float:
    """Return the width of a text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), text.replace("$", r"\$"), size=size_pt, prop=FontProperties())
    return float(path.get_extents().width) * 25.4 / 72


def draw_panel(panel: Panel, plan: Plan) -> None:
    """Draw the setpoint, the acquisitions, the waits, and what the operator is asked for."""
    panel.below.set_xlim(0, panel.span_s / panel.unit_s)
    panel.below.set_ylim(len(panel.lanes), 0)
    panel.curve.plot(*_setpoints(panel), color=INK, lw=1.3, solid_joinstyle="miter", clip_on=False)
    panel.curve.axhline(plan.max_temperature_K - ZERO_CELSIUS_K, **LIMIT_LOOK)
    _label_plateaus(panel)
    for planned in panel.session.steps:
        if isinstance(planned.step, AcquireStep):
            _draw_acquisition(panel, planned, planned.step)
        elif isinstance(planned.step, WaitStep):
            _draw_bar(panel, planned, "wait", GREY, hatch=planned.step.watch is not None)
    for due in plan.services:
        if due.step in {planned.index for planned in panel.session.steps}:
            panel.below.axvline(panel.t(due.t_s), **SERVICE_LOOK)
    for task in panel.session.tasks:
        _, marker = MARKS[task.kind]
        panel.below.plot(
            [task.t_s / panel.unit_s], [panel.lanes.index("operator") + 0.5], marker=marker, **MARK_LOOK
        )


def _setpoints(panel: Panel) -> tuple[list[float], list[float]]:
    """Return the corners of the setpoint: times of the axis, degC."""
    corners = [(panel.session.t_start_s, panel.start_K)]
    for planned in panel.session.steps:
        before_K = corners[-1][1]
        corners.append((planned.t_start_s, before_K))
        corners.append((planned.t_start_s + _changing_s(planned, before_K), planned.setpoint_K))
        corners.append((planned.t_start_s + planned.duration_s, planned.setpoint_K))
    return [panel.t(t_s) for t_s, _ in corners], [kelvin - ZERO_CELSIUS_K for _, kelvin in corners]


def _changing_s(planned: PlannedStep, before_K: float) -> float:
    step = planned.step
    if isinstance(step, RampStep | CoolStep | ParkStep):
        return min(abs(planned.setpoint_K - before_K) / step.rate_K_per_s, planned.duration_s)
    return 0.0


def _plateaus(panel: Panel) -> Iterator[tuple[float, float, float]]:
    """Yield (start, end, temperature in K) of what lies between two changes of the setpoint."""
    begin_s, setpoint_K = panel.session.t_start_s, panel.start_K
    for planned in panel.session.steps:
        if isinstance(planned.step, RampStep | CoolStep | ParkStep):
            yield begin_s, planned.t_start_s, setpoint_K
            begin_s, setpoint_K = planned.t_start_s + _changing_s(planned, setpoint_K), planned.setpoint_K
    yield begin_s, panel.session.t_start_s + panel.session.duration_s, setpoint_K


def _label_plateaus(panel: Panel) -> None:
    """Write the temperature above every hold that is as wide as the text; the axis has the others."""
    for begin_s, end_s, setpoint_K in _plateaus(panel):
        text = celsius(setpoint_K)
        if (end_s - begin_s) * panel.mm_per_s > text_mm(text, 7.5) + 1:
            panel.curve.annotate(
                text, (panel.t((begin_s + end_s) / 2), setpoint_K - ZERO_CELSIUS_K),
                xytext=(0, 2.5), textcoords="offset points", ha="center", va="bottom", fontsize=7.5,
                bbox={"fc": "white", "ec": "none", "pad": 0.3},
            )  # fmt: skip


def _draw_acquisition(panel: Panel, planned: PlannedStep, step: AcquireStep) -> None:
    """Draw the bar of an acquisition, and its shade under the temperature."""
    _, colour = LANES[step.method]
    time = [panel.t(planned.t_start_s), panel.t(planned.t_start_s + planned.duration_s)]
    floor, top = panel.curve.get_ylim()[0], planned.setpoint_K - ZERO_CELSIUS_K
    panel.curve.fill_between(time, floor, top, fc=colour, ec=colour, lw=0.4, alpha=0.2, zorder=1)
    _draw_bar(panel, planned, step.method, colour)
    _label_bar(panel, planned, step, colour)


def _draw_bar(panel: Panel, planned: PlannedStep, lane: str, colour: str, *, hatch: bool = False) -> None:
    """Draw a bar in a lane; the edge keeps a short one visible, and divides long ones."""
    row, width_mm = panel.lanes.index(lane), planned.duration_s * panel.mm_per_s
    panel.below.broken_barh(
        [(panel.t(planned.t_start_s), planned.duration_s / panel.unit_s)], (row + 0.17, 0.66),
        fc=PALE if lane == "wait" else colour, ec="white" if lane != "wait" and width_mm > 2 else colour,
        lw=0.6, hatch="////" if hatch else None, hatch_linewidth=0.4, clip_on=False, zorder=3,
    )  # fmt: skip


def _label_bar(panel: Panel, planned: PlannedStep, step: AcquireStep, colour: str) -> None:
    """Write number, name and frames into a bar as far as they fit, or the number beside it."""
    row, width_mm = panel.lanes.index(step.method) + 0.5, planned.duration_s * panel.mm_per_s
    number, frames = f"{step.hold:02d}", f"{'≤ ' if step.until else ''}{step.frames} × {step.period_s:g} s"
    texts = (f"{number}  {step.key}  {frames}", f"{number} {step.key}", number)
    fitting = [text for text in texts if width_mm > text_mm(text, 6) + 0.5]
    begin, lasts = panel.t(planned.t_start_s), planned.duration_s / panel.unit_s
    look: Any = {"va": "center_baseline", "fontsize": 6, "zorder": 5, "parse_math": False}
    if fitting:
        panel.below.text(begin + lasts / 2, row, fitting[0], color="white", ha="center", **look)
    else:
        panel.below.annotate(
            number, (begin + lasts, row), xytext=(1.8, 0), textcoords="offset points", color=colour, **look
        )


def tick_temperatures(panel: Panel, plan: Plan, first: bool) -> None:
    """Put ticks at the temperatures of the holds, where they are few, with a faint line at each."""
    low, high = panel.curve.get_ylim()
    holds = sorted({round(planned.setpoint_K - ZERO_CELSIUS_K, 3) for planned in plan.steps})
    closest = min((above - below for below, above in pairwise(holds)), default=high - low)
    if closest / (high - low) * CURVE_MM > 3.0:
        panel.curve.set_yticks(holds, [f"{degC:g}" for degC in holds])
    panel.curve.grid(axis="y", color=PALE, lw=0.5)
    panel.curve.set_axisbelow(True)
    panel.curve.tick_params(axis="y", left=first, labelleft=first, length=2.5 if first else 0)


def tick_time(panel: Panel) -> None:
    """Put round times at a distance that leaves room for their numbers."""
    from matplotlib.ticker import MultipleLocator

    per_unit_mm = panel.mm_per_s * panel.unit_s
    steps = [lead * 10.0**decade for decade in range(-2, 4) for lead in (1, 2, 5)]
    inside = [step for step in steps if step * per_unit_mm <= panel.width_mm] or steps[:1]
    panel.below.xaxis.set_major_locator(
        MultipleLocator(next((step for step in inside if step * per_unit_mm > 9.0), inside[-1]))
    )


def break_axis(panel: Panel, at: float) -> None:
    """Mark where the time axis is interrupted: at 0, the beginning of a panel, or 1, its end."""
    panel.below.plot(
        [at], [0], transform=panel.below.transAxes, marker=[(-1, -2), (1, 2)], ms=5, ls="", color=INK,
        mew=0.8, clip_on=False,
    )  # fmt: skip


def write_park(panel: Panel, park: ParkStep) -> None:
    """Write the message of a park into the gap after its panel."""
    panel.curve.annotate(
        shorten(f"park: {park.message}", 44, placeholder=" …"), (1, 0.5), xycoords="axes fraction",
        xytext=(GAP_MM / 25.4 * 72 / 2, 0), textcoords="offset points", rotation=90,
        ha="center", va="center", fontsize=6.5, color=PURPLE, parse_math=False,
    )  # fmt: skip
