"""The correlators written as their definitions, in float64 with plain loops: slow, and obvious."""

import numpy as np

Samples = dict[tuple[int, int], np.ndarray]
"""Image by (segment, number of the sample)."""


def samples(frames, slot, segment) -> Samples:
    return {
        (int(g), int(s)): np.asarray(frame, dtype=np.float64)
        for frame, s, g in zip(frames, slot, segment, strict=True)
    }


def halved(fine: Samples) -> Samples:
    """Mean of the two samples, or of the one that exists, that make one of twice the width."""
    children: dict[tuple[int, int], list[np.ndarray]] = {}
    for (segment, number), image in fine.items():
        children.setdefault((segment, number // 2), []).append(image)
    return {key: np.mean(images, axis=0) for key, images in children.items()}


def lag_sums(frames, slot, segment, *, channels, levels):
    """Lags, pair counts and the sums (product, left, right), (L, ny, nx) each, of lags that have a pair."""
    lags, pairs, sums = [], [], []
    level = samples(frames, slot, segment)
    for number in range(levels):
        for lag in range(channels // 2 if number else 1, channels):
            both = [(level[g, i], level[g, i + lag]) for g, i in level if (g, i + lag) in level]
            if both:
                lags.append(lag * 2**number)
                pairs.append(len(both))
                sums.append([sum(a * b for a, b in both), sum(a for a, _ in both), sum(b for _, b in both)])
        level = halved(level)
    product, left, right = np.array(sums).transpose(1, 0, 2, 3) if sums else np.zeros((3, 0, 0, 0))
    return np.array(lags), np.array(pairs), product, left, right


def time_bins(frames, slot, segment, width):
    """Complete bins as (segment, number) in order, and the mean image of those with a frame."""
    slot, segment = np.asarray(slot), np.asarray(segment)
    keys, means = [], {}
    for g in dict.fromkeys(segment.tolist()):
        mine = segment == g
        first, last = slot[mine][0] // width, slot[mine][-1] // width
        complete = slot[mine][-1] % width == width - 1
        for number in range(first, last + complete):
            keys.append((g, int(number)))
            inside = mine & (slot // width == number)
            if inside.any():
                means[keys[-1]] = np.mean(np.asarray(frames)[inside], axis=0, dtype=np.float64)
    return keys, means


def two_time(keys, means):
    """C between bins, NaN between segments and where a bin is empty."""
    value = np.full((len(keys), len(keys)), np.nan)
    for row, a in enumerate(keys):
        for column, b in enumerate(keys):
            if a[0] == b[0] and a in means and b in means:
                value[row, column] = (means[a] * means[b]).mean() / (means[a].mean() * means[b].mean())
    return value
