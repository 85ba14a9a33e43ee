"""Frames as compressed tiles: what HDF5's own shuffle and deflate filters would make of them, only faster.

A tile is 16 frames of 256 x 256 pixels, so that one frame, one region over time, and everything between are
read without touching much else. The stream is plain deflate: every HDF5 reader opens it without a plugin.
"""

from collections.abc import Iterator
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

try:
    from isal.isal_zlib import compress as deflate
except ImportError:  # no wheel for this platform: the same stream, slower
    from zlib import compress as deflate

Compression = Literal["auto", "deflate", "none"]

TILE_FRAMES = 16
TILE_PIXELS = 256
LEVEL = 1

AUTO_LIMIT_BYTES_PER_S = 100e6
"""Up to this data rate one core compresses with room to spare."""


def compresses(compression: Compression, frame_bytes: int, period_s: float) -> bool:
    """Say whether frames are to be compressed; ``auto`` decides by the data rate."""
    if compression == "auto":
        return frame_bytes <= AUTO_LIMIT_BYTES_PER_S * period_s
    return compression == "deflate"


def create_frames(
    group: h5py.Group, name: str, shape: tuple[int, int], dtype: npt.DTypeLike, deflated: bool
) -> h5py.Dataset:
    """Create an empty, growing dataset of frames (0, ny, nx), tiled, with or without the standard filters."""
    filters = {"compression": "gzip", "compression_opts": LEVEL, "shuffle": True} if deflated else {}
    tile = (TILE_FRAMES, *(min(TILE_PIXELS, length) for length in shape))
    return group.create_dataset(
        name, shape=(0, *shape), maxshape=(None, *shape), chunks=tile, dtype=dtype, **filters
    )


def write_tiles(dataset: h5py.Dataset, first: int, frames: npt.NDArray[Any]) -> Iterator[None]:
    """Write one row of tiles; yields after each, so that the caller can look after more urgent things.

    Parameters
    ----------
    dataset
        Made by `create_frames`.
    first
        Index of the first frame, a multiple of 16; the dataset grows to hold all of them.
    frames
        Up to 16 frames (n, ny, nx) of the dataset's dtype; missing ones are padded with zeros.
    """
    dataset.resize(first + len(frames), axis=0)
    deflated = dataset.compression is not None
    _, height, width = dataset.chunks
    for y in range(0, dataset.shape[1], height):
        for x in range(0, dataset.shape[2], width):
            tile = _padded(frames[:, y : y + height, x : x + width], dataset.chunks)
            data = deflate(_shuffled(tile), LEVEL) if deflated else tile.tobytes()
            dataset.id.write_direct_chunk((first, y, x), data)
            yield


def _padded(part: npt.NDArray[Any], tile: tuple[int, ...]) -> npt.NDArray[Any]:
    if part.shape == tile:
        return np.ascontiguousarray(part)
    padded = np.zeros(tile, part.dtype)
    padded[tuple(slice(length) for length in part.shape)] = part
    return padded


def _shuffled(tile: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return all first bytes, then all second bytes, ...: what HDF5's shuffle filter does."""
    by_element = tile.reshape(-1).view(np.uint8).reshape(-1, tile.itemsize)
    return np.ascontiguousarray(by_element.T)
