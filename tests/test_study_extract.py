"""The beginning of a movie as a record of its own."""

import os
from zlib import crc32

import h5py
import pytest
from record_samples import frame, open_hold
from run_folder import FakeHold
from run_patterns import FakePatterns
from speckle_movie import speckle_movie

from annealscope.analysis.values import InvalidData
from annealscope.controller.offline.extract import beginning, extract_path, first_movie, make_extract
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.report.load_hold import load_hold
from annealscope.controller.report.study.load import load_extract

SHAPE = (40, 40)


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    """Return a real hold file: 120 frames, one every 2 s."""
    folder = tmp_path_factory.mktemp("run") / "as_cast"
    (folder / "holds").mkdir(parents=True)
    frames = speckle_movie(
        120, SHAPE, tau_frames=8, beta=0.8, contrast=0.1, speckle_px=4.0, electrons=30.0, seed=3
    )
    camera = open_hold(folder).camera.model_copy(update={"shape": SHAPE, "offset_counts": 100.0})
    recording = HoldRecording(open_hold(folder, camera=camera, drift=False, frames_planned=120), "auto")
    for seq, pixels in enumerate(frames):
        header = frame(seq, SHAPE)[0].model_copy(
            update={"crc32": crc32(pixels.tobytes()), "segment": 0, "beam_on": True, "lost_before": 0}
        )
        recording.append(header, pixels)
    recording.end_frames()
    recording.close("complete")
    return recording.path


def test_an_extract_is_of_the_first_frames_and_is_kept(movie, tmp_path):
    told = []
    made = make_extract(movie, 160.0, tmp_path / "extracts", lambda done, total: told.append((done, total)))
    with h5py.File(made) as file:
        assert file["entry/input"].attrs["frames"] == "0:80"
        assert file["entry/frame_mean"].shape == (80,)
        tau_s = file["entry/kww/corrected"].attrs["tau_s"]
    assert told[-1] == (80, 80)

    before = made.stat().st_mtime_ns
    assert make_extract(movie, 160.0, tmp_path / "extracts", lambda *_: pytest.fail("computed again")) == made
    assert made.stat().st_mtime_ns == before

    hold = load_hold(movie, {}, {})
    first = load_extract([hold], made)
    assert first is not None
    assert (first.frames, first.segment_slots, first.duration_s) == (80, (80,), pytest.approx(160, rel=1e-3))
    assert first.fits["corrected"].tau_s == tau_s
    assert first.truth == hold.truth
    assert load_extract([], made) is None


def test_a_movie_that_changes_gets_another_extract(movie, tmp_path):
    before = extract_path(movie, 160.0, tmp_path)
    stat = movie.stat()
    try:
        os.utime(movie, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
        assert extract_path(movie, 160.0, tmp_path) != before
    finally:
        os.utime(movie, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert extract_path(movie, 100.0, tmp_path) != before


def test_lost_frames_and_pauses_are_places_in_time(tmp_path):
    hold = FakeHold(1, 25, 400, 0.7, frames=100, period_s=10.0, side=48, lost=(3, 4, 60), pause_after=50)
    path = tmp_path / "01_ecm_25C.nxs"
    hold.write(path, 100.0)
    inside = beginning(path, 400.0)
    assert (inside.frames, inside.segment_slots, inside.lost) == (38, (40,), 2)
    beyond = beginning(path, 700.0 + 600.0)  # 50 frames, a pause of 600 s, 20 more
    assert (beyond.frames, beyond.segment_slots, beyond.lost) == (67, (50, 20), 3)
    assert beyond.segment_starts == (0, 110)


@pytest.mark.parametrize("span_s", [1030.0, 1e6])
def test_an_extract_is_a_part(tmp_path, span_s):
    FakeHold(1, 25, 400, 0.7, frames=100, side=48, lost=()).write(tmp_path / "01_ecm_25C.nxs", 0.0)
    with pytest.raises(InvalidData, match="1000 s long: an extract must be a part of it"):
        beginning(tmp_path / "01_ecm_25C.nxs", span_s)


def test_the_movie_is_found_among_other_holds(tmp_path):
    assert first_movie(tmp_path) is None
    FakePatterns(1, 25).write(tmp_path / "01_fem_25C.nxs", 0.0)
    with h5py.File(tmp_path / "01_fem_25C.nxs", "r+") as file:
        file["entry"].attrs["method"] = "fem"
    (tmp_path / "02_torn.nxs").write_bytes(b"torn")
    FakeHold(3, 25, 400, 0.7, frames=100, side=48, lost=()).write(tmp_path / "03_ecm_25C.nxs", 0.0)
    assert first_movie(tmp_path) == tmp_path / "03_ecm_25C.nxs"
