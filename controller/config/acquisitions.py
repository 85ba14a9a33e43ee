"""What can be measured (docs/protocol.md)."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from annealscope.controller.config.model import Choice, Model, broken_rule, one_of_kinds
from annealscope.controller.config.names import Name
from annealscope.controller.config.quantities import DoseRatePerNm2S, DurationS, LengthNm
from annealscope.controller.config.until import MAX_FRAMES, MIN_FRAMES, Until

MAX_POINTS = 10_000
"""Positions of a grid in one direction, and patterns of an area."""

_Thickness = Annotated[float, Field(gt=0, le=10)]
_Points = Annotated[int, Field(ge=1, le=MAX_POINTS)]


_Owner = Annotated[Literal["annealscope", "microscope"], Choice("annealscope", "microscope")]
_OnLimit = Annotated[Literal["flag", "suspend", "stop"], Choice("flag", "suspend", "stop")]


class Region(Model):
    """Where on the specimen."""

    fresh: bool
    """Go to a region that has seen no beam."""
    thickness: Annotated[tuple[_Thickness, _Thickness], Field(strict=False)] | None = None
    """Wanted thickness of a fresh region in inelastic mean free paths: from, to."""

    @model_validator(mode="after")
    def _can_be_chosen(self) -> Self:
        if self.thickness is not None and not self.thickness[0] < self.thickness[1]:
            raise broken_rule("has to be two numbers, the smaller one first", "thickness")
        if self.thickness is not None and not self.fresh:
            message = "is for choosing a fresh region; the present one is as thick as it is"
            raise broken_rule(message, "thickness")
        return self


class Drift(Model):
    """Who corrects the drift of the image, and how much of it is too much."""

    owner: _Owner = "annealscope"
    """Who moves the image: only one may. The drift is measured either way."""
    actuator: Annotated[str, Choice("image_beam_shift", "stage")] = "image_beam_shift"
    """What it is moved with."""
    warn_nm: LengthNm = Field(alias="warn")
    """Displacement from the reference that is reported."""
    limit_nm: LengthNm = Field(alias="limit")
    """Displacement from the reference that is too much."""
    on_limit: _OnLimit = "flag"
    """What happens then: frames are flagged, or the acquisition is suspended, or the run stops."""

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.warn_nm > self.limit_nm:
            raise broken_rule("has to be at most `limit`", "warn")
        return self


class Grid(Model):
    """Positions of the probe, row by row, centred on the region."""

    points: Annotated[tuple[_Points, _Points], Field(strict=False)]
    """Rows, columns."""
    pitch_nm: LengthNm = Field(alias="pitch")
    """Distance of neighbours."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.frames > MAX_FRAMES:
            raise broken_rule(f"makes {self.frames} patterns, at most {MAX_FRAMES}", "points")
        return self

    @property
    def frames(self) -> int:
        """Patterns of the grid."""
        return self.points[0] * self.points[1]


class _Acquisition(Model):
    """What all acquisitions have."""

    camera: Name
    """A camera of the rig."""
    binning: Annotated[int, Field(ge=1, le=64)] | None = None
    """Pixels that are read as one, along each side; has to be that of the rig's camera."""
    exposure_s: DurationS = Field(alias="exposure")
    """Exposure of one frame."""


class EcmAcquisition(_Acquisition):
    """A tilted dark field movie, correlated in time (electron correlation microscopy)."""

    kind: Literal["ecm"]
    """What is measured."""
    optics: Name | None = None
    """State of the column; without it the column stays as it is."""
    period_s: DurationS = Field(alias="period")
    """Start to start; in the pause after the exposure the drift is corrected."""
    beam_in_pause: Annotated[str, Choice("on", "blanked")] = "on"
    """Whether the beam stays on the specimen between exposures."""
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
        _check_period(self.exposure_s, self.period_s)
        if not MIN_FRAMES <= self.frames <= MAX_FRAMES:
            message = f"makes {self.frames} frames, has to be {MIN_FRAMES} to {MAX_FRAMES}"
            raise broken_rule(message, "until", "duration")
        return self

    @property
    def frames(self) -> int:
        """Frames of the acquisition, at most."""
        return self.until.most_frames(self.period_s)

    @property
    def frame_period_s(self) -> float:
        """Start to start."""
        return self.period_s


class FemAcquisition(_Acquisition):
    """Nanobeam diffraction patterns on a grid (fluctuation electron microscopy)."""

    kind: Literal["fem"]
    """What is measured."""
    optics: Name
    """State of the column, of mode nanobeam."""
    period_s: DurationS | None = Field(None, alias="period")
    """Start to start; one exposure after the other unless said otherwise."""
    beam_in_pause: Annotated[str, Choice("on", "blanked")] = "on"
    """Whether the beam stays on the specimen between exposures."""
    grid: Grid
    """Positions of the probe."""
    haadf: bool = False
    """Record the annular dark-field signal with each pattern."""
    region: Region = Region(fresh=True)
    """Where on the specimen; a fresh region unless said otherwise."""

    @model_validator(mode="after")
    def _fits_in_time(self) -> Self:
        _check_period(self.exposure_s, self.frame_period_s)
        return self

    @property
    def frames(self) -> int:
        """Patterns of the grid."""
        return self.grid.frames

    @property
    def frame_period_s(self) -> float:
        """Start to start."""
        return self.period_s or self.exposure_s


class DiffractionAcquisition(_Acquisition):
    """Diffraction patterns of an area, compared ring by ring."""

    kind: Literal["diffraction"]
    """What is measured."""
    optics: Name
    """State of the column, of mode diffraction."""
    period_s: DurationS | None = Field(None, alias="period")
    """Start to start; one exposure after the other unless said otherwise."""
    frames: Annotated[int, Field(ge=1, le=MAX_POINTS)] = 1
    """Patterns."""
    dose_rate_per_nm2_s: DoseRatePerNm2S | None = Field(None, alias="dose_rate")
    """Electrons on the specimen; without it the dose of these patterns is not counted."""
    region: Region = Region(fresh=False)
    """Where on the specimen; the present region unless said otherwise."""

    @model_validator(mode="after")
    def _fits_in_time(self) -> Self:
        _check_period(self.exposure_s, self.frame_period_s)
        return self

    @property
    def frame_period_s(self) -> float:
        """Start to start."""
        return self.period_s or self.exposure_s


def _check_period(exposure_s: float, period_s: float) -> None:
    if period_s < exposure_s:
        message = f"has to be at least the `exposure`, {exposure_s:g} s, got {period_s:g} s"
        raise broken_rule(message, "period")


Acquisition = Annotated[
    Annotated[EcmAcquisition | FemAcquisition | DiffractionAcquisition, Field(discriminator="kind")],
    BeforeValidator(one_of_kinds("kind", "ecm", "fem", "diffraction")),
]
"""Something that can be measured."""
