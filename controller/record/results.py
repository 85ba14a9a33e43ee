"""Results in an HDF5 file: the same names below ``/entry`` in a hold file and in ``analyze -o``."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from annealscope.controller.record.framelog import RecordError
from annealscope.controller.stream.messages import ArrayPart

Entry = tuple[ArrayPart, npt.NDArray[Any] | None]

_LISTED = "results"
"""Attribute of the entry that names its groups of results."""

_OURS = frozenset({"NX_class", "units", "interpretation"})
"""Attributes that `write_results` sets by itself."""


def write_results(entry: h5py.Group, entries: Iterable[Entry]) -> None:
    """Write results below an entry, in place of any that are there already.

    Parameters
    ----------
    entry
        The ``/entry`` group of a file open for writing.
    entries
        What each result is, and its array; None for a group of attributes. A group with the attribute
        ``signal`` becomes an NXdata, which viewers plot; its ``axes`` name the axis of each dimension.

    Raises
    ------
    RecordError
        A result has the name of something else in the entry.
    TypeError, ValueError
        HDF5 cannot hold one of them; then none is written.
    """
    entries = list(entries)
    _remove_results(entry)
    names = {part.path.split("/")[0] for part, _ in entries}
    if taken := names & set(entry):
        raise RecordError(
            f"results cannot be called {', '.join(sorted(taken))}: the record itself has that name"
        )
    entry.attrs[_LISTED] = sorted(names)
    try:
        for part, array in entries:
            _write(entry, part, array)
        for part, _ in entries:
            _interpret(entry[part.path])
    except (TypeError, ValueError):
        _remove_results(entry)
        raise


def read_results(path: Path) -> list[Entry]:
    """Return the results in a hold file or a file of results, as `write_results` took them.

    Raises
    ------
    RecordError
        The file cannot be read.
    """
    try:
        with h5py.File(path, "r") as file:
            return results_in(file["entry"])
    except (OSError, KeyError) as error:
        raise RecordError(f"cannot read results from {path}: {error}") from None


def results_in(entry: h5py.Group) -> list[Entry]:
    """Return the results below an entry, see `read_results`."""
    return [found for top in entry.attrs.get(_LISTED, []) for found in _entries(entry, top)]


def write_results_file(path: Path, entries: Iterable[Entry], title: str) -> None:
    """Write a new file that holds results and nothing else."""
    with h5py.File(path, "w") as file:
        start_file(file, "results", title)
        write_results(file["entry"], entries)
        default = next((name for name in ("g2", "ttcf") if name in file["entry"]), None)
        if default:
            file["entry"].attrs["default"] = default


def start_file(file: h5py.File, kind: str, title: str) -> h5py.Group:
    """Create the NeXus root and its one entry; ``kind`` says which of our files this is."""
    file.attrs.update(
        NX_class="NXroot",
        default="entry",
        creator="annealscope",
        format=f"annealscope/{kind}",
        format_version=1,
    )
    entry = nexus_group(file, "entry", "NXentry")
    entry["title"] = title
    return entry


def nexus_group(parent: h5py.Group, name: str, nexus_class: str, **attrs: Any) -> h5py.Group:
    """Create a group of a NeXus class."""
    group = parent.create_group(name)
    group.attrs["NX_class"] = nexus_class
    group.attrs.update(attrs)
    return group


def _remove_results(entry: h5py.Group) -> None:
    for name in entry.attrs.get(_LISTED, []):
        if name in entry:
            del entry[name]
    entry.attrs[_LISTED] = []


def _write(entry: h5py.Group, part: ArrayPart, array: npt.NDArray[Any] | None) -> None:
    node = _group(entry, part.path) if array is None else _dataset(entry, part, array)
    for name, value in part.attrs.items():
        node.attrs[name] = h5py.Empty("f8") if value is None else value
    if array is None and "signal" in part.attrs:
        node.attrs["NX_class"] = "NXdata"


def _interpret(node: h5py.HLObject) -> None:
    """Tell viewers whether a default plot is a curve or a picture; HyperSpy looks at the group for it."""
    signal = node.get(node.attrs["signal"]) if "signal" in node.attrs else None
    if signal is not None and signal.ndim in (1, 2):
        node.attrs["interpretation"] = "spectrum" if signal.ndim == 1 else "image"


def _group(entry: h5py.Group, path: str) -> h5py.Group:
    group = entry
    for name in path.split("/"):
        group = group[name] if name in group else nexus_group(group, name, "NXcollection")
    return group


def _dataset(entry: h5py.Group, part: ArrayPart, array: npt.NDArray[Any]) -> h5py.Dataset:
    parent, _, name = part.path.rpartition("/")
    dataset = (_group(entry, parent) if parent else entry).create_dataset(name, data=array)
    if part.units:
        dataset.attrs["units"] = part.units
    return dataset


def _entries(entry: h5py.Group, top: str) -> Iterator[Entry]:
    found = [top]
    if isinstance(entry[top], h5py.Group):
        entry[top].visit(lambda name: found.append(f"{top}/{name}"))
    for path in found:
        node = entry[path]
        if isinstance(node, h5py.Dataset):
            yield _array_part(path, node), np.asarray(node[()])
        elif set(node.attrs) - _OURS:
            yield ArrayPart(path=path, units="", attrs=_attributes(node), dtype=None, shape=()), None


def _array_part(path: str, dataset: h5py.Dataset) -> ArrayPart:
    return ArrayPart(
        path=path,
        units=str(dataset.attrs.get("units", "")),
        attrs=_attributes(dataset),
        dtype=dataset.dtype.str,
        shape=dataset.shape,
    )


def _attributes(node: h5py.HLObject) -> dict[str, Any]:
    return {name: _plain(value) for name, value in node.attrs.items() if name not in _OURS}


def _plain(value: Any) -> Any:
    if isinstance(value, h5py.Empty):
        return None
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
