"""What an acquisition will take and can tell: memory, lags, precision.

The rules are those of the analysis, of which a plan loads the parts that need no compiler.
"""

import math
from functools import cache

from annealscope.analysis.fem_spec import MOST_GROUPS
from annealscope.analysis.geometry import (
    CHANNELS,
    LIVE_PIXELS,
    TTCF_BINS,
    correlator_levels,
    drift_margin_px,
    inside_margin,
    spatial_bin,
    speckle_count,
)
from annealscope.analysis.precision import error_scale, record_bias
from annealscope.analysis.variance import variance_error_scale

__all__ = [
    "FRAME_HEADER_BYTES",
    "TYPICAL_RING_PER_NM",
    "analyst_memory_bytes",
    "frame_bytes",
    "largest_lag_frames",
    "pattern_memory_bytes",
    "plain_bias",
    "sigma_ln_tau",
    "sigma_variance",
    "speckle_count",
    "valid_shape",
]

FRAME_HEADER_BYTES = 64
"""Beside each frame in the log of an open acquisition."""

_BLOCK_FRAMES = 32
_FEWEST_PARTS = 8
"""Of a scan with fewer rows, for the jackknife."""

_TWO_TIME_BYTES = 8 * 2048**2
_PROGRAM_BYTES = 300_000_000
"""The analyst without data."""

_TYPICAL_BETA = 0.75
_SLOTS = 1000
"""The bias of a plain fit depends little on either."""

TYPICAL_RING_PER_NM = 4.2
"""First diffraction ring of a metallic glass, where a protocol names none; what is computed from it goes with
its square root."""


def frame_bytes(shape: tuple[int, int]) -> int:
    """Return the size of one recorded frame of 16-bit counts with its header."""
    return shape[0] * shape[1] * 2 + FRAME_HEADER_BYTES


def valid_shape(shape: tuple[int, int], drift: bool) -> tuple[int, int]:
    """Return the frame (ny, nx) that is left when the drift correction has taken its margin."""
    return inside_margin(shape, drift_margin_px(shape) if drift else 0)


def largest_lag_frames(frames: int) -> int:
    """Return the longest lag of the correlator in frames; at least half the record."""
    return min(frames - 1, (CHANNELS - 1) << (correlator_levels(frames) - 1))


def analyst_memory_bytes(shape: tuple[int, int], frames: int) -> int:
    """Return the analyst's largest need for one acquisition.

    In bytes for each pixel:

    - the correlator: 372, and 224 for each of its levels above the first; once more for the pixels that make
      the live result when they are not all;
    - its sums and curves when the result is made: 240, and 128 for each level above the first;
    - one block of 32 frames: 6 for each (counts, corrected float32);
    - 4 for each of at most 700 time bins of the two-time map, a quarter of it for frames larger than 512;
    - 200 for the images of the drift correction and the maps of the result;

    and, whatever the frames, the program and the sums of the two-time map.

    Parameters
    ----------
    shape
        (ny, nx) of the frames.
    frames
        Frames of the acquisition.
    """
    pixels = shape[0] * shape[1]
    upper_levels = correlator_levels(frames) - 1
    correlator = 372 + 224 * upper_levels
    sums = 240 + 128 * upper_levels
    bins = math.ceil(frames / math.ceil(frames / TTCF_BINS))
    two_time = 4 * bins // spatial_bin(shape) ** 2
    live = LIVE_PIXELS * correlator if pixels > LIVE_PIXELS else 0
    of_a_pixel = correlator + sums + 6 * _BLOCK_FRAMES + two_time + 200
    return _PROGRAM_BYTES + _TWO_TIME_BYTES + live + pixels * of_a_pixel


def sigma_ln_tau(n_speckles: float, duration_s: float, tau_s: float) -> float:
    """Return the expected standard error of ln(tau) of one record, fitted with its finite duration."""
    return float(error_scale(n_speckles, duration_s, tau_s, model="finite")[0])


@cache
def plain_bias(record_per_tau: float) -> float:
    """Return the expected relative error of tau when a record's finite duration is not corrected for.

    It depends on nothing but the number of relaxation times in the record.
    """
    tau_seen, _ = record_bias(1.0, _TYPICAL_BETA, _SLOTS, record_per_tau / _SLOTS)
    return tau_seen - 1


def pattern_memory_bytes(shape: tuple[int, int], scan_rows: int = 0) -> int:
    """Return the analyst's largest need for diffraction patterns, however many there are.

    In bytes for each pixel: 24 for the float64 sums of each part of the scan that the jackknife leaves out in
    turn (intensity, its square, and what is just being added); 2 for each of the 32 patterns of a block; 420
    for the pattern that is being placed and the images and masks of the result. And the program.

    Parameters
    ----------
    shape
        (ny, nx) of the patterns.
    scan_rows
        Rows of the grid; 0 for patterns of an area.
    """
    parts = min(max(scan_rows, _FEWEST_PARTS), MOST_GROUPS) if scan_rows else 1
    of_a_pixel = 24 * parts + 2 * _BLOCK_FRAMES + 420
    return _PROGRAM_BYTES + shape[0] * shape[1] * of_a_pixel


def sigma_variance(patterns: int, probe_nm: float, ring_per_nm: float = TYPICAL_RING_PER_NM) -> float:
    """Return the expected relative standard error of V(k) at a ring (docs/planning.md).

    Parameters
    ----------
    patterns
        Positions of the scan, farther apart than the probe is wide.
    probe_nm
        FWHM of the probe's intensity.
    ring_per_nm
        Where on the k axis, ``k = 1 / d``.
    """
    return float(variance_error_scale(patterns, ring_per_nm, probe_nm))
