"""`verify` finds every kind of damage, names the frames, and changes nothing."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_disk import no_syncs
from small_records import NAME, RECORD_BYTES, SmallRun, complete_run, crashed_run, flip, log_of

import annealscope.controller.record.verify_apart as verify_apart_module
from annealscope.controller.record.accounting import Span, account, spans_of
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.runfolder import RunFolder
from annealscope.controller.record.verify import verify
from annealscope.controller.record.verify_apart import verify_apart


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with no_syncs():
        return complete_run(tmp_path_factory.mktemp("sound") / "run").path


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with no_syncs():
        return crashed_run(tmp_path_factory.mktemp("crashed") / "run", restarts=1).path


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(sound, tmp_path / "run")))


@pytest.fixture
def dead(crashed: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(crashed, tmp_path / "run")))


def said(path: Path, severity: str = "damage") -> list[str]:
    found = [finding for finding in verify(path) if finding.severity == severity]
    return [f"{finding.path.name}: {finding.what}" for finding in found]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def detector(file: h5py.File) -> h5py.Group:
    return file["entry/instrument/detector"]


def test_sound_record_has_no_findings(run: RunFolder) -> None:
    before = digests(run.path)
    assert verify(run.path) == []
    assert verify(run.hold_file(NAME)) == []
    assert digests(run.path) == before


def test_crashed_record_is_unfinished_not_damaged(dead: RunFolder) -> None:
    before = digests(dead.path)
    assert said(dead.path) == []
    assert [line.split(":")[0] for line in said(dead.path, "unfinished")] == [
        "journal.jsonl",
        "run.nxs",
        f"{NAME}.nxs",
    ]
    assert digests(dead.path) == before


def test_other_things_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"neither a run folder nor a hold: there is no such file"):
        verify(tmp_path / "nothing.nxs")
    with pytest.raises(RecordError, match="is not a run folder"):
        verify(tmp_path)


# ---------------------------------------------------------------------- the hold file


def _pixel(group: h5py.Group) -> None:
    group["data"][20, 3, 4] ^= 1


def _swap(group: h5py.Group) -> None:
    group["data"][4:6] = group["data"][4:6][::-1]


def _swap_rows(group: h5py.Group) -> None:
    for name in ("data", "seq", "slot", "frame_time", "crc32"):
        group[name][4:6] = group[name][4:6][::-1]


def _drop(group: h5py.Group) -> None:
    for node in group.values():
        if isinstance(node, h5py.Dataset) and node.shape and node.maxshape[0] is None:
            node[6:-1] = node[7:]
            node.resize(len(node) - 1, axis=0)


def _shorten(group: h5py.Group) -> None:
    group["data"].resize(30, axis=0)


def _forget_loss(group: h5py.Group) -> None:
    for column in group["lost"].values():
        column.resize(0, axis=0)


def _forget_segment(group: h5py.Group) -> None:
    for column in group["segments"].values():
        column.resize(1, axis=0)


def _same_slot(group: h5py.Group) -> None:
    group["slot"][8] = group["slot"][7]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_pixel, "frame 22: the pixels do not match their checksum"),
        (_swap, "frames 4-5: the pixels do not match their checksum"),
        (_swap_rows, "frame 4 (row 5): its number is not above the one before"),
        (_drop, "frame 6: neither recorded nor lost"),
        (_drop, "frames: 41 in the file, 42 in the journal when the hold was closed"),
        (_shorten, "its tables have different lengths: [30, 42]"),
        (_forget_loss, "frames 10-11: neither recorded nor lost"),
        (_forget_segment, "frame 20 (row 18, and 23 more): its segment is not the one that was begun"),
        (_same_slot, "frame 8 (row 8): its slot is not above the one before"),
    ],
)
def test_damage_in_a_hold_file_is_named(
    run: RunFolder, spoil: Callable[[h5py.Group], None], message: str
) -> None:
    with h5py.File(run.hold_file(NAME), "r+") as file:
        spoil(detector(file))
    assert any(message in line for line in said(run.path)), said(run.path)
    assert any(message in line for line in said(run.hold_file(NAME)))


def test_any_flipped_bit_of_a_frame_or_a_table_is_found(sound: Path, tmp_path: Path) -> None:
    """The place of every chunk is known: a bit in each of them."""
    source = RunFolder(sound).hold_file(NAME)
    rng = np.random.Generator(np.random.Philox(5))
    with h5py.File(source, "r") as file:
        nodes = [node for node in detector(file).values() if getattr(node, "chunks", None)]
        chunks = [node.id.get_chunk_info(i) for node in nodes for i in range(node.id.get_num_chunks())]
    assert len(chunks) >= 11
    for chunk in chunks:
        path = Path(shutil.copy(source, tmp_path / "hold.nxs"))
        flip(path, chunk.byte_offset + int(rng.integers(chunk.size)), int(rng.integers(8)))
        assert said(path), chunk


@pytest.mark.parametrize("content", [b"", b"torn", b"\x89HDF\r\n\x1a\n" + bytes(3000)])
def test_file_that_is_no_hold_file_is_damage(run: RunFolder, content: bytes) -> None:
    run.hold_file(NAME).write_bytes(content)
    assert any("cannot be read as a hold file" in line for line in said(run.path))


def test_deleted_hold_is_missed(run: RunFolder) -> None:
    run.hold_file(NAME).unlink()
    assert said(run.path) == [
        f"{NAME}.nxs: is missing: run.nxs has a link to it",
        f"{NAME}.nxs: is missing: the journal says that hold 2 was recorded",
    ]


# ---------------------------------------------------------------------- frame logs


def test_flipped_bit_in_a_log_is_one_frame(dead: RunFolder) -> None:
    """Frames behind it are still found to be there."""
    flip(log_of(dead), -5 * RECORD_BYTES - 7)
    assert said(dead.path) == [f"{log_of(dead).name}: row 15 of 21: damaged, and undamaged ones come after"]
    assert any("frame 17: neither recorded nor lost" in line for line in said(dead.path, "unfinished"))


def test_truncated_log_lacks_what_was_acknowledged(dead: RunFolder) -> None:
    log = log_of(dead, 1)
    log.write_bytes(log.read_bytes()[: -3 * RECORD_BYTES])
    assert said(dead.path) == [f"{NAME}.nxs: frames 41-43: acknowledged as recorded, but not there"]
    log.write_bytes(log.read_bytes()[:-1])
    assert any("torn behind its" in line for line in said(dead.path, "notice"))


def test_missing_log_is_noticed(dead: RunFolder) -> None:
    log_of(dead, 1).rename(log_of(dead, 2))
    assert f"{log_of(dead, 1).name}: is missing: there are later logs of this hold" in said(dead.path)


def test_log_with_a_damaged_beginning_is_noticed(dead: RunFolder) -> None:
    for number in range(2):
        flip(log_of(dead, number), 40)
    assert any(line.endswith(f"none of the frame logs of {NAME} can be read") for line in said(dead.path))


def test_log_that_still_grows_is_in_order(tmp_path: Path) -> None:
    """Nothing is unfinished or torn while the run goes on."""
    small = SmallRun(tmp_path / "run")
    recording = small.open_hold()
    small.take(recording, [0, 1, 2])
    small.run.live.write_text(json.dumps({"pid": os.getpid()}))
    with log_of(small.run).open("ab") as log:
        log.write(b"half a header")
    assert [finding for finding in verify(small.run.path) if finding.path != small.run.run_file] == []
    recording.leave()
    small.journal.close()


# ---------------------------------------------------------------------- the journal and the rest


def _lines(run: RunFolder) -> list[bytes]:
    return run.journal.read_bytes().splitlines(keepends=True)


def test_damaged_line_of_the_journal(run: RunFolder) -> None:
    count = len(_lines(run))
    flip(run.journal, len(b"".join(_lines(run)[:5])) + 30)
    assert said(run.path) == [
        f"journal.jsonl: line 6 is damaged, and {count - 6} lines come after it, which nothing reads"
    ]


def test_missing_line_of_the_journal(run: RunFolder) -> None:
    lines = _lines(run)
    run.journal.write_bytes(b"".join(lines[:5] + lines[6:]))
    assert said(run.path) == ["journal.jsonl: line 6 has number 6, not 5: lines are missing or moved"]


def test_torn_journal_is_what_a_crash_leaves(dead: RunFolder) -> None:
    dead.journal.write_bytes(dead.journal.read_bytes()[:-3])
    assert said(dead.path) == []
    assert "journal.jsonl: torn from line 48 on, as a crash leaves it" in said(dead.path, "notice")


def test_run_without_journal(run: RunFolder) -> None:
    run.journal.unlink()
    assert said(run.path) == ["journal.jsonl: there is no journal"]


def test_each_part_of_a_run_has_one_end(tmp_path: Path) -> None:
    small = SmallRun(tmp_path / "run")
    for kind in ("run_continued", "run_ended", "run_ended"):
        small.journal.write(kind)
    small.end()
    assert said(tmp_path / "run") == ["journal.jsonl: part 2 of the run has more than one end"]
    assert said(tmp_path / "run", "notice") == [
        "journal.jsonl: part 1 of the run has no end: its program died"
    ]


def test_changed_inputs_and_leftovers(run: RunFolder) -> None:
    run.protocol.write_text("name: another\n")
    run.plan.write_text('{"steps"')
    run.run_file.write_bytes(b"")
    (run.holds_folder / f"{NAME}.nxs.123.tmp").touch()
    assert said(run.path) == [
        "plan.json: is damaged: it is no JSON",
        f"protocol.yaml: is not the protocol of {NAME}.nxs any more",
        "run.nxs: is damaged: `annealscope analyze` makes it again",
    ]
    assert len(said(run.path, "notice")) == 1


def test_logs_of_a_closed_hold_do_not_count(run: RunFolder, crashed: Path) -> None:
    """The first log is deleted first: without it the hold file is the record."""
    target = log_of(run, 1)
    shutil.copy(log_of(RunFolder(crashed), 1), target)
    assert said(run.path, "unfinished") == [
        f"{target.name}: is left over: its hold is closed; repair deletes it"
    ]
    assert said(run.path) == []


# ---------------------------------------------------------------------- in processes of their own


def test_processes_of_their_own_find_the_same(run: RunFolder) -> None:
    with h5py.File(run.hold_file(NAME), "r+") as file:
        _pixel(detector(file))
    assert verify_apart(run.path) == verify(run.path) != []
    with pytest.raises(RecordError, match="neither a run folder nor a hold"):
        verify_apart(run.path / "nothing.nxs")


def test_file_that_ends_the_program_is_a_finding(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_apart_module, "CHILD", ("-c", "import os; os._exit(11)"))
    (finding,) = verify_apart(run.hold_file(NAME))
    assert finding.what == "cannot be checked: reading it ends the program (exit code 11)"


# ---------------------------------------------------------------------- accounting


@given(st.lists(st.integers(0, 40), unique=True))
def test_every_number_is_accounted_for(numbers: list[int]) -> None:
    numbers = sorted(numbers)
    found = account(spans_of(numbers))
    missing = [seq for span in found.missing for seq in range(span.first, span.end)]
    assert sorted(numbers + missing) == list(range(max(numbers, default=-1) + 1))
    assert found.twice == []


def test_numbers_that_come_twice() -> None:
    assert account([Span(0, 5), Span(3, 4), Span(5, 6), Span(8, 9)]) == ([Span(6, 8)], [Span(3, 4)])
    assert spans_of([1, 2, 2, 7]) == [Span(1, 3), Span(2, 3), Span(7, 8)]
    assert str(Span(2, 3)) == "frame 2"
