"""Stacks in the formats that RosettaSciIO reads: the extra `export`."""

import importlib
import json

import numpy as np
import pytest
from small_run import annealscope_here

from annealscope.controller.offline import foreign
from annealscope.controller.offline.foreign import ForeignStack
from annealscope.controller.offline.stacks import BadStack, open_stack

pytestmark = pytest.mark.filterwarnings(  # RosettaSciIO leaves the files open that it could not read
    "ignore:.*FileIO:pytest.PytestUnraisableExceptionWarning"
)

FRAMES = np.random.default_rng(8).poisson(200, (70, 24, 32)).astype(np.uint16)


def need(plugin):
    return pytest.importorskip(f"rsciio.{plugin}", reason="needs RosettaSciIO: the extra `export`")


def signal(data, steps=(2.0, 0.165, 0.165), units=("s", "nm", "nm"), title="movie"):
    """What RosettaSciIO writes: frames and their axes."""
    axes = [
        {"name": name, "scale": step, "offset": 0.0, "units": unit, "size": size, "navigate": name == "t"}
        for name, step, unit, size in zip("tyx", steps, units, data.shape, strict=True)
    ]
    kind = {"_type": "UniformDataAxis", "is_binned": False}
    return {
        "data": data,
        "axes": [axis | kind | {"index_in_array": i} for i, axis in enumerate(axes)],
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "learning_results": {},
        "attributes": {"_lazy": False, "_signal_dimension": 2},
        "tmp_parameters": {},
        "models": {},
        "package_info": {},
    }


def write_mrc(path, frames, pixel_nm=0.165):
    """A file as the CCP-EM format description has it: 16-bit counts, sizes in angstrom."""
    n, ny, nx = frames.shape
    header = np.zeros(256, dtype="<i4")
    header[[0, 1, 2, 3]] = nx, ny, n, 6
    header[[7, 8, 9]] = nx, ny, n
    header[[10, 11, 12]] = np.array([10 * pixel_nm * nx, 10 * pixel_nm * ny, n], "<f4").view("<i4")
    header[[16, 17, 18]] = 1, 2, 3
    raw = bytearray(header.tobytes())
    raw[208:216] = b"MAP \x44\x44\x00\x00"
    path.write_bytes(bytes(raw) + frames.astype("<u2").tobytes())


@pytest.fixture(params=["hspy", "emd", "mrc"])
def file(request, tmp_path, monkeypatch):
    """The frames in a file of each kind that can be made here, in chunks of 16."""
    plugin = need(request.param)
    path = tmp_path / f"movie.{request.param}"
    monkeypatch.setattr(foreign, "WHOLE_FRAMES", (16, -1, -1))
    if request.param == "mrc":
        write_mrc(path, FRAMES)
    else:
        plugin.file_writer(str(path), signal(FRAMES), chunks=(16, 24, 32))
    return path


def test_every_slice_has_the_frames_that_were_written(file):
    with open_stack(str(file)) as frames:
        assert frames.shape == FRAMES.shape
        for rows in (slice(0, 32), slice(30, 41), slice(64, 70), slice(69, 99), slice(70, 70)):
            read = frames[rows]
            np.testing.assert_array_equal(read, FRAMES[rows])
            assert read.dtype == np.uint16


def test_the_pixel_is_the_one_that_the_file_says(file):
    with open_stack(str(file)) as frames:
        assert frames.pixel_nm == pytest.approx(0.165)
        assert frames.period_s == (None if file.suffix == ".mrc" else 2.0)


@pytest.mark.parametrize(
    ("steps", "units", "period_s", "pixel_nm"),
    [
        ((500.0, 1.65, 1.65), ("ms", "Å", "Å"), 0.5, 0.165),
        ((2.0, 1e-4, 1e-4), ("s", "µm", "µm"), 2.0, 0.1),
        ((1.0, 1.0, 1.0), ("", "", ""), None, None),
        ((2.0, 0.1, 0.2), ("s", "nm", "nm"), 2.0, None),
        ((2.0, 0.1, 0.1), ("eV", "1/nm", "1/nm"), None, None),
        ((0.0, 0.1, 0.1), ("s", "nm", "nm"), None, 0.1),
    ],
)
def test_only_calibrated_axes_are_believed(steps, units, period_s, pixel_nm, tmp_path):
    need("hspy").file_writer(str(tmp_path / "a.hspy"), signal(FRAMES, steps, units))
    with open_stack(str(tmp_path / "a.hspy")) as frames:
        assert frames.period_s == (period_s and pytest.approx(period_s))
        assert frames.pixel_nm == (pixel_nm and pytest.approx(pixel_nm))


def test_analyze_takes_period_and_pixel_from_the_file_and_says_so(tmp_path):
    frames = np.random.default_rng(4).poisson(100, (80, 40, 40)).astype(np.uint16)
    need("hspy").file_writer(str(tmp_path / "a.hspy"), signal(frames))
    options = "--aperture", "0.7 1/nm", "--no-drift", "--json"
    done = annealscope_here("analyze", "a.hspy", *options, cwd=tmp_path)
    (row,) = json.loads(done.stdout)
    assert "period 2 s and pixel 0.165 nm from the file" in row["note"]
    given = annealscope_here("analyze", "a.hspy", *options, "--period", "3 s", cwd=tmp_path)
    (row,) = json.loads(given.stdout)
    assert row["note"].startswith("pixel 0.165 nm from the file")


def test_a_file_that_does_not_say_is_refused_with_the_option_to_give(tmp_path):
    need("mrc")
    write_mrc(tmp_path / "a.mrc", FRAMES, pixel_nm=0.0)
    done = annealscope_here("analyze", "a.mrc", "--period", "2 s", cwd=tmp_path)
    assert done.returncode == 2
    assert 'give --pixel "0.165 nm"' in done.stderr


def test_counts_come_in_the_byte_order_of_the_machine(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES.astype(">u2"))
    with open_stack(str(tmp_path / "a.npy")) as frames:
        assert frames[3:5].dtype == np.uint16
        np.testing.assert_array_equal(frames[3:5], FRAMES[3:5])


@pytest.mark.parametrize("kept", [0, 100, 1500, 20_000])
def test_a_file_that_was_cut_off_is_bad_and_no_bug(file, kept):
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(BadStack, match=r"cannot be read|stack"), open_stack(str(file)) as frames:
        frames[0:70]


@pytest.mark.parametrize("suffix", foreign.READERS)
def test_a_file_of_something_else_is_bad_and_no_bug(suffix, tmp_path):
    need(foreign.READERS[suffix])
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"no frames at all " * 200)
    done = annealscope_here("analyze", path, cwd=tmp_path)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "a" + suffix in done.stderr


def test_of_several_stacks_one_has_to_be_named(tmp_path, monkeypatch):
    both = [signal(FRAMES, title="first"), signal(FRAMES[:9], title="second"), {"data": FRAMES[0]}]
    monkeypatch.setattr(foreign, "_signals", lambda path: both)
    with pytest.raises(BadStack, match=r"::first, .*::second"):
        ForeignStack(tmp_path / "a.emd", "")
    assert len(ForeignStack(tmp_path / "a.emd", "second")) == 9


def test_chunks_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch):
    need("hspy").file_writer(str(tmp_path / "a.hspy"), signal(FRAMES))
    monkeypatch.setattr(foreign, "MOST_BYTES", 1000)
    with pytest.raises(BadStack, match=r"can only be read \d+ at once"), open_stack(str(tmp_path / "a.hspy")):
        pass


def test_without_the_extra_the_message_says_what_to_install(tmp_path, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    (tmp_path / "a.dm4").write_bytes(b"x")
    with (
        pytest.raises(BadStack, match=r"pip install 'annealscope\[export\]'"),
        open_stack(str(tmp_path / "a.dm4")),
    ):
        pass
