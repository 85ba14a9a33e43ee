"""The static pixel mask of an ECM record, from its bad pixels (docs/methods/bad_pixels.md)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.analysis.bad_pixels import BadPixels, Mask, find_bad_pixels
from annealscope.analysis.ecm_rows import FrameState, Rows
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.slots import Integers


class PixelMask:
    """Knows the bad pixels of one acquisition from its first block with enough frames on.

    Parameters
    ----------
    spec
        The acquisition.
    """

    def __init__(self, spec: EcmSpec) -> None:
        self._spec = spec
        self._bad: BadPixels | None = None

    @property
    def places(self) -> Integers:
        """Row and column of each bad pixel found, shape (n, 2)."""
        return self._bad.places if self._bad else np.empty((0, 2), dtype=np.int64)

    def find(self, raw: npt.NDArray[Any], rows: Rows) -> bool:
        """Look for bad pixels in a block of frames unless done before, and fill them in the block.

        Parameters
        ----------
        raw
            Counts, shape (n, ny, nx), changed in place.
        rows
            What is known of these frames.

        Returns
        -------
        bool
            Whether the block was changed.
        """
        if self._bad is not None:
            return False
        used = rows["state"] == FrameState.VALID
        self._bad = find_bad_pixels(raw if used.all() else raw[used], self._spec.offset_counts)
        if not self._bad:
            return False
        self._bad.fill(raw)
        return True

    def filled(self, raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a frame with its bad pixels filled, as far as they are known; itself when none is."""
        if not self._bad:
            return raw
        raw = raw.copy()
        self._bad.fill(raw)
        return raw

    def footprint(self, rows: Rows) -> Mask:
        """Return where in the valid area these frames may show something of a bad pixel, (ny, nx)."""
        if not self._bad:
            return np.zeros(self._spec.valid_shape, dtype=np.bool_)
        used = rows["state"] == FrameState.VALID
        return self._bad.footprint(rows["d_px"][used], self._spec.margin)


def shown(labels: Integers, hidden: Mask) -> Integers:
    """Return labels that are negative, which takes a pixel out of all averages, where it is hidden."""
    return np.where(hidden, -1, labels)
