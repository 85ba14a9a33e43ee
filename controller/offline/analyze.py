"""Computing every number again: from a hold of a run, or from anybody's frame stack."""

from collections.abc import Callable
from typing import Any

import numpy as np

from annealscope.analysis.values import Results
from annealscope.controller.offline.sources import Source

Progress = Callable[[int, int], None]
"""Told (frames done, frames in all)."""


def compute(source: Source, progress: Progress = lambda done, total: None) -> Results:
    """Return all results of a source. Raises InvalidData."""
    done = 0
    progress(done, source.n_frames)
    for block in source.blocks:
        source.analysis.update(block)
        done += len(block)
        progress(done, source.n_frames)
    return source.analysis.result()


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the largest difference of two sets of arrays by path, relative to the largest value of each.

    It is inf when paths, shapes or gaps (NaN) differ.
    """
    if set(one) != set(other):
        return float("inf")
    return max((_difference(one[path], other[path]) for path in one), default=0.0)


def _difference(a: Any, b: Any) -> float:
    if a is None or b is None:
        return 0.0 if a is b else float("inf")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    apart = float(np.nanmax(np.abs(a - b), initial=0.0))
    scale = float(np.nanmax(np.abs(b), initial=0.0))
    return 0.0 if apart == 0 else apart / scale if scale else float("inf")
