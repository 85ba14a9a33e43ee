import dataclasses
import io
import json

import pytest
from hand_made_plans import (
    AREA,
    DARK_FIELD,
    ECM,
    ECM_SETUP,
    FEM,
    FEM_SETUP,
    NANOBEAM,
    SAED,
    WAIT_FOR_DRIFT,
    ZERO_K,
    PlanWriter,
    in_situ,
    park,
    prompted,
)
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from annealscope.controller.config.load import load_protocol, load_rig
from annealscope.controller.config.sources import shipped_names
from annealscope.controller.planning import plan
from annealscope.controller.planning.card import card, render
from annealscope.controller.planning.card_text import card_lines, optics_in_words
from annealscope.controller.planning.card_values import RegionNeed
from annealscope.controller.planning.sessions import sessions_of, settings_of
from annealscope.controller.planning.text import wrapped
from annealscope.controller.planning.values import PrepareStep, PromptStep


def test_a_run_is_divided_at_its_parks():
    plan = in_situ()
    sessions = sessions_of(plan)
    assert [session.number for session in sessions] == [1, 2, 3]
    assert [session.park.message if session.park else None for session in sessions] == [
        "End of the first day.",
        "End of the second day.",
        None,
    ]
    assert sum((session.steps for session in sessions), ()) == plan.steps
    assert sum(session.duration_s for session in sessions) == pytest.approx(plan.duration_s)


def test_tasks_are_told_with_their_time_in_the_session():
    second = sessions_of(in_situ())[1]
    # 125 K at 20 K/min, 30 s to settle, to age 2000 s: then the dark field is set
    assert (second.tasks[0].kind, second.tasks[0].t_s) == ("set", pytest.approx(375 + 30 + 2000))
    assert second.tasks[-1].kind == "park"
    assert second.tasks[-1].t_s == pytest.approx(second.duration_s)


HANDY_FEM = dataclasses.replace(FEM_SETUP, checklist=("probe: 0.91 nm",))
BY_HAND = dataclasses.replace(FEM, setup=HANDY_FEM)
SETTINGS = [
    # steps, (acquisition, by hand) of every setting
    ([PrepareStep(ECM_SETUP), ECM], [("ecm", True)]),
    ([ECM, ECM], [("ecm", True), ("ecm", False)]),
    ([PrepareStep(ECM_SETUP), BY_HAND], [("ecm", True), ("fem", True)]),
    ([ECM, SAED, ECM], [("ecm", True), ("saed", False), ("ecm", True)]),
    ([ECM, park("Good night."), ECM], [("ecm", True), ("ecm", True)]),
    ([BY_HAND, WAIT_FOR_DRIFT, BY_HAND], [("fem", True), ("fem", True)]),
]


@pytest.mark.parametrize(("steps", "expected"), SETTINGS)
def test_the_column_is_set_when_its_state_changes(steps, expected):
    writer = PlanWriter()
    for step in steps:
        writer.add(step)
    settings = settings_of(writer.plan())
    assert [(setting.setup.key, setting.by_hand) for setting in settings] == expected


def test_what_the_operator_needs_for_the_paper():
    told = card(in_situ())
    assert told.cameras == ("diffraction", "imaging")
    assert set(told.regions) == {RegionNeed((0.65, 0.75), 6, ("fem",)), RegionNeed((0.7, 0.9), 5, ("ecm",))}
    assert [(state.name, state.by_hand) for state in told.states] == [
        ("nanobeam_0p91", ()),
        ("area_diffraction", ()),
        ("dark_field", ("insert the objective aperture of 10 um",)),
    ]
    assert (told.highest_K - ZERO_K, told.max_temperature_K - ZERO_K) == (pytest.approx(275), 300)
    assert told.dose is not None
    assert told.dose.largest_per_nm2 == pytest.approx(6.16e9)
    assert (told.dose.limit_per_nm2, told.dose.counts) == (7e9, "beam_on")
    assert dict(told.dose_rates) == {"ecm": 4.4e5, "saed": 100.0}
    assert [expected.key for expected in told.expected] == ["fem", "saed", "ecm"]
    assert [kelvin - ZERO_K for kelvin in told.expected[2].temperatures_K] == [100, 150, 200, 250, 275]


def test_the_card_is_data_for_programs():
    data = json.loads(json.dumps(dataclasses.asdict(card(in_situ())), allow_nan=False))
    assert data["sessions"][0]["parked"] == "End of the first day."
    assert data["states"][2]["optics"]["objective_aperture_um"] == 10.0
    assert data["sessions"][0]["tasks"][0]["checklist"] == ["insert the objective aperture of 10 um"]


def test_the_card_in_words():
    text = "\n".join(card_lines(card(in_situ())))
    for words in (
        "Before the run: AMZ4 in situ annealing on simulated_128",
        "[ ] temperature: up to 275 °C; the run stops above 300 °C",
        "[ ] 5 fresh regions of 0.7 to 0.9 mean free paths (ecm)",
        "at most 6.16e+09 e/nm^2 while the beam is on",
        "[ ] by hand: insert the objective aperture of 10 um",
        "Be there in session 2 (9 h 33 min)",
        "9:33:07  park: End of the second day.",
        "V(k) of the first ring ± 1.9%",
        "ecm at 100, 150, 200, 250, 275 °C: tau of 350 s ± 4.7%",
        "after 30 s the heater goes to 25 °C at 50 K/min and off",
    ):
        assert words in text


def test_prompts_say_what_happens_without_an_answer():
    text = " ".join(" ".join(card_lines(card(prompted()))).split())
    assert "0:00:00 answer: Plasma-clean the holder, then pump. (waits for the answer)" in text
    assert "Is the foil still flat? (cools down after 30 min without an answer)" in text
    goes_on = PlanWriter().add(PromptStep("Look.", 90.0, "continue")).plan()
    assert "Look. (goes on after 1.5 min without an answer)" in "\n".join(card_lines(card(goes_on)))


def test_a_run_without_the_operator():
    calm = PlanWriter().add(SAED).plan(max_dose_per_region_per_nm2=None, dose_counts="exposed")
    lines = card_lines(card(calm))
    assert "  nobody is asked for anything" in lines
    assert any("during exposures, no limit" in line for line in lines)


def test_a_card_of_a_plan_that_takes_nothing():
    told = card(PlanWriter().add(PromptStep("Breathe.")).plan())
    assert (told.cameras, told.regions, told.dose, told.expected) == ((), (), None, ())
    assert card_lines(told)[0].startswith("Before the run")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_wider_than_asked_for(width):
    for made in (in_situ(), prompted()):
        assert max(map(len, card_lines(card(made), width))) <= width


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_protocols_have_a_card_of_80_columns(name):
    console = Console(width=80, record=True, file=io.StringIO())
    render(plan(load_protocol(name), load_rig("simulated_128")), console)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("What it can tell") for line in lines)


def test_markup_in_messages_is_not_obeyed():
    console = Console(width=80, record=True, file=io.StringIO())
    render(PlanWriter().add(PromptStep("[red]Stop[/nothing]")).plan(), console)
    assert "answer: [red]Stop[/nothing]" in console.export_text()


def test_states_of_the_column_in_words():
    assert optics_in_words(DARK_FIELD) == (
        "tem dark field, 300 kV, 340000 x, objective aperture 10 um, ring at 4.27 1/nm"
    )
    assert optics_in_words(NANOBEAM) == "nanobeam, 300 kV, probe of 0.91 nm, 15 pA, camera length 1 m"
    assert optics_in_words(AREA) == "diffraction, 300 kV, camera length 1 m"


WORDS = st.lists(st.sampled_from(["tau", "of", "350 s", "± 3 %", "a-long-name_of_a_hold", "0.7"]), min_size=1)


@given(WORDS, st.integers(40, 100))
def test_lines_break_between_words_only(words, width):
    text = " ".join(words)
    lines = wrapped(text, "  [ ] ", width)
    assert " ".join(line[6:] for line in lines) == text
    assert all(len(line) <= width for line in lines)
    assert not any(line.rstrip().endswith("350") or line.strip().startswith("s ") for line in lines)
