import dataclasses
import functools

import numpy as np
import pytest
from hand_made_plans import (
    COOLING,
    DATA_DRIVEN,
    ECM,
    FEM,
    HEATING,
    SAED,
    ZERO_K,
    PlanWriter,
    in_situ,
    park,
    prompted,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from matplotlib.text import Text

from annealscope.controller.config.load import load_protocol, load_rig
from annealscope.controller.config.sources import shipped_names
from annealscope.controller.planning import plan
from annealscope.controller.planning.picture import draw, figure
from annealscope.controller.planning.picture_panel import BLUE, GREEN, ORANGE, PURPLE
from annealscope.controller.planning.values import AcquireStep, CoolStep, PromptStep, RampStep, WaitStep

H = 3600.0


def many_sessions():
    writer = PlanWriter()
    for day in range(8):
        writer.isothermal(60 + 25 * day).add(CoolStep(25 + ZERO_K, COOLING))
        writer.add(park(f"End of day {day}; $leave_1$ the holder in, and fill the dewar before you go."))
    return writer.plan(name="A long name of an experiment " * 5)


def stairs():
    writer = PlanWriter()
    for step in range(24):
        writer.add(RampStep(30 + 5 * step + ZERO_K, HEATING)).add(WaitStep(until_age_s=500.0))
        writer.add(dataclasses.replace(ECM, frames=300))
    return writer.plan(max_temperature_K=900.0)


def a_prompt_only():
    return PlanWriter().add(PromptStep("Breathe.")).plan()


def a_short_cold_one():
    cold = CoolStep(-150 + ZERO_K, COOLING)
    return PlanWriter().add(cold).add(dataclasses.replace(SAED, frames=3)).add(DATA_DRIVEN).plan()


MADE = (in_situ, prompted, many_sessions, stairs, a_prompt_only, a_short_cold_one)


@functools.cache
def drawn(maker):
    """The picture of a hand-made plan, drawn once for all tests."""
    page = figure(maker())
    FigureCanvasAgg(page).draw()
    return page


def words(page):
    return [text.get_text() for text in page.findobj(Text) if text.get_visible() and text.get_text()]


def panels(page):
    """Axes of every session: (temperature, lanes)."""
    axes = page.axes
    return [(above, below) for below, above in zip(axes[::2], axes[1::2], strict=True)]


def bars(below, colour):
    """(start, duration) of the bars of a colour, in units of the axis."""
    boxes = [
        collection.get_paths()[0].get_extents()
        for collection in below.collections
        if tuple(collection.get_facecolor()[0][:3]) == to_rgb(colour)
    ]
    return [(box.x0, box.width) for box in boxes]


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_protocol_is_drawn(name, tmp_path):
    laid_out = plan(load_protocol(name), load_rig("simulated_128"))
    draw(laid_out, tmp_path / "plan.png")
    pixels = imread(tmp_path / "plan.png")
    assert pixels.shape[1] == pytest.approx(183 / 25.4 * 300, abs=1)
    assert pixels[..., :3].std() > 0.05


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_formats(suffix, tmp_path):
    draw(prompted(), tmp_path / f"plan.{suffix}")
    begin = (tmp_path / f"plan.{suffix}").read_bytes()[:200]
    assert {"png": b"PNG", "pdf": b"%PDF", "svg": b"<?xml"}[suffix] in begin


def test_another_format_is_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(ValueError, match=r"one of \.png, \.pdf, \.svg, got 'plan\.doc'"):
        draw(in_situ(), tmp_path / "plan.doc")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_without_steps_is_no_picture():
    with pytest.raises(ValueError, match="has no steps"):
        figure(PlanWriter().plan())


def test_the_picture_of_the_paper_is_labelled():
    told = words(drawn(in_situ))
    for label in (
        "AMZ4 in situ annealing on simulated_128",
        "24.1 h in all",
        "Session 2, 9 h 33 min",
        "150 °C",
        "275 °C",
        "park: End of the first day.",
        "Setpoint / °C",
        "Time since the start of the session / h",
        "03  ecm  7000 × 2 s",
        "17",
    ):
        assert label in told
    lanes = {"wait", "ECM", "FEM", "diffraction", "operator"}
    legend = {"setpoint", "limit, 300 °C", "wait for the drift", "set by hand", "park"}
    assert lanes | legend <= set(told)
    assert "prompt" not in told


def test_what_is_not_planned_is_not_in_the_legend():
    told = words(drawn(prompted))
    assert "prompt" in told
    assert {"FEM", "park", "limit, 300 °C", "wait for the drift"}.isdisjoint(told)


def test_an_end_that_depends_on_the_data_is_a_limit():
    assert "01  ecm  ≤ 1800 × 2 s" in words(drawn(prompted))


@pytest.mark.parametrize("maker", MADE)
def test_the_curve_is_the_setpoint(maker):
    made, page = maker(), drawn(maker)
    sessions, begin_s = panels(page), 0.0
    (label,) = (text for text in words(page) if text.startswith("Time since"))
    unit_s = {"h": 3600.0, "min": 60.0, "s": 1.0}[label.split(" / ")[1]]
    for above, below in sessions:
        t, degC = above.lines[0].get_data()
        assert np.all(np.diff(t) >= 0)
        assert (t[0], t[-1]) == (0, pytest.approx(below.get_xlim()[1], abs=1 / unit_s))
        for planned in made.steps:
            middle = (planned.t_start_s + planned.duration_s / 2 - begin_s) / unit_s
            if isinstance(planned.step, AcquireStep) and 0 < middle < t[-1]:
                assert np.interp(middle, t, degC) + ZERO_K == pytest.approx(planned.step.setpoint_K)
        begin_s += t[-1] * unit_s


def test_acquisitions_stand_where_they_are_planned():
    first_session = panels(drawn(in_situ))[0][1]
    planned = [p for p in in_situ().steps[:12] if isinstance(p.step, AcquireStep)]
    for method, colour in (("ecm", BLUE), ("fem", ORANGE), ("diffraction", GREEN)):
        expected = [(p.t_start_s / H, p.duration_s / H) for p in planned if p.step.method == method]
        assert len(expected) == {"ecm": 1, "fem": 2, "diffraction": 2}[method]
        assert np.ravel(bars(first_session, colour)) == pytest.approx(np.ravel(expected))


def test_a_pattern_of_a_second_is_seen_in_a_day(tmp_path):
    draw(in_situ(), tmp_path / "plan.png")
    pixels = imread(tmp_path / "plan.png")[..., :3]
    green = np.abs(pixels - to_rgb(GREEN)).max(axis=-1) < 0.1
    columns = green[pixels.shape[0] // 2 :].sum(axis=0) > 20
    begins = np.flatnonzero(np.diff(columns.astype(int)) == 1)
    assert len(begins) >= 6


def test_the_operator_is_marked_in_time():
    (_, below), *_ = panels(drawn(prompted))
    marks = [
        (line.get_marker(), line.get_xdata()[0] * H)
        for line in below.lines
        if line.get_markeredgecolor() == PURPLE
    ]
    assert marks == [("v", 0.0), ("s", pytest.approx(795)), ("v", pytest.approx(4395))]


@pytest.mark.parametrize("maker", MADE)
def test_no_text_leaves_the_page(maker):
    page = drawn(maker)
    renderer = page.canvas.get_renderer()
    # Ticks beyond the limits of an axis are there, but not drawn.
    ticks = {label for axes in page.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())}
    lanes = set(panels(page)[0][1].get_yticklabels())
    for text in {*page.findobj(Text), *lanes} - (ticks - lanes):
        if text.get_visible() and text.get_text():
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1, text
            assert box.y0 >= -1, text
            assert box.x1 <= page.bbox.width + 1, text
            assert box.y1 <= page.bbox.height + 1, text


def test_names_of_bars_are_no_wider_than_their_bars():
    """Ten grids with names that fit nowhere: the numbers are left."""
    writer = PlanWriter()
    for number in range(10):
        writer.add(dataclasses.replace(FEM, key=f"fem_with_a_probe_of_0p{number}0_nm"))
    told = words(figure(writer.plan()))
    assert {f"{number:02d}" for number in range(1, 11)} <= set(told)
    assert not any("probe" in text for text in told)


def test_drawing_leaves_no_figure_and_no_style_behind(tmp_path):
    from matplotlib import rcParams

    before = rcParams["axes.spines.top"]
    draw(prompted(), tmp_path / "plan.png")
    assert rcParams["axes.spines.top"] == before
