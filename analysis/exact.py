"""Exact correlation of finished records: the sums of every lag from all pairs of frames, in float64.

What is computed, and the rules for lost slots and segments, is in docs/methods/g2.md. All products of a pixel
come from one Fourier transform of its series, padded with zeros so that nothing wraps around. A lost slot is
0 in the series of ``delta = I - 1``; the same transform of which slots exist gives the means and pair counts.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from annealscope.analysis.multitau import LagSums
from annealscope.analysis.slots import Integers, SlotOrder
from annealscope.analysis.values import FloatArray, InvalidData

ALL_LAGS_TO = 32
LAGS_PER_OCTAVE = 16

MOST_BYTES = 4 * 2**30
"""Of frames and sums, when the caller does not choose."""

_SAMPLES_AT_ONCE = 2**22
"""Of the padded series of a few pixels: what is in work at a time stays small."""


def exact_lags(slots: int) -> Integers:
    """Return the lags of a record of so many slots: all up to 32, then 16 an octave, shape (L,)."""
    octaves = np.log2(max(slots, 2) / ALL_LAGS_TO)
    more = ALL_LAGS_TO * 2 ** (np.arange(1, LAGS_PER_OCTAVE * max(octaves, 0)) / LAGS_PER_OCTAVE)
    lags = np.unique(np.concatenate([np.arange(1, ALL_LAGS_TO + 1), np.rint(more).astype(np.int64)]))
    return lags[lags < slots]


class ExactCorrelator:
    """Correlates every pixel exactly, from frames that it keeps; in the place of :class:`MultiTau`.

    Parameters
    ----------
    shape
        (ny, nx) of the frames.
    slots
        Frames expected.
    most_bytes
        Memory that frames and sums may take.

    Raises
    ------
    InvalidData
        They would take more.

    Notes
    -----
    Memory a pixel: 4 bytes for each frame, 24 bytes for each lag.
    """

    def __init__(self, shape: tuple[int, int], slots: int, *, most_bytes: int = MOST_BYTES) -> None:
        self._order = SlotOrder(shape)
        self._n_pixels = self._order.shape[0] * self._order.shape[1]
        self._most_bytes = most_bytes
        self._segments: dict[int, list[tuple[npt.NDArray[np.float32], Integers]]] = {}
        self._frames = 0
        self._check_memory(slots)

    def update(self, frames: npt.ArrayLike, slot: npt.ArrayLike, segment: npt.ArrayLike) -> None:
        """Add frames; arguments, rules and errors are those of :meth:`MultiTau.update`.

        Raises
        ------
        InvalidData
            Also when frames and sums would take more memory than they may.
        """
        images, slots, segments = self._order.check(frames, slot, segment)
        self._frames += len(images)
        self._check_memory(self._frames)
        pixels = images.reshape(len(images), self._n_pixels)
        for number in np.unique(segments).tolist():
            here = segments == number
            self._segments.setdefault(number, []).append((pixels[here], slots[here]))

    def sums(self) -> LagSums:
        """Return the sums over everything so far, at the lags that have a pair; more frames may follow.

        Returns
        -------
        LagSums
            Lags in slots; sums per pixel, float64, shape (L, ny, nx); every sample is one frame.

        Raises
        ------
        InvalidData
            There is no pair of frames yet.
        """
        series = [_Series(blocks) for blocks in self._segments.values()]
        lags = exact_lags(max((one.span for one in series), default=0))
        pairs = np.zeros(len(lags), dtype=np.int64)
        for one in series:
            pairs += one.pairs(lags)
        kept = pairs > 0
        if not kept.any():
            raise InvalidData("g2: at least two frames in one segment are needed, no pair of frames found")
        lags, pairs = lags[kept], pairs[kept]
        sums = np.zeros((3, len(lags), self._n_pixels))
        for one in series:
            one.add_sums(lags, sums)
        sums[1:] += pairs[:, None]
        sums[0] += sums[1] + sums[2] - pairs[:, None]
        product, left, right = sums.reshape(3, len(lags), *self._order.shape)
        return LagSums(lags, pairs, np.ones_like(lags), product, left, right)

    def parts(self) -> Iterator[tuple[slice, LagSums]]:
        """Yield all pixels at once, in the form of :meth:`MultiTau.parts`."""
        yield slice(0, self._n_pixels), self.sums()

    def _check_memory(self, frames: int) -> None:
        needed = self._n_pixels * (4 * frames + 24 * len(exact_lags(frames)))
        if needed > self._most_bytes:
            ny, nx = self._order.shape
            raise InvalidData(
                f"exact correlation of {frames} frames of {ny} x {nx} pixels keeps {needed / 1e9:.1f} GB in "
                f"memory, it may keep {self._most_bytes / 1e9:.1f} GB; bin the pixels, take a part of the "
                "frame, or use the multi-tau correlator"
            )


class _Series:
    """The frames of one segment as one series for each pixel."""

    def __init__(self, blocks: list[tuple[npt.NDArray[np.float32], Integers]]) -> None:
        slots = np.concatenate([block_slots for _, block_slots in blocks])
        self._images = [images for images, _ in blocks]
        self._place = slots - slots[0]
        self.span = int(self._place[-1]) + 1
        self._length = fft.next_fast_len(2 * self.span, real=True)
        exists = np.zeros(self.span)
        exists[self._place] = 1
        self._exists = fft.rfft(exists, self._length)

    def pairs(self, lags: Integers) -> Integers:
        """Count the pairs of frames at each lag."""
        counts = self._products(np.abs(self._exists) ** 2)
        numbers: Integers = np.zeros(len(lags), dtype=np.int64)
        here = lags < self.span
        numbers[here] = np.rint(counts[lags[here]])
        return numbers

    def add_sums(self, lags: Integers, sums: FloatArray) -> None:
        """Add the sums of delta delta', delta and delta' over the pairs to sums (3, L, n_pixels)."""
        lags = lags[lags < self.span]
        n = len(lags)
        for part in self._parts(sums.shape[2]):
            spectra = fft.rfft(self._delta(part), self._length, workers=-1)
            sums[0, :n, part] += self._products(np.abs(spectra) ** 2)[:, lags].T
            means = self._products(np.conj(spectra) * self._exists)
            sums[1, :n, part] += means[:, lags].T
            sums[2, :n, part] += means[:, -lags].T

    def _parts(self, n_pixels: int) -> Iterator[slice]:
        step = max(1, _SAMPLES_AT_ONCE // self._length)
        for start in range(0, n_pixels, step):
            yield slice(start, min(start + step, n_pixels))

    def _delta(self, part: slice) -> FloatArray:
        """Return I - 1 of some pixels, shape (pixels, span), 0 in lost slots."""
        delta = np.zeros((part.stop - part.start, self.span))
        series = np.concatenate([images[:, part] for images in self._images], dtype=np.float64)
        delta[:, self._place] = series.T - 1
        return delta

    def _products(self, spectra: npt.NDArray[Any]) -> FloatArray:
        """Return the sums over products at every lag, shape (..., length), from products of transforms."""
        return np.asarray(fft.irfft(spectra, self._length, workers=-1))
