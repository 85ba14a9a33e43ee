"""What a plan says of a holder that only the operator can set."""

import dataclasses

import pytest
from hand_made_plans import PlanWriter, in_situ, park, prompted
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from protocol_texts import LARGE_RIG, changed, planned, with_steps

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import parse_rig
from annealscope.controller.planning.card import card
from annealscope.controller.planning.card_text import card_lines
from annealscope.controller.planning.picture import figure
from annealscope.controller.planning.sessions import sessions_of
from annealscope.controller.planning.values import PromptStep
from annealscope.controller.session.devices import make_devices
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.interfaces import HandSet

BY_HAND = changed(LARGE_RIG, "holder: {driver: simulated}", "holder: {driver: simulated, set_by: operator}")
SIMULATION = """
simulation: {material: amz4_paper, dose_rate: 4.4e5 e/nm^2/s, dark_field_fraction: 2.5e-3, contrast: 0.1,
  overshoot: 0.8 K, walk: 0.02 nm, vibration: 0.03 nm}
"""
AT = "at the holder's controller"
UP, DOWN, OFF = (
    f"ramp to 100.0 °C at 20 K/min {AT}",
    f"ramp to 25.0 °C at 50 K/min {AT}",
    f"switch the heater off {AT}",
)


def by_hand(plan):
    return dataclasses.replace(plan, holder_set_by="operator")


def _orders(plan):
    tasks = [task for session in sessions_of(plan) for task in session.tasks if task.kind == "holder"]
    return [(task.step, task.t_s, task.message, *task.checklist) for task in tasks]


def test_a_rig_says_who_sets_its_holder():
    assert parse_rig(LARGE_RIG).holder.set_by == "annealscope"
    assert parse_rig(BY_HAND).holder.set_by == "operator"
    with pytest.raises(ProtocolError, match="annealscope"):
        parse_rig(changed(BY_HAND, "set_by: operator", "set_by: somebody"))
    with pytest.raises(ProtocolError, match="goes with `driver: simulated` only"):
        parse_rig(changed(BY_HAND, "driver: simulated, set_by", "driver: mems_chip, set_by"))


@pytest.mark.parametrize(("rig", "asks"), [(LARGE_RIG, False), (BY_HAND, True)])
def test_the_simulated_holder_of_a_run_asks_when_the_rig_says_so(rig, asks):
    small_pixels = changed(rig, "pixel: 0.2 nm", "pixel: 0.16 nm")
    devices = make_devices(parse_rig(small_pixels + SIMULATION), VirtualClock(), 1)
    assert isinstance(devices.holder, HandSet) is asks


def test_the_operator_of_an_ordinary_holder_is_asked_for_nothing():
    assert _orders(planned()) == []
    assert _orders(in_situ()) == []


@pytest.mark.parametrize(
    ("steps", "orders"),
    [
        (
            "  - ramp: {to: 100 degC, rate: 20 K/min}\n  - cool: {to: 25 degC, rate: 50 K/min}\n",
            [(1, 0.0, UP), (2, 255.0, DOWN, OFF)],
        ),
        # no cool-down is planned: the run adds the safe one at its end
        (
            "  - ramp: {to: 100 degC, rate: 20 K/min}\n  - hold: [wait: {for: 60 s}]\n",
            [(1, 0.0, UP), (2, 315.0, DOWN, OFF)],
        ),
        # at room temperature there is only the switch
        ("  - hold: [wait: {for: 60 s}]\n", [(1, 60.0, OFF)]),
    ],
)
def test_every_change_of_temperature_is_a_task(steps, orders):
    assert _orders(planned(with_steps(steps), BY_HAND)) == orders


def test_a_park_is_one_task_with_the_way_down_and_the_switch():
    steps = "  - ramp: {to: 100 degC, rate: 20 K/min}\n  - park: Good night.\n  - hold: look\n"
    first, second = sessions_of(planned(with_steps(steps), BY_HAND))
    assert [(task.kind, task.message) for task in first.tasks] == [("holder", UP), ("park", "Good night.")]
    assert first.tasks[-1].checklist == (DOWN, OFF)
    assert [(task.kind, task.message) for task in second.tasks] == [("holder", OFF)]


def test_the_card_lists_the_orders_and_does_not_promise_that_the_heater_goes_off():
    lines = " ".join(" ".join(card_lines(card(by_hand(in_situ())))).split())
    assert f"0:00:00 ramp to 150.0 °C at 20 K/min {AT}" in lines
    assert (
        f"park: End of the first day. Switch the heater off {AT}. Beam blanked; `annealscope continue`"
        in lines
    )
    assert "the heater stays as it is until somebody sets it at its controller" in lines
    ordinary = " ".join(" ".join(card_lines(card(in_situ()))).split())
    assert "Heater off, beam blanked; `annealscope continue` goes on." in ordinary
    assert "stays as it is" not in ordinary


def _everything():
    """A picture with marks of all kinds."""
    writer = PlanWriter().isothermal(100).add(PromptStep("Is it flat?"), "prompt")
    return writer.add(park("Good night.")).isothermal(250).plan()


@pytest.mark.parametrize("maker", [in_situ, prompted, _everything])
def test_the_legend_of_the_picture_has_room_for_the_holder(maker):
    page = figure(by_hand(maker()))
    FigureCanvasAgg(page).draw()
    renderer = page.canvas.get_renderer()
    texts = [text for legend in page.legends for text in legend.findobj(Text) if text.get_text()]
    assert "set holder" in [text.get_text() for text in texts]
    for text in texts:
        assert text.get_window_extent(renderer).x1 <= page.bbox.width + 1, text
