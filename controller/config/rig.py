"""What stands in the laboratory: holder, microscope, cameras, and what they can bear."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from annealscope.controller.config.housekeeping import Housekeeping
from annealscope.controller.config.model import Choice, Model, SchemaVersion, broken_rule
from annealscope.controller.config.names import Name
from annealscope.controller.config.quantities import (
    Counts,
    DifferenceK,
    DifferenceOrZeroK,
    DoseRatePerNm2S,
    DurationOrZeroS,
    DurationS,
    Electrons,
    GainCountsPerE,
    LengthNm,
    LengthOrZeroNm,
    PerNm,
    RateKPerS,
    ResistanceOhm,
    TemperatureK,
    VoltageKV,
)

MAX_OVERSHOOT_K = 1.0
"""A simulated chip overshoots by no more."""

Pixels = Annotated[int, Field(ge=32, le=16384)]
Pair = Annotated[tuple[float, float], Field(strict=False)]


_OF_KIND = {"imaging": "an imaging camera", "diffraction": "a diffraction camera"}

_Probability = Annotated[float, Field(ge=0, lt=0.5)]
_Mode = Annotated[str, Choice("tem_dark_field", "nanobeam", "diffraction")]
_Setting = Annotated[
    str,
    Choice(
        "mode", "high_tension", "magnification", "objective_aperture", "ring", "probe", "probe_current",
        "camera_length", "dose_rate",
    ),
]  # fmt: skip
_Actuator = Annotated[str, Choice("image_beam_shift")]


class Hosted(Model):
    """A device that lives in the process of the guard."""

    driver: Name
    """Name of the driver."""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """What the driver is made with: arguments by name."""


class Holder(Hosted):
    """The heating holder."""

    name: Name | None = None
    """Which of several holders with this driver it is: each has one guard at a time."""
    set_by: Annotated[Literal["annealscope", "operator"], Choice("annealscope", "operator")] = "annealscope"
    """Who sets it: the program; or the operator, at a controller of its own, and the program only reads."""

    @model_validator(mode="after")
    def _has_hands(self) -> Self:
        if self.set_by == "operator" and self.driver != "simulated":
            raise broken_rule("`operator` goes with `driver: simulated` only: no other just reads", "set_by")
        return self


class Microscope(Model):
    """The column."""

    driver: Name
    """Name of the driver."""
    aperture_per_nm: PerNm = Field(alias="aperture")
    """Radius of the objective aperture, the pupil that makes the speckle."""
    modes: Annotated[tuple[_Mode, ...], Field(strict=False, min_length=1)] = ("tem_dark_field",)
    """What the column can do."""
    set_by_operator: Annotated[tuple[_Setting, ...], Field(strict=False)] = ()
    """What of a state of the column is set by hand, from a checklist."""
    actuators: Annotated[tuple[_Actuator, ...], Field(strict=False)] = ("image_beam_shift",)
    """What can move the image while it is measured."""
    high_tension_kV: VoltageKV | None = Field(None, alias="high_tension")
    """Accelerating voltage, where it is never changed."""


class CameraConfig(Model):
    """A camera in one of its modes."""

    driver: Name
    """Name of the driver."""
    kind: Annotated[str, Choice("imaging", "diffraction")] = "imaging"
    """What falls on it: an image of the specimen, or a diffraction pattern."""
    shape: Annotated[tuple[Pixels, Pixels], Field(strict=False)]
    """Rows and columns (ny, nx) of a frame."""
    binning: Annotated[int, Field(ge=1, le=64)] = 1
    """Pixels of the sensor that are read as one, along each side."""
    pixel_nm: LengthNm | None = Field(None, alias="pixel")
    """Size of a pixel on the specimen; of an imaging camera."""
    pixel_per_nm: PerNm | None = Field(None, alias="k_pixel")
    """Size of a pixel in k = 1/d; of a diffraction camera."""
    gain_counts_per_e: GainCountsPerE = Field(alias="gain")
    """Counts of one electron."""
    offset_counts: Counts = Field(alias="offset")
    """Counts of no electron."""
    read_noise_e: Electrons = Field(alias="read_noise")
    """Standard deviation of a pixel in the dark."""
    noise_power: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the shot noise of a pixel that the spread of each electron over pixels leaves."""

    @model_validator(mode="after")
    def _has_its_scale(self) -> Self:
        scales = {"pixel": self.pixel_nm, "k_pixel": self.pixel_per_nm}
        wanted, other = ("pixel", "k_pixel") if self.kind == "imaging" else ("k_pixel", "pixel")
        if scales[wanted] is None:
            raise broken_rule(f"`{wanted}` is missing: the size of a pixel of {_OF_KIND[self.kind]}")
        if scales[other] is not None:
            raise broken_rule(f"is not for {_OF_KIND[self.kind]}, which has `{wanted}`", other)
        return self


class Rise(Model):
    """How well the heater must follow its setpoint."""

    window_s: DurationS = Field(alias="window")
    """Time in which it has to show."""
    tolerance_K: DifferenceK = Field(alias="tolerance")
    """Distance between temperature and setpoint that is nothing unusual, overshoot and lag included."""
    least_rise_K: DifferenceK = Field(alias="least_rise")
    """Rise within the window that shows that a heater far below its setpoint does heat."""


class Envelope(Model):
    """What the holder can bear, whatever a protocol says."""

    max_temperature_K: TemperatureK = Field(alias="max_temperature")
    """Highest temperature of the heater."""
    max_heating_rate_K_per_s: RateKPerS = Field(alias="max_heating_rate")
    """Fastest ramp up."""
    max_cooling_rate_K_per_s: RateKPerS = Field(alias="max_cooling_rate")
    """Fastest ramp down."""
    max_reading_age_s: DurationS = Field(2.0, alias="max_reading_age")
    """A guard switches off when the newest temperature is older."""
    resistance_ohm: Annotated[tuple[ResistanceOhm, ResistanceOhm] | None, Field(strict=False)] = Field(
        None, alias="resistance"
    )
    """Lowest and highest resistance of a sound heater, for a holder that measures it."""
    rise: Rise | None = None
    """How well the heater must follow its setpoint."""

    @model_validator(mode="after")
    def _band_is_in_order(self) -> Self:
        if self.resistance_ohm is not None and not self.resistance_ohm[0] < self.resistance_ohm[1]:
            raise broken_rule("has to be the lowest and the highest, in this order", "resistance")
        return self


class Ellipse(Model):
    """The ellipse that the camera makes of a diffraction ring."""

    ratio: Annotated[float, Field(ge=1, le=1.5)]
    """Long over short axis."""
    angle_deg: Annotated[float, Field(ge=-180, le=180)]
    """Of the long axis, from +x towards +y."""


class Calibration(Model):
    """What was measured on this microscope."""

    image_shift_matrix: Annotated[tuple[Pair, Pair], Field(strict=False)]
    """M: displacement of the image (y, x) per shift (y, x) of the actuator, both in nm."""
    image_shift_range_nm: LengthNm = Field(alias="image_shift_range")
    """Largest shift of the actuator in y or x."""
    ellipse: Ellipse | None = None
    """How diffraction rings are distorted; round unless said otherwise."""

    @model_validator(mode="after")
    def _can_be_inverted(self) -> Self:
        (a, b), (c, d) = self.image_shift_matrix
        size = math.hypot(a, b, c, d)
        if not abs(a * d - b * c) > 1e-3 * size * size:
            raise broken_rule("cannot be inverted: the image moves along one line only", "image_shift_matrix")
        return self


class Heterogeneity(Model):
    """How relaxation times differ from place to place."""

    sigma: Annotated[float, Field(ge=0, le=2)]
    """Standard deviation of ln(tau)."""
    length_nm: LengthNm = Field(alias="length")
    """FWHM of the places."""


class SimulatedFaults(Model):
    """What goes wrong with a simulated camera."""

    jitter_s: DurationOrZeroS = Field(0.0, alias="jitter")
    """Standard deviation of the start of an exposure."""
    drop_rate: _Probability = Field(0.0, alias="drops")
    """Probability that a frame is lost."""
    duplicate_rate: _Probability = Field(0.0, alias="duplicates")
    """Probability that a frame is delivered with the pixels of the one before."""


class SimulatedFault(Model):
    """Something that goes wrong in a simulated laboratory, for a while."""

    what: Annotated[
        Literal["beam", "valves", "camera", "sensor"], Choice("beam", "valves", "camera", "sensor")
    ]
    """The gun stops emitting, the column valves close, cameras freeze, or the temperature is no number."""
    at_s: DurationOrZeroS = Field(alias="at")
    """When, from the start of the run."""
    for_s: DurationS = Field(alias="for")
    """For how long."""


class Simulation(Model):
    """The world behind simulated devices."""

    material: Name
    """File below ``protocols/`` with what is known of the material."""
    dose_rate_per_nm2_s: DoseRatePerNm2S = Field(alias="dose_rate")
    """Electrons on the specimen."""
    dark_field_fraction: Annotated[float, Field(gt=0, le=1)]
    """Share of the electrons that reach the camera."""
    contrast: Annotated[float, Field(gt=0, le=1)]
    """A of g2 - 1 = A exp[-2 (t/tau)^beta]."""
    overshoot_K: DifferenceOrZeroK = Field(alias="overshoot")
    """Overshoot of the temperature after a ramp."""
    walk_nm: LengthOrZeroNm = Field(alias="walk")
    """Standard deviation of the random walk of the specimen in one second."""
    vibration_nm: LengthOrZeroNm = Field(alias="vibration")
    """Standard deviation of the vibration from frame to frame."""
    heterogeneity: Heterogeneity | None = None
    """Relaxation times that differ from place to place; the same everywhere unless said otherwise."""
    camera_faults: SimulatedFaults | None = None
    """What goes wrong with the cameras; nothing unless said otherwise."""
    faults: Annotated[tuple[SimulatedFault, ...], Field(strict=False, max_length=1000)] = ()
    """What else goes wrong, and when."""

    @model_validator(mode="after")
    def _overshoots_little(self) -> Self:
        if self.overshoot_K > MAX_OVERSHOOT_K:
            raise broken_rule(f"has to be at most {MAX_OVERSHOOT_K:g} K", "overshoot")
        return self


class RigConfig(Model):
    """A laboratory."""

    schema_version: SchemaVersion = 1
    """Version of the language of rig files."""
    name: Name
    """What the rig is called."""
    holder: Holder
    """The heating holder."""
    blanker: Hosted | None = None
    """What the guard of the holder blanks the beam with, when nobody is in charge any more."""
    microscope: Microscope
    """The column."""
    cameras: Annotated[dict[Name, CameraConfig], Field(min_length=1)]
    """Cameras by the names that protocols use."""
    envelope: Envelope
    """What the holder can bear."""
    calibration: Calibration
    """What was measured on this microscope."""
    image_shift_owner: Annotated[str, Choice("annealscope", "microscope")] = "annealscope"
    """Who may move the image: only one may."""
    housekeeping: Housekeeping = Housekeeping()
    """What is watched while a run goes on, and what has to be done every few hours."""
    simulation: Simulation | None = None
    """For simulated devices: the world behind them."""
