"""What stands in the laboratory: holder, microscope, cameras, and what they can bear."""

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from annealscope.controller.config.model import Choice, Model, SchemaVersion, broken_rule
from annealscope.controller.config.protocol import Name
from annealscope.controller.config.quantities import (
    Counts,
    DifferenceOrZeroK,
    DoseRatePerNm2S,
    Electrons,
    GainCountsPerE,
    LengthNm,
    LengthOrZeroNm,
    PerNm,
    RateKPerS,
    TemperatureK,
)

MAX_OVERSHOOT_K = 1.0
"""A simulated chip overshoots by no more."""

Pixels = Annotated[int, Field(ge=32, le=16384)]
Pair = Annotated[tuple[float, float], Field(strict=False)]


class Holder(Model):
    """The heating holder."""

    driver: Name
    """Name of the driver."""


class Microscope(Model):
    """The column."""

    driver: Name
    """Name of the driver."""
    aperture_per_nm: PerNm = Field(alias="aperture")
    """Radius of the objective aperture, the pupil that makes the speckle."""


class CameraConfig(Model):
    """A camera in one of its modes."""

    driver: Name
    """Name of the driver."""
    shape: Annotated[tuple[Pixels, Pixels], Field(strict=False)]
    """Rows and columns (ny, nx) of a frame."""
    pixel_nm: LengthNm = Field(alias="pixel")
    """Size of a pixel on the specimen."""
    gain_counts_per_e: GainCountsPerE = Field(alias="gain")
    """Counts of one electron."""
    offset_counts: Counts = Field(alias="offset")
    """Counts of no electron."""
    read_noise_e: Electrons = Field(alias="read_noise")
    """Standard deviation of a pixel in the dark."""


class Envelope(Model):
    """What the holder can bear, whatever a protocol says."""

    max_temperature_K: TemperatureK = Field(alias="max_temperature")
    """Highest temperature of the heater."""
    max_heating_rate_K_per_s: RateKPerS = Field(alias="max_heating_rate")
    """Fastest ramp up."""
    max_cooling_rate_K_per_s: RateKPerS = Field(alias="max_cooling_rate")
    """Fastest ramp down."""


class Calibration(Model):
    """What was measured on this microscope."""

    image_shift_matrix: Annotated[tuple[Pair, Pair], Field(strict=False)]
    """M: displacement of the image (y, x) per shift (y, x) of the actuator, both in nm."""
    image_shift_range_nm: LengthNm = Field(alias="image_shift_range")
    """Largest shift of the actuator in y or x."""

    @model_validator(mode="after")
    def _can_be_inverted(self) -> Self:
        (a, b), (c, d) = self.image_shift_matrix
        size = math.hypot(a, b, c, d)
        if not abs(a * d - b * c) > 1e-3 * size * size:
            raise broken_rule("cannot be inverted: the image moves along one line only", "image_shift_matrix")
        return self


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
    simulation: Simulation | None = None
    """For simulated devices: the world behind them."""
