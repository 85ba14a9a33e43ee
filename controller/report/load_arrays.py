"""Reads single datasets and attributes of a hold file; what is absent is None or NaN."""

from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np

from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, FloatArray


def array_of(entry: Any, path: str) -> FloatArray | None:
    """Return a dataset as float64; None when it is not there."""
    return np.asarray(entry[path][()], dtype=np.float64) if path in entry else None


def attributes(group: Any) -> dict[str, Any]:
    """Return the attributes of a group that have a value."""
    return {key: value for key, value in group.attrs.items() if not isinstance(value, h5py.Empty)}


def numbers(known: dict[str, Any], names: Iterable[str]) -> dict[str, float]:
    """Return attributes as numbers; NaN where there is none."""
    return {name: float(known[name]) if np.isreal(known.get(name, "")) else NOT_A_NUMBER for name in names}
