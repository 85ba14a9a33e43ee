"""Pixels of a camera that show something other than the scene (docs/methods/bad_pixels.md).

A bad pixel sits still on the camera while drift correction moves the frames, so in corrected frames it walks:
what it may have touched there is the union over the displacements of all frames.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from annealscope.analysis.slots import Integers
from annealscope.analysis.values import FloatArray

LEAST_FRAMES = 16
"""Fewer frames do not show which pixels are bad."""

RARE_TIMES = 3.0
"""A bad pixel is off by more than so many times what 99 % of the pixels stay below, in either half of the
frames ..."""

RARE_TIMES_STUCK = 1.5
"""... (one whose counts never change: so many times) ..."""

LEAST_SHARE = 0.5
"""... and by more than this share of what its neighbours say it should be."""

REACH_BEFORE_PX, REACH_AFTER_PX = 2, 3
"""The interpolation of a shifted frame takes samples from so far before and after the place itself."""

Mask = npt.NDArray[np.bool_]
Image = npt.NDArray[np.float32]

_AROUND = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x])
_DIRECTIONS = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])


@dataclass(frozen=True)
class BadPixels:
    """The bad pixels of a camera, and what stands in for them."""

    shape: tuple[int, int]
    """Of a frame (ny, nx)."""

    places: Integers
    """Row and column of each, shape (n, 2)."""

    stand_ins: Integers
    """Row and column of eight good pixels for each, shape (n, 8, 2)."""

    def __len__(self) -> int:
        return len(self.places)

    def fill(self, frames: npt.NDArray[np.generic]) -> None:
        """Replace the bad pixels by the mean of their stand-ins, in place; whole numbers stay whole.

        Parameters
        ----------
        frames
            Shape (..., ny, nx), any real dtype.
        """
        means = _at(frames, self.stand_ins).mean(axis=-1, dtype=np.float64)
        whole = np.issubdtype(frames.dtype, np.integer)
        frames[..., self.places[:, 0], self.places[:, 1]] = np.rint(means) if whole else means

    def footprint(self, d_px: FloatArray, margin: int) -> Mask:
        """Return which pixels of corrected frames a bad one was mixed into.

        Parameters
        ----------
        d_px
            Displacements (y, x) that were taken out of the frames, shape (N, 2).
        margin
            Pixels that corrected frames are smaller by, on every side.

        Returns
        -------
        ndarray
            bool, shape (ny - 2 margin, nx - 2 margin); nowhere true without a bad pixel or a frame.
        """
        ny, nx = self.shape
        steps = _steps(d_px)
        reach = int(np.abs(steps).max(initial=0))
        touched = np.zeros((ny + 2 * reach, nx + 2 * reach), dtype=np.bool_)
        for step in steps:
            touched[tuple((self.places + step + reach).T)] = True
        crop = reach + margin
        return touched[crop : crop + ny - 2 * margin, crop : crop + nx - 2 * margin]


def bad_pixels(mask: Mask) -> BadPixels:
    """Choose the stand-ins of bad pixels: the eight around each, or the good ones nearest to those.

    Parameters
    ----------
    mask
        True where a pixel is bad, shape (ny, nx); one at least must be good.
    """
    places = np.argwhere(mask)
    around = _around(places, mask.shape)
    if len(places):
        nearest = distance_transform_edt(mask, return_distances=False, return_indices=True)
        around = np.moveaxis(_at(nearest, around), 0, -1)
    return BadPixels((mask.shape[0], mask.shape[1]), places, around)


def find_bad_pixels(frames: npt.NDArray[np.generic], offset_counts: float = 0.0) -> BadPixels | None:
    """Find the pixels that no scene can explain: dead or hot ones (docs/methods/bad_pixels.md).

    Parameters
    ----------
    frames
        Raw counts, shape (n, ny, nx), any real dtype.
    offset_counts
        What the camera reads without a beam.

    Returns
    -------
    BadPixels or None
        None: fewer than 16 frames show nothing. There are no bad pixels when none is good.
    """
    if len(frames) < LEAST_FRAMES:
        return None
    whole, blind = _without_gaps(frames)
    if blind.all() or len(whole) < 2:
        return bad_pixels(blind & ~blind.all())
    half = len(whole) // 2
    halves = np.stack([part.mean(axis=0, dtype=np.float32) for part in (whole[:half], whole[half:])])
    bad_pixels(blind).fill(halves)
    halves -= np.float32(offset_counts)
    stuck = whole.min(axis=0) == whole.max(axis=0)
    return bad_pixels(blind | np.logical_and(*(_outlying(mean, stuck) for mean in halves)))


def _around(places: Integers, shape: tuple[int, ...]) -> Integers:
    """Return the eight pixels around each place, (n, 8, 2), or the nearest to them inside the frame."""
    return np.asarray(np.clip(places[:, np.newaxis] + _AROUND, 0, np.array(shape) - 1))


def _at(frames: npt.NDArray[Any], places: Integers) -> npt.NDArray[Any]:
    """Return frames (..., ny, nx) at places (..., 2)."""
    return frames[..., places[..., 0], places[..., 1]]


def _steps(d_px: FloatArray) -> Integers:
    """Return how far a raw pixel may lie from the corrected ones that it is mixed into, (y, x), each once."""
    whole = np.floor(d_px)
    cells = np.unique(np.concatenate([whole, d_px > whole], axis=1), axis=0).astype(np.int64)
    reach = np.arange(-REACH_BEFORE_PX, REACH_AFTER_PX + 1)
    steps = [
        [-y - dy, -x - dx]
        for y, x, between_y, between_x in cells.tolist()
        for dy in (reach if between_y else (0,))
        for dx in (reach if between_x else (0,))
    ]
    return np.unique(np.array(steps, dtype=np.int64).reshape(-1, 2), axis=0)


def _without_gaps(frames: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.generic], Mask]:
    """Return where no frame has a number, and the frames that have one everywhere else."""
    if np.issubdtype(frames.dtype, np.integer):
        return frames, np.zeros(frames.shape[1:], dtype=np.bool_)
    finite = np.isfinite(frames)
    blind = ~finite.any(axis=0)
    return frames[(finite | blind).all(axis=(1, 2))], blind


def _outlying(mean: Image, stuck: Mask) -> Mask:
    """Return where a mean frame is off in three of four directions, always to the same side.

    Along each direction four neighbours predict a pixel by a cubic, which speckle, having no detail finer
    than the aperture allows, follows closely. A bad neighbour spoils one direction only.
    """
    ny, nx = mean.shape
    # Turned about the edge, not mirrored: the outermost pixels, which lack neighbours, are never off.
    wide = np.pad(mean, 2, mode="reflect", reflect_type="odd")

    def moved(step: npt.NDArray[np.integer]) -> Image:
        y, x = 2 + step
        return wide[y : y + ny, x : x + nx]

    one, two, three, four = (
        mean - (4 * (moved(way) + moved(-way)) - moved(2 * way) - moved(-2 * way)) / 6 for way in _DIRECTIONS
    )
    # The middle two of the four: one is the second smallest, the other the second largest.
    upper = np.minimum(np.maximum(one, two), np.maximum(three, four))
    lower = np.maximum(np.minimum(one, two), np.minimum(three, four))
    off = (upper + lower) / 2
    rare = np.quantile(np.abs(off), 0.99) * np.where(stuck, RARE_TIMES_STUCK, RARE_TIMES)
    most = np.maximum(rare, LEAST_SHARE * (mean - off))
    return np.asarray((np.minimum(upper, lower) > most) | (np.maximum(upper, lower) < -most))
