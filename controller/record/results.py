"""Results in an HDF5 file: the same names below ``/entry`` in a hold file and in ``analyze -o``."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from annealscope.controller.errors import ExitCode
from annealscope.controller.record.durable import move_into_place
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.stream.messages import ArrayPart

Entry = tuple[ArrayPart, npt.NDArray[Any] | None]

_LISTED = "results"
"""Attribute of the entry that names its groups of results."""

RESULTS = "results"
"""Kind of our files that hold results and nothing else."""

PLOTS = ("tau_of_T", "V_of_T", "fem", "diffraction", "data", "g2", "ttcf")
"""What a file is for, first things first: the first one that is there is its default plot."""

SPARE_BYTES = 16 * 2**20
"""Left free on a disk, for what HDF5 needs besides the numbers."""

UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What reading a torn or damaged HDF5 file raises: which of them depends on where the damage is."""

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
        _choose_plot(entry)
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
    except UNREADABLE as error:
        raise RecordError(f"cannot read results from {path}: {error}") from None


def results_in(entry: h5py.Group) -> list[Entry]:
    """Return the results below an entry, see `read_results`."""
    return [found for top in entry.attrs.get(_LISTED, []) for found in _entries(entry, top)]


def write_results_file(path: Path, entries: Iterable[Entry], title: str) -> None:
    """Write a file that holds results and nothing else, in one step.

    Raises
    ------
    RecordError
        Something else is in the place, see `check_replaceable`, or the file cannot be written.
    """
    entries = list(entries)
    check_replaceable(path)
    if not _has_room(path.parent, entries):
        raise RecordError(
            f"{path}: results cannot be written, the disk is full; free some room, or name a file on another "
            "disk with -o",
            ExitCode.INTERNAL,
        )
    with _in_place_of(path) as temporary, h5py.File(temporary, "w") as file:
        write_results(start_file(file, RESULTS, title), entries)


def check_replaceable(path: Path) -> None:
    """Refuse a place for results that holds anything but earlier results. Raises RecordError."""
    if not path.parent.is_dir():
        raise RecordError(
            f"{path}: results cannot be written, there is no folder {path.parent}; make it, or name another "
            "file with -o",
            ExitCode.USAGE,
        )
    if path.exists() and not _is_results_file(path):
        raise RecordError(
            f"{path} exists and is not a file of results: only those are replaced, never data; name another "
            "file with -o",
            ExitCode.USAGE,
        )


def add_results(hold: Path, entries: Iterable[Entry]) -> None:
    """Write results into a closed hold file.

    The file may be the only record of its frames, so it is never open for writing: a copy is, and takes its
    place when it is complete, on the disk, and readable.

    Raises
    ------
    RecordError
        The copy cannot be written or read back; the hold file is as it was.
    """
    with _in_place_of(hold) as copy:
        shutil.copy2(hold, copy)
        with h5py.File(copy, "r+") as file:
            write_results(file["entry"], entries)
            file["entry"].attrs["analysis"] = "complete"
        read_results(copy)


def room_to_add(hold: Path, entries: Iterable[Entry]) -> bool:
    """Say whether the disk has room for what `add_results` does."""
    return _has_room(hold.parent, entries, besides=hold.stat().st_size)


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


def _has_room(folder: Path, entries: Iterable[Entry], besides: int = 0) -> bool:
    """Ask before writing: on a disk that is full to the last byte HDF5 crashes instead of raising."""
    size = sum(array.nbytes for _, array in entries if array is not None)
    return shutil.disk_usage(folder).free >= size + besides + SPARE_BYTES


@contextmanager
def _in_place_of(path: Path) -> Iterator[Path]:
    """Give the name of a temporary file, which takes the name of another when the work on it is done."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        move_into_place(temporary, path)
    except (OSError, RuntimeError) as error:  # RuntimeError: HDF5 cannot close a file on a full disk
        raise RecordError(
            f"{path}: results cannot be written: {error}; nothing was changed, name another file with -o",
            ExitCode.INTERNAL,
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def _is_results_file(path: Path) -> bool:
    if not path.is_file():  # opening a pipe would never end
        return False
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == f"annealscope/{RESULTS}")
    except UNREADABLE:
        return False


def _remove_results(entry: h5py.Group) -> None:
    for name in entry.attrs.get(_LISTED, []):
        if name in entry:
            del entry[name]
    entry.attrs[_LISTED] = []


def _choose_plot(entry: h5py.Group) -> None:
    """Let viewers begin with the curve that patterns were taken for, or with the movie, or with its g2."""
    default = next((name for name in PLOTS if "signal" in getattr(entry.get(name), "attrs", ())), None)
    if default:
        entry.attrs["default"] = default


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
