"""What the laboratory has to do every few hours, from the rig file to the plan, the card and the picture."""

import dataclasses
import itertools
import json
import re

import pytest

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import parse_rig
from annealscope.controller.config.sources import read_source
from annealscope.controller.planning import plan_to_json
from annealscope.controller.planning.card import card
from annealscope.controller.planning.card_text import card_lines
from annealscope.controller.planning.picture import figure
from annealscope.controller.planning.table import _row
from annealscope.controller.session.devices import world_spec
from annealscope.controller.session.prepare import prepare
from annealscope.simulators import TimedFault
from annealscope.simulators.timed_faults import happens

HOUSE = """
housekeeping:
  beam: {below: 40 %, action: note}
  valves: {action: park}
  disk: {keep_free: 5 GiB, park_after: 10 min}
  clocks:
    cold_trap: {every: 2 h, takes: 20 min, by: operator, message: refill the cold trap}
    pump: {every: 3 h, takes: 5 min}
"""


def _rig_text(housekeeping=HOUSE):
    return read_source("simulated_128", "rigs").content.decode() + housekeeping


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    (folder / "rig.yaml").write_text(_rig_text(), encoding="utf-8")
    return prepare("quick_look", folder / "rig.yaml", folder).plan


def test_a_rig_says_what_is_done(planned):
    house = planned.house
    assert (house.beam_below, house.beam_action, house.valves_action) == (0.4, "note", "park")
    assert (house.keep_free_bytes, house.park_after_s) == (5 * 1024**3, 600.0)
    assert [(rule.name, rule.every_s, rule.takes_s) for rule in house.services] == [
        ("cold_trap", 7200.0, 1200.0),
        ("pump", 10800.0, 300.0),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clocks: {pump: {every: 1 h, takes: 1 h}}", "less than `every`"),
        (
            "clocks: {pump: {every: 1 h, takes: 50 min}, trap: {every: 1 h, takes: 50 min}}",
            "no time for frames",
        ),
        ("clocks: {pump: {every: 1, takes: 5 min}}", "has no unit"),
        ("clocks: {pump: {every: 1 h, takes: 5 min, action: stop}}", 'has to be "note" or "suspend"'),
        ("disk: {keep_free: 2 GiBs}", "unknown unit"),
        ("beam: {below: 100 %}", "less than 100 %"),
        ("beam: {action: suspned}", 'did you mean "suspend"'),
        ("cold_trap: {every: 1 h, takes: 5 min}", "unknown key `cold_trap`"),
    ],
)
def test_a_rig_is_refused_with_the_rule(text, message):
    with pytest.raises(ProtocolError) as refusal:
        parse_rig(_rig_text(f"\nhousekeeping: {{{text}}}\n").encode(), "rig.yaml")
    assert message in str(refusal.value)


def test_services_are_part_of_the_duration_and_of_the_json(planned, tmp_path):
    suspending = [due for due in planned.services if due.suspends]
    assert {due.name for due in suspending} == {"cold_trap", "pump"}
    data = json.loads(plan_to_json(planned))
    assert [one["name"] for one in data["services"]] == [due.name for due in planned.services]
    for before, after in zip(planned.steps, planned.steps[1:], strict=False):
        assert after.t_start_s == pytest.approx(before.t_start_s + before.duration_s)
    bare = prepare("quick_look", "simulated_128", tmp_path).plan
    assert bare.services == ()
    movies = [due for due in suspending if planned.steps[due.step].step.kind == "acquire"]
    extra_s = planned.duration_s - bare.duration_s
    assert sum(due.takes_s for due in movies) == pytest.approx(extra_s)


def test_every_interval_is_kept_unless_a_ramp_or_the_start_of_a_movie_moves_it(planned):
    times = [due.t_s for due in planned.services if due.name == "cold_trap"]
    assert times
    assert times[0] <= 7200.0 + 1800.0
    for before, after in itertools.pairwise(times):
        assert 0.8 * 7200.0 <= after - before - 1200.0 <= 7200.0 + 1800.0


def test_what_breaks_a_movie_is_warned_of(planned):
    warnings = [problem.message for problem in planned.problems if "falls due" in problem.message]
    inside = [
        due for due in planned.services if due.into_s > 0 and planned.steps[due.step].step.kind == "acquire"
    ]
    assert len(warnings) == len(inside) > 0
    assert re.search(r"(cold_trap|pump) falls due .* into 0\d_ecm_\d+C: a new segment there", warnings[0])


def test_table_card_and_picture_show_them(planned):
    due = planned.services[0]
    row = _row(planned.steps[due.step], {}, [due])
    assert f"{due.name} at +" in row[1]
    lines = "\n".join(card_lines(card(planned)))
    assert "refill the cold trap; then `resume`" in lines
    assert "pump is due; no frames for 5 min" in lines
    labels = [text.get_text() for text in figure(planned).legends[0].get_texts()]
    assert "cold_trap, pump" in labels
    assert "service" in labels


def test_faults_of_a_simulated_laboratory_come_from_the_rig():
    text = _rig_text("").replace(
        "simulation:\n", "simulation:\n  faults: [{what: beam, at: 30 min, for: 60 s}]\n", 1
    )
    assert world_spec(parse_rig(text.encode(), "rig.yaml")).faults == (TimedFault("beam", 1800.0, 60.0),)


def test_a_fault_is_there_from_its_beginning_until_its_end():
    faults = (TimedFault("camera", 10.0, 5.0), TimedFault("valves", 12.0))
    assert [happens(faults, "camera", t_s) for t_s in (9.9, 10.0, 14.9, 15.0)] == [False, True, True, False]
    assert happens(faults, "valves", 1e9)
    assert not happens(faults, "sensor", 12.0)


@pytest.mark.parametrize("wrong", [{"what": "mouse"}, {"at_s": -1.0}, {"for_s": 0.0}, {"at_s": float("nan")}])
def test_a_fault_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="fault"):
        dataclasses.replace(TimedFault("beam", 1.0, 1.0), **wrong)
