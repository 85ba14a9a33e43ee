"""Frame stacks that other programs wrote: ``.npy``, ``FILE.h5::dataset``, ``.tif`` and those of `foreign`."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import tifffile

from annealscope.controller.offline.foreign import READERS, ForeignStack
from annealscope.controller.offline.stack_error import BadStack

__all__ = ["BadStack", "Frames", "open_stack"]

HDF5_SUFFIXES = (".h5", ".hdf5", ".nxs")
TIFF_SUFFIXES = (".tif", ".tiff")
SEPARATOR = "::"

MOST_NAMED = 5
"""Datasets that a message names."""


@contextmanager
def open_stack(source: str) -> Iterator[Any]:
    """Open a stack for reading, without loading it.

    Parameters
    ----------
    source
        ``movie.npy``, ``movie.tif``, ``movie.h5::path/of/dataset``, or a file with a suffix of
        `annealscope.controller.offline.foreign.READERS`, with ``::title`` when it has several stacks.

    Yields
    ------
    Frames
        Shape (n, ny, nx); slices of it are arrays, and raise BadStack when they cannot be read.

    Raises
    ------
    BadStack
        There is no such file or dataset, it cannot be read, or it is not a stack of numbers.
    """
    name, _, dataset = source.partition(SEPARATOR)
    path = Path(name)
    if not path.is_file():
        raise BadStack(f"{name}: no such file")
    with ExitStack() as opened:
        with _blamed_on(source):
            frames = opened.enter_context(_opener(path, dataset))
            _check(source, frames)
        yield Frames(source, frames)


class Frames:
    """A stack of frames; slices are read when they are asked for."""

    def __init__(self, source: str, stored: Any) -> None:
        self.shape: tuple[int, int, int] = tuple(stored.shape)
        self.frame_bytes = stored.shape[1] * stored.shape[2] * np.dtype(stored.dtype).itemsize
        self.period_s: float | None = getattr(stored, "period_s", None)
        """Start to start; None: the file does not say."""
        self.pixel_nm: float | None = getattr(stored, "pixel_nm", None)
        """Side of a pixel; None: the file does not say."""
        self._source = source
        self._stored = stored

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        with _blamed_on(self._source):
            frames = np.asarray(self._stored[rows])
        return frames.astype(frames.dtype.newbyteorder("="), copy=False)


@contextmanager
def _blamed_on(source: str) -> Iterator[None]:
    """Turn whatever decoders raise on damaged files, from TokenError to zlib.error, into a BadStack."""
    try:
        yield
    except BadStack:
        raise
    except Exception as error:
        raise BadStack(
            f"{source} cannot be read: {str(error) or type(error).__name__}; is the file damaged, "
            "or not what its name says?"
        ) from None


def _opener(path: Path, dataset: str) -> Any:
    suffix = path.suffix.lower()
    if suffix in HDF5_SUFFIXES:
        return _hdf5(path, dataset)
    if suffix in READERS:
        return nullcontext(ForeignStack(path, dataset))
    if dataset:
        raise BadStack(f"{path}{SEPARATOR}{dataset}: only {', '.join(HDF5_SUFFIXES)} files have datasets")
    if suffix == ".npy":
        return _npy(path)
    if suffix in TIFF_SUFFIXES:
        return _tiff(path)
    raise BadStack(
        f"{path}: unknown kind of file {suffix or '(no ending)'}; stacks are .npy, .tif, FILE.h5::dataset, "
        f"{' '.join(READERS)}"
    )


@contextmanager
def _npy(path: Path) -> Iterator[Any]:
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        message = f"{path} cannot be read: no plain array of numbers in it; numpy.save writes one"
        raise BadStack(message) from None
    plain = isinstance(mapped, np.memmap) and mapped.flags.c_contiguous and mapped.ndim == 3
    yield _NpyStack(path, mapped) if plain else mapped


class _NpyStack:
    """Frames read from a file: pages of a mapped one would stay in memory, and wait for the disk."""

    def __init__(self, path: Path, mapped: np.memmap[Any, Any]) -> None:
        self.shape, self.dtype = mapped.shape, mapped.dtype
        self._path, self._begin = path, mapped.offset

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        first, stop, _ = rows.indices(self.shape[0])
        pixels = self.shape[1] * self.shape[2]
        begin = self._begin + first * pixels * self.dtype.itemsize
        read = np.fromfile(self._path, self.dtype, (stop - first) * pixels, offset=begin)
        return read.reshape(-1, *self.shape[1:])


@contextmanager
def _tiff(path: Path) -> Iterator[Any]:
    with tifffile.TiffFile(path) as file:
        if not file.series:
            raise BadStack(f"{path}: no image in this TIFF file")
        _check_pages(path, file)
        yield _TiffStack(file)


def _check_pages(path: Path, file: tifffile.TiffFile) -> None:
    """Refuse pages of several kinds: nothing says which of them are the frames."""
    kinds: Counter[str] = Counter()
    for series in file.series:
        kinds[f"{series.keyframe.shape} {series.keyframe.dtype}"] += len(series.pages)
    if len(kinds) > 1:
        found = " and ".join(f"{count} of {kind}" for kind, count in kinds.items())
        raise BadStack(
            f"{path}: all pages must have one shape and type, there are {found}; save the frames alone"
        )


class _TiffStack:
    """The pages of a TIFF file as something that can be sliced."""

    def __init__(self, file: tifffile.TiffFile) -> None:
        self._pages = [page for series in file.series for page in series.pages]
        page = file.series[0].keyframe
        self.shape = (len(self._pages), *page.shape)
        self.dtype = np.dtype(page.dtype)
        if len(self._pages) == 1 and len(file.series[0].shape) == 3:
            self.shape = tuple(file.series[0].shape)
            self._whole = file.series[0].asarray()
        else:
            self._whole = None

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> Any:
        if self._whole is not None:
            return self._whole[rows]
        pages = range(*rows.indices(len(self)))
        return np.stack([self._pages[i].asarray() for i in pages])


@contextmanager
def _hdf5(path: Path, dataset: str) -> Iterator[Any]:
    with h5py.File(path, "r") as file:
        if not dataset:
            raise BadStack(f"{path}: say which dataset has the frames; {_stacks_in(path, file)}")
        if dataset not in file or not isinstance(file[dataset], h5py.Dataset):
            raise BadStack(f"{path}: no dataset {dataset!r}; {_stacks_in(path, file)}")
        yield file[dataset]


def _stacks_in(path: Path, file: h5py.File) -> str:
    """Name the datasets that could be meant, as they would have to be given."""
    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 3:
            found.append(name)

    file.visititems(visit)
    if not found:
        return "none in it has three dimensions"
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return f"in it: {', '.join(f'{path}{SEPARATOR}{name}' for name in found[:MOST_NAMED])}{more}"


def _check(source: str, frames: Any) -> None:
    shape = tuple(frames.shape or ())
    if len(shape) != 3 or min(shape) < 1:
        raise BadStack(f"{source}: a stack has the shape (frames, y, x), this has {shape}")
    if np.dtype(frames.dtype).kind not in "uif":
        raise BadStack(f"{source}: frames must be real numbers, these are {frames.dtype}")
