import io
import re

import pytest
from hand_made_plans import (
    ECM_SETUP,
    SAED,
    ZERO_K,
    PlanWriter,
    in_situ,
    park,
    prompted,
)
from rich.console import Console

from annealscope.controller.planning.table import render, summary
from annealscope.controller.planning.values import ParkStep, PrepareStep, Problem, PromptStep, WaitStep


def printed(plan, width=80):
    console = Console(width=width, record=True, file=io.StringIO())
    render(plan, console)
    return console.export_text().splitlines()


def test_every_step_has_a_row_of_80_columns():
    plan = in_situ()
    lines = printed(plan)
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if re.match(r" ?\d+  \w", line)]
    assert [int(row.split()[0]) for row in rows] == list(range(1, len(plan.steps) + 1))


STEPS = [
    # step, label, rows of its cell
    (PrepareStep(ECM_SETUP), "prepare ecm", ["prepare ecm"]),
    (PromptStep("Look at the foil."), "prompt", ["prompt: Look at the foil."]),
    (park("Good night."), "park", ["park: Good night."]),
    (ParkStep("word " * 40, 25 + ZERO_K, 1.0), "park", ["park: word word word word word word word word …"]),
    (WaitStep(for_s=600.0), "wait 10 min", ["wait 10 min"]),
    (
        WaitStep(until_age_s=2000.0, drift_below_nm_per_s=1 / 60, at_most_s=4000.0),
        "wait to age 2000 s, to drift below 1 nm/min",
        ["wait to age 2000 s", "drift < 1 nm/min", "at most 4000 s"],
    ),
    (WaitStep(drift_below_nm_per_s=1 / 60), "wait", ["wait", "drift < 1 nm/min"]),
    (SAED, "acquire saed at 25 °C", ["acquire saed"]),
]


@pytest.mark.parametrize(("step", "label", "expected"), STEPS)
def test_every_kind_of_step_has_its_words(step, label, expected):
    lines = printed(PlanWriter().add(step, label, lasts_s=1.0).plan(), width=140)[3:]
    cells = [re.split(r"  +", line.strip().removeprefix("1  "))[0] for line in lines[: len(expected)]]
    assert cells == expected


def test_an_acquisition_that_the_data_end_has_at_most_so_many_frames():
    row = next(line for line in printed(prompted()) if "01_ecm_80C" in line)
    assert "≤ 1800" in row


def test_holds_that_are_alike_are_told_in_one_line():
    lines = summary(in_situ())
    assert lines[0].startswith("1 d in 3 sessions, 35606 frames, ")
    (grids,) = (line for line in lines if "01_fem_25C" in line)
    assert grids.endswith("01_fem_25C, 04_fem_100C, 07_fem_150C, 10_fem_200C, 13_fem_250C, 16_fem_275C: 1.9%")
    (movies,) = (line for line in lines if "03_ecm_100C" in line)
    assert movies.startswith("  03_ecm_100C, 06_ecm_150C, 09_ecm_200C, 12_ecm_250C, 15_ecm_275C: 350 s ± ")
    assert not any("saed" in line for line in lines)
    assert lines[-1] == "Rule: T of at least 40 tau."


def test_a_plan_without_movies_says_nothing_of_relaxation_times():
    lines = summary(PlanWriter().add(SAED).plan())
    assert len(lines) == 2
    assert "in all" in lines[0]


def test_problems_are_told_below():
    problems = (Problem("error", "steps.1", "[red]too hot[/x]"), Problem("warning", "settle", "too fine"))
    lines = printed(PlanWriter().add(SAED).plan(problems=problems))
    assert lines[-2:] == ["error: steps.1: [red]too hot[/x]", "warning: settle: too fine"]
