"""What an acquisition will take and can tell: memory, lags, precision.

The rules are those of `annealscope.analysis.geometry` and `precision`, which a plan does not import: the
engine, which knows plans, stays free of the analysis. The tests hold the two together.
"""

import math

FRAME_HEADER_BYTES = 64
"""Beside each frame in the log of an open acquisition."""

_CHANNELS = 16
_MOST_LEVELS = 12
_BLOCK_FRAMES = 32
_LIVE_PIXELS = 128**2
_TWO_TIME_BINS = 700
_LARGE_FRAME_PX = 512
_PROGRAM_BYTES = 300_000_000
"""The analyst without data."""


def frame_bytes(shape: tuple[int, int]) -> int:
    """Return the size of one recorded frame of 16-bit counts with its header."""
    return shape[0] * shape[1] * 2 + FRAME_HEADER_BYTES


def valid_shape(shape: tuple[int, int], drift: bool) -> tuple[int, int]:
    """Return the frame (ny, nx) that is left when the drift correction has taken its margin."""
    margin = min(max(6, min(shape) // 16), 16) if drift else 0
    return shape[0] - 2 * margin, shape[1] - 2 * margin


def largest_lag_frames(frames: int) -> int:
    """Return the longest lag of the correlator in frames; at least half the record."""
    return min(frames - 1, (_CHANNELS - 1) << (_levels(frames) - 1))


def _levels(frames: int) -> int:
    needed = math.ceil(math.log2(frames / 2 / (_CHANNELS - 1))) + 1
    return min(max(needed, 1), _MOST_LEVELS)


def analyst_memory_bytes(shape: tuple[int, int], frames: int) -> int:
    """Return the analyst's largest need for one acquisition.

    In bytes for each pixel:

    - the correlator: 372, and 224 for each of its levels above the first; once more for the pixels that make
      the live result when they are not all;
    - its sums when the result is made: 180, and 96 for each level above the first;
    - one block of 32 frames: 6 for each (counts, corrected float32);
    - 4 for each of at most 700 time bins of the two-time map, a quarter of it for frames larger than 512;
    - 200 for the images of the drift correction and the maps of the result.

    Parameters
    ----------
    shape
        (ny, nx) of the frames.
    frames
        Frames of the acquisition.
    """
    pixels = shape[0] * shape[1]
    upper_levels = _levels(frames) - 1
    correlator = 372 + 224 * upper_levels
    sums = 180 + 96 * upper_levels
    bins = math.ceil(frames / math.ceil(frames / _TWO_TIME_BINS))
    two_time = 4 * bins // (4 if max(shape) > _LARGE_FRAME_PX else 1)
    live = _LIVE_PIXELS * correlator if pixels > _LIVE_PIXELS else 0
    return _PROGRAM_BYTES + live + pixels * (correlator + sums + 6 * _BLOCK_FRAMES + two_time + 200)


def speckle_count(shape: tuple[int, int], pixel_nm: float, aperture_per_nm: float) -> float:
    """Return the number of independent speckles in a frame: area times pi q_a^2, q_a the aperture radius."""
    return shape[0] * shape[1] * pixel_nm**2 * math.pi * aperture_per_nm**2


def sigma_ln_tau(n_speckles: float, duration_s: float, tau_s: float) -> float:
    """Return the expected standard error of ln(tau) of one record, good to 30 %.

    That of the fit with the finite duration in it, 1.3 times the universal scale (docs/methods/kww.md).
    """
    return 1.3 * 2.5 / math.sqrt(n_speckles * duration_s / tau_s)


def plain_bias(duration_s: float, tau_s: float) -> float:
    """Return the expected relative error of tau when a record's finite duration is not corrected for.

    A fit to the plain g2 of a record of duration T reads tau T/(T + 4.5 tau), for stretching exponents of
    0.7 ... 0.85 within 5 %.
    """
    return -1 / (1 + duration_s / (4.5 * tau_s))
