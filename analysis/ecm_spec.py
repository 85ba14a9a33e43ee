"""What an ECM analysis must know of an acquisition before its first frame."""

from dataclasses import dataclass, field
from math import ceil

import numpy as np

from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.geometry import (
    FWHM_TIMES_APERTURE,
    TTCF_BINS,
    drift_margin_px,
    inside_margin,
    spatial_bin,
    speckle_count,
)
from annealscope.analysis.shift import REACH_PX
from annealscope.analysis.values import InvalidData

ESTIMATORS = ("pixel", "ratio", "roi", "ttcf")
"""Averages of g2 over the image, see `averages.g2_averages`."""

DURATION_COLUMNS = {"pixel": "", "corrected": "corrected_", "ttcf": "ttcf_"}
"""Estimators that are tabulated against duration, and what the names of their columns begin with."""

MATRIX_OF_SAME_AXES = ((1.0, 0.0), (0.0, 1.0))


@dataclass(frozen=True)
class EcmSpec:
    """What the analysis must know of an acquisition before its first frame."""

    shape: tuple[int, int]
    """Of a frame (ny, nx)."""

    period_s: float
    """Start to start; results use the measured spacing."""

    exposure_s: float
    pixel_nm: float

    aperture_per_nm: float
    """Radius q_a of the objective aperture in 1/nm: the pupil that makes the speckle."""

    frames_expected: int
    """Planned number of slots; more or fewer may come."""

    offset_counts: float = 0.0
    gain_counts_per_e: float = 1.0

    drift: bool = True
    """Measure and correct drift."""

    image_shift_matrix: tuple[tuple[float, float], tuple[float, float]] = MATRIX_OF_SAME_AXES
    """M: image displacement (y, x) per actuator shift (y, x), both nm."""

    margin_px: int | None = None
    """Taken off every side, so that shifted frames have no invented edges; None: see `margin`."""

    fit: FitSpec = field(default_factory=FitSpec.default)
    """Of the curves `pixel` and `ratio`."""

    ttcf_bin: int | None = None
    """Slots averaged to one time of the two-time map; None: about `TTCF_BINS` of them."""

    map: bool = True
    """Fit every pixel at the end."""

    exact: bool = False
    """Keep all frames and correlate them exactly, instead of with the multi-tau correlator."""

    def __post_init__(self) -> None:
        for name in ("period_s", "exposure_s", "pixel_nm", "aperture_per_nm", "gain_counts_per_e"):
            value = getattr(self, name)
            _require(np.isfinite(value) and value > 0, name, "must be a number > 0", value)
        _require(self.frames_expected > 0, "frames_expected", "must be > 0", self.frames_expected)
        _require(self.ttcf_bin is None or self.ttcf_bin > 0, "ttcf_bin", "must be > 0 slots", self.ttcf_bin)
        _require(self.margin >= 0, "margin_px", "must be >= 0", self.margin_px)
        room = f"must leave 16 px inside the margin of {self.margin} px"
        _require(min(self.valid_shape) >= 16, "shape", room, self.shape)

    @property
    def margin(self) -> int:
        """Pixels taken off every side; when not given `drift_margin_px`, none without drift."""
        if self.margin_px is not None:
            return self.margin_px
        return drift_margin_px(self.shape) if self.drift else 0

    @property
    def max_displacement_px(self) -> int:
        """Frames displaced by more, along either axis, are masked."""
        return self.margin - REACH_PX

    @property
    def valid_shape(self) -> tuple[int, int]:
        """Of the corrected frames."""
        return inside_margin(self.shape, self.margin)

    @property
    def speckle_px(self) -> float:
        """Full width at half maximum of a speckle in pixels."""
        return FWHM_TIMES_APERTURE / self.aperture_per_nm / self.pixel_nm

    @property
    def n_speckles(self) -> float:
        """Independent speckles of the valid area."""
        return speckle_count(self.valid_shape, self.pixel_nm, self.aperture_per_nm)

    @property
    def coarse(self) -> int:
        """Spatial binning of the two-time map and the pixel maps."""
        return spatial_bin(self.shape)

    @property
    def ttcf_bin_slots(self) -> int:
        """Slots averaged to one time of the two-time map."""
        return self.ttcf_bin or ceil(self.frames_expected / TTCF_BINS)


def _require(rule: bool, name: str, text: str, got: object) -> None:
    if not rule:
        raise InvalidData(f"ECM specification: {name} {text}: got {got!r}")
