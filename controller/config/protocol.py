"""The protocol language of this version, as frozen models (docs/protocol.md)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from annealscope.controller.config.errors import clip
from annealscope.controller.config.model import (
    Choice,
    Model,
    SchemaVersion,
    broken_rule,
    exactly_one,
    not_yet,
)
from annealscope.controller.config.quantities import (
    DifferenceK,
    DosePerNm2,
    DoseRatePerNm2S,
    DurationOrZeroS,
    DurationS,
    LengthNm,
    RateKPerS,
    TemperatureK,
)

MIN_FRAMES = 32
"""Fewer frames are not analysed."""
MAX_FRAMES = 10_000_000
"""Frames of one acquisition."""

_NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,31}$"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_REST = _LETTERS | frozenset("0123456789_-")


def _checked_name(name: str) -> str:
    if not (name and name[0] in _LETTERS and set(name) <= _REST and len(name) <= 32):
        raise broken_rule(
            f'"{clip(name)}" cannot be a name: a letter, then letters, digits, _ or -, at most 32 in all'
        )
    return name


Name = Annotated[
    str, AfterValidator(_checked_name), WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN})
]
"""A name that is used in file names."""


class Specimen(Model):
    """What is being heated; kept with the record."""

    material: str
    """Name of the alloy, e.g. AMZ4."""
    composition: dict[str, Annotated[float, Field(gt=0, le=100)]] = Field(default_factory=dict)
    """Elements and their content in at.%."""
    state: str = ""
    """Its history, e.g. as-cast."""
    glass_transition_K: TemperatureK | None = Field(None, alias="glass_transition")
    """Calorimetric glass transition."""
    crystallization_onset_K: TemperatureK | None = Field(None, alias="crystallization_onset")
    """Calorimetric onset of crystallization."""
    mean_free_path_nm: LengthNm | None = Field(None, alias="mean_free_path")
    """Inelastic mean free path of the electrons."""
    preparation: str = ""
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
    dose_counts: Annotated[str, Choice("beam_on", "exposed")] = "beam_on"
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


class Drift(Model):
    """Who corrects the drift of the image, and how much of it is too much."""

    owner: Annotated[str, Choice("annealscope", later={"microscope": "leave `drift` out"})] = "annealscope"
    """Who moves the image: only one may."""
    actuator: Annotated[str, Choice("image_beam_shift", later={"stage": 'write "image_beam_shift"'})] = (
        "image_beam_shift"
    )
    """What it is moved with."""
    warn_nm: LengthNm = Field(alias="warn")
    """Displacement from the reference that is reported."""
    limit_nm: LengthNm = Field(alias="limit")
    """Displacement from the reference that is too much."""
    on_limit: Annotated[str, Choice("flag", later={"suspend": 'write "flag"', "stop": 'write "flag"'})] = (
        "flag"
    )
    """What happens then: the frames are flagged in the record."""

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.warn_nm > self.limit_nm:
            raise broken_rule("has to be at most `limit`", "warn")
        return self


_FIXED_END = "end it with `frames` or `duration`"


class Until(Model):
    """When an acquisition ends."""

    later: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("any", "all", "tau_within", "min_duration", "max", "checks", "every"), _FIXED_END
    )

    frames: Annotated[int, Field(ge=MIN_FRAMES, le=MAX_FRAMES)] | None = None
    """After this many frames, lost ones included ..."""
    duration_s: DurationS | None = Field(None, alias="duration")
    """... or after this time."""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        exactly_one(self, "`until`")
        return self


class Region(Model):
    """Where on the specimen."""

    later: ClassVar[Mapping[str, str]] = {"thickness": "choose the region by eye and leave `thickness` out"}

    fresh: bool
    """Go to a region that has seen no beam."""


class EcmAcquisition(Model):
    """A tilted dark field movie, correlated in time (electron correlation microscopy)."""

    later: ClassVar[Mapping[str, str]] = {
        "optics": "set the microscope up by hand before the run",
        "binning": "give the binned camera its own entry in the rig file",
        "beam_in_pause": "the beam stays on in the pauses",
    }

    kind: Literal["ecm"]
    """What is measured."""
    camera: Name
    """A camera of the rig."""
    exposure_s: DurationS = Field(alias="exposure")
    """Exposure of one frame."""
    period_s: DurationS = Field(alias="period")
    """Start to start; in the pause after the exposure the drift is corrected."""
    dose_rate_per_nm2_s: DoseRatePerNm2S = Field(alias="dose_rate")
    """Electrons on the specimen, as measured through vacuum; the dose is counted with it."""
    drift: Drift | None = None
    """Drift correction; without it the frames are taken as they come."""
    until: Until
    """When it ends."""
    region: Region = Region(fresh=True)
    """Where on the specimen; a fresh region unless said otherwise."""

    @model_validator(mode="after")
    def _fits_in_time(self) -> Self:
        if self.period_s < self.exposure_s:
            raise broken_rule("has to be at least the `exposure`", "period")
        if not MIN_FRAMES <= self.frames <= MAX_FRAMES:
            message = f"makes {self.frames} frames, has to be {MIN_FRAMES} to {MAX_FRAMES}"
            raise broken_rule(message, "until", "duration")
        return self

    @property
    def frames(self) -> int:
        """Frames of the acquisition."""
        if self.until.frames is not None:
            return self.until.frames
        return int((self.until.duration_s or 0.0) / self.period_s + 1e-9)


def _known_kind(data: Any) -> Any:
    """Refuse another kind of acquisition as a whole: its keys are not those of an ECM movie."""
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind in ("fem", "diffraction"):
        raise broken_rule(not_yet(f'"{kind}"', "take it out, with the steps that acquire it"), "kind")
    return data


Acquisition = Annotated[EcmAcquisition, BeforeValidator(_known_kind)]


class Ramp(Model):
    """A change of temperature at a constant rate, up or down, then settling."""

    to_K: TemperatureK = Field(alias="to")
    """Target."""
    rate_K_per_s: RateKPerS = Field(alias="rate")
    """Rate of the setpoint."""


class Cool(Ramp):
    """A ramp that only goes down."""


class Wait(Model):
    """Time at temperature."""

    later: ClassVar[Mapping[str, str]] = {
        "drift_below": "wait for a fixed time or age",
        "at_most": "wait for a fixed time or age",
        "until_steady": "wait for a fixed time or age",
    }

    for_s: DurationS | None = Field(None, alias="for")
    """From now ..."""
    until_age_s: DurationS | None = Field(None, alias="until_age")
    """... or until this long after the temperature has settled."""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        exactly_one(self, "`wait`")
        return self


_STEPS_LATER = {
    "prepare": "set the microscope up by hand before the run",
    "prompt": "stop the run and start the rest as a second protocol",
    "park": "end the protocol here and start the rest as a second one",
    "for_each": "write the steps out",
}


class HoldStep(Model):
    """One step at constant temperature: exactly one of its keys."""

    noun: ClassVar[str] = "step"
    later: ClassVar[Mapping[str, str]] = _STEPS_LATER
    misplaced: ClassVar[Mapping[str, str]] = {
        key: f"`{key}` cannot stand inside a hold: write it as a step of its own, outside"
        for key in ("ramp", "cool", "hold")
    }

    wait: Wait | None = None
    """Let time pass."""
    acquire: Name | None = None
    """Take the acquisition of this name."""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        exactly_one(self, "a step")
        return self


class HoldFor(Model):
    """A hold in which nothing is measured."""

    for_s: DurationS = Field(alias="for")
    """How long."""


HoldSteps = Annotated[tuple[HoldStep, ...], Field(strict=False, min_length=1)]


def _form_of_hold(value: object) -> str | None:
    if isinstance(value, str):
        return "<name>"
    if isinstance(value, list):
        return "<steps>"
    return "<for>" if isinstance(value, dict) else None


Hold = Annotated[
    Annotated[Name, Tag("<name>")] | Annotated[HoldSteps, Tag("<steps>")] | Annotated[HoldFor, Tag("<for>")],
    Discriminator(
        _form_of_hold,
        custom_error_type="hold",
        custom_error_message="has to be a list of steps, the name of a sequence, or {for: 2 h}",
    ),
]


class Step(HoldStep):
    """One step of the experiment: exactly one of its keys."""

    misplaced: ClassVar[Mapping[str, str]] = {}

    ramp: Ramp | None = None
    """Go to a temperature and settle."""
    cool: Cool | None = None
    """Go down to a temperature and settle."""
    hold: Hold | None = None
    """Keep the temperature for a list of steps, for the steps of a sequence, or for a time."""


class Protocol(Model):
    """A heating experiment."""

    later: ClassVar[Mapping[str, str]] = {"optics": "set the microscope up by hand before the run"}

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
    acquisitions: dict[Name, Acquisition] = Field(default_factory=dict)
    """What can be measured, by name."""
    sequences: dict[Name, HoldSteps] = Field(default_factory=dict)
    """Steps that several holds share, by name."""
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1)]
    """What is done, in order."""

    def steps_of(self, hold: "str | tuple[HoldStep, ...] | HoldFor") -> tuple[HoldStep, ...]:
        """Return the steps of a hold, whichever way it is written."""
        if isinstance(hold, HoldFor):
            return (HoldStep(wait=Wait.model_construct(for_s=hold.for_s)),)
        return self.sequences[hold] if isinstance(hold, str) else hold
