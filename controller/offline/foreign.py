"""Stacks in the formats of other microscopy programs, read with RosettaSciIO a few frames at a time."""

import importlib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.controller.offline.stack_error import BadStack

READERS = {
    ".hspy": "hspy",
    ".mrc": "mrc",
    ".emd": "emd",
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".ser": "tia",
}
"""Module of RosettaSciIO for each kind of file."""

WHOLE_FRAMES = ("auto", -1, -1)
"""How files that are mapped into memory are cut into chunks."""

MAPPED = ("mrc", "digitalmicrograph")

MOST_BYTES = 2**32
"""Of the frames that a file gives only together."""

SQUARE_TO = 0.01
"""Relative difference of the two sides of a pixel that is no difference."""

SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "\N{MICRO SIGN}s": 1e-6,
    "\N{GREEK SMALL LETTER MU}s": 1e-6,
    "min": 60.0,
    "h": 3600.0,
}
"""Names of units of time, in s."""

NANOMETRES = {
    "nm": 1.0,
    "Å": 0.1,
    "\N{ANGSTROM SIGN}": 0.1,
    "A": 0.1,
    "pm": 1e-3,
    "um": 1e3,
    "\N{MICRO SIGN}m": 1e3,
    "\N{GREEK SMALL LETTER MU}m": 1e3,
    "m": 1e9,
}
"""Names of units of length, in nm."""

Axis = Mapping[str, Any]


class ForeignStack:
    """The one stack of frames in a file.

    Parameters
    ----------
    path
        A file with one of the suffixes in `READERS`.
    title
        Which of several stacks; empty: there is only one.

    Raises
    ------
    BadStack
        RosettaSciIO is not installed, or nothing says which stack is meant. Whatever a decoder raises on
        damaged files comes through.
    """

    def __init__(self, path: Path, title: str) -> None:
        signal = _stack_in(path, _signals(path), title)
        self._data = signal["data"]
        self._slab: tuple[range, npt.NDArray[Any]] = (range(0), np.empty(0))
        self.shape = tuple(self._data.shape)
        self.dtype = np.dtype(self._data.dtype)
        self._slabs = _slabs(path, self._data)
        time, y, x = signal["axes"]
        self.period_s = _step(time, SECONDS)
        self.pixel_nm = _side(_step(y, NANOMETRES), _step(x, NANOMETRES))
        if path.suffix.lower() == ".mrc" and self.pixel_nm == 1.0:
            self.pixel_nm = None  # what RosettaSciIO says when the header has no size

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        first, stop, _ = rows.indices(len(self))
        parts = [
            self._part(slab, first, stop) for slab in self._slabs if slab.start < stop and first < slab.stop
        ]
        return np.concatenate(parts) if parts else np.empty((0, *self.shape[1:]), dtype=self.dtype)

    def _part(self, slab: range, first: int, stop: int) -> npt.NDArray[Any]:
        """Return the frames first to stop as far as they are in the slab, which is kept for the next call."""
        if self._slab[0] != slab:
            self._slab = range(0), np.empty(0)  # room for the new one
            self._slab = slab, _read(self._data[slab.start : slab.stop])
        return self._slab[1][max(first - slab.start, 0) : stop - slab.start]


def _signals(path: Path) -> list[dict[str, Any]]:
    name = READERS[path.suffix.lower()]
    try:
        reader = importlib.import_module(f"rsciio.{name}")
    except ImportError:
        raise BadStack(
            f"{path}: {path.suffix} files are read with RosettaSciIO, which is not installed; "
            "pip install 'annealscope[export]'"
        ) from None
    chunks = {"chunks": WHOLE_FRAMES} if name in MAPPED else {}
    signals: list[dict[str, Any]] = reader.file_reader(str(path), lazy=True, **chunks)
    return signals


def _stack_in(path: Path, signals: list[dict[str, Any]], title: str) -> dict[str, Any]:
    """Return the signal that has the frames."""
    stacks = [signal for signal in signals if len(signal["data"].shape) == 3]
    names = [_title(stack) for stack in stacks]
    if title:
        stacks = [stack for stack, name in zip(stacks, names, strict=True) if name == title]
    if len(stacks) != 1:
        found = ", ".join(f"{path}::{name}" for name in names) or "none"
        raise BadStack(f"{path}: one stack of frames (n, y, x) is needed; stacks in it: {found}")
    return stacks[0]


def _title(signal: dict[str, Any]) -> str:
    return str(signal.get("metadata", {}).get("General", {}).get("title", ""))


def _slabs(path: Path, data: Any) -> list[range]:
    """Cut the frames where the chunks of the file end: a part of one takes as long to read as all of it."""
    lengths = data.chunks[0] if hasattr(data, "chunks") else (1,) * data.shape[0]
    edges = np.cumsum([0, *lengths]).tolist()
    frame_bytes = int(np.prod(data.shape[1:])) * data.dtype.itemsize
    if max(lengths, default=0) * frame_bytes > MOST_BYTES:
        raise BadStack(
            f"{path}: its frames can only be read {max(lengths)} at once, which takes "
            f"{max(lengths) * frame_bytes / 1e9:.1f} GB of memory; save it as .npy, or as .hspy with chunks "
            "of a few whole frames"
        )
    return [range(start, stop) for start, stop in pairwise(edges)]


def _read(lazy: Any) -> npt.NDArray[Any]:
    return np.asarray(lazy.compute(scheduler="synchronous") if hasattr(lazy, "compute") else lazy)


def _step(axis: Axis, units: Mapping[str, float]) -> float | None:
    """Return the step of a calibrated axis in internal units; None when its unit does not fit."""
    size = units.get(str(axis.get("units", "")).strip())
    step = abs(float(axis.get("scale", np.nan)))
    return step * size if size is not None and np.isfinite(step) and step > 0 else None


def _side(y_nm: float | None, x_nm: float | None) -> float | None:
    """Return the side of square pixels; pixels that are not square have none."""
    square = y_nm is not None and x_nm is not None and abs(y_nm - x_nm) <= SQUARE_TO * x_nm
    return x_nm if square else None
