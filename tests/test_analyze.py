"""`annealscope analyze` on stacks that other programs wrote."""

import json
import math
import re

import h5py
import numpy as np
import pytest
import tifffile
from small_run import annealscope_here
from speckle_movie import speckle_count, speckle_movie

from annealscope.analysis.speckle_size import speckle_fwhm_px
from annealscope.controller.offline.stacks import open_stack

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
    done = annealscope_here(
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


def test_the_line_says_which_number_to_believe_and_what_was_noticed(movie, tmp_path):
    frames = np.concatenate([movie[:150], np.roll(movie[150:300], 30, axis=1)])
    frames[50] = frames[49]
    np.save(tmp_path / "a.npy", frames)
    scale = "--period", "5 s", "--pixel", "0.165 nm", "--offset", 100, "--no-drift"
    done = annealscope_here("analyze", "a.npy", *scale, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    for words in (
        r"tau \d+ ± \d+ s, beta 0\.\d+ ± 0\.\d+ \(the number to believe",
        r"; per pixel, as published: \d+ s \(\d+ s expected of the bias alone\); ",
        r"; the record is only [34]\.\d tau long",
        r"; 1 of 300 frames not used: 1 repeated; ",
        r"; 1 jump of the image, at 7[45]\d\.?\d* s: see drift and age; ",
        r"; aperture 0\.\d+ 1/nm from the speckles; results in a\.results\.nxs$",
    ):
        assert re.search(words, line), line


def test_a_flagged_time_is_not_called_the_one_to_believe(movie, tmp_path):
    np.save(tmp_path / "a.npy", movie[:150])
    scale = "--period", "5 s", "--pixel", "0.165 nm", "--offset", 100
    done = annealscope_here("analyze", "a.npy", *scale, cwd=tmp_path)
    assert "not to be believed; flagged: " in done.stdout
    assert "the number to believe" not in done.stdout


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
    assert speckle_fwhm_px(movie[:16]) == pytest.approx(4.0, rel=0.06)


def test_pages_that_were_written_one_by_one_are_all_read(movie, tmp_path):
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for page in movie[:40]:
            file.write(page, contiguous=False)
    with open_stack(str(tmp_path / "pages.tif")) as frames:
        np.testing.assert_array_equal(frames[:40], movie[:40])


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
    "low.npy": (np.arange(200.0 * 64).reshape(200, 1, 64), "must leave 16 px"),
}


@pytest.mark.parametrize("name", BAD_STACKS)
def test_a_bad_stack_gives_a_message_and_exit_code_3(name, tmp_path):
    content, message = BAD_STACKS[name]
    path = tmp_path / name.partition("::")[0]
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)

    done = annealscope_here("analyze", tmp_path / name, "--period", "2 s", "--pixel", "0.2 nm", cwd=tmp_path)

    assert done.returncode == 3, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def _noise(*shape):
    return np.random.Generator(np.random.Philox(5)).poisson(30, shape).astype(np.uint16)


def _broken_header(folder):
    np.save(folder / "a.npy", _noise(40, 64, 64))
    content = (folder / "a.npy").read_bytes()
    (folder / "a.npy").write_bytes(content.replace(b"{'descr'", b"{('descr", 1))
    return "a.npy", "cannot be read"


def _damaged_pages(folder):
    tifffile.imwrite(folder / "a.tif", _noise(40, 64, 64), compression="zlib")
    with tifffile.TiffFile(folder / "a.tif") as file:
        first, size = file.pages[20].dataoffsets[0], file.pages[20].databytecounts[0]
    content = bytearray((folder / "a.tif").read_bytes())
    content[first : first + size] = bytes(size)
    (folder / "a.tif").write_bytes(content)
    return "a.tif", "cannot be read"


def _pages_of_two_sizes(folder):
    with tifffile.TiffWriter(folder / "a.tif") as file:
        for _ in range(3):
            file.write(_noise(64, 64), contiguous=False)
        file.write(_noise(32, 48), contiguous=False)
    return "a.tif", "3 of (64, 64) uint16 and 1 of (32, 48) uint16"


def _unknown_compression(folder):
    """The pages say LZW; whether or not a decoder is installed, they cannot be decoded."""
    tifffile.imwrite(folder / "a.tif", _noise(40, 64, 64), compression="zlib")
    with tifffile.TiffFile(folder / "a.tif", mode="r+") as file:
        for page in file.pages:
            page.tags["Compression"].overwrite(5)
    return "a.tif", "cannot be read"


def _empty_dataset(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["nothing"] = h5py.Empty("f8")
    return "a.h5::nothing", "has the shape (frames, y, x)"


@pytest.mark.parametrize(
    "make", [_broken_header, _damaged_pages, _pages_of_two_sizes, _unknown_compression, _empty_dataset]
)
def test_a_damaged_stack_gives_a_message_and_exit_code_3(make, tmp_path):
    source, message = make(tmp_path)
    done = annealscope_here(
        "analyze", source, "--period", "2 s", "--pixel", "0.2 nm", "--aperture", "0.7 1/nm", cwd=tmp_path
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("aperture", ["1e9 1/nm", "1e-9 1/nm"])
def test_an_aperture_whose_speckles_cannot_be_seen_is_refused(aperture, tmp_path):
    np.save(tmp_path / "a.npy", _noise(64, 64, 64))
    options = "--period", "2 s", "--pixel", "0.165 nm", "--aperture", aperture
    done = annealscope_here("analyze", "a.npy", *options, cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "speckles of" in done.stderr
    assert not list(tmp_path.glob("*.results.nxs"))


@pytest.mark.parametrize(
    "frames", [np.full((64, 40, 40), 7.0), _noise(64, 40, 40)], ids=["constant", "noise"]
)
def test_frames_without_relaxation_say_so(frames, tmp_path):
    np.save(tmp_path / "a.npy", frames)
    options = "--period", "2 s", "--pixel", "0.165 nm", "--aperture", "0.7 1/nm"

    done = annealscope_here("analyze", "a.npy", *options, cwd=tmp_path)
    assert done.returncode == 7, done.stdout + done.stderr
    assert "no relaxation found" in done.stdout
    assert "nan" not in done.stdout
    assert "Traceback" not in done.stderr

    (row,) = json.loads(
        annealscope_here("analyze", "a.npy", *options, "--json", cwd=tmp_path).stdout,
        parse_constant=pytest.fail,
    )
    assert row["tau_s"] is None


def test_an_hdf5_file_without_a_dataset_name_says_which_there_are(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/frames"] = np.zeros((4, 8, 8))
    for source in ("a.h5", "a.h5::deep/nothing"):
        done = annealscope_here("analyze", source, "--period", "2 s", "--pixel", "0.2 nm", cwd=tmp_path)
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
    done = annealscope_here("analyze", "a.npy", "--pixel", "0.2 nm", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_all_scales_that_are_missing_are_named_at_once(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 8)))
    done = annealscope_here("analyze", "a.npy", cwd=tmp_path)
    assert done.returncode == 2
    assert '--period "2 s" --pixel "0.165 nm"' in done.stderr


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

    done = annealscope_here("analyze", run)

    assert done.returncode == 3, done.stdout + done.stderr
    assert "run" in done.stderr
    assert "Traceback" not in done.stderr
