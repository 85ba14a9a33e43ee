"""What an ECM analysis must know of an acquisition before its first frame."""

from dataclasses import dataclass, field
from math import ceil

import numpy as np

from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.precision import speckle_count
from annealscope.analysis.shift import REACH_PX
from annealscope.analysis.values import InvalidData

TTCF_BINS = 700
"""Time bins of the two-time map, when the caller does not choose."""

LARGE_FRAME_PX = 512
"""Frames of a longer side are binned 2 x 2 for the two-time map and the pixel maps."""

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

    def __post_init__(self) -> None:
        for name in ("period_s", "exposure_s", "pixel_nm", "aperture_per_nm", "gain_counts_per_e"):
            value = getattr(self, name)
            _require(np.isfinite(value) and value > 0, name, "must be a number > 0", value)
        _require(self.frames_expected > 0, "frames_expected", "must be > 0", self.frames_expected)
        _require(self.ttcf_bin is None or self.ttcf_bin > 0, "ttcf_bin", "must be > 0 slots", self.ttcf_bin)
        _require(self.margin >= 0, "margin_px", "must be >= 0", self.margin_px)
        _require(min(self.valid_shape) >= 16, "shape", "must leave 16 px inside the margin", self.shape)

    @property
    def margin(self) -> int:
        """Pixels taken off every side: 1/16 of the shorter one within 6 ... 16; none without drift."""
        if self.margin_px is not None:
            return self.margin_px
        return min(max(6, min(self.shape) // 16), 16) if self.drift else 0

    @property
    def max_displacement_px(self) -> int:
        """Frames displaced by more, along either axis, are masked."""
        return self.margin - REACH_PX

    @property
    def valid_shape(self) -> tuple[int, int]:
        """Of the corrected frames."""
        return self.shape[0] - 2 * self.margin, self.shape[1] - 2 * self.margin

    @property
    def n_speckles(self) -> float:
        """Independent speckles of the valid area."""
        area_nm2 = self.valid_shape[0] * self.valid_shape[1] * self.pixel_nm**2
        return speckle_count(area_nm2, self.aperture_per_nm)

    @property
    def coarse(self) -> int:
        """Spatial binning of the two-time map and the pixel maps."""
        return 2 if max(self.shape) > LARGE_FRAME_PX else 1

    @property
    def ttcf_bin_slots(self) -> int:
        """Slots averaged to one time of the two-time map."""
        return self.ttcf_bin or ceil(self.frames_expected / TTCF_BINS)


def _require(rule: bool, name: str, text: str, got: object) -> None:
    if not rule:
        raise InvalidData(f"ECM specification: {name} {text}: got {got!r}")
