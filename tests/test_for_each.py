"""Repeated steps are written out; what is wrong with them is said where they stand in the file."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_texts import LIMIT_S, PROTOCOL, RIG, changed, runs_within, said, with_steps

from annealscope.controller.config.for_each import MAX_COPIED, written_out
from annealscope.controller.config.load import parse_protocol, parse_rig
from annealscope.controller.config.yaml_nodes import parse_yaml
from annealscope.controller.planning import plan
from annealscope.controller.planning.checks import problem_faults

RAMPS = """\
  - acquire: ecm
  - for_each:
      target: [100 degC, 150 degC]
      steps:
        - ramp: {to: "{target}", rate: 20 K/min}
        - hold: look
  - cool: {to: 25 degC, rate: 50 K/min}
"""


def test_steps_are_written_out_for_every_value():
    steps = parse_protocol(with_steps(RAMPS)).steps
    assert [step.ramp.to_K for step in steps if step.ramp] == [pytest.approx(373.15), pytest.approx(423.15)]
    assert [step.hold for step in steps] == [None, None, "look", None, "look", None]


def test_variables_stand_inside_texts_and_for_numbers():
    text = with_steps(
        "  - for_each: {n: [5, 1.5, fast], steps: [{prompt: 'Turn {n} times, {n}!'}]}\n"
        "  - for_each: {t: [10, 20], steps: [{wait: {for: '{t} s'}}]}\n"
    )
    steps = parse_protocol(text).steps
    assert [step.prompt.message for step in steps[:3]] == [
        "Turn 5 times, 5!", "Turn 1.5 times, 1.5!", "Turn fast times, fast!"
    ]  # fmt: skip
    assert [step.wait.for_s for step in steps[3:]] == [10.0, 20.0]


def test_repetitions_nest_and_stand_in_holds_and_sequences():
    inner = "{for_each: {b: [1 s, 2 s], steps: [{wait: {for: '{b}'}}, {prompt: '{a} {b}'}]}}"
    nested = f"  - for_each: {{a: [x, y], steps: [{inner}]}}\n"
    steps = parse_protocol(with_steps(nested)).steps
    assert [step.prompt.message for step in steps if step.prompt] == ["x 1 s", "x 2 s", "y 1 s", "y 2 s"]
    in_hold = parse_protocol(
        with_steps("  - hold: [{for_each: {b: [1 s, 2 s], steps: [{wait: {for: '{b}'}}]}}]\n")
    )
    assert [step.wait.for_s for step in in_hold.steps[0].hold] == [1.0, 2.0]
    in_sequence = changed(PROTOCOL, "- acquire: ecm", "- for_each: {k: [ecm], steps: [{acquire: '{k}'}]}")
    assert [step.acquire for step in parse_protocol(in_sequence).sequences["look"]] == [None, "ecm"]


def test_braces_outside_a_repetition_are_text():
    (step,) = parse_protocol(with_steps("  - prompt: 'Insert {x}.'\n")).steps
    assert step.prompt.message == "Insert {x}."


def test_a_fault_points_at_the_template_and_names_the_value():
    text = with_steps(changed(RAMPS, "150 degC", "150 C"))
    assert said(text) == [
        'p.yaml:25:22: steps.1.for_each.steps.0.ramp.to: unknown unit "C": a temperature is given in degC, '
        '°C or K; write "degC" (with target = 150 C)'
    ]


def test_a_fault_of_every_copy_is_said_once():
    text = with_steps(changed(RAMPS, "rate: 20 K/min", "rate: 20 K/mn"))
    (message,) = said(text)
    assert message.startswith("p.yaml:25:40: steps.1.for_each.steps.0.ramp.rate: unknown unit")
    assert message.endswith("(with target = 100 degC)")


def test_what_the_limits_forbid_is_said_with_its_value():
    assert said(with_steps(changed(RAMPS, "150 degC", "350 degC"))) == [
        "p.yaml:25:22: steps.1.for_each.steps.0.ramp.to: 350 °C lies above limits.max_temperature, "
        "300 °C (step 5) (with target = 350 degC)"
    ]


def test_steps_after_a_repetition_keep_their_place():
    text = with_steps(changed(RAMPS, "cool: {to: 25 degC", "cool: {to: 25 nm"))
    (message,) = said(text)
    assert message.startswith("p.yaml:27:16: steps.2.cool.to: ")


def test_a_problem_of_a_plan_is_put_at_the_template():
    text = with_steps(changed(RAMPS, "to: 25 degC", "to: 20 degC"))
    rig = parse_rig(changed(RIG, "500 degC", "120 degC"))
    problems = plan(parse_protocol(text), rig).errors
    (fault,) = problem_faults(problems, text, "p.yaml")
    assert str(fault).startswith(
        "p.yaml:25:22: steps.1.for_each.steps.0.ramp.to: 150 °C is more than the rig"
    )
    assert fault.given == "target = 150 degC"


WRONG = [
    # block, where below it, what
    (
        "5",
        "",
        "has to be a block of a variable and `steps`, got 5; write it like {probe: [a, b], steps: [...]}",
    ),
    (
        "{a: [1]}",
        "",
        "has one variable with its values, and `steps`; write it like {probe: [a, b], steps: [...]}",
    ),
    (
        "{a: [1], b: [2], steps: [{acquire: ecm}]}",
        "",
        "has one variable with its values, and `steps`; write it like {probe: [a, b], steps: [...]}",
    ),
    ("{a: [], steps: [{acquire: ecm}]}", ".a", "has to be a list with something in it, got an empty list"),
    ("{a: 5, steps: [{acquire: ecm}]}", ".a", "has to be a list with something in it, got 5"),
    ("{a: [1], steps: {acquire: ecm}}", ".steps", "has to be a list with something in it, got a block"),
    ("{a: [[1]], steps: [{acquire: ecm}]}", ".a", "has to be a list of texts or numbers, got a list in it"),
    (
        "{1a: [1], steps: [{acquire: ecm}]}",
        ".1a",
        '"1a" cannot be a variable: a letter, then letters, digits or _',
    ),
    (
        "{a: [1, 2], steps: [{prompt: 'Use {b}.'}]}",
        ".steps.0.prompt",
        "there is no variable {b} here, only {a}",
    ),
]


@pytest.mark.parametrize(("block", "where", "what"), WRONG)
def test_blocks_of_the_wrong_form(block, where, what):
    (message,) = said(with_steps(f"  - for_each: {block}\n"))
    assert message.split(": ", 2)[1:] == [f"steps.0.for_each{where}", what]


def test_nothing_stands_beside_a_repetition():
    (message,) = said(with_steps("  - {acquire: ecm, for_each: {a: [1], steps: [{acquire: ecm}]}}\n"))
    assert message.endswith("got acquire and for_each")


def test_repetitions_cannot_explode():
    many = "[" + ", ".join(str(n) for n in range(60)) + "]"
    text = "{acquire: ecm}"
    for name in "abcd":
        text = f"{{for_each: {{{name}: {many}, steps: [{text}]}}}}"
    bomb = with_steps(f"  - {text}\n")
    assert any(
        f"more than {MAX_COPIED} keys and values when it is written out" in line for line in said(bomb)
    )
    assert runs_within(2 * LIMIT_S, lambda: said(bomb))


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="{}"), max_size=8)


@given(WORDS, WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_a_template_is_what_would_have_been_written_by_hand(before, after, values):
    block = {"v": values, "steps": [{"prompt": before + "{v}" + after}]}
    document = written_out(parse_yaml(json.dumps({"steps": [{"for_each": block}]}, ensure_ascii=False), "p"))
    assert document.data == {"steps": [{"prompt": before + value + after} for value in values]}
