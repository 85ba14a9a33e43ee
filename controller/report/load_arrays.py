"""Reads single datasets, attributes and values of records; what is absent is None or NaN."""

from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import numpy as np

from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, FloatArray

UNREADABLE = (OSError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError)
"""What the reading of a file raises that is damaged, or was written by another version."""


def array_of(entry: Any, path: str) -> FloatArray | None:
    """Return a dataset as float64; None when it is not there."""
    return np.asarray(entry[path][()], dtype=np.float64) if path in entry else None


def array_along(entry: Any, path: str, axis: FloatArray) -> FloatArray | None:
    """Return a dataset that has the shape of its axis; None when it is not there, or has another."""
    found = array_of(entry, path)
    return found if found is not None and found.shape == axis.shape else None


def attributes(group: Any) -> dict[str, Any]:
    """Return the attributes of a group that have a value."""
    return {key: value for key, value in group.attrs.items() if not isinstance(value, h5py.Empty)}


def number(value: Any) -> float:
    """Return one real number, of numpy or not, as float; NaN for all else: absent, a text, several."""
    if isinstance(value, np.ndarray | np.generic) and value.ndim == 0:
        value = value.item()
    return float(value) if isinstance(value, int | float) else NOT_A_NUMBER


def numbers(known: Mapping[str, Any], names: Iterable[str]) -> dict[str, float]:
    """Return attributes as numbers, see `number`."""
    return {name: number(known.get(name)) for name in names}
