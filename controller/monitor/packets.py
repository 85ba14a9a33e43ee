"""What goes to the browser: a JSON header, then arrays as they lie in memory, ready for typed arrays."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.controller.plain import plain

ALIGNED_BYTES = 8
"""Every array begins at a multiple of this, from the start of the packet too."""


@dataclass(frozen=True)
class Item:
    """One entry of a packet: an array or, without one, a group of attributes."""

    values: npt.NDArray[Any] | None
    units: str = ""
    attrs: Mapping[str, Any] = field(default_factory=dict)


def packet(kind: str, fields: Mapping[str, Any], items: Mapping[str, Item] | None = None) -> bytes:
    """Return a message: uint32 length of the header (little endian), the header, the payload.

    Parameters
    ----------
    kind
        What it is: ``state``, ``frame``, ...
    fields
        Of the header; what is not finite becomes null.
    items
        Entries by path. Images of bytes (uint8) stay what they are, all else becomes float32.
    """
    described, payload = {}, bytearray()
    for path, item in (items or {}).items():
        described[path] = _described(item, payload)
    text = json.dumps(plain({"kind": kind, **fields, "arrays": described}), allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % ALIGNED_BYTES)
    return struct.pack("<I", len(text)) + text + payload


def _described(item: Item, payload: bytearray) -> dict[str, Any]:
    """Append an array to the payload; return what the header says of it."""
    said = {"units": item.units, "attrs": item.attrs}
    if item.values is None:
        return {"dtype": None, **said}
    kept = item.values.dtype == np.uint8
    values = np.ascontiguousarray(item.values, dtype=np.uint8 if kept else "<f4")
    payload += bytes(-len(payload) % ALIGNED_BYTES)
    offset = len(payload)
    payload += values.tobytes()
    return {"dtype": "uint8" if kept else "float32", "shape": values.shape, "offset": offset, **said}
