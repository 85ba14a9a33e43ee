"""Named states of the column (docs/protocol.md)."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from annealscope.controller.config.model import Model, one_of_kinds
from annealscope.controller.config.quantities import (
    CameraLengthM,
    CurrentPA,
    DurationOrZeroS,
    LengthNm,
    Magnification,
    PerNm,
    VoltageKV,
)


class _State(Model):
    """What all states of the column have."""

    high_tension_kV: VoltageKV = Field(alias="high_tension")
    """Accelerating voltage."""
    normalize: bool = False
    """Normalise the lenses on the way, so that the same state is always reached from the same side."""
    settle_s: DurationOrZeroS = Field(0.0, alias="settle")
    """Time for the column to come to rest."""


class DarkField(_State):
    """A tilted dark-field image."""

    mode: Literal["tem_dark_field"]
    """What the column does."""
    magnification: Magnification
    """Nominal magnification."""
    objective_aperture_nm: LengthNm = Field(alias="objective_aperture")
    """Diameter of the objective aperture."""
    ring_per_nm: PerNm = Field(alias="ring")
    """Spatial frequency of the diffraction ring that the image is made of."""


class Nanobeam(_State):
    """A focused probe, whose diffraction pattern is seen."""

    mode: Literal["nanobeam"]
    """What the column does."""
    probe_nm: LengthNm = Field(alias="probe")
    """FWHM of the probe's intensity on the specimen."""
    probe_current_pA: CurrentPA = Field(alias="probe_current")
    """Current in the probe; the dose is counted with it."""
    camera_length_m: CameraLengthM = Field(alias="camera_length")
    """Nominal camera length."""


class AreaDiffraction(_State):
    """The diffraction pattern of an area."""

    mode: Literal["diffraction"]
    """What the column does."""
    camera_length_m: CameraLengthM = Field(alias="camera_length")
    """Nominal camera length."""


OpticsState = Annotated[
    Annotated[DarkField | Nanobeam | AreaDiffraction, Field(discriminator="mode")],
    BeforeValidator(one_of_kinds("mode", "tem_dark_field", "nanobeam", "diffraction")),
]
"""A state of the column."""
