"""Sub-pixel displacement of frames: ``corrected(r) = raw(r + d)`` (docs/methods/drift.md).

Six-tap Lagrange interpolation along each axis. Its error for speckle of six pixels is 0.04 % of the contrast,
of three pixels 2 %; linear interpolation would modulate the contrast with the fraction of the shift.
"""

import numba
import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import FloatArray, InvalidData

REACH_PX = 3
"""The interpolation looks so far beyond the displacement: a crop by ``abs(d) + REACH_PX`` is exact."""

Float32Array = npt.NDArray[np.float32]


def sample_shifted(frame: npt.NDArray[np.generic], d_px: tuple[float, float], out: Float32Array) -> None:
    """Sample a frame at displaced positions: ``out(r) = frame(r + d)``.

    ``out`` is the centred crop of the corrected frame: with margin m its shape is (ny - 2 m, nx - 2 m).
    Pixels that would need values from outside the frame repeat the edge; nothing wraps around. Crop by
    ``abs(d) + REACH_PX`` to have none of them. Whole-pixel displacements copy values exactly.

    Parameters
    ----------
    frame
        Counts, shape (ny, nx), unsigned 16-bit or float32.
    d_px
        Displacement (y, x) of the features of ``frame``, positive towards larger index.
    out
        Written in place, float32.

    Raises
    ------
    InvalidData
        When ``out`` is not a centred crop of ``frame``.
    """
    sample_block(frame[np.newaxis], np.array([d_px], dtype=np.float64), out[np.newaxis])


def sample_block(frames: npt.NDArray[np.generic], d_px: FloatArray, out: Float32Array) -> None:
    """Sample n frames, each at its own displacement ``d_px[i]`` (see `sample_shifted`).

    Parameters
    ----------
    frames
        Counts, shape (n, ny, nx), unsigned 16-bit or float32; other types are converted to float32 first.
    d_px
        Displacements (y, x), shape (n, 2), finite.
    out
        Written in place, float32, shape (n, ny - 2 my, nx - 2 mx).
    """
    margin = _margin(frames.shape, out.shape)
    if not np.all(np.isfinite(d_px)):
        raise InvalidData(
            "displacement must be finite: got NaN or inf; mask the frame instead of shifting it"
        )
    if frames.dtype not in (np.dtype(np.uint16), np.dtype(np.float32)):
        frames = frames.astype(np.float32)
    whole = np.floor(d_px)
    first = whole.astype(np.int64) + np.array(margin) - 2
    _sample(frames, first, lagrange_weights(d_px - whole), out)


def lagrange_weights(fraction: FloatArray) -> Float32Array:
    """Weights of the six samples at -2 ... 3 for a position ``fraction`` in [0, 1]; shape (..., 6), sum 1."""
    offsets = np.arange(-2.0, 4.0)
    x = np.asarray(fraction, dtype=np.float64)
    weights = [
        np.prod([(x - other) / (offset - other) for other in offsets if other != offset], axis=0)
        for offset in offsets
    ]
    return np.stack(weights, axis=-1).astype(np.float32)


def normalise_block(frames: Float32Array, offset_counts: float) -> FloatArray:
    """Subtract the offset and divide every frame by its own mean, in place.

    Parameters
    ----------
    frames
        Counts, float32, shape (n, ny, nx); afterwards the mean of each frame is 1.
    offset_counts
        What the camera reads without a beam.

    Returns
    -------
    FloatArray
        The mean above the offset in counts, shape (n,). Frames whose mean is not positive are left undivided.
    """
    means = np.empty(len(frames))
    _normalise(frames, np.float32(offset_counts), means)
    return means


def _margin(full: tuple[int, ...], cropped: tuple[int, ...]) -> tuple[int, int]:
    spare_y, spare_x = full[-2] - cropped[-2], full[-1] - cropped[-1]
    if full[0] != cropped[0] or min(spare_y, spare_x) < 0 or spare_y % 2 or spare_x % 2:
        raise InvalidData(
            f"output must be a centred crop of the frames: got {cropped} for {full}; "
            "take the same number of pixels off both sides"
        )
    return spare_y // 2, spare_x // 2


@numba.njit(cache=True, parallel=True)
def _sample(frames, first, weights, out):  # type: ignore[no-untyped-def]
    n, ny, nx = out.shape
    for i in numba.prange(n):
        y0, x0 = first[i, 0] + 2, first[i, 1] + 2
        whole = weights[i, 0, 2] == 1 and weights[i, 1, 2] == 1
        if whole and min(y0, x0) >= 0 and y0 + ny <= frames.shape[1] and x0 + nx <= frames.shape[2]:
            _copy(frames[i, y0:, x0:], out[i])
            continue
        mixed = np.empty(nx + 5, dtype=np.float32)
        for y in range(ny):
            _mix_rows(frames[i], first[i, 0] + y, first[i, 1], weights[i, 0], mixed)
            _mix_columns(mixed, weights[i, 1], out[i, y])


@numba.njit(cache=True)
def _copy(frame, out):  # type: ignore[no-untyped-def]
    """Displacements by whole pixels mix nothing."""
    for y in range(out.shape[0]):
        row, line = out[y], frame[y]
        for x in range(len(row)):
            row[x] = np.float32(line[x])


@numba.njit(cache=True)
def _mix_rows(frame, y, x, w, mixed):  # type: ignore[no-untyped-def]
    """Mix rows y ... y + 5 into ``mixed``, which begins at column x; beyond the frame repeat the edge."""
    ny, nx = frame.shape
    row0 = frame[min(max(y, 0), ny - 1)]
    row1 = frame[min(max(y + 1, 0), ny - 1)]
    row2 = frame[min(max(y + 2, 0), ny - 1)]
    row3 = frame[min(max(y + 3, 0), ny - 1)]
    row4 = frame[min(max(y + 4, 0), ny - 1)]
    row5 = frame[min(max(y + 5, 0), ny - 1)]
    length = len(mixed)
    begin = min(max(-x, 0), length - 1)
    end = max(min(nx - x, length), begin + 1)
    source = min(max(x, 0), nx - 1)
    a0, a1, a2 = row0[source:], row1[source:], row2[source:]
    a3, a4, a5 = row3[source:], row4[source:], row5[source:]
    inner = mixed[begin:end]
    for j in range(len(inner)):
        near = w[1] * np.float32(a1[j]) + w[2] * np.float32(a2[j]) + w[3] * np.float32(a3[j])
        inner[j] = near + w[0] * np.float32(a0[j]) + w[4] * np.float32(a4[j]) + w[5] * np.float32(a5[j])
    mixed[:begin] = inner[0]
    mixed[end:] = inner[-1]


@numba.njit(cache=True)
def _mix_columns(mixed, w, row):  # type: ignore[no-untyped-def]
    n = len(row)
    a0, a1, a2 = mixed[:n], mixed[1 : n + 1], mixed[2 : n + 2]
    a3, a4, a5 = mixed[3 : n + 3], mixed[4 : n + 4], mixed[5 : n + 5]
    for j in range(n):
        near = w[1] * a1[j] + w[2] * a2[j] + w[3] * a3[j]
        row[j] = near + w[0] * a0[j] + w[4] * a4[j] + w[5] * a5[j]


@numba.njit(cache=True, parallel=True)
def _normalise(frames, offset, means):  # type: ignore[no-untyped-def]
    n, ny, nx = frames.shape
    for i in numba.prange(n):
        column_sums = np.zeros(nx)  # independent sums, many of which the processor does at once
        for y in range(ny):
            row = frames[i, y]
            for x in range(nx):
                column_sums[x] += row[x] - offset
        means[i] = column_sums.sum() / (ny * nx)
        scale = np.float32(1.0 / means[i]) if means[i] > 0 else np.float32(1)
        for y in range(ny):
            row = frames[i, y]
            for x in range(nx):
                row[x] = (row[x] - offset) * scale
