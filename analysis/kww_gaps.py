"""What dividing by the means takes from a decay when slots are lost (docs/methods/kww.md, "Lost slots").

The means run over the pairs of samples that exist, so they are weighted sums over the slots with a frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, sparse

from annealscope.analysis.slots import Integers
from annealscope.analysis.values import FloatArray, InvalidData

Flags = npt.NDArray[np.bool_]

_WEIGHTS_AT_ONCE = 1 << 21
"""Of slots and lags: what is in work at a time stays small."""


@dataclass(frozen=True)
class UsedSlots:
    """Which slots of a record have a frame."""

    used: tuple[Flags, ...]
    """Of each segment, from its first slot to its last, shape (n,)."""

    first_slot: tuple[int, ...]
    """Slot number of the first: samples of some slots begin at multiples of their width."""

    def seen_slots(self, tau_slots: float) -> float:
        """Slots of the record of which something is seen: of each gap at most one relaxation time.

        What is seen of a specimen is also known shortly after. So single lost frames cost nothing where tau
        is long, and a gap of many relaxation times costs all of it.
        """
        longest = max(tau_slots, 1.0) + 1.0
        steps = (np.diff(np.flatnonzero(used)) for used in self.used)
        return float(sum(np.minimum(step, longest).sum() + 1.0 for step in steps))


def seen_s(used: UsedSlots | None, n_slots: int, spacing_s: float, tau_s: float) -> float:
    """Return the part of a duration of which something is seen, see `UsedSlots.seen_slots`.

    All of it when no slot is lost (``used`` is None) or tau is not known (NaN).
    """
    if used is None or not np.isfinite(tau_s):
        return n_slots * spacing_s
    return used.seen_slots(tau_s / spacing_s) * spacing_s


def mean_of_used_products(
    lag_slots: Integers,
    width_slots: Integers,
    decay: FloatArray,
    slots: UsedSlots,
    segment_starts: Sequence[int] | None,
) -> FloatArray:
    """Return what `kww_model.mean_of_products` does, with means over the pairs that exist.

    Parameters
    ----------
    lag_slots, width_slots
        Lags in slots, and of how many slots a sample is the mean, integers, shape (L,).
    decay
        Its values at 0, 1, ... slots along the first axis; may have more axes.
    slots
        Which slots have a frame.
    segment_starts
        First slot of each segment on one grid; None: segments are independent.

    Returns
    -------
    B(k), shape (L, ...); NaN where there is no pair.
    """
    longest = max(len(used) for used in slots.used)
    at_once = max(_WEIGHTS_AT_ONCE // (len(slots.used) * longest), 1)
    parts = [
        _some_lags(lag_slots[lags], width_slots[lags], decay, slots, segment_starts)
        for lags in (slice(start, start + at_once) for start in range(0, len(lag_slots), at_once))
    ]
    return np.concatenate(parts) if parts else np.zeros((0, *decay.shape[1:]))


def _some_lags(
    lag_slots: Integers,
    width_slots: Integers,
    decay: FloatArray,
    slots: UsedSlots,
    segment_starts: Sequence[int] | None,
) -> FloatArray:
    """Sum f over the distances of what the two means are made of, by Fourier transforms."""
    n_fft = fft.next_fast_len(2 * max(len(used) for used in slots.used) - 1, real=True)
    weights = [
        _weights(lag_slots, width_slots, *one) for one in zip(slots.used, slots.first_slot, strict=True)
    ]
    pairs = sum(left.sum(axis=1) for left, _ in weights)
    spectra = [fft.rfft(both, n_fft, axis=-1) for both in weights]
    total = np.zeros((len(lag_slots), decay[0].size))
    for a, b, offset in _segment_pairs(len(spectra), segment_starts):
        count = fft.irfft(spectra[a][0] * spectra[b][1].conj(), n_fft, axis=-1)
        distance = np.arange(1 - len(slots.used[b]), len(slots.used[a]))
        # sparse: the last digit of a dense product may depend on the number of threads
        values = sparse.csr_array(decay[np.abs(distance + offset)].reshape(len(distance), -1).T)
        total += (values @ count[:, distance % n_fft].T).T
    with np.errstate(invalid="ignore"):
        means = (total.T / pairs**2).T
    return np.asarray(means.reshape(len(lag_slots), *decay.shape[1:]))


def _segment_pairs(n: int, starts: Sequence[int] | None) -> Iterator[tuple[int, int, int]]:
    """Yield pairs of segments that are correlated, and how far apart they begin."""
    for a in range(n):
        for b in [a] if starts is None else range(n):
            yield a, b, 0 if starts is None else int(starts[a]) - int(starts[b])


def _weights(lag_slots: Integers, width_slots: Integers, used: Flags, first_slot: int) -> FloatArray:
    """Weights of the slots of a segment in the sums over earlier and over later samples, (2, L, n)."""
    weights = np.zeros((2, len(lag_slots), len(used)))
    for width in np.unique(width_slots):
        sample, share = _samples(used, first_slot % int(width), int(width))
        exists = np.bincount(sample, share) > 0
        for row in np.flatnonzero(width_slots == width):
            lag = lag_slots[row] // width
            paired = exists[: max(len(exists) - lag, 0)] & exists[lag:]
            beside = np.zeros(min(lag, len(exists)), dtype=np.bool_)
            weights[0, row] = share * np.concatenate([paired, beside])[sample]
            weights[1, row] = share * np.concatenate([beside, paired])[sample]
    return weights


def _samples(used: Flags, before: int, width: int) -> tuple[Integers, FloatArray]:
    """Return the sample that each slot of a segment is in, and its share in the mean.

    A mean of two samples is that of the one that exists when the other is lost. Slots before the segment,
    ``before`` of them in its first sample, and after it count as lost.
    """
    slot = before + np.arange(len(used))
    share = used.astype(np.float64)
    half = 1
    while half < width:
        exists = np.bincount(slot // half, share, minlength=2 * (slot[-1] // (2 * half) + 1)) > 0
        halves = exists.reshape(-1, 2).sum(axis=1)
        share /= np.maximum(halves, 1)[slot // (2 * half)]
        half *= 2
    return slot // width, share


def check_used(slots: UsedSlots, segments: Sequence[int]) -> None:
    """Refuse flags that are not those of the segments.

    Raises
    ------
    InvalidData
        Another number of segments or slots.
    """
    counts = [len(used) for used in slots.used]
    if counts != [int(n) for n in segments] or len(slots.first_slot) != len(counts):
        raise InvalidData(
            f"used slots: one flag for each slot of each segment is needed, got {counts} for segments "
            f"{list(segments)}; take both from one record"
        )
