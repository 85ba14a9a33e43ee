"""`repair` makes a whole record of what a crash has left, twice the same, and changes no raw byte."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from record_samples import entry
from simulated_disk import no_syncs
from small_records import (
    BREAK,
    END,
    LOST,
    NAME,
    NUMBERS,
    RECORD_BYTES,
    SmallRun,
    complete_run,
    crashed_run,
    flip,
    hold_frame,
    log_of,
)
from test_verify import digests, said

from annealscope.controller.journal import read_journal
from annealscope.controller.record import derivation, repair_hold
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.repair import repair
from annealscope.controller.record.results import read_results
from annealscope.controller.record.runfolder import RunFolder, save_run_file
from annealscope.controller.record.verify import verify


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with no_syncs():
        yield


@pytest.fixture
def dead(tmp_path: Path) -> RunFolder:
    return crashed_run(tmp_path / "run", restarts=1)


def left(run: RunFolder) -> list[str]:
    return [f"{action.path.name}: {action.what}" for action in repair(run.path) if not action.done]


def numbers(run: RunFolder) -> list[int]:
    with h5py.File(run.hold_file(NAME), "r") as file:
        detector = file["entry/instrument/detector"]
        for row, seq in enumerate(detector["seq"]):
            np.testing.assert_array_equal(detector["data"][row], hold_frame(int(seq))[1])
        return [int(seq) for seq in detector["seq"]]


def losses(run: RunFolder) -> list[tuple[int, int, str]]:
    with h5py.File(run.hold_file(NAME), "r") as file:
        lost = file["entry/instrument/detector/lost"]
        columns = lost["first_seq"][()].tolist(), lost["frames"][()].tolist(), lost["reason"].asstr()[()]
        return list(zip(*columns, strict=True))


def test_crashed_hold_becomes_a_hold_file(dead: RunFolder) -> None:
    """Frames of both logs, and from the journal what they do not know: losses, breaks, temperatures."""
    repair(dead.path)
    assert sorted(os.listdir(dead.holds_folder)) == [f"{NAME}.nxs"]
    assert numbers(dead) == NUMBERS
    assert losses(dead) == [(LOST.start, len(LOST), "camera")]
    with h5py.File(dead.hold_file(NAME), "r") as file:
        assert file["entry"].attrs["end_reason"] == "crashed"
        assert file["entry"].attrs["analysis"] == "missing"
        segments = file["entry/instrument/detector/segments"]
        assert segments["first_seq"][()].tolist() == [0, BREAK]
        assert list(segments["reason"].asstr()) == ["the acquisition began", "paused"]
        heater = file["entry/instrument/heater/value_log"]
        np.testing.assert_allclose(heater["value"], np.array(NUMBERS) + 99.85)
        np.testing.assert_allclose(heater["time"], 2.0 * np.array(NUMBERS))
    with h5py.File(dead.run_file, "r") as file:
        assert list(file["entry/holds"]) == [NAME]
    assert verify(dead.path) == []


def test_journal_gets_the_ends_that_are_missing(dead: RunFolder) -> None:
    before = list(read_journal(dead.journal))
    repair(dead.path)
    closed, ended = list(read_journal(dead.journal))[len(before) :]
    assert (closed["kind"], closed["reason"], closed["analysis"]) == ("hold_closed", "crashed", "missing")
    assert (closed["hold"], closed["path"]) == (2, f"holds/{NAME}.nxs")
    assert (closed["frames"], closed["lost"]) == (len(NUMBERS), len(LOST))
    assert (ended["kind"], ended["outcome"], ended["exit_code"]) == ("run_ended", "crashed", 7)
    assert closed["t_s"] == ended["t_s"] == before[-1]["t_s"]


def test_second_repair_does_nothing(dead: RunFolder) -> None:
    repair(dead.path)
    before = digests(dead.path)
    assert repair(dead.path) == []
    assert digests(dead.path) == before


def test_sound_run_needs_no_repair(tmp_path: Path) -> None:
    run = complete_run(tmp_path / "run")
    before = digests(run.path)
    assert repair(run.path) == []
    assert digests(run.path) == before


def test_dry_run_says_what_would_be_done(dead: RunFolder) -> None:
    """The same actions, but for the end of a hold that is not closed yet; and no file is touched."""
    before = digests(dead.path)
    planned = repair(dead.path, dry_run=True)
    assert digests(dead.path) == before
    done = repair(dead.path)
    assert [action for action in done if "hold_closed" not in action.what] == planned


def test_running_run_is_refused(dead: RunFolder) -> None:
    dead.live.write_text(json.dumps({"pid": os.getpid()}))
    with pytest.raises(RecordError, match="is alive: nothing of it is repaired"):
        repair(dead.path)


# ---------------------------------------------------------------------- crashes of the closing and of repair


def _fail(*_: object) -> None:
    raise OSError("the power is gone")


@pytest.mark.parametrize("step", ["sync_file", "verify_against_log", "discard_logs"])
def test_repair_that_was_interrupted_is_repeated(
    dead: RunFolder, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logs are there until the hold file was read back; what is done twice is done right."""
    with monkeypatch.context() as patched:
        patched.setattr(derivation, step, _fail)
        assert any("the power is gone" in line for line in left(dead))
    assert log_of(dead).exists()
    repair(dead.path)
    assert numbers(dead) == NUMBERS
    assert verify(dead.path) == []


def test_hold_that_was_complete_keeps_its_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program died between the last sync and the deletion of the log: only that is done."""
    small = SmallRun(tmp_path / "run")
    recording = small.open_hold()
    small.take(recording, NUMBERS)
    recording.end_frames()
    recording.write_results([entry("g2/lag", np.arange(3.0), "s")])
    with monkeypatch.context() as patched:
        patched.setattr(derivation, "discard_logs", _fail)
        with pytest.raises(OSError, match="the power is gone"):
            recording.close("complete")
    small.journal.close()
    assert any("was not read back" in line for line in said(small.run.path, "unfinished"))
    repair(small.run.path)
    assert not log_of(small.run).exists()
    assert [part.path for part, _ in read_results(small.run.hold_file(NAME)) if part.dtype] == ["g2/lag"]
    with h5py.File(small.run.hold_file(NAME), "r") as file:
        assert file["entry"].attrs["end_reason"] == "complete"
    assert said(small.run.path) == said(small.run.path, "unfinished") == []


def test_complete_hold_file_that_is_damaged_is_made_again(dead: RunFolder) -> None:
    saved = shutil.copytree(dead.holds_folder, dead.path / "saved")
    repair(dead.path)
    for number in range(2):
        shutil.copy(saved / log_of(dead, number).name, dead.holds_folder)
    shutil.rmtree(saved)
    with h5py.File(dead.hold_file(NAME), "r+") as file:
        file["entry/instrument/detector/data"][3, 2, 1] ^= 1
    repair(dead.path)
    assert numbers(dead) == NUMBERS


def test_last_logs_of_a_closed_hold_are_deleted_only_beside_an_undamaged_file(
    dead: RunFolder, tmp_path: Path
) -> None:
    saved = shutil.copy(log_of(dead, 1), tmp_path)
    repair(dead.path)
    shutil.copy(saved, dead.holds_folder)
    whole = dead.hold_file(NAME).read_bytes()
    with h5py.File(dead.hold_file(NAME), "r+") as file:
        file["entry/instrument/detector/data"][3, 2, 1] ^= 1
    assert left(dead) == [
        f"{NAME}.nxs: left, with {log_of(dead, 1).name}: frame 3: the pixels do not match their checksum"
    ]
    assert log_of(dead, 1).exists()
    dead.hold_file(NAME).write_bytes(whole)
    assert left(dead) == []
    assert not log_of(dead, 1).exists()


# ---------------------------------------------------------------------- damaged logs


def test_one_damaged_frame_costs_one_frame(dead: RunFolder) -> None:
    """The rest is in the hold file; the log is kept under another name, to the last bit."""
    flip(log_of(dead), -5 * RECORD_BYTES - 7)
    raw = log_of(dead).read_bytes()
    damage = "row 15 of 21: damaged, and undamaged ones come after"
    assert left(dead) == [f"{log_of(dead).name}: cannot be repaired: {damage}"]
    assert numbers(dead) == [seq for seq in NUMBERS if seq != 17]
    assert losses(dead) == [(10, 2, "camera"), (17, 1, "damaged in the frame log")]
    assert (dead.holds_folder / f"{log_of(dead).name}.damaged").read_bytes() == raw
    assert said(dead.path) == said(dead.path, "unfinished") == []
    assert repair(dead.path) == []


def test_acknowledged_frames_that_are_gone_are_lost_with_a_reason(dead: RunFolder) -> None:
    log = log_of(dead, 1)
    log.write_bytes(log.read_bytes()[: -3 * RECORD_BYTES])
    repair(dead.path)
    assert numbers(dead) == NUMBERS[:-3]
    assert losses(dead)[-1] == (END - 3, 3, "damaged in the frame log")
    assert (dead.holds_folder / f"{log.name}.damaged").exists()
    assert said(dead.path) == []


def test_torn_end_is_no_damage(dead: RunFolder) -> None:
    """Half a frame was never acknowledged; the journal says of a later one why it is missing."""
    with log_of(dead, 1).open("ab") as log:
        log.write(b"half a header")
    assert left(dead) == []
    assert numbers(dead) == NUMBERS


def test_frames_between_the_log_and_a_known_loss(tmp_path: Path) -> None:
    """Frames 5 and 6 were on their way when frame 7 was counted as lost."""
    small = SmallRun(tmp_path / "run")
    recording = small.open_hold()
    small.take(recording, [0, 1, 2, 3, 4])
    small.journal.write("lost", hold=2, first_seq=7, frames=1, t_lost_s=14.0, why="slow disk")
    recording.leave()
    small.journal.close()
    repair(small.run.path)
    assert losses(small.run) == [
        (5, 2, "they were not on the disk when the program died"),
        (7, 1, "slow disk"),
    ]
    assert verify(small.run.path) == []


def test_hold_without_journal_is_made_of_its_logs(dead: RunFolder) -> None:
    dead.journal.unlink()
    assert left(dead) == ["journal.jsonl: left: there is no journal, and nothing to make it of"]
    assert numbers(dead) == NUMBERS
    assert losses(dead) == [(10, 2, "not known: nothing was written about it")]


def test_unreadable_logs_are_left(dead: RunFolder) -> None:
    for number in range(2):
        flip(log_of(dead, number), 40)
    before = digests(dead.holds_folder)
    assert left(dead)[0] == f"{NAME}.nxs: left: none of the frame logs of {NAME} can be read"
    assert digests(dead.holds_folder) == before


def test_full_disk_is_left_alone(dead: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair_hold.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    before = digests(dead.holds_folder)
    assert "GB are free" in left(dead)[0]
    assert digests(dead.holds_folder) == before


# ---------------------------------------------------------------------- the rest of the folder


def test_journal_with_damage_in_its_middle_is_left(dead: RunFolder) -> None:
    flip(dead.journal, 200)
    before = dead.journal.read_bytes()
    assert "journal.jsonl: left: it is damaged before its end" in left(dead)
    assert dead.journal.read_bytes() == before


def test_torn_line_of_the_journal_gives_way(dead: RunFolder) -> None:
    with dead.journal.open("ab") as journal:
        journal.write(b'{"n": 99, "t_s"')
    repair(dead.path)
    assert verify(dead.path) == []


def test_lost_hold_file_is_said(tmp_path: Path) -> None:
    run = complete_run(tmp_path / "run")
    run.hold_file(NAME).unlink()
    assert left(run) == [f"{NAME}.nxs: left: its hold was recorded, but no file of it is there"]


def test_copies_that_nobody_finishes_are_deleted(tmp_path: Path) -> None:
    run = complete_run(tmp_path / "run")
    others = run.holds_folder / f"{NAME}.nxs.{os.getppid()}.tmp"
    for path in (run.path / "run.nxs.tmp", others):
        path.touch()
    assert [action.path.name for action in repair(run.path)] == ["run.nxs.tmp"]
    assert others.exists()


def test_results_across_holds_stay(dead: RunFolder) -> None:
    save_run_file(dead, [entry("tau_of_T/tau_s", np.array([50.0]), "s")])
    repair(dead.path)
    assert [part.path for part, _ in read_results(dead.run_file) if part.dtype] == ["tau_of_T/tau_s"]


def test_hold_file_of_repair_is_that_of_recording(tmp_path: Path) -> None:
    """What the recorder would have written, but for the reason of its end."""
    ours, theirs = complete_run(tmp_path / "one"), crashed_run(tmp_path / "two")
    repair(theirs.path)
    with h5py.File(ours.hold_file(NAME)) as one, h5py.File(theirs.hold_file(NAME)) as two:
        names: list[str] = []
        one.visit(names.append)
        for name in names:
            if isinstance(one[name], h5py.Dataset) and not name.endswith("open_hold"):
                np.testing.assert_array_equal(one[name][()], two[name][()], err_msg=name)
