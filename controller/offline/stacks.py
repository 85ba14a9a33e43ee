"""Frame stacks that other programs wrote: ``.npy``, ``FILE.h5::dataset``, ``.tif``."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import tifffile

from annealscope.controller.errors import ExitCode, RunError

HDF5_SUFFIXES = (".h5", ".hdf5", ".nxs")
TIFF_SUFFIXES = (".tif", ".tiff")
SEPARATOR = "::"


class BadStack(RunError):
    """A file that is not a stack of frames."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.INVALID_INPUT)


@contextmanager
def open_stack(source: str) -> Iterator[Any]:
    """Open a stack for reading, without loading it.

    Parameters
    ----------
    source
        ``movie.npy``, ``movie.tif`` or ``movie.h5::path/of/dataset``.

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
        self._source = source
        self._stored = stored

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        with _blamed_on(self._source):
            return np.asarray(self._stored[rows])


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
    if dataset:
        raise BadStack(f"{path}{SEPARATOR}{dataset}: only {', '.join(HDF5_SUFFIXES)} files have datasets")
    if suffix == ".npy":
        return _npy(path)
    if suffix in TIFF_SUFFIXES:
        return _tiff(path)
    raise BadStack(
        f"{path}: unknown kind of file {suffix or '(no ending)'}; stacks are .npy, .tif or FILE.h5::dataset"
    )


@contextmanager
def _npy(path: Path) -> Iterator[Any]:
    yield np.load(path, mmap_mode="r", allow_pickle=False)


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
            raise BadStack(f"{path}: say which dataset, e.g. {path}{SEPARATOR}{_example(file)}")
        if dataset not in file or not isinstance(file[dataset], h5py.Dataset):
            raise BadStack(f"{path}: no dataset {dataset!r}; stacks in it: {_example(file)}")
        yield file[dataset]


def _example(file: h5py.File) -> str:
    """Return the names of the datasets that could be meant."""
    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 3:
            found.append(name)

    file.visititems(visit)
    return " ".join(found[:5]) or "(none has three dimensions)"


def _check(source: str, frames: Any) -> None:
    shape = tuple(frames.shape or ())
    if len(shape) != 3 or min(shape) < 1:
        raise BadStack(f"{source}: a stack has the shape (frames, y, x), this has {shape}")
    if np.dtype(frames.dtype).kind not in "uif":
        raise BadStack(f"{source}: frames must be real numbers, these are {frames.dtype}")
