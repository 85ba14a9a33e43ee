"""The recorder as a real process over real sockets: what it acknowledged is there, whatever happens to it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import zmq
from record_samples import SHAPE, frame, open_hold

from annealscope.controller.record.holdlogs import HoldLogs
from annealscope.controller.record.holdreader import HoldReader
from annealscope.controller.record.results import read_results
from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import (
    Ack,
    BadMessage,
    CloseHold,
    Hello,
    HoldClosed,
    NoResults,
    Reading,
    Trouble,
)

PATIENCE_S = 20.0

LIMITED = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
runpy.run_module("annealscope.controller.stream.recorder", run_name="__main__")
"""


class Controller:
    """The other end of the recorder's socket."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        (folder / "holds").mkdir(exist_ok=True)
        self._context: Any = zmq.Context()
        self.socket, endpoint = wire.bind(self._context, zmq.DEALER)
        self.process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._tell({"endpoint": endpoint, "compression": "auto"})
        self.durable_seq = -1
        hello = self.expect(Hello)
        assert (hello.role, hello.pid) == ("recorder", self.process.pid)

    def _tell(self, settings: dict[str, str]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(settings).encode() + b"\n")
        self.process.stdin.flush()

    @property
    def stem(self) -> Path:
        return self.folder / "holds" / "02_ecm_100C"

    def send(self, message: Any, *arrays: Any) -> bool:
        return wire.send(self.socket, message, *arrays, wait=False)

    def send_frames(self, numbers: range, shape: tuple[int, int] = SHAPE) -> None:
        """Send frames, until the recorder is gone."""
        for seq in numbers:
            if not self.send(*frame(seq, shape)):
                break

    def expect(self, kind: type) -> Any:
        """Return the next message of a kind; acknowledgements are taken in on the way, nothing else is."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            received = wire.receive(self.socket, 100)
            if received is None:
                continue
            message = received[0]
            if isinstance(message, Ack):
                assert message.durable_seq >= self.durable_seq
                self.durable_seq = message.durable_seq
            if isinstance(message, kind):
                return message
            assert isinstance(message, Ack), message
        raise AssertionError(f"no {kind.__name__} within {PATIENCE_S} s")

    def expect_durable(self, seq: int) -> None:
        while self.durable_seq < seq:
            self.expect(Ack)

    def close_hold(self, frames: int, message: Any, *arrays: Any) -> HoldClosed:
        self.send(CloseHold(hold=2, end_seq=frames, frames=frames, reason="complete"))
        self.send(message, *arrays)
        closed: HoldClosed = self.expect(HoldClosed)
        return closed

    def hang_up(self) -> int:
        """Do as a dying controller does: close stdin. Returns the exit code."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)

    def last_words(self) -> str:
        assert self.process.stderr
        return self.process.stderr.read().decode()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stderr):
            assert pipe
            pipe.close()
        self.socket.close(0)
        self._context.term()


@pytest.fixture
def controllers(tmp_path: Path) -> Iterator[Any]:
    started = []

    def start(*command: str) -> Controller:
        started.append(
            Controller(tmp_path, list(command) or ["-m", "annealscope.controller.stream.recorder"])
        )
        return started[-1]

    yield start
    for controller in started:
        controller.end()


@pytest.fixture
def controller(controllers: Any) -> Controller:
    return controllers()


def results() -> dict[str, Any]:
    return {
        "g2": SimpleNamespace(values=None, units="", attrs={"signal": "pixel", "axes": ["lag"]}),
        "g2/lag": SimpleNamespace(values=np.arange(3.0), units="s", attrs={}),
        "g2/pixel": SimpleNamespace(values=np.ones((3, 4))[:, 1], units="", attrs={"pairs": np.int64(4)}),
        "kww/corrected": SimpleNamespace(values=None, units="", attrs={"tau_s": np.float32("nan")}),
    }


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


def test_garbage_is_dropped(controller: Controller) -> None:
    controller.send(open_hold(controller.folder))
    for parts in ([b""], [b"{}", b"x"], [b"\xff" * 100], [b'{"kind": "frame"}']):
        controller.socket.send_multipart(parts)
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


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://0.0.0.0:5555",
        "tcp://192.168.1.2:5555",
        "tcp://127.0.0.1.evil.org:5555",
        "tcp://*:5555",
        "ipc:///tmp/socket",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:99999",
        "tcp://user@127.0.0.1:5555",
        "",
    ],
)
def test_only_this_machine_is_talked_to(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"endpoint must be tcp://127\.0\.0\.1:PORT"):
        wire.check_loopback(endpoint)


def test_frame_parts_are_checked() -> None:
    header, pixels = frame(0)
    np.testing.assert_array_equal(wire.pixels_of(header, [memoryview(pixels.tobytes())]), pixels)
    with pytest.raises(BadMessage, match="came with 0 parts"):
        wire.pixels_of(header, [])
    with pytest.raises(BadMessage, match="checksum does not match"):
        wire.pixels_of(header, [memoryview(pixels.tobytes()[:-2])])
    with pytest.raises(BadMessage, match="are not an array of"):
        wire.pixels_of(header.model_copy(update={"shape": (1000, 1000)}), [memoryview(pixels.tobytes())])


def test_results_survive_the_wire() -> None:
    """NaN, numpy numbers, strided arrays and groups without values arrive as they were."""
    context: Any = zmq.Context()
    sender, endpoint = wire.bind(context, zmq.DEALER)
    receiver = wire.connect(context, zmq.DEALER, endpoint)
    header, arrays = wire.results_to_parts(results(), hold=2)
    assert wire.send(sender, header, *arrays)
    received = wire.receive(receiver, 5000)
    assert received is not None
    entries = {part.path: (part, array) for part, array in wire.parts_to_entries(*received)}
    assert list(entries) == list(results())
    assert np.isnan(entries["kww/corrected"][0].attrs["tau_s"])
    np.testing.assert_array_equal(entries["g2/pixel"][1], np.ones(3))
    assert wire.receive(receiver, 0) is None
    sender.close()
    receiver.close()
    context.term()


def test_full_queue_is_said_not_waited_for() -> None:
    context: Any = zmq.Context()
    socket, _ = wire.bind(context, zmq.DEALER, queued=1)
    assert not wire.send(socket, Ack(hold=1, durable_seq=0), wait=False)
    socket.close()
    context.term()


@pytest.mark.parametrize("line", ["", "[]\n", "no json\n"])
def test_settings_must_be_an_object(line: str, tmp_path: Path) -> None:
    (tmp_path / "stdin").write_text(line)
    with (tmp_path / "stdin").open() as stdin, pytest.raises(ValueError, match="must be a JSON object"):
        wire.read_attach(stdin)
