"""A run folder is found as it was left, and never written over."""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from record_samples import ecm_entries, entry, frame, open_hold

from annealscope.controller.errors import ExitCode
from annealscope.controller.live import CLOCKS_DISAGREE_S
from annealscope.controller.record.durable import write_atomically
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.record.runfolder import (
    RunFolder,
    create,
    open_run,
    save_run_file,
)
from annealscope.controller.stream.messages import Reading


def begin(run: RunFolder, hold: int, temperature_degC: float) -> HoldRecording:
    kelvin = temperature_degC + 273.15
    name = f"{hold:02d}_ecm_{temperature_degC:.0f}C"
    recording = HoldRecording(open_hold(run.path, hold=hold, name=name, setpoint_K=kelvin), "auto")
    for seq in range(3):
        recording.append(*frame(seq))
    return recording


def complete(run: RunFolder, hold: int, temperature_degC: float, tau_s: float | None) -> None:
    recording = begin(run, hold, temperature_degC)
    kelvin = temperature_degC + 273.15
    recording.note(Reading(hold=hold, t_s=0.0, temperature_K=kelvin + 0.5, setpoint_K=kelvin))
    recording.end_frames()
    if tau_s is not None:
        recording.write_results(ecm_entries(tau_s))
    recording.close("complete")


def test_new_run_folder_has_its_rooms(tmp_path: Path) -> None:
    run = create(tmp_path / "runs" / "one")
    assert run.holds_folder.is_dir()
    assert run.report.is_dir()
    assert run.holds() == []
    assert open_run(tmp_path / "runs" / "one") == run


def test_folder_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RecordError, match="is not empty; a run never writes over another one") as refusal:
        create(tmp_path)
    assert refusal.value.exit_code == ExitCode.USAGE
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_file_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot make the run folder"):
        create(tmp_path / "file" / "run")


def test_other_folders_are_not_run_folders(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="it has no folder holds/ in it"):
        open_run(tmp_path)


def test_holds_are_closed_open_or_crashed(tmp_path: Path) -> None:
    """An unclosed hold is open while the process that writes the run lives, and crashed afterwards."""
    run = create(tmp_path / "run")
    complete(run, 1, 100.0, None)
    begin(run, 2, 150.0).leave()
    shutil.copy(run.hold_file("01_ecm_100C"), run.hold_file("03_ecm_200C"))
    run.hold_file("03_ecm_200C").write_bytes(b"torn")
    run.live.write_text(json.dumps({"pid": os.getpid()}))
    assert [(hold.name, hold.state) for hold in run.holds()] == [
        ("01_ecm_100C", "closed"),
        ("02_ecm_150C", "open"),
        ("03_ecm_200C", "crashed"),
    ]
    run.live.unlink()
    assert [hold.state for hold in run.holds()] == ["closed", "crashed", "crashed"]


@pytest.mark.parametrize(
    ("pid", "written_before_s", "running"),
    [
        (os.getpid(), 0.0, True),
        (os.getpid(), CLOCKS_DISAGREE_S / 2, True),
        (os.getpid(), 10 * CLOCKS_DISAGREE_S, False),
        (-1, 0.0, False),
        (2**70, 0.0, False),
        (float("inf"), 0.0, False),
        ("one", 0.0, False),
        (None, 0.0, False),
    ],
)
def test_a_process_younger_than_the_run_only_has_its_number(
    tmp_path: Path, pid: object, written_before_s: float, running: bool
) -> None:
    run = create(tmp_path / "run")
    run.live.write_text(json.dumps({"pid": pid}))
    born_s = psutil.Process().create_time()
    os.utime(run.live, (born_s - written_before_s,) * 2)
    assert run.is_running() is running


def test_run_file_links_holds_and_keeps_results(tmp_path: Path) -> None:
    """Links are relative; results have their place beside them, and one of them is the default plot."""
    run = create(tmp_path / "run")
    complete(run, 1, 200.0, 50.0)
    begin(run, 2, 250.0).leave()
    table = [
        entry("tau_of_T", None, signal="tau_s", axes=["temperature"]),
        entry("tau_of_T/temperature", np.array([200.0]), "degC"),
        entry("tau_of_T/tau_s", np.array([50.0]), "s"),
    ]
    save_run_file(run, table)
    moved = shutil.move(run.path, tmp_path / "elsewhere")
    with h5py.File(Path(moved) / "run.nxs", "r") as file:
        whole = file["entry"]
        assert list(whole["holds"]) == ["01_ecm_200C", "02_ecm_250C"]
        np.testing.assert_array_equal(whole["holds/01_ecm_200C/data/data"][2], frame(2)[1])
        plotted = whole[whole.attrs["default"]]
        assert plotted.attrs["NX_class"] == "NXdata"
        assert plotted[plotted.attrs["signal"]][()] == [50.0]


def test_run_file_of_an_empty_run(tmp_path: Path) -> None:
    """A run that was stopped before its first hold still ends with a run file, written twice without harm."""
    run = create(tmp_path / "run")
    save_run_file(run)
    save_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        assert list(file["entry/holds"]) == []
        assert "tau_of_T" not in file["entry"]
    assert not list(run.path.glob("*.tmp"))


def test_failed_run_file_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create(tmp_path / "run")
    save_run_file(run)
    before = run.run_file.read_bytes()
    complete(run, 1, 100.0, 10.0)
    monkeypatch.setattr("annealscope.controller.record.runfolder.write_results", _fail)
    with pytest.raises(OSError, match="disk full"):
        save_run_file(run)
    assert run.run_file.read_bytes() == before


def _fail(*_: object) -> None:
    raise OSError("disk full")


def test_text_is_written_in_one_step(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.yaml", "τ: 1\n")
    write_atomically(tmp_path / "a.yaml", "τ: 2\n")
    assert (tmp_path / "a.yaml").read_bytes() == "τ: 2\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]
