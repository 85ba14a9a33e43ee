"""The hold file opens in plain h5py at any moment, and gives back exactly what the frame log holds."""

import hashlib
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from record_samples import ecm_entries, frame, open_hold

from annealscope.controller.record import framelog
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdfile import HoldWriter, verify_against_log
from annealscope.controller.record.holdlogs import HoldLogs
from annealscope.controller.record.holdreader import HoldReader, hold_stem
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.record.results import read_results
from annealscope.controller.stream.messages import Lost, NewSegment, Reading

COUNT = 37
"""Two rows of tiles and a part of one."""


def record(folder: Path, count: int = COUNT, **changes: object) -> HoldRecording:
    """A hold with all its frames in the log."""
    (folder / "holds").mkdir(parents=True, exist_ok=True)
    recording = HoldRecording(open_hold(folder, **changes), "auto")
    for seq in range(count):
        assert recording.append(*frame(seq))
    recording.note(Reading(hold=2, t_s=1.5, temperature_K=373.4, setpoint_K=373.15))
    recording.end_frames()
    return recording


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recording = record(tmp_path_factory.mktemp("run"))
    recording.write_results(ecm_entries())
    assert recording.close("complete") == "complete"
    return recording.path


def test_frames_and_table_are_those_that_were_taken(closed: Path) -> None:
    with h5py.File(closed, "r") as file:
        detector = file["entry/instrument/detector"]
        assert len(detector["data"]) == COUNT
        for row in range(COUNT):
            header, pixels = frame(row)
            np.testing.assert_array_equal(detector["data"][row], pixels)
            assert detector["seq"][row] == header.seq
            assert detector["slot"][row] == header.slot
            assert detector["segment"][row] == header.segment
            assert detector["frame_time"][row] == header.t_start_s
            assert detector["count_time"][row] == header.exposure_s
            assert bool(detector["valid"][row]) is header.beam_on
            assert tuple(detector["shift_applied"][row]) == header.shift_applied_nm
            assert detector["crc32"][row] == header.crc32
            np.testing.assert_equal(detector["haadf"][row], np.nan if header.haadf is None else header.haadf)


def test_viewers_find_a_default_plot_with_axes(closed: Path) -> None:
    """Following @default from the root leads to the frames, with uniform axes that have units."""
    with h5py.File(closed, "r") as file:
        data = file[file.attrs["default"]]
        data = data[data.attrs["default"]]
        assert data.attrs["NX_class"] == "NXdata"
        assert list(data.attrs["axes"]) == ["time", "y", "x"]
        assert data.attrs["interpretation"] == data["data"].attrs["interpretation"] == "image"
        signal = data[data.attrs["signal"]]
        assert signal == file["entry/instrument/detector/data"]
        for axis, (name, units) in enumerate([("time", "s"), ("y", "nm"), ("x", "nm")]):
            assert data[name].shape == (signal.shape[axis],)
            assert data[name].attrs["units"] == units
            assert data.attrs[f"{name}_indices"] == axis
        np.testing.assert_array_equal(np.diff(data["time"]), 2.0)
        assert list(signal.attrs["chunks"]) == [COUNT, 24, 20]


def test_temperatures_are_in_degC_for_people(closed: Path) -> None:
    with h5py.File(closed, "r") as file:
        heater = file["entry/instrument/heater"]
        assert heater["value_log/value"][()] == pytest.approx([100.25])
        assert heater["setpoint_log/value"][()] == pytest.approx([100.0])
        assert heater["value_log/value"].attrs["units"] == "degC"
        assert heater["value_log/time"][()] == [1.5]


def test_file_says_what_it_is(closed: Path) -> None:
    with h5py.File(closed, "r") as file:
        whole = file["entry"]
        assert file.attrs["format"] == "annealscope/hold"
        assert whole.attrs["analysis"] == "complete"
        assert whole.attrs["end_reason"] == "complete"
        assert whole["start_time"].asstr()[()] == "2026-11-22T11:20:00+00:00"
        assert whole["end_time"].asstr()[()].startswith("2026-11-22T11:21:13")  # 36 periods of 2 s, then 1 s
        assert whole["sample/name"].asstr()[()] == "AMZ4"
        assert bool(whole["sample/is_simulation"][()])
        assert dict(whole["sample/truth"].attrs) == {"NX_class": "NXcollection", "tau_s": 100.0, "beta": 0.5}
        text = whole["protocol/data"].asstr()[()]
        assert text == "name: test\n"
        assert whole["protocol/sha256"].asstr()[()] == hashlib.sha256(text.encode()).hexdigest()


def test_measured_sample_has_no_truth(tmp_path: Path) -> None:
    recording = record(tmp_path, 1, settings={"sample": "glass"})
    recording.close("stopped")
    with h5py.File(recording.path, "r") as file:
        assert not file["entry/sample/is_simulation"][()]
        assert "truth" not in file["entry/sample"]
        assert "protocol" not in file["entry"]
        assert file["entry/sample/name"].asstr()[()] == "glass"


def test_hold_without_results_says_so(tmp_path: Path) -> None:
    recording = record(tmp_path, 3)
    assert recording.close("complete") == "missing"
    with h5py.File(recording.path, "r") as file:
        assert file["entry"].attrs["analysis"] == "missing"
    assert read_results(recording.path) == []


def test_hold_without_frames_closes(tmp_path: Path) -> None:
    recording = record(tmp_path, 0)
    assert recording.close("stopped") == "missing"
    with HoldReader(recording.path) as reader:
        assert reader.n_frames == 0
        assert list(reader.iter_blocks()) == []


def test_log_is_deleted_only_by_closing(tmp_path: Path) -> None:
    recording = record(tmp_path, 20)
    assert [path.name for path in sorted((tmp_path / "holds").iterdir())] == [
        "02_ecm_100C.000.frames",
        "02_ecm_100C.nxs",
    ]
    recording.close("complete")
    assert [path.name for path in (tmp_path / "holds").iterdir()] == ["02_ecm_100C.nxs"]


def test_log_and_hold_file_give_the_same_blocks(tmp_path: Path) -> None:
    """Every number that the analysis sees is the same to the last bit, whichever file it is read from."""
    recording = record(tmp_path)
    saved = tmp_path / "logs" / "holds"
    shutil.copytree(tmp_path / "holds", saved)
    recording.close("complete")
    with HoldReader(recording.path) as from_file, HoldReader(saved / "02_ecm_100C.000.frames") as from_log:
        assert from_file.info == from_log.info
        assert from_file.n_frames == from_log.n_frames == COUNT
        sizes = []
        for ours, theirs in zip(from_file.iter_blocks(10), from_log.iter_blocks(10), strict=True):
            sizes.append(len(ours[0]))
            for a, b in zip(ours, theirs, strict=True):
                assert a.dtype == b.dtype
                assert a.tobytes() == b.tobytes()
        assert sizes == [10, 10, 10, 7]


def test_the_log_is_believed_before_the_hold_file(tmp_path: Path) -> None:
    """The hold file of a crashed hold lacks the last frames; the log has them all, up to its torn end."""
    recording = record(tmp_path)
    while recording.backlog > 21:
        recording.derive()
    recording.leave()
    log = tmp_path / "holds" / "02_ecm_100C.000.frames"
    log.write_bytes(log.read_bytes()[:-1])
    with h5py.File(recording.path, "r") as file:
        assert len(file["entry/data/data"]) == 16
    with HoldReader(recording.path) as reader:
        assert reader.n_frames == COUNT - 1


def test_restarted_recorder_goes_on_in_a_new_log(tmp_path: Path) -> None:
    """Frames that were sent again are recorded once, and one hold is still one file."""
    record(tmp_path, 20).leave()
    again = HoldRecording(open_hold(tmp_path), "auto")
    assert (again.frames, again.last_seq, again.durable_seq) == (20, 19, 19)
    assert not again.append(*frame(19))
    for seq in range(20, 40):
        assert again.append(*frame(seq))
    again.end_frames()
    again.close("complete")
    with HoldReader(again.path) as reader:
        frames = np.concatenate([block[0] for block in reader.iter_blocks()])
    np.testing.assert_array_equal(frames, np.stack([frame(seq)[1] for seq in range(40)]))
    assert [path.name for path in (tmp_path / "holds").iterdir()] == ["02_ecm_100C.nxs"]


def test_frames_are_durable_only_after_a_sync_that_worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "holds").mkdir()
    recording = HoldRecording(open_hold(tmp_path), "auto")
    recording.append(*frame(0))
    assert recording.durable_seq == -1
    recording.sync()
    assert recording.durable_seq == 0
    recording.append(*frame(1))
    with monkeypatch.context() as patched:
        patched.setattr(framelog, "sync_data", _fail)
        with pytest.raises(RecordError, match="cannot sync"):
            recording.sync()
    assert recording.durable_seq == 0
    recording._log.close()
    recording._derivation.leave()


def _fail(handle: int) -> None:
    raise OSError("the disk is gone")


def test_closed_hold_is_never_written_again(closed: Path) -> None:
    with pytest.raises(RecordError, match="is a closed hold and is never written again"):
        HoldRecording(open_hold(closed.parent.parent), "auto")


@pytest.mark.parametrize("damage", ["pixel", "time", "missing frame"])
def test_verification_notices_damage(tmp_path: Path, damage: str) -> None:
    """One wrong pixel, one wrong number in the table or one frame too few, and the log is kept."""
    recording = record(tmp_path)
    recording.leave()
    writer = HoldWriter(recording.path, recording.info)
    with HoldLogs(hold_stem(recording.path)) as logs:
        for first in range(0, COUNT, 16):
            rows = [logs.read(row) for row in range(first, min(first + 16, COUNT))]
            list(writer.write_row([header for header, _ in rows], np.stack([pixels for _, pixels in rows])))
        writer.finalise("complete")
        verify_against_log(recording.path, logs)
        spoil(recording.path, damage)
        with pytest.raises(RecordError, match=r"reads back|frames instead of"):
            verify_against_log(recording.path, logs)


def spoil(path: Path, damage: str) -> None:
    with h5py.File(path, "r+") as file:
        detector = file["entry/instrument/detector"]
        if damage == "pixel":
            detector["data"][20, 3, 4] += 1
        elif damage == "time":
            detector["frame_time"][20] = np.nextafter(detector["frame_time"][20], np.inf)
        else:
            detector["data"].resize(COUNT - 1, axis=0)


def test_rows_begin_at_multiples_of_16(tmp_path: Path) -> None:
    writer = HoldWriter(tmp_path / "a.nxs", open_hold(tmp_path))
    list(writer.write_row([frame(0)[0]], frame(0)[1][None]))
    with pytest.raises(RecordError, match="multiple of 16 frames, not at 1"):
        list(writer.write_row([frame(1)[0]], frame(1)[1][None]))
    writer.close()


def test_every_row_leaves_a_file_that_opens(tmp_path: Path) -> None:
    """A copy taken after any row, as a crash would leave it, opens plainly and holds all rows so far."""
    (tmp_path / "holds").mkdir()
    recording = HoldRecording(open_hold(tmp_path), "auto")
    for row in range(3):
        copy = shutil.copy(recording.path, tmp_path / f"crashed{row}.nxs")
        with h5py.File(copy, "r") as file:
            assert len(file["entry/data/data"]) == len(file["entry/data/time"]) == 16 * row
            for seq in range(16 * row):
                np.testing.assert_array_equal(file["entry/data/data"][seq], frame(seq)[1])
        for seq in range(16 * row, 16 * row + 16):
            recording.append(*frame(seq))
        while recording.derive():
            pass
    recording.leave()


def test_a_hold_of_few_large_patterns(tmp_path: Path) -> None:
    """One pattern of 512 x 512, in pixels of k: no axis of it is in nm, and it reads back."""
    shape = (512, 512)
    camera = open_hold(tmp_path, shape).camera.model_copy(update={"pixel_nm": None, "pixel_per_nm": 0.0284})
    (tmp_path / "holds").mkdir()
    recording = HoldRecording(open_hold(tmp_path, camera=camera, method="diffraction", grid=None), "auto")
    recording.append(*frame(0, shape))
    recording.end_frames()
    recording.close("complete")
    with h5py.File(recording.path, "r") as file:
        data = file["entry/data"]
        np.testing.assert_array_equal(data["data"][0], frame(0, shape)[1])
        assert data["y"].attrs["units"] == data["x"].attrs["units"] == "1/nm"
        assert data["y"][0] == pytest.approx(-255.5 * 0.0284)
        assert "scan" not in file["entry/instrument"]
        assert "y_pixel_size" not in file["entry/instrument/detector"]
    with HoldReader(recording.path) as reader:
        (block,) = reader.iter_blocks()
        assert block.frames.shape == (1, *shape)
        assert np.isnan(block.scan_yx_nm).all()


def test_words_for_segments_and_losses_are_kept(tmp_path: Path) -> None:
    """They may come before the frames they are about, after the last one, or never."""
    (tmp_path / "holds").mkdir()
    recording = HoldRecording(open_hold(tmp_path), "auto")
    recording.note(Lost(hold=2, first_seq=0, frames=2, t_s=0.5, why="Kühlung"))
    recording.append(*frame(2))
    recording.note(NewSegment(hold=2, segment=1, first_seq=3, why="paused"))
    recording.end_frames()
    recording.close("complete")
    with h5py.File(recording.path, "r") as file:
        detector = file["entry/instrument/detector"]
        assert list(detector["segments/reason"].asstr()) == ["the acquisition began", "paused"]
        assert detector["segments/first_seq"][()].tolist() == [0, 3]
        assert list(detector["lost/reason"].asstr()) == ["Kühlung"]
        assert detector["lost/time"].attrs["units"] == "s"


def test_settings_that_hdf5_cannot_hold_as_they_are(tmp_path: Path) -> None:
    """Whatever the announcement says of optics, region and truth, the record begins."""
    settings = {
        "optics": {"name": "fem", "mode": "nanobeam", "camera_length_m": None, "nested": {"a": 1}},
        "region": {"number": 1, "position_nm": (0.0, 1.0), "parent": "x"},
        "truth": {"tau_s": 1.0, "V_max": None},
    }
    recording = record(tmp_path, 1, settings=settings)
    recording.close("complete")
    with h5py.File(recording.path, "r") as file:
        optics = file["entry/instrument/optics"].attrs
        assert (optics["name"], optics["nested"]) == ("fem", '{"a": 1}')
        assert "camera_length_m" not in optics
        assert file["entry/sample/region"].attrs["position_nm"].tolist() == [0.0, 1.0]
        assert set(file["entry/sample/truth"].attrs) == {"NX_class", "tau_s"}
