"""The published numbers that a run is shown beside."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml


@dataclass(frozen=True)
class Relaxation:
    """A row of the paper's Table 1."""

    temperature_degC: float
    tau_s: float
    beta: float
    dose_rate_per_nm2_s: float


@dataclass(frozen=True)
class Paper:
    """What the paper says of its alloy."""

    material: str
    relaxation: tuple[Relaxation, ...]
    variance_limit_25degC: float
    """Upper limit of the first peak's variance at 25 degC, in situ."""

    variance_step: float
    """Relative growth of the variance up to `variance_step_to_degC`; it is constant above."""

    variance_step_from_degC: float
    variance_step_to_degC: float
    mro_size_nm: tuple[float, float]
    """Probe size of the largest variance, and its error."""

    persistence_nm: tuple[float, float]
    """Pair-persistence length as cast, and its error."""

    persistence_line: tuple[float, float]
    """Slope, and intercept in 1/nm^2, of the line that it was found from."""


def load_paper() -> Paper:
    """Read the published numbers that ship with the program."""
    text = files("annealscope.protocols").joinpath("amz4_paper.yaml").read_text(encoding="utf-8")
    numbers: Mapping[str, Any] = yaml.safe_load(text)
    fem = numbers["fem"]
    persistence = fem["pair_persistence"]["as_cast"]
    maximum = fem["stratton_voyles_maximum_nm"]
    return Paper(
        material=numbers["alloy"]["name"],
        relaxation=tuple(
            Relaxation(
                row["temperature_degC"], row["tau_s"], row["beta"], float(row["dose_rate_e_per_nm2_s"])
            )
            for row in numbers["ecm"]["relaxation"]
        ),
        variance_limit_25degC=fem["variance_in_situ_25degC"],
        variance_step=fem["change_25_to_150degC"],
        variance_step_from_degC=25.0,
        variance_step_to_degC=150.0,
        mro_size_nm=(maximum["value"], maximum["error"]),
        persistence_nm=(persistence["length_nm"], persistence["length_error_nm"]),
        persistence_line=(persistence["slope"], persistence["intercept_per_nm2"]),
    )


def paper_of(materials: set[str]) -> Paper | None:
    """Return the published numbers when every specimen is of their alloy, else None."""
    paper = load_paper()
    return paper if materials == {paper.material} else None
