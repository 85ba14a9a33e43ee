"""The finite-duration model as a matrix: what a record makes of any decay (docs/methods/kww.md)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag

from annealscope.analysis.fit_spec import Resampling
from annealscope.analysis.kww_batch import Decays
from annealscope.analysis.kww_gaps import UsedSlots, check_used, seen_s
from annealscope.analysis.kww_model import longest_lag, mean_of_products
from annealscope.analysis.values import FloatArray, InvalidData

_EVERY_SLOT = 16
"""The decay is evaluated at each of the first slots."""

_PER_OCTAVE = 10
"""Times in each doubling of the lag after these, between which the decay is interpolated."""

_ALMOST_0 = 1e-300
"""In place of lag 0, which has no logarithm."""


@dataclass(frozen=True)
class SlotRecord:
    """When the slots of a record are, as the finite model needs it."""

    n_slots: int
    spacing_s: float
    segments: Sequence[int]
    segment_starts: Sequence[int] | None
    used: UsedSlots | None = None
    """Which slots have a frame; None: all."""

    def __post_init__(self) -> None:
        counts = list(self.segments)
        if not self.spacing_s > 0.0 or min(counts, default=0) < 1 or sum(counts) != self.n_slots:
            raise InvalidData(
                "record: n_slots must be the sum of segments of at least 1 slot, with a spacing > 0 s, got "
                f"{self.n_slots} slots, segments {counts}, spacing {self.spacing_s} s; take all from one "
                "record"
            )
        if self.used is not None:
            check_used(self.used, counts)

    @property
    def duration_s(self) -> float:
        """Duration of all segments together."""
        return self.n_slots * self.spacing_s

    def seen_s(self, tau_s: float) -> float:
        """Part of the duration of which something is seen, see `UsedSlots.seen_slots`."""
        return seen_s(self.used, self.n_slots, self.spacing_s, tau_s)

    def slots(self, lag_s: FloatArray) -> npt.NDArray[np.int64]:
        """Lags in slots."""
        slots = np.rint(lag_s / self.spacing_s).astype(np.int64)
        if np.any(np.abs(lag_s / self.spacing_s - slots) > 0.01):
            raise InvalidData(
                f"lags: the finite-duration model needs whole multiples of the spacing {self.spacing_s} s, "
                f"got {lag_s[:3]} ... s; use the mean spacing the lags were made with"
            )
        return slots


def finite_decays(
    points: Resampling, lag_s: FloatArray, record: SlotRecord, width_slots: npt.ArrayLike | None = None
) -> Decays:
    """Return the resampled f - B_N as a sum of decays at few times, within 1e-6 for beta up to 2.5.

    A decay is smooth in the logarithm of time. So it is known everywhere from its values at some times in
    each octave, and with it everything that is linear in it: the subtraction of the means, and resampling.

    Parameters
    ----------
    points
        The resampling of the data.
    lag_s
        All lags of the data in s, shape (L,).
    record
        The slots; lags must be whole multiples of their spacing.
    width_slots
        Slots that a sample of each lag is the mean of, shape (L,); None: 1. For records with lost slots.

    Raises
    ------
    InvalidData
        A lag is off the slot grid, or has no pair of slots with a frame.
    """
    slots = record.slots(lag_s[points.kept])
    width = None if width_slots is None else np.asarray(width_slots)[points.kept]
    t_slots, basis = _interpolation(longest_lag(record.segments, record.segment_starts))
    taken = mean_of_products(slots, basis, record.segments, record.segment_starts, record.used, width)
    _check_pairs(slots, taken)
    seen = basis[slots] - taken
    return Decays(np.maximum(t_slots, _ALMOST_0) * record.spacing_s, np.asarray(points.matrix @ seen))


def _check_pairs(slots: npt.NDArray[np.int64], taken: FloatArray) -> None:
    unknown = slots[np.isnan(taken[:, 0])]
    if unknown.size:
        raise InvalidData(
            f"lags: no pair of frames is {unknown[0]} slots apart, {unknown.size} of {slots.size} lags to be "
            "fitted have no pair; pass the pairs and the width of the samples of each lag with the curve"
        )


def _interpolation(n_slots: int) -> tuple[FloatArray, FloatArray]:
    """Return Q times in slots, and the matrix (n_slots, Q) from values there to values at 0 ... n_slots - 1.

    The times of an octave are Chebyshev points in the logarithm of time.
    """
    times, blocks = [np.arange(float(min(_EVERY_SLOT, n_slots)))], [np.eye(min(_EVERY_SLOT, n_slots))]
    first = _EVERY_SLOT
    while first < n_slots:
        slots = np.arange(first, min(2 * first, n_slots))
        angles = np.pi * (np.arange(_PER_OCTAVE) + 0.5) / _PER_OCTAVE
        octave_times = first * 2.0 ** (0.5 - 0.5 * np.cos(angles))
        times.append(octave_times)
        blocks.append(_lagrange(np.log(octave_times), np.log(slots)))
        first *= 2
    return np.concatenate(times), block_diag(*blocks)


def _lagrange(nodes: FloatArray, x: FloatArray) -> FloatArray:
    """Return the matrix from values at the nodes to the polynomial through them at x, (x, nodes)."""
    matrix = np.ones((x.size, nodes.size))
    for q, node in enumerate(nodes):
        for other in np.delete(nodes, q):
            matrix[:, q] *= (x - other) / (node - other)
    return matrix
