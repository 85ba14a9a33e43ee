"""Spatial binning: means over squares of pixels."""

import numba
import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]


def bin_frame(frame: npt.NDArray[np.generic], factor: int) -> Float32Array:
    """Average squares of ``factor`` x ``factor`` pixels; what does not fill a square is left out.

    Runs on one thread: waking others costs more than one frame does.

    Parameters
    ----------
    frame
        Shape (ny, nx), any real type.
    factor
        Side of the squares in pixels.

    Returns
    -------
    numpy.ndarray
        float32, shape (ny // factor, nx // factor).
    """
    if factor == 1:
        return frame.astype(np.float32)
    ny, nx = frame.shape
    out = np.empty((ny // factor, nx // factor), dtype=np.float32)
    _bin(frame, factor, out)
    return out


def sum_block(frames: npt.NDArray[np.generic], factor: int) -> npt.NDArray[np.generic]:
    """Add up the counts of squares of ``factor`` x ``factor`` pixels, on all threads.

    Parameters
    ----------
    frames
        Shape (n, ny, nx), any real type.
    factor
        Side of the squares in pixels; what does not fill a square is left out.

    Returns
    -------
    numpy.ndarray
        Shape (n, ny // factor, nx // factor): int64 of integers, so that counts stay counts, else float32.
    """
    n, ny, nx = frames.shape
    whole = np.issubdtype(frames.dtype, np.integer)
    out = np.zeros((n, ny // factor, nx // factor), dtype=np.int64 if whole else np.float32)
    _sum_all(frames if whole else frames.astype(np.float32, copy=False), factor, out)
    return out


@numba.njit(cache=True)
def _bin(frame, factor, out):  # type: ignore[no-untyped-def]
    ny, nx = out.shape
    scale = np.float32(1.0 / (factor * factor))
    sums = np.empty(nx * factor, dtype=np.float32)
    for y in range(ny):
        sums[:] = 0
        for k in range(factor):
            row = frame[y * factor + k]
            for x in range(len(sums)):
                sums[x] += np.float32(row[x])
        binned = out[y]
        binned[:] = 0
        for k in range(factor):
            part = sums[k::factor]
            for x in range(nx):
                binned[x] += part[x] * scale


@numba.njit(cache=True, parallel=True)
def _sum_all(frames, factor, out):  # type: ignore[no-untyped-def]
    for i in numba.prange(len(frames)):
        for y in range(out.shape[1] * factor):
            row, sums = frames[i, y], out[i, y // factor]
            for x in range(len(sums)):
                for k in range(factor):
                    sums[x] += row[x * factor + k]
