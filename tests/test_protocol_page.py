"""The page on the protocol language says what the program does."""

import re
from pathlib import Path

import pytest

from annealscope.controller.config.acquisitions import (
    DiffractionAcquisition,
    Drift,
    EcmAcquisition,
    FemAcquisition,
    Grid,
    Region,
)
from annealscope.controller.config.load import parse_protocol
from annealscope.controller.config.optics import AreaDiffraction, DarkField, Nanobeam
from annealscope.controller.config.protocol import Limits, Protocol, Safe, Settle, Specimen
from annealscope.controller.config.quantities import DIMENSIONS
from annealscope.controller.config.rig import CameraConfig, Microscope
from annealscope.controller.config.sources import shipped_names
from annealscope.controller.config.steps import Prompt, Step, Wait
from annealscope.controller.config.until import PrecisionCondition, Until

PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")

BLOCKS = [
    Protocol, Specimen, Limits, Settle, Safe, DarkField, Nanobeam, AreaDiffraction, EcmAcquisition,
    FemAcquisition, DiffractionAcquisition, Drift, Grid, Region, Until, PrecisionCondition, Step, Wait,
    Prompt, Microscope, CameraConfig,
]  # fmt: skip


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda d: d.name)
def test_the_table_of_units_is_complete(dimension):
    assert f"| {dimension.name} | {', '.join(f'`{unit}`' for unit in dimension.units)} |" in PAGE


def test_the_example_is_valid():
    assert parse_protocol(PAGE.split("```yaml\n")[1].split("```")[0]).name == "Two looks at AMZ4"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_every_key_stands_on_the_page(block):
    code = re.findall(r"`[^`\n]+`", PAGE)
    words = {word for piece in code for word in re.findall(r"\w+", piece)}
    assert [key for key in block.known_keys() if key not in words] == []


def acquisition_rows():
    """Return the keys of the table of acquisitions, with what it says of the three kinds."""
    table = PAGE.split("| key | `ecm` | `fem` | `diffraction` | meaning |\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()[1:]]
    return {row[1].strip("`"): row[2:5] for row in rows}


@pytest.mark.parametrize(
    ("column", "block"), [(0, EcmAcquisition), (1, FemAcquisition), (2, DiffractionAcquisition)]
)
def test_the_table_of_acquisitions_says_what_must_and_may_be(column, block):
    fields = {field.alias or name: field for name, field in block.model_fields.items() if name != "kind"}
    told = {key: row[column] for key, row in acquisition_rows().items() if row[column] != "-"}
    assert told == {key: "must" if field.is_required() else "may" for key, field in fields.items()}


def test_the_shipped_protocols_are_listed():
    assert all(f"| `{name}` |" in PAGE for name in shipped_names())
