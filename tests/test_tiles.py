"""The fast way of writing tiles makes the files that the slow way makes."""

import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.controller.record import tiles
from annealscope.controller.record.tiles import TILE_FRAMES, compresses, create_frames, write_tiles

cases = st.tuples(
    st.integers(1, 40),
    st.tuples(st.integers(1, 600), st.integers(1, 300)),
    st.sampled_from(["uint8", "uint16", ">u2", "int32", "float32", "float64"]),
    st.booleans(),
)


def movie(count: int, shape: tuple[int, int], dtype: str, seed: int = 1) -> np.ndarray:
    rng = np.random.Generator(np.random.Philox(seed))
    return rng.poisson(40, (count, *shape)).astype(dtype)


def write_fast(path: Path, frames: np.ndarray, deflated: bool) -> None:
    with h5py.File(path, "w") as file:
        dataset = create_frames(file, "frames", frames.shape[1:], frames.dtype, deflated)
        for first in range(0, len(frames), TILE_FRAMES):
            for _ in write_tiles(dataset, first, frames[first : first + TILE_FRAMES]):
                pass


@settings(max_examples=25, deadline=None)
@given(case=cases)
def test_fast_equals_slow(case: tuple, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Plain h5py reads what was written directly, and itself writes the same layout and the same tiles."""
    count, shape, dtype, deflated = case
    frames = movie(count, shape, dtype)
    folder = tmp_path_factory.mktemp("tiles")
    write_fast(folder / "fast.h5", frames, deflated)
    with h5py.File(folder / "fast.h5", "r") as fast, h5py.File(folder / "slow.h5", "w") as slow_file:
        ours = fast["frames"]
        np.testing.assert_array_equal(ours[()], frames)
        slow = slow_file.create_dataset(
            "frames",
            data=frames,
            maxshape=ours.maxshape,
            chunks=ours.chunks,
            **({"compression": "gzip", "compression_opts": 1, "shuffle": True} if deflated else {}),
        )
        assert (ours.dtype, ours.compression, ours.shuffle) == (slow.dtype, slow.compression, slow.shuffle)
        assert ours.id.get_num_chunks() == slow.id.get_num_chunks()
        for i in range(slow.id.get_num_chunks()):
            offset = slow.id.get_chunk_info(i).chunk_offset
            assert unpacked(ours, offset) == unpacked(slow, offset)


def unpacked(dataset: h5py.Dataset, offset: tuple[int, ...]) -> bytes:
    mask, data = dataset.id.read_direct_chunk(offset)
    assert mask == 0
    return zlib.decompress(data) if dataset.compression else data


def test_zlib_writes_the_same_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without isal the file is as good, only slower."""
    monkeypatch.setattr(tiles, "deflate", zlib.compress)
    frames = movie(20, (30, 300), "uint16")
    write_fast(tmp_path / "a.h5", frames, deflated=True)
    with h5py.File(tmp_path / "a.h5", "r") as file:
        np.testing.assert_array_equal(file["frames"][()], frames)


def test_noise_that_cannot_be_compressed_is_still_right(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.Philox(3))
    frames = rng.integers(0, 2**16, (16, 300, 300), dtype=np.uint16)
    write_fast(tmp_path / "a.h5", frames, deflated=True)
    with h5py.File(tmp_path / "a.h5", "r") as file:
        np.testing.assert_array_equal(file["frames"][()], frames)


def test_one_frame_costs_one_row_of_tiles(tmp_path: Path) -> None:
    """The tile is what makes single frames and single regions quick to read."""
    write_fast(tmp_path / "a.h5", movie(1, (1024, 600), "uint16"), deflated=True)
    with h5py.File(tmp_path / "a.h5", "r") as file:
        assert file["frames"].chunks == (16, 256, 256)
        assert file["frames"].id.get_num_chunks() == 4 * 3


@pytest.mark.parametrize(
    ("compression", "frame_bytes", "period_s", "expected"),
    [
        ("deflate", 2**21, 0.001, True),
        ("none", 2**21, 100.0, False),
        ("auto", 2**21, 2.0, True),  # the paper: 1 MB/s
        ("auto", 2**21, 0.025, True),  # 40 frames/s: 84 MB/s
        ("auto", 2**21, 0.01, False),  # 100 frames/s: 210 MB/s
    ],
)
def test_auto_compresses_what_one_core_can(
    compression: tiles.Compression, frame_bytes: int, period_s: float, expected: bool
) -> None:
    assert compresses(compression, frame_bytes, period_s) is expected
