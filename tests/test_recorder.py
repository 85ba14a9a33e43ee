"""The recorder as a real process over real sockets, from the opening of a hold to its closing."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from record_samples import frame, open_hold
from recorder_controller import Controller, recorders, results

from annealscope.controller.record.holdlogs import HoldLogs
from annealscope.controller.record.holdreader import HoldReader
from annealscope.controller.record.results import read_results
from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import (
    Ack,
    CloseHold,
    HoldClosed,
    NoResults,
    Reading,
    Trouble,
)


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    with recorders(tmp_path) as start:
        yield start()


def test_hold_from_opening_to_closing(controller: Controller) -> None:
    """Frames are acknowledged unasked, results are stored, the log is deleted, the process ends well."""
    controller.send(open_hold(controller.folder))
    controller.send(Reading(hold=2, t_s=0.5, temperature_K=373.25, setpoint_K=373.15))
    controller.send_frames(range(40))
    controller.expect_durable(39)
    header, arrays = wire.results_to_parts(results(), hold=2)
    closed = controller.close_hold(40, header, *arrays)
    assert (closed.path, closed.frames, closed.analysis) == ("holds/02_ecm_100C.nxs", 40, "complete")
    assert [path.name for path in (controller.folder / "holds").iterdir()] == ["02_ecm_100C.nxs"]
    path = controller.folder / closed.path
    with HoldReader(path) as reader:
        frames = np.concatenate([block[0] for block in reader.iter_blocks()])
    np.testing.assert_array_equal(frames, np.stack([frame(seq)[1] for seq in range(40)]))
    stored = {part.path: (part, array) for part, array in read_results(path)}
    assert set(stored) == set(results())
    np.testing.assert_array_equal(stored["g2/lag"][1], np.arange(3.0))
    assert stored["g2/pixel"][0].attrs == {"pairs": 4}
    with h5py.File(path, "r") as file:
        assert file["entry/instrument/heater/value_log/value"][()] == pytest.approx([100.1])
    assert controller.hang_up() == 0
    assert controller.last_words() == ""


def test_single_frame_is_durable_soon(controller: Controller) -> None:
    """No further frame, no closing: the deadline alone brings the acknowledgement."""
    controller.send(open_hold(controller.folder))
    controller.send_frames(range(1))
    controller.expect_durable(0)
    with HoldLogs(controller.stem) as logs:
        assert logs.intact_rows() == 1


def test_holds_follow_each_other(controller: Controller) -> None:
    for name in ("02_a", "03_b"):
        controller.send(open_hold(controller.folder, name=name))
        controller.send_frames(range(5))
        closed = controller.close_hold(5, NoResults(hold=2, why="not wanted"))
        assert (closed.path, closed.analysis) == (f"holds/{name}.nxs", "missing")
        controller.durable_seq = -1


def test_repeated_frames_are_recorded_once(controller: Controller) -> None:
    """A sender that missed an acknowledgement sends again; it is answered, and nothing is stored twice."""
    controller.send(open_hold(controller.folder))
    controller.send_frames(range(5))
    controller.expect_durable(4)
    controller.send_frames(range(3, 5))
    assert controller.expect(Ack).durable_seq == 4
    controller.send_frames(range(5, 6))
    assert controller.close_hold(6, NoResults(hold=2, why="")).frames == 6


def test_garbage_is_reported_and_dropped(controller: Controller) -> None:
    controller.send(open_hold(controller.folder))
    for parts in ([b""], [b"{}", b"x"], [b"\xff" * 100], [b'{"kind": "frame"}']):
        controller.socket.send_multipart(parts)
        assert controller.expect(Trouble).message
    controller.send_frames(range(2))
    controller.expect_durable(1)


def test_strays_are_reported_and_dropped(controller: Controller) -> None:
    controller.send_frames(range(1))
    assert "while that hold was not open" in controller.expect(Trouble).message
    controller.send(CloseHold(hold=9, end_seq=0, frames=0, reason=""))
    assert controller.expect(Trouble).message == "hold 9 is to be closed but is not open"
    controller.send(NoResults(hold=2, why=""))
    assert "while that hold was not closing" in controller.expect(Trouble).message
    assert controller.hang_up() == 0


def test_missing_frames_are_reported(controller: Controller) -> None:
    controller.send(open_hold(controller.folder))
    controller.send_frames(range(3))
    controller.send(CloseHold(hold=2, end_seq=5, frames=5, reason=""))
    assert controller.expect(Trouble).message == "hold 2: 5 frames were sent, 3 arrived"


def test_hold_that_was_never_closed_gives_way_to_the_next(controller: Controller) -> None:
    controller.send(open_hold(controller.folder))
    controller.send_frames(range(3))
    controller.send(open_hold(controller.folder, hold=3, name="03_next"))
    trouble = controller.expect(Trouble)
    assert (trouble.message, trouble.fatal) == ("hold 2 was still open when hold 3 began", False)
    assert controller.expect(HoldClosed).frames == 3


def test_results_that_do_not_fit_are_reported_and_the_hold_closes(controller: Controller) -> None:
    """Frames must be closed properly even when the results are unusable: those can be computed again."""
    controller.send(open_hold(controller.folder))
    controller.send_frames(range(3))
    header, arrays = wire.results_to_parts(results(), hold=2)
    controller.send(CloseHold(hold=2, end_seq=3, frames=3, reason="complete"))
    controller.send(header, *arrays[:-1])
    assert "cannot be stored: results of hold 2 came with 1 arrays" in controller.expect(Trouble).message
    assert controller.expect(HoldClosed).analysis == "missing"
