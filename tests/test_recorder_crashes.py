"""What the recorder acknowledged is there, whatever happens to it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from record_samples import frame, open_hold
from recorder_controller import PATIENCE_S, Controller, recorders

from annealscope.controller.record.holdlogs import HoldLogs
from annealscope.controller.record.holdreader import HoldReader
from annealscope.controller.stream.messages import (
    Ack,
    NoResults,
    Trouble,
)

LIMITED = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
runpy.run_module("annealscope.controller.stream.recorder", run_name="__main__")
"""


@pytest.fixture
def controllers(tmp_path: Path) -> Iterator[Any]:
    with recorders(tmp_path) as start:
        yield start


@pytest.fixture
def controller(controllers: Any) -> Controller:
    return controllers()


def test_damaged_frame_ends_the_recorder(controller: Controller) -> None:
    """Such a frame must be sent again, so it is never acknowledged; what came before is safe."""
    controller.send(open_hold(controller.folder))
    controller.send_frames(range(2))
    header, pixels = frame(2)
    controller.send(header, pixels + 1)
    trouble = controller.expect(Trouble)
    assert trouble.fatal
    assert trouble.message == "frame 2 of hold 2 came damaged: its checksum does not match"
    assert controller.process.wait(PATIENCE_S) == 1
    with HoldLogs(controller.stem) as logs:
        assert logs.intact_rows() == 2 > controller.durable_seq


def test_death_of_the_controller_leaves_everything_sent(controller: Controller) -> None:
    """What was sent before the end of stdin is drained and durable; the log stays, the hold file opens."""
    controller.send(open_hold(controller.folder))
    controller.send_frames(range(50))
    assert controller.hang_up() == 0
    with HoldReader(controller.stem.with_suffix(".nxs")) as reader:
        assert reader.n_frames == 50
    with h5py.File(controller.stem.with_suffix(".nxs"), "r") as file:
        assert "end_time" not in file["entry"]


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes on Windows")
def test_ctrl_c_is_for_the_controller(controller: Controller) -> None:
    import signal

    controller.send(open_hold(controller.folder))
    controller.process.send_signal(signal.SIGINT)
    controller.send_frames(range(3))
    controller.expect_durable(2)
    assert controller.hang_up() == 0


@pytest.mark.parametrize(("kill_after", "delay_s"), [(3, 0.0), (31, 0.0), (79, 0.01), (79, 0.03), (79, 0.06)])
def test_killed_recorder_loses_nothing_it_acknowledged(
    controller: Controller, kill_after: int, delay_s: float
) -> None:
    """Killed while frames arrive, or while the hold file is being written: every acknowledged frame is intact
    in the log, and the hold file opens plainly.
    """
    shape = (200, 280)
    controller.send(open_hold(controller.folder, shape))
    controller.send_frames(range(80), shape)
    controller.expect_durable(kill_after)
    time.sleep(delay_s)
    controller.process.kill()
    controller.process.wait()
    with HoldLogs(controller.stem) as logs:
        assert logs.intact_rows() > controller.durable_seq
        for row in range(controller.durable_seq + 1):
            np.testing.assert_array_equal(logs.read(row)[1], frame(row, shape)[1])
    with h5py.File(controller.stem.with_suffix(".nxs"), "r") as file:
        for row, pixels in enumerate(file["entry/data/data"]):
            np.testing.assert_array_equal(pixels, frame(row, shape)[1])


def test_new_recorder_completes_the_hold_of_a_killed_one(controllers: Any) -> None:
    """It says what is durable already, takes the rest, and makes one hold file of both logs."""
    first = controllers()
    first.send(open_hold(first.folder))
    first.send_frames(range(20))
    first.expect_durable(15)
    first.process.kill()
    first.process.wait()
    second = controllers()
    second.send(open_hold(second.folder))
    assert second.expect(Ack).durable_seq >= first.durable_seq
    second.send_frames(range(first.durable_seq + 1, 40))
    assert second.close_hold(40, NoResults(hold=2, why="")).frames == 40
    assert [path.name for path in (second.folder / "holds").iterdir()] == ["02_ecm_100C.nxs"]


@pytest.mark.skipif(os.name == "nt", reason="Windows limits no file sizes")
def test_full_disk_ends_the_recorder_and_keeps_what_was_acknowledged(controllers: Any) -> None:
    """The write fails as on a full disk: the recorder says so and leaves; nothing acknowledged is lost."""
    frame_bytes = frame(0, (256, 256))[1].nbytes
    controller = controllers("-c", LIMITED.format(size=20 * frame_bytes))
    controller.send(open_hold(controller.folder, (256, 256)))
    controller.send_frames(range(40), (256, 256))
    trouble = controller.expect(Trouble)
    assert trouble.fatal
    assert (
        "02_ecm_100C.000.frames: File too large; the frames acknowledged so far are safe" in trouble.message
    )
    assert controller.process.wait(PATIENCE_S) == 1
    assert trouble.message in controller.last_words()
    with HoldLogs(controller.stem) as logs:
        assert logs.intact_rows() > controller.durable_seq


def test_folder_that_is_missing_ends_the_recorder(controller: Controller, tmp_path: Path) -> None:
    controller.send(open_hold(tmp_path / "nowhere"))
    trouble = controller.expect(Trouble)
    assert trouble.fatal
    assert "No such file or directory" in trouble.message
    assert controller.process.wait(PATIENCE_S) == 1
