"""`annealscope analyze` on holds of a run: what it fills in, and what it never writes over."""

import os

import h5py
import numpy as np
import pytest
from record_samples import ecm_entries, frame, open_hold
from small_run import annealscope_here

from annealscope.controller.cli import analyze as cli_analyze
from annealscope.controller.errors import ExitCode
from annealscope.controller.record import results as results_module
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.record.results import read_results, write_results_file

HOLD_SHAPE = (40, 40)


@pytest.fixture
def hold(tmp_path):
    """A closed hold of 48 frames whose results are missing."""
    (tmp_path / "holds").mkdir()
    camera = open_hold(tmp_path).camera.model_copy(update={"shape": HOLD_SHAPE, "offset_counts": 0.0})
    recording = HoldRecording(open_hold(tmp_path, camera=camera, drift=False), "auto")
    for seq in range(48):
        recording.append(*frame(seq, HOLD_SHAPE))
    recording.end_frames()
    recording.close("complete")
    return recording.path


def _frames_in(path):
    with h5py.File(path) as file:
        return file["entry/data/data"][()]


def test_missing_results_are_filled_in_by_way_of_a_copy(hold, monkeypatch):
    frames, opened = _frames_in(hold), []
    real = h5py.File
    monkeypatch.setattr(
        results_module.h5py, "File", lambda path, mode="r": opened.append((path, mode)) or real(path, mode)
    )
    (row,) = cli_analyze.analyze_record(hold, None)
    assert "now they are in the file" in row.note
    assert (hold, "r+") not in opened
    assert os.listdir(hold.parent) == [hold.name]
    np.testing.assert_array_equal(_frames_in(hold), frames)
    assert "kww/corrected" in {part.path for part, _ in read_results(hold)}
    (again,) = cli_analyze.analyze_record(hold, None)
    assert "bit for bit" in again.note


def test_a_failure_while_filling_in_leaves_the_hold_as_it_was(hold, monkeypatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    before = hold.read_bytes()
    monkeypatch.setattr(results_module, "write_results", full_disk)
    with pytest.raises(RecordError, match="No space left on device; nothing was changed") as refusal:
        list(cli_analyze.analyze_record(hold, None))
    assert refusal.value.exit_code == ExitCode.INTERNAL
    assert hold.read_bytes() == before
    assert os.listdir(hold.parent) == [hold.name]


def test_too_little_room_for_a_copy_writes_the_results_beside(hold, monkeypatch):
    before = hold.read_bytes()
    monkeypatch.setattr(cli_analyze, "room_to_add", lambda *_: False)
    (row,) = cli_analyze.analyze_record(hold, None)
    beside = hold.with_name(f"{hold.stem}.results.h5")
    assert "too little room" in row.note
    assert str(beside) in row.note
    assert hold.read_bytes() == before
    assert read_results(beside)


def test_room_is_for_a_copy_of_the_file_and_the_results(hold, monkeypatch):
    needed = hold.stat().st_size + 8 * 10 + results_module.SPARE_BYTES
    entries = [(None, np.zeros(10)), (None, None)]
    for free, enough in ((needed, True), (needed - 1, False)):
        usage = results_module.shutil.disk_usage(hold.parent)._replace(free=free)
        monkeypatch.setattr(results_module.shutil, "disk_usage", lambda _, usage=usage: usage)
        assert results_module.room_to_add(hold, entries) is enough


def test_a_full_disk_is_noticed_before_hdf5_crashes_on_it(tmp_path, monkeypatch):
    usage = results_module.shutil.disk_usage(tmp_path)._replace(free=4096)
    monkeypatch.setattr(results_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(RecordError, match="the disk is full") as refusal:
        write_results_file(tmp_path / "a.nxs", ecm_entries(), "a")
    assert refusal.value.exit_code == ExitCode.INTERNAL
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "target", ["the hold", "a link to the hold", "data.h5", "notes.txt", "folder", "no/a.nxs"]
)
def test_results_never_replace_anything_but_results(target, hold, tmp_path):
    path = {"the hold": hold}.get(target, tmp_path / target)
    if target == "a link to the hold":
        path.hardlink_to(hold)
    elif target == "data.h5":
        with h5py.File(path, "w") as file:
            file["frames"] = np.ones((4, 8, 8))
    elif target == "notes.txt":
        path.write_text("precious")
    elif target == "folder":
        path.mkdir()
    before = path.read_bytes() if path.is_file() else None

    done = annealscope_here("analyze", hold, "-o", path)

    assert done.returncode == 2, done.stdout + done.stderr
    assert str(path) in done.stderr
    assert "-o" in done.stderr
    assert "Traceback" not in done.stderr
    assert (path.read_bytes() if path.is_file() else None) == before


def test_results_replace_earlier_results_but_not_those_they_are_made_from(tmp_path):
    path = tmp_path / "a.nxs"
    write_results_file(path, ecm_entries(100.0), "old")
    write_results_file(path, ecm_entries(200.0), "new")
    with h5py.File(path) as file:
        assert file["entry/kww/corrected"].attrs["tau_s"] == 200.0
    assert os.listdir(tmp_path) == ["a.nxs"]

    done = annealscope_here("analyze", path)
    assert done.returncode == 3
    assert "has results and no frames" in done.stderr

    before = path.read_bytes()
    options = "--period", "2 s", "--pixel", "0.2 nm", "-o", path
    done = annealscope_here("analyze", f"{path}::entry/map/flags", *options)
    assert done.returncode == 2
    assert "never replace data" in done.stderr
    assert path.read_bytes() == before


def test_a_hold_whose_frames_are_damaged_gives_a_message(hold):
    content = bytearray(hold.read_bytes())
    with h5py.File(hold) as file:
        chunk = file["entry/data/data"].id.get_chunk_info(1)
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    hold.write_bytes(content)
    done = annealscope_here("analyze", hold)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "cannot be read" in done.stderr
