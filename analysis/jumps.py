"""Sudden changes of the image in the two-time map: drift jumps, charging (docs/methods/age.md)."""

import numpy as np

from annealscope.analysis.slots import Integers
from annealscope.analysis.twotime_map import TwoTimeMap
from annealscope.analysis.values import ROBUST_SIGMA, FloatArray

_OUTLIER = 5 * ROBUST_SIGMA
"""Times the median absolute deviation: 5 standard deviations of a normal distribution."""

_WINDOW = 10
"""Lags on either side that tell what the correlation is around a time: half a tau."""

_LEAST_SEEN = 0.5
"""Of a window: in one that the ends of a segment cut shorter, a dip is compared with little but itself."""


def jump_times(two_time: TwoTimeMap, t_s: FloatArray, lag: int) -> FloatArray:
    """Find when the image changed at once, in the correlation c(t) = C(t, t + lag) - 1 at one short lag.

    - A dip: c is low while the two times are on either side of a jump of the image.
    - A step: c before and after has another level, as when the contrast changes.

    Both are outliers by more than 5 standard deviations, estimated by the median absolute deviation, from the
    level of c around that time.

    Parameters
    ----------
    two_time
        C between n time bins.
    t_s
        Middle of each bin in s, shape (n,).
    lag
        In bins, at least 1; short, so that little changes by itself.

    Returns
    -------
    ndarray
        Times in s, increasing; empty when there are none.
    """
    c = np.diagonal(two_time.value, lag)
    middle_s = (t_s[:-lag] + t_s[lag:]) / 2
    segment = two_time.segment[: len(c)]
    dip, step = np.full(len(c), np.nan), np.full(len(c), np.nan)
    for number in np.unique(segment):
        inside = np.flatnonzero((segment == number) & np.isfinite(c))
        if len(inside):  # none in a segment that is not longer than the lag
            around = _windows(c[inside], _WINDOW * lag)
            seen = np.isfinite(around).mean(axis=1) >= _LEAST_SEEN
            dip[inside[seen]] = c[inside[seen]] - np.nanmedian(around[seen], axis=1)
            step[inside] = _steps(around, _WINDOW * lag)
    usual_step = np.median(step[np.isfinite(step)]) if np.isfinite(step).any() else 0.0
    runs = _outliers(-dip, lag) + _outliers(np.abs(step - usual_step), _WINDOW * lag)
    return np.sort([float(middle_s[run].mean()) for run in runs])


def _windows(c: FloatArray, half: int) -> FloatArray:
    """Return the values from ``half`` before to ``half`` after each, (n, 2 half + 1).

    Near the ends NaN on either side alike: in a window that is not symmetric any trend would be a dip.
    """
    padded = np.pad(c, half, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.where(np.isfinite(windows[:, ::-1]), windows, np.nan)


def _steps(around: FloatArray, half: int) -> FloatArray:
    """Level after minus level before each time; NaN near the ends."""
    return np.asarray(np.median(around[:, half + 1 :], axis=1) - np.median(around[:, :half], axis=1))


def _outliers(x: FloatArray, apart: int) -> list[Integers]:
    """Return the runs of indices where x, centred on 0, is large; runs less than ``apart`` apart are one."""
    finite = np.abs(x[np.isfinite(x)])
    if not len(finite):
        return []
    found = np.flatnonzero(x > _OUTLIER * np.median(finite))
    runs = np.split(found, np.flatnonzero(np.diff(found) > apart) + 1)
    return [run for run in runs if len(run)]
