"""The page on the protocol language says what the program does."""

from pathlib import Path

import pytest

from annealscope.controller.config.load import parse_protocol
from annealscope.controller.config.protocol import HoldStep, Region, Until, Wait
from annealscope.controller.config.quantities import DIMENSIONS

PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda d: d.name)
def test_the_table_of_units_is_complete(dimension):
    assert f"| {dimension.name} | {', '.join(f'`{unit}`' for unit in dimension.units)} |" in PAGE


def test_the_example_is_valid():
    assert parse_protocol(PAGE.split("```yaml\n")[1].split("```")[0]).name == "Two looks at AMZ4"


@pytest.mark.parametrize("word", ["prepare", "prompt", "park", "for_each"])
def test_the_steps_that_cannot_be_run_are_listed(word):
    assert word in HoldStep.later
    assert f"`{word}`" in PAGE


def test_the_keys_that_cannot_be_run_are_listed():
    later = (
        {"any", "all", "tau_within"} & set(Until.later)
        | set(Region.later)
        | {"drift_below", "at_most"} & set(Wait.later)
    )
    assert later == {"any", "all", "tau_within", "thickness", "drift_below", "at_most"}
    assert all(word in PAGE for word in later)
