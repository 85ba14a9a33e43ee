"""Real processes that are killed: `continue` makes one record of what they have left."""

import subprocess
import time
from contextlib import suppress

import h5py
import numpy as np
import pytest
from slow_correlators import lag_sums
from small_run import PROTOCOL, annealscope, command, write_inputs

from annealscope.analysis.geometry import CHANNELS, correlator_levels
from annealscope.controller.journal import read_journal
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import HoldLogs
from annealscope.controller.record.runfolder import open_run
from annealscope.controller.record.verify import verify

NAME = "01_ecm_100C"
FRAMES = 64
OFFSET_COUNTS, GAIN = 100.0, 10.0
"""Of the camera of the small rig."""


def _records(run, kind):
    return [record for record in read_journal(run / "journal.jsonl") if record["kind"] == kind]


def _recorded(frames):
    """So many frames are in the logs; looked at there, because the journal is told of them once a second."""

    def there(run):
        with suppress(RecordError), HoldLogs(run / "holds" / NAME) as logs:
            return logs.rows >= frames
        return False

    return there


def _killed(run, when, *arguments):
    """Run the program and kill it at a moment; return the frames that it has left in logs, by number."""
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 300  # a first run compiles
    while process.poll() is None and time.monotonic() < deadline_s:
        if (run / "journal.jsonl").exists() and when(run):
            process.kill()
        time.sleep(0.005)
    assert process.wait() != 0, "it had ended before"
    time.sleep(1.0)  # its children see that it is gone
    if not list((run / "holds").glob("*.frames")):
        return {}
    with HoldLogs(run / "holds" / NAME) as logs:
        return {header.seq: pixels for header, pixels in map(logs.read, range(logs.rows))}


def _check(run, kept):
    """Each number once, raw bytes as they were, g2 that of the definition over the segments."""
    assert list(verify(run)) == []
    (hold,) = open_run(run).holds()
    with h5py.File(hold.path) as file:
        detector = file["entry/instrument/detector"]
        frames, seq = detector["data"][()], detector["seq"][()]
        assert seq.tolist() == list(range(FRAMES))
        assert all((frames[n] == pixels).all() for n, pixels in kept.items())
        segment, slot = detector["segment"][()], detector["slot"][()]
        image = (frames.astype(np.float64) - OFFSET_COUNTS) / GAIN
        image /= image.mean(axis=(1, 2), keepdims=True)
        lags = lag_sums(image, slot, segment, channels=CHANNELS, levels=correlator_levels(FRAMES))
        _, pairs, product, left, right = lags
        np.testing.assert_array_equal(file["entry/g2/pairs"][()], pairs)
        ratio = pairs * product.mean(axis=(1, 2)) / (left * right).mean(axis=(1, 2))
        np.testing.assert_allclose(file["entry/g2/ratio"][()], ratio, atol=2e-5)
    return segment


def _ends(run):
    return [record["outcome"] for record in _records(run, "run_ended")]


@pytest.fixture
def inputs(tmp_path):
    text = "".join(line for line in PROTOCOL.splitlines(keepends=True) if "drift:" not in line)
    protocol, rig = write_inputs(tmp_path, FRAMES, text)
    return tmp_path / "run", ("run", protocol, "--rig", rig, "--out", tmp_path / "run", "--no-report")


def test_a_killed_acquisition_goes_on_in_the_same_hold(inputs):
    run, begin = inputs
    kept = _killed(run, _recorded(20), *begin)
    assert "`annealscope continue` goes on" in annealscope("status", run).stderr
    done = annealscope("continue", run, "--no-report")
    assert done.returncode == 0, done.stderr
    assert f"goes on in hold {NAME} at frame {len(kept)} of {FRAMES}; the program had died at" in done.stdout
    segment = _check(run, kept)
    assert np.flatnonzero(np.diff(segment)).tolist() == [len(kept) - 1]
    assert _ends(run) == ["crashed", "success"]


@pytest.mark.slow
def test_it_may_be_killed_twice(inputs):
    run, begin = inputs
    _killed(run, _recorded(15), *begin)
    kept = _killed(run, _recorded(40), "continue", run, "--no-report")
    assert [path.suffixes[0] for path in sorted((run / "holds").glob("*.frames"))] == [".000", ".001"]
    assert annealscope("continue", run, "--no-report").returncode == 0
    assert set(_check(run, kept)) == {0, 1, 2}
    assert _ends(run) == ["crashed", "crashed", "success"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("step", {"step": "ramp"}),
        ("settled", {}),
        ("step", {"step": "wait"}),
        ("step", {"step": "acquire"}),
        ("hold_opened", {}),
        ("closing", {}),
        ("hold_closed", {}),
        ("step", {"step": "cool"}),
    ],
)
def test_it_may_be_killed_at_any_step(inputs, kind, fields):
    run, begin = inputs
    kept = _killed(run, lambda run: any(fields.items() <= one.items() for one in _records(run, kind)), *begin)
    done = annealscope("continue", run, "--no-report")
    assert done.returncode == 0, done.stderr
    _check(run, kept)
    assert _ends(run) == ["crashed", "success"]
