"""What a run tells those who look on: the newest is kept, whatever comes; and how frames become pictures."""

import numpy as np
import pytest
import zmq
from monitor_folder import status
from monitor_stage import StandIn, unpacked, waited_for
from record_samples import ecm_entries, frame

from annealscope.controller.engine.ports import Status
from annealscope.controller.live import LIVE_FILE, write_live
from annealscope.controller.monitor import feed as feed_module
from annealscope.controller.monitor.feed import Feed
from annealscope.controller.monitor.frames import LARGEST_SIDE, Scaler, block_mean, robust_range
from annealscope.controller.monitor.packets import Item, packet
from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import Preview, StatusNow


@pytest.fixture
def run(tmp_path):
    run = StandIn(tmp_path)
    yield run
    run.close()


@pytest.fixture
def feed(tmp_path, monkeypatch):
    monkeypatch.setattr(feed_module, "LOOK_EVERY_S", 0.05)
    feed = Feed(tmp_path)
    feed.start()
    yield feed
    feed.close()


def shown_until(run, feed):
    """Show frames and the status until both have come: a subscription takes a moment."""
    status = StatusNow(status={"state": "running"})

    def both_came():
        run.show()
        run.viewers._post(run.viewers._news, status)
        return None not in (feed.received.newest.frame, feed.received.newest.status)

    assert waited_for(both_came)


def seen(run, feed):
    """Show frames until one has come; return it. What a full queue drops is not repeated here."""
    for _ in range(50):
        shown = run.show()
        if waited_for(lambda shown=shown: feed.received.newest.frame == shown[0], timeout_s=0.2):
            return shown
    raise AssertionError("no frame came")


def preview(frames=7):
    entries = ecm_entries()
    header = Preview(
        hold=2, name="x", method="ecm", frames=frames, t_s=1.0, entries=[part for part, _ in entries]
    )
    return header, [array for _, array in entries if array is not None]


# --- what comes


def test_the_newest_of_each_kind_is_kept(run, feed):
    run.open()
    header, arrays = preview()
    run.viewers.tell(header, *arrays)
    shown_until(run, feed)
    assert waited_for(lambda: (run.viewers.keep_up(), feed.received.newest.opening)[1] is not None)
    _, pixels = seen(run, feed)
    received = feed.received
    np.testing.assert_array_equal(received.pixels, pixels)
    assert received.newest.opening.name == "02_ecm_100C"
    assert received.newest.preview == {"hold": 2, "name": "x", "method": "ecm", "frames": 7, "t_s": 1.0}
    np.testing.assert_array_equal(received.items["g2/lag"].values, arrays[0])
    assert received.items["kww/corrected"].attrs["tau_s"] == 120.0
    assert received.connections == 1


def test_what_is_repeated_is_no_new_picture(run, feed):
    shown_until(run, feed)
    header, pixels = seen(run, feed)
    results, arrays = preview()
    wire.send(run.viewers._news, results, *arrays)
    assert waited_for(lambda: feed.received.newest.preview is not None)
    before = feed.received
    for _ in range(5):
        wire.send(run.viewers._frames, header, pixels)
        wire.send(run.viewers._news, results, *arrays)
    status = StatusNow(status={"state": "paused"})
    run.viewers._post(run.viewers._news, status)
    assert waited_for(lambda: feed.received.newest.status == status.status)
    assert (feed.received.pictures, feed.received.newest.received) == (
        before.pictures,
        before.newest.received,
    )


def test_damaged_messages_are_passed_over_and_the_next_are_shown(run, feed):
    shown_until(run, feed)
    header, pixels = seen(run, feed)
    pictures, shown = feed.received.pictures, run._shown
    results, arrays = preview()
    wrongs = [
        lambda: run.viewers._frames.send(b"{"),
        lambda: run.viewers._frames.send(b"[" * 100_000),
        lambda: wire.send(run.viewers._frames, header.model_copy(update={"seq": 1000}), pixels[1:]),
        lambda: wire.send(run.viewers._news, results, *arrays[1:]),
    ]
    for wrong in wrongs:
        wrong()
    run.viewers._post(run.viewers._news, StatusNow(status={"state": "paused"}))
    assert waited_for(lambda: feed.received.newest.status == {"state": "paused"})
    assert seen(run, feed)[0] == feed.received.newest.frame != header
    assert feed.received.pictures - pictures <= run._shown - shown
    assert feed.received.newest.preview is None


def test_of_frames_that_wait_only_the_newest_is_taken(tmp_path):
    feed = Feed(tmp_path)
    context = zmq.Context()
    sender, endpoint = wire.bind(context, zmq.PUSH)
    receiver = wire.connect(context, zmq.PULL, endpoint)
    headers = [frame(seq) for seq in range(5)]
    for header, pixels in headers:
        wire.send(sender, header, pixels)
    assert waited_for(lambda: receiver.poll(0))
    feed._take(receiver)
    assert waited_for(lambda: feed._take(receiver) or feed.received.newest.received == 5)
    assert feed.received.newest.frame == headers[-1][0]
    assert feed.received.newest.dropped >= 1
    context.destroy(linger=0)
    feed._context.destroy(linger=0)


# --- where it comes from


def test_a_run_that_goes_on_in_another_process_is_found(tmp_path, run, feed):
    shown_until(run, feed)
    assert feed.received.connections == 1
    run.viewers.show_status(Status(**status()))
    assert waited_for(lambda: feed.received.newest.status_at_s is not None)
    another = StandIn(tmp_path)
    assert waited_for(lambda: feed.received.connections == 2)
    assert feed.received.newest.status_at_s is None  # what the other one said last is not its word
    assert waited_for(lambda: another.show(hold=5) and feed.received.newest.frame.hold == 5)
    another.close()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"frames_endpoint": null}', b'{"frames_endpoint": "tcp://10.0.0.1:80"}', b"\xff"],
)
def test_a_bad_address_is_no_address_and_a_good_one_later_is_found(tmp_path, feed, content):
    (tmp_path / LIVE_FILE).write_bytes(content)
    assert not waited_for(lambda: feed.received.connections, timeout_s=0.15)
    write_live(tmp_path / LIVE_FILE, {"frames_endpoint": "tcp://127.0.0.1:1"})
    assert waited_for(lambda: feed.received.connections == 1)


def test_a_run_that_ends_leaves_its_last_state(tmp_path, run, feed):
    shown_until(run, feed)
    (tmp_path / LIVE_FILE).unlink()
    assert not waited_for(lambda: feed.received.newest.frame is None, timeout_s=0.3)
    assert feed.received.connections == 1


# --- frames


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((24, 20), "u2"),
        ((1024, 1024), "u2"),
        ((1025, 900), "u2"),
        ((3000, 2049), "u1"),
        ((1, 5000), "u4"),
        ((4096, 3), "f4"),
        ((7, 1), "i2"),
    ],
)
def test_any_camera_fits_on_the_screen_in_square_pixels(shape, dtype):
    pixels = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    shown = Scaler().show(frame(0)[0], pixels)
    assert max(shown.pixels.shape) <= LARGEST_SIDE
    assert shown.pixels.shape == tuple(-(-n // shown.step) for n in shape)
    assert shown.pixels.dtype == np.uint8


def test_a_displayed_pixel_is_the_mean_of_those_it_stands_for():
    pixels = np.random.default_rng(2).integers(0, 65535, (11, 9)).astype("u2")
    rows, columns = range(0, 11, 4), range(0, 9, 4)
    expected = [[pixels[y : y + 4, x : x + 4].mean() for x in columns] for y in rows]
    np.testing.assert_allclose(block_mean(pixels, 4), expected, rtol=1e-6)


def test_hot_pixels_and_dead_ones_do_not_set_the_scale():
    pixels = np.random.default_rng(3).normal(1000, 10, (512, 512)).astype("u2")
    pixels[::100, ::100], pixels[1, 1] = 65535, 0
    shown = Scaler().show(frame(0)[0], pixels)
    assert 950 < shown.low < 1000 < shown.high < 1050
    assert shown.pixels[0, 0] == 255
    assert shown.pixels[1, 1] == 0


def test_the_scale_does_not_flicker_but_follows_another_scene_at_once():
    rng, scaler, header = np.random.default_rng(4), Scaler(), frame(0)[0]
    scales = [scaler.show(header, rng.poisson(400, (64, 64))).low for _ in range(20)]
    alone = [Scaler().show(header, rng.poisson(400, (64, 64))).low for _ in range(20)]
    assert np.std(scales[5:]) < 0.6 * np.std(alone)
    assert scaler.show(header, rng.poisson(4000, (64, 64))).low > 3500
    other = rng.poisson(3990, (64, 64)).astype(np.float32)
    assert scaler.show(header.model_copy(update={"hold": 9}), other).low == robust_range(other)[0]


def test_with_the_beam_off_the_picture_is_black():
    rng, scaler, header = np.random.default_rng(5), Scaler(), frame(0)[0]
    scaler.show(header, rng.poisson(400, (64, 64)))
    dark = scaler.show(header.model_copy(update={"beam_on": False}), rng.poisson(20, (64, 64)))
    assert dark.pixels.max() == 0


@pytest.mark.parametrize("grey", [np.zeros((8, 8), "u2"), np.full((8, 8), np.nan, "f4")])
def test_a_frame_of_one_grey_is_shown(grey):
    assert np.ptp(Scaler().show(frame(0)[0], grey).pixels) == 0


# --- packets


def test_a_packet_is_aligned_and_knows_no_nan():
    items = {
        "pixels": Item(np.arange(15, dtype=np.uint8).reshape(3, 5)),
        "g2/pixel": Item(np.array([1.0, np.nan, 2.0]), "s", {"tau_s": float("nan"), "n": np.int64(3)}),
        "fem": Item(None, attrs={"V_max": np.float32(0.5)}),
        "none": Item(np.zeros((0, 4))),
    }
    data = packet("preview", {"t_s": float("inf"), "shape": (1, 2)}, items)
    header, payload = unpacked(data)
    assert (len(data) - len(payload)) % 8 == 0
    assert (header["kind"], header["t_s"], header["shape"]) == ("preview", None, [1, 2])
    arrays = header["arrays"]
    assert all(entry["offset"] % 8 == 0 for entry in arrays.values() if entry["dtype"])
    assert arrays["fem"] == {"dtype": None, "units": "", "attrs": {"V_max": 0.5}}
    assert arrays["g2/pixel"]["attrs"] == {"tau_s": None, "n": 3}
    g2 = np.frombuffer(payload, "<f4", 3, arrays["g2/pixel"]["offset"])
    np.testing.assert_array_equal(g2, [1.0, np.nan, 2.0])
    assert payload[arrays["pixels"]["offset"] :][:15] == bytes(range(15))
    assert arrays["none"]["shape"] == [0, 4]
