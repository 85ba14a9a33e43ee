"""The frame log gives back every complete frame and nothing else, whatever happened to the file."""

import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_samples import frame, open_hold

from annealscope.controller.record import framelog
from annealscope.controller.record.framelog import (
    FrameLogReader,
    FrameLogWriter,
    RecordError,
    pack_header,
    unpack_header,
)
from annealscope.controller.record.holdlogs import HoldLogs, log_path, log_paths
from annealscope.controller.stream.messages import FrameHeader

FRAMES = 5


def write_log(path: Path, numbers: range = range(FRAMES)) -> Path:
    writer = FrameLogWriter(path, open_hold(path.parent))
    for seq in numbers:
        writer.append(*frame(seq))
    writer.sync()
    writer.close()
    return path


@pytest.fixture(scope="module")
def log_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_log(tmp_path_factory.mktemp("log") / "a.frames").read_bytes()


def preamble_bytes(data: bytes) -> int:
    return len(data) - FRAMES * (64 + frame(0)[1].nbytes)


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    """Headers and pixels are equal to the last bit; so is the message that opened the hold."""
    with FrameLogReader(write_log(tmp_path / "a.frames")) as log:
        assert log.info == open_hold(tmp_path)
        assert log.rows == log.intact_rows() == FRAMES
        for row in reversed(range(FRAMES)):
            expected, pixels = frame(row)
            assert log.read(row)[0] == log.header(row) == expected
            np.testing.assert_array_equal(log.read(row)[1], pixels)
        with pytest.raises(RecordError, match="has 5 complete frames, row 5"):
            log.read(FRAMES)


def test_layout_is_64_byte_aligned(log_bytes: bytes) -> None:
    """Preamble and headers are multiples of 64 bytes, so that pixels are aligned for every reader."""
    assert log_bytes.startswith(b"ASFRAMES")
    assert preamble_bytes(log_bytes) % 64 == 0
    assert len(pack_header(frame(0)[0])) == 64


times = st.floats(allow_nan=False, allow_infinity=False)
singles = st.floats(width=32, allow_nan=False, allow_infinity=False)
headers = st.builds(
    FrameHeader,
    hold=st.just(2),
    seq=st.integers(0, 2**32 - 1),
    slot=st.integers(0, 2**32 - 1),
    segment=st.integers(0, 2**16 - 1),
    t_start_s=times,
    exposure_s=singles,
    lost_before=st.integers(0, 2**16 - 1),
    shape=st.just((24, 20)),
    dtype=st.just("<u2"),
    crc32=st.integers(0, 2**32 - 1),
    shift_applied_nm=st.tuples(times, times),
    beam_on=st.booleans(),
    scan_yx_nm=st.none() | st.tuples(singles, singles),
    haadf=st.none() | singles,
)


@given(headers)
def test_headers_keep_every_digit_the_analysis_uses(header: FrameHeader) -> None:
    """Times and shifts are stored in double precision: live and later analysis see the same numbers."""
    assert unpack_header(pack_header(header), open_hold(Path("run"))) == header


@pytest.mark.parametrize("change", [{"seq": -1}, {"slot": 2**32}, {"segment": 2**16}])
def test_numbers_that_do_not_fit_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(RecordError, match="does not fit the frame log"):
        pack_header(frame(0)[0].model_copy(update=change))


def test_count_of_lost_frames_saturates() -> None:
    packed = pack_header(frame(0)[0].model_copy(update={"lost_before": 10**6}))
    assert unpack_header(packed, open_hold(Path("run"))).lost_before == 65535


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_truncation_leaves_every_complete_frame(
    log_bytes: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A log cut at any byte reads up to the cut; cut in the preamble it says so."""
    size = data.draw(st.integers(0, len(log_bytes)))
    path = tmp_path_factory.mktemp("cut") / "a.frames"
    path.write_bytes(log_bytes[:size])
    start, record = preamble_bytes(log_bytes), 64 + frame(0)[1].nbytes
    if size < start - 64:
        with pytest.raises(RecordError, match=r"not a frame log|preamble is damaged"):
            FrameLogReader(path)
    elif size >= start:
        with FrameLogReader(path) as log:
            assert log.rows == log.intact_rows() == (size - start) // record


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_is_noticed(
    log_bytes: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A flipped bit spoils exactly the frame it lies in, and nothing wrong is ever returned."""
    start, record = preamble_bytes(log_bytes), 64 + frame(0)[1].nbytes
    position = data.draw(st.integers(start, len(log_bytes) - 1))
    damaged = bytearray(log_bytes)
    damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flip") / "a.frames"
    path.write_bytes(damaged)
    hit = (position - start) // record
    with FrameLogReader(path) as log:
        assert log.intact_rows() == hit
        with pytest.raises(RecordError, match=f"row {hit} is damaged"):
            log.read(hit)
        for row in set(range(FRAMES)) - {hit}:
            np.testing.assert_array_equal(log.read(row)[1], frame(row)[1])


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (0, "is not a frame log"),
        (8, "frame log of version"),
        (15, "preamble is damaged"),  # the length field now says 2 GB: nothing of that size may be allocated
        (40, "preamble is damaged"),
    ],
)
def test_damaged_preamble_is_a_clear_error(
    log_bytes: bytes, tmp_path: Path, position: int, message: str
) -> None:
    damaged = bytearray(log_bytes)
    damaged[position] ^= 0x80
    (tmp_path / "a.frames").write_bytes(damaged)
    with pytest.raises(RecordError, match=message):
        FrameLogReader(tmp_path / "a.frames")


def test_missing_log_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot open frame log"):
        FrameLogReader(tmp_path / "none.frames")
    with pytest.raises(RecordError, match=r"no frame log none\.000\.frames"):
        HoldLogs(tmp_path / "none")


def test_reader_follows_a_growing_log(tmp_path: Path) -> None:
    writer = FrameLogWriter(tmp_path / "a.frames", open_hold(tmp_path))
    with FrameLogReader(tmp_path / "a.frames") as log:
        for seq in range(3):
            assert log.rows == seq
            writer.append(*frame(seq))
            assert log.read(seq)[0].seq == seq
    writer.close()


def test_existing_log_is_never_continued(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a.frames")
    with pytest.raises(RecordError, match="exists already"):
        FrameLogWriter(path, open_hold(tmp_path))


def test_frames_of_another_shape_are_refused(tmp_path: Path) -> None:
    writer = FrameLogWriter(tmp_path / "a.frames", open_hold(tmp_path))
    with pytest.raises(
        RecordError, match="every frame of this hold is 24 x 20 uint16, frame 0 is 20 x 24 uint16"
    ):
        writer.append(*frame(0, (20, 24)))
    with pytest.raises(RecordError, match="is 24 x 20 float32"):
        writer.append(*frame(0, dtype="float32"))
    writer.append(*frame(0))
    writer.close()


def test_sync_is_due_after_16_frames_or_50_ms(tmp_path: Path) -> None:
    now_s = [100.0]
    writer = FrameLogWriter(tmp_path / "a.frames", open_hold(tmp_path), monotonic=lambda: now_s[0])
    assert writer.due_in_s() is None
    writer.append(*frame(0))
    assert writer.due_in_s() == pytest.approx(0.05)
    now_s[0] += 0.03
    writer.append(*frame(1))
    assert writer.due_in_s() == pytest.approx(0.02)
    now_s[0] += 0.03
    assert writer.due_in_s() == 0.0
    writer.sync()
    assert writer.due_in_s() is None
    for seq in range(2, 18):
        assert writer.due_in_s() != 0.0
        writer.append(*frame(seq))
    assert writer.due_in_s() == 0.0
    writer.close()


def test_sync_syncs_the_log_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill cannot show a missing sync, so it is asserted: each one is for the log's handle."""
    writer = FrameLogWriter(tmp_path / "a.frames", open_hold(tmp_path))
    synced = []
    monkeypatch.setattr(framelog, "sync_data", synced.append)
    writer.append(*frame(0))
    assert synced == []
    writer.sync()
    assert synced == [writer._file.fileno()]
    writer.close()


def test_failed_sync_poisons_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one error nothing is retried: the system may drop the pages and call the next sync good."""
    writer = FrameLogWriter(tmp_path / "a.frames", open_hold(tmp_path))
    writer.append(*frame(0))
    with monkeypatch.context() as patched:
        patched.setattr(framelog, "sync_data", _fail)
        with pytest.raises(RecordError, match=r"cannot sync .* No space left on device"):
            writer.sync()
    with pytest.raises(RecordError, match="cannot sync"):
        writer.sync()
    with pytest.raises(RecordError, match="cannot sync"):
        writer.append(*frame(1))
    writer.close()


def _fail(handle: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_logs_of_a_restarted_recorder_read_as_one(tmp_path: Path) -> None:
    """The torn end of the first log does not count; the second one goes on behind it."""
    stem = tmp_path / "02_ecm"
    first = write_log(log_path(stem, 0), range(3))
    first.write_bytes(first.read_bytes()[:-10])
    with HoldLogs(stem) as logs:
        assert logs.rows == 2
        write_log(log_path(stem, 1), range(2, 6))
        assert logs.rows == logs.intact_rows() == 6
        assert [logs.header(row).seq for row in range(6)] == list(range(6))
        np.testing.assert_array_equal(logs.read(4)[1], frame(4)[1])
    assert log_paths(stem) == [log_path(stem, 0), log_path(stem, 1)]
    assert log_paths(tmp_path / "02") == []
