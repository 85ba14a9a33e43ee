"""A protocol as a whole: frozen models, by which a file is checked (docs/protocol.md)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from annealscope.controller.config.acquisitions import Acquisition
from annealscope.controller.config.model import Choice, Model, SchemaVersion, broken_rule
from annealscope.controller.config.names import Name
from annealscope.controller.config.optics import OpticsState
from annealscope.controller.config.quantities import (
    DifferenceK,
    DosePerNm2,
    DurationOrZeroS,
    DurationS,
    LengthNm,
    RateKPerS,
    TemperatureK,
)
from annealscope.controller.config.steps import HoldFor, HoldStep, HoldSteps, Step, Wait


class Specimen(Model):
    """What is being heated; kept with the record."""

    material: Annotated[str, Field(max_length=100)]
    """Name of the alloy, e.g. AMZ4."""
    composition: dict[str, Annotated[float, Field(gt=0, le=100)]] = Field(default_factory=dict)
    """Elements and their content in at.%."""
    state: Annotated[str, Field(max_length=1000)] = ""
    """Its history, e.g. as-cast."""
    glass_transition_K: TemperatureK | None = Field(None, alias="glass_transition")
    """Calorimetric glass transition."""
    crystallization_onset_K: TemperatureK | None = Field(None, alias="crystallization_onset")
    """Calorimetric onset of crystallization."""
    mean_free_path_nm: LengthNm | None = Field(None, alias="mean_free_path")
    """Inelastic mean free path of the electrons."""
    preparation: Annotated[str, Field(max_length=1000)] = ""
    """How the lamella was made."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(self.composition.values())
        if self.composition and abs(total - 100) > 0.5:
            raise broken_rule(f"the contents add up to {total:g} at.%, not to 100", "composition")
        return self


class Limits(Model):
    """Outside these the run refuses to start, or stops."""

    max_temperature_K: TemperatureK = Field(alias="max_temperature")
    """Highest temperature of the specimen."""
    max_heating_rate_K_per_s: RateKPerS = Field(alias="max_heating_rate")
    """Fastest ramp up."""
    max_cooling_rate_K_per_s: RateKPerS = Field(alias="max_cooling_rate")
    """Fastest ramp down."""
    max_dose_per_region_per_nm2: DosePerNm2 | None = Field(None, alias="max_dose_per_region")
    """Most electrons a region of the specimen may receive."""
    dose_counts: Annotated[Literal["beam_on", "exposed"], Choice("beam_on", "exposed")] = "beam_on"
    """Which time counts for the dose: all the time with the beam on, or the exposures only."""


class Settle(Model):
    """When a temperature counts as reached; the age clock starts then."""

    within_K: DifferenceK = Field(alias="within")
    """Largest deviation from the target ..."""
    for_s: DurationS = Field(alias="for")
    """... kept for this long."""
    timeout_s: DurationS = Field(alias="timeout")
    """When to give up."""

    @model_validator(mode="after")
    def _can_settle(self) -> Self:
        if self.timeout_s <= self.for_s:
            raise broken_rule("has to be longer than `for`", "timeout")
        return self


class Safe(Model):
    """What happens when nobody is in charge any more."""

    cool_to_K: TemperatureK = Field(alias="cool_to")
    """Where the specimen is brought."""
    rate_K_per_s: RateKPerS = Field(alias="rate")
    """How fast."""
    grace_s: DurationOrZeroS = Field(alias="grace")
    """How long the present temperature is kept first, for a controller that comes back."""


class Protocol(Model):
    """A heating experiment."""

    schema_version: SchemaVersion
    """Version of the language."""
    name: Annotated[str, Field(min_length=1, max_length=100)]
    """What the experiment is called."""
    specimen: Specimen
    """What is being heated."""
    limits: Limits
    """Outside these the run refuses to start, or stops."""
    settle: Settle
    """When a temperature counts as reached."""
    safe: Safe
    """What happens when nobody is in charge any more."""
    optics: dict[Name, OpticsState] = Field(default_factory=dict)
    """States of the column, by name."""
    acquisitions: dict[Name, Acquisition] = Field(default_factory=dict)
    """What can be measured, by name."""
    sequences: dict[Name, HoldSteps] = Field(default_factory=dict)
    """Steps that several holds share, by name."""
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1)]
    """What is done, in order."""

    def steps_of(self, hold: str | tuple[HoldStep, ...] | HoldFor) -> tuple[HoldStep, ...]:
        """Return the steps of a hold, whichever way it is written."""
        if isinstance(hold, HoldFor):
            return (HoldStep(wait=Wait.model_construct(for_s=hold.for_s)),)
        return self.sequences[hold] if isinstance(hold, str) else hold
