"""`annealscope analyze` on stacks that other programs wrote."""

import json
import math

import h5py
import numpy as np
import pytest
import tifffile
from small_run import annealscope
from speckle_movie import speckle_count, speckle_movie

from annealscope.analysis.speckle_size import speckle_fwhm_px

PERIOD_S = 5.0
TAU_S, BETA = 400.0, 0.75
SHAPE = (96, 96)
N_FRAMES = 1600


@pytest.fixture(scope="module")
def movie():
    """Photon-counting speckle from the tests' own generator, in uint16 counts."""
    return speckle_movie(
        N_FRAMES,
        SHAPE,
        tau_frames=TAU_S / PERIOD_S,
        beta=BETA,
        contrast=0.1,
        speckle_px=4.0,
        electrons=30.0,
        seed=11,
    )


@pytest.fixture(scope="module")
def stack(movie, tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "movie.npy"
    np.save(path, movie)
    return path


def _analyze(source, *options, cwd):
    done = annealscope(
        "analyze", source, "--period", f"{PERIOD_S:g} s", "--pixel", "0.165 nm", "--json", *options, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    return row


def test_tau_of_a_foreign_stack_is_right_within_the_error_scale(stack, tmp_path):
    row = _analyze(stack, "--offset", 100, cwd=tmp_path)

    record = speckle_count(SHAPE, 4.0) * N_FRAMES * PERIOD_S / TAU_S
    assert abs(math.log(row["tau_s"] / TAU_S)) < 4 * 2.5 / math.sqrt(record) + 0.03
    assert abs(row["beta"] - BETA) < 4 / math.sqrt(record) + 0.02
    assert row["tau_pixel_s"] < row["tau_s"]
    with h5py.File(tmp_path / "movie.results.nxs") as file:
        assert file["entry/kww/corrected"].attrs["tau_s"] == row["tau_s"]


def test_every_kind_of_file_gives_the_same_numbers(movie, stack, tmp_path):
    few = movie[:200]
    np.save(tmp_path / "few.npy", few)
    tifffile.imwrite(tmp_path / "few.tif", few)
    with h5py.File(tmp_path / "few.h5", "w") as file:
        file["raw/frames"] = few
    rows = [
        _analyze(tmp_path / name, "--offset", 100, cwd=tmp_path)
        for name in ("few.npy", "few.tif", "few.h5::raw/frames")
    ]
    assert len({row["tau_s"] for row in rows}) == 1
    assert len({row["beta"] for row in rows}) == 1


def test_the_aperture_is_found_from_the_speckles(movie):
    assert speckle_fwhm_px(movie[:16]) == pytest.approx(4.0, rel=0.15)


BAD_STACKS = {
    "missing.npy": (None, "no such file or run folder"),
    "text.npy": (b"hello", "cannot be read"),
    "text.tif": (b"hello", "cannot be read"),
    "text.h5::a": (b"hello", "cannot be read"),
    "empty.npy": (b"", "cannot be read"),
    "what.dat": (b"1 2 3", "unknown kind of file"),
    "two.npy": (np.zeros((8, 8)), "has the shape (frames, y, x)"),
    "words.npy": (np.full((3, 4, 4), "a"), "real numbers"),
    "complex.npy": (np.zeros((9, 32, 32), complex), "real numbers"),
    "short.npy": (np.ones((3, 64, 64)), ""),
    "one.npy": (np.ones((1, 64, 64)), ""),
    "flat.npy": (np.ones((200, 64, 64)), ""),
    "nan.npy": (np.full((200, 64, 64), np.nan), ""),
    "tiny.npy": (np.ones((200, 2, 2)), ""),
    "none.npy": (np.ones((0, 64, 64)), ""),
}


@pytest.mark.parametrize("name", BAD_STACKS)
def test_a_bad_stack_gives_a_message_and_exit_code_3(name, tmp_path):
    content, message = BAD_STACKS[name]
    path = tmp_path / name.partition("::")[0]
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)

    done = annealscope("analyze", tmp_path / name, "--period", "2 s", "--pixel", "0.2 nm", cwd=tmp_path)

    assert done.returncode == 3, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_hdf5_file_without_a_dataset_name_says_which_there_are(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/frames"] = np.zeros((4, 8, 8))
    for source in ("a.h5", "a.h5::deep/nothing"):
        done = annealscope("analyze", source, "--period", "2 s", "--pixel", "0.2 nm", cwd=tmp_path)
        assert done.returncode == 3
        assert "deep/frames" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give --period"),
        (("--period", "2"), "--period"),
        (("--period", "2 nm"), "--period"),
        (("--period", "-2 s"), "--period"),
    ],
)
def test_a_stack_needs_its_scales_with_units(options, message, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 8)))
    done = annealscope("analyze", "a.npy", "--pixel", "0.2 nm", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [None, "empty", "no holds", "broken hold"])
def test_a_bad_run_folder_gives_a_message(content, tmp_path):
    run = tmp_path / "run"
    if content:
        run.mkdir()
    if content in ("no holds", "broken hold"):
        (run / "holds").mkdir()
        (run / "journal.jsonl").write_text("")
    if content == "broken hold":
        (run / "holds" / "01_ecm_100C.nxs").write_bytes(b"not HDF5")

    done = annealscope("analyze", run)

    assert done.returncode == 3, done.stdout + done.stderr
    assert "run" in done.stderr
    assert "Traceback" not in done.stderr
