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
class PublishedState:
    """What the paper says of the specimen at room temperature in one of its states."""

    tau_asymptote_s: tuple[float, float]
    """End of the rise of tau with the length of the record, and its error."""

    beta_limit: float
    persistence_nm: tuple[float, float]
    """Pair-persistence length, and its error."""

    persistence_line: tuple[float, float]
    """Slope, and intercept in 1/nm^2, of the line that it was found from."""


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

    states: Mapping[str, PublishedState]
    """Room temperature, by ``as_cast`` and ``annealed``."""

    slowing_degC: tuple[float, ...]
    """Temperatures at which the two-time correlation looked as if the glass slowed down; steady below."""

    first_peak_per_nm: float
    second_peak_per_nm: float
    split_above_nm: float
    """Probe size above which the first peak splits."""

    shoulder_per_nm: float
    """Of the variance at 275 degC."""

    second_to_first_peak: tuple[float, float]
    variance_as_cast: float
    """Of the first peak, in the series of probe sizes."""

    change_by_anneal: float
    """Of that variance, relative."""


def load_paper() -> Paper:
    """Read the published numbers that ship with the program."""
    text = files("annealscope.protocols").joinpath("amz4_paper.yaml").read_text(encoding="utf-8")
    numbers: Mapping[str, Any] = yaml.safe_load(text)
    fem = numbers["fem"]
    states = {name: _state(numbers, name) for name in ("as_cast", "annealed")}
    as_cast, two_time = states["as_cast"], numbers["ecm"]["two_time"]
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
        mro_size_nm=_with_error(fem["stratton_voyles_maximum_nm"]),
        persistence_nm=as_cast.persistence_nm,
        persistence_line=as_cast.persistence_line,
        states=states,
        slowing_degC=tuple(two_time["slowing_degC"]),
        first_peak_per_nm=fem["first_peak_per_nm"],
        second_peak_per_nm=fem["second_peak_per_nm"],
        split_above_nm=fem["split_above_probe_fwhm_nm"],
        shoulder_per_nm=fem["extra_shoulder_275degC_per_nm"],
        second_to_first_peak=_with_error(fem["second_to_first_peak"]),
        variance_as_cast=fem["variance_as_cast"],
        change_by_anneal=fem["change_by_bulk_anneal"],
    )


def _state(numbers: Mapping[str, Any], name: str) -> PublishedState:
    room, persistence = numbers["ecm"]["room_temperature"], numbers["fem"]["pair_persistence"][name]
    return PublishedState(
        tau_asymptote_s=_with_error(room["tau_asymptote_s"][name]),
        beta_limit=room["beta_limit"][name],
        persistence_nm=(persistence["length_nm"], persistence["length_error_nm"]),
        persistence_line=(persistence["slope"], persistence["intercept_per_nm2"]),
    )


def _with_error(number: Mapping[str, float]) -> tuple[float, float]:
    return number["value"], number["error"]


def paper_of(materials: set[str]) -> Paper | None:
    """Return the published numbers when every specimen is of their alloy, else None."""
    paper = load_paper()
    return paper if materials == {paper.material} else None
