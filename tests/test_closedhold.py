"""A recorder that is told of a hold that its predecessor has closed; and one that finds no room."""

import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from record_samples import ecm_entries, frame, open_hold

from annealscope.controller.record import durable, recording
from annealscope.controller.record.closedhold import ClosedHold
from annealscope.controller.record.framelog import FrameLogWriter, RecordError
from annealscope.controller.record.holdlogs import HoldLogs, all_logs, log_path
from annealscope.controller.record.recording import HoldRecording, take_up
from annealscope.controller.stream.messages import NewSegment, OpenHold

COUNT = 20


@pytest.fixture
def opening(tmp_path: Path) -> OpenHold:
    (tmp_path / "holds").mkdir()
    return open_hold(tmp_path)


def record(opening: OpenHold, results: bool = False) -> Path:
    hold = take_up(opening, "auto")
    assert isinstance(hold, HoldRecording)
    for seq in range(COUNT):
        assert hold.append(*frame(seq))
    hold.end_frames()
    if results:
        hold.write_results(ecm_entries())
    hold.close("complete")
    return hold.path


@pytest.mark.parametrize("results", [True, False])
def test_a_closed_hold_answers_with_what_is_in_its_file(opening: OpenHold, results: bool) -> None:
    path = record(opening, results)
    before = path.read_bytes()
    hold = take_up(opening, "auto")
    assert isinstance(hold, ClosedHold)
    assert (hold.frames, hold.durable_seq) == (COUNT, COUNT - 1)
    assert not hold.append(*frame(COUNT - 1))
    hold.note(NewSegment(hold=2, segment=1, first_seq=3, why="paused"))
    hold.end_frames()
    hold.write_results([])
    assert hold.close("complete") == ("complete" if results else "missing")
    assert path.read_bytes() == before


def test_a_closed_hold_takes_no_frame_that_it_does_not_have(opening: OpenHold) -> None:
    """Neither a new one, nor another one with the number of one that it has."""
    record(opening)
    hold = take_up(opening, "auto")
    header, pixels = frame(3)
    for other in (frame(COUNT)[0], header.model_copy(update={"crc32": header.crc32 ^ 1})):
        with pytest.raises(RecordError, match="is a closed hold and is never written again"):
            hold.append(other, pixels)


def test_what_a_recorder_left_of_the_logs_of_a_closed_hold_is_deleted(opening: OpenHold) -> None:
    """It died when the first was gone: the file is the record, the other logs are of no use any more."""
    path = record(opening)
    stem = path.with_suffix("")
    FrameLogWriter(log_path(stem, 1), opening).close()
    assert isinstance(take_up(opening, "auto"), ClosedHold)
    assert all_logs(stem) == []


def test_a_complete_file_beside_its_logs_is_made_again(opening: OpenHold, tmp_path: Path) -> None:
    """Its recorder died before it was read back: the logs are the record."""
    hold = take_up(opening, "auto")
    for seq in range(COUNT):
        hold.append(*frame(seq))
    hold.leave()
    record(open_hold(tmp_path, name="other"))
    shutil.copy(tmp_path / "holds" / "other.nxs", hold.path)
    again = take_up(opening, "auto")
    assert isinstance(again, HoldRecording)
    assert again.frames == COUNT
    again.end_frames()
    again.close("complete")


def test_a_file_without_an_end_and_without_logs_is_no_closed_hold(opening: OpenHold) -> None:
    hold = take_up(opening, "auto")
    hold.leave()
    log_path(hold.path.with_suffix(""), 0).unlink()
    with pytest.raises(RecordError, match=r"cannot be read.*annealscope verify"):
        take_up(opening, "auto")


def test_a_full_disk_is_said_before_anything_is_begun(
    opening: OpenHold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 crashes on a full disk; and each recorder that is started in vain would leave another log."""
    free = namedtuple("Usage", "total used free")(10**12, 10**12, 5_000_000)
    monkeypatch.setattr(recording.shutil, "disk_usage", lambda folder: free)
    with pytest.raises(RecordError, match=r"is full: 5\.0 MB are free.*free some room"):
        take_up(opening, "auto")
    assert list((Path(opening.folder) / "holds").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the system's copies can be dropped on Linux only")
def test_logs_of_a_dead_recorder_are_read_from_the_disk(
    opening: OpenHold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system shows of a file after a sync that failed may never have got to the disk."""
    first = take_up(opening, "auto")
    first.append(*frame(0))
    first.leave()
    log = log_path(first.path.with_suffix(""), 0)
    done: list[tuple[str, Path]] = []
    monkeypatch.setattr(recording, "sync_file", lambda path: done.append(("synced", path)))
    monkeypatch.setattr(os, "posix_fadvise", lambda handle, *_: done.append(("forgotten", _path_of(handle))))
    monkeypatch.setattr(recording, "HoldLogs", lambda stem: done.append(("read", log)) or HoldLogs(stem))
    take_up(opening, "auto").leave()
    assert done == [("synced", log), ("forgotten", log), ("read", log)]


def _path_of(handle: int) -> Path:
    return Path(f"/proc/self/fd/{handle}").resolve()


def test_a_log_that_could_not_be_begun_leaves_nothing(
    opening: OpenHold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a preamble on a disk that was full; with room again the next recorder begins the same log."""
    holds = Path(opening.folder) / "holds"
    with monkeypatch.context() as patch:
        patch.setattr(durable, "move_into_place", _full)
        with pytest.raises(RecordError, match=r"cannot create.*No space left"):
            take_up(opening, "auto")
    assert list(holds.iterdir()) == []
    (holds / f"{opening.name}.000.frames.tmp").write_bytes(b"half a preamble")  # its process was killed
    hold = take_up(opening, "auto")
    hold.append(*frame(0))
    hold.leave()
    with HoldLogs(holds / opening.name) as logs:
        assert logs.intact_rows() == 1
        np.testing.assert_array_equal(logs.read(0)[1], frame(0)[1])
    assert not list(holds.glob("*.tmp"))


def _full(temporary: Path, path: Path) -> None:
    raise OSError(28, "No space left on device")
