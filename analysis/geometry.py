"""What follows from the size of a frame and the length of a record alone: no data, nothing slow to load."""

import math

Shape = tuple[int, int]

FWHM_TIMES_APERTURE = 0.514
"""FWHM of the intensity correlation of a round pupil, times the pupil's radius."""

CHANNELS = 16
"""Samples that a level of the correlator looks back."""

MOST_LEVELS = 12

TTCF_BINS = 700
"""Time bins of the two-time map, when the caller does not choose."""

LARGE_FRAME_PX = 512
"""Frames of a longer side are binned 2 x 2 for the two-time map and the pixel maps."""

LIVE_PIXELS = 128**2
"""At most so many pixels, evenly spaced, make the live result."""


def drift_margin_px(shape: Shape) -> int:
    """Return what drift correction takes off every side: 1/16 of the shorter one within 6 ... 16 pixels."""
    return min(max(6, min(shape) // 16), 16)


def inside_margin(shape: Shape, margin_px: int) -> Shape:
    """Return the frame (ny, nx) that is left inside a margin on every side."""
    return shape[0] - 2 * margin_px, shape[1] - 2 * margin_px


def spatial_bin(shape: Shape) -> int:
    """Return the side in pixels of the squares averaged for the two-time map and the pixel maps."""
    return 2 if max(shape) > LARGE_FRAME_PX else 1


def correlator_levels(slots: int) -> int:
    """Return the levels of `CHANNELS` channels whose lags reach half a record of so many slots."""
    needed = math.ceil(math.log2(slots / 2 / (CHANNELS - 1))) + 1
    return min(max(needed, 1), MOST_LEVELS)


def speckle_count(shape: Shape, pixel_nm: float, aperture_per_nm: float) -> float:
    """Return the number of independent speckles in a frame: area times ``pi q_a^2``.

    Parameters
    ----------
    shape
        (ny, nx) in pixels.
    pixel_nm
        Side of a pixel on the specimen.
    aperture_per_nm
        Radius q_a of the objective aperture.
    """
    return shape[0] * shape[1] * pixel_nm**2 * math.pi * aperture_per_nm**2
