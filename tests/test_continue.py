"""A run goes on after any crash: every frame once, nothing of the record changed, ages and doses go on."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from crash_runs import PROTOCOL, CrashRun, after

from annealscope.controller.journal import read_journal
from annealscope.controller.record.repair import repair
from annealscope.controller.record.verify import verify
from annealscope.controller.session.continuation import Continuation
from annealscope.controller.session.left_off import left_off
from annealscope.simulators.random_streams import stream

FRAMES = {"01_fem_25C": 12, "02_ecm_40C": 32, "03_ecm_45C": 32, "04_fem_45C": 12}
FRAME_PER_NM2 = 4.4e5 * 4.0
"""Dose of one frame of a movie, in its exposure."""
SHORT = (
    PROTOCOL[: PROTOCOL.index("steps:")]
    + """steps:
  - ramp: {to: 40 degC, rate: 100 K/min}
  - acquire: ecm
  - cool: {to: 25 degC, rate: 100 K/min}
"""
)


def _numbers(run):
    """Recorded numbers by hold, and the segments of the frames."""
    found = {}
    for path in sorted(run.run.holds_folder.glob("*.nxs")):
        with h5py.File(path) as file:
            detector = file["entry/instrument/detector"]
            found[path.stem] = detector["seq"][()], detector["segment"][()], detector["frame_time"][()]
    return found


SEEDS = [(11, 250), *(pytest.param(seed, 120, marks=pytest.mark.slow) for seed in range(20))]


@pytest.mark.parametrize(("seed", "most"), SEEDS)
def test_a_run_that_dies_again_and_again_has_every_frame_once(tmp_path, monkeypatch, seed, most):
    rng = stream(seed, "deaths", 0)
    run = CrashRun(tmp_path)
    outcome, deaths = run.begin(monkeypatch, after(int(rng.integers(1, 60)))), 0
    while outcome is None and not run.over:
        deaths += 1
        run.tear(float(rng.uniform(0.0, 3.0)))
        run.note_evidence()
        outcome = run.go_on(monkeypatch, after(int(rng.integers(5, most))))
    run.check()
    assert run.over
    assert deaths >= 3
    for name, (seq, _, time_s) in _numbers(run).items():
        assert seq.tolist() == list(range(FRAMES[name]))
        assert (np.diff(time_s) > 0).all()
    for hold in (2, 3):
        dose = [one["exposed_per_nm2"] for one in run.records("dose") if one["hold"] == hold][-1]
        assert (
            32 * FRAME_PER_NM2 <= dose <= 36 * FRAME_PER_NM2
        )  # some did not reach the disk, and were taken again
    _check_prefixes(run)


def _check_prefixes(run):
    """Any beginning of the journal can be folded, and says of no step that it has been done."""
    records = list(read_journal(run.run.journal))
    done = 0
    for n in range(1, len(records) + 1):
        left = left_off(records[:n])
        if left.next_step is not None:
            assert left.next_step >= done
            done = left.next_step
        assert left.t_s == records[n - 1]["t_s"]


def _flip(path, frame):
    """Change one bit of a frame in a log of 64 x 64 pixels."""
    data = bytearray(path.read_bytes())
    record_bytes = 64 + 2 * 64 * 64
    data[len(data) - (len(data) // record_bytes - frame) * record_bytes + 100] ^= 1
    path.write_bytes(data)


def test_a_hold_that_has_suffered_is_repaired_and_the_next_step_follows(tmp_path, monkeypatch):
    run = CrashRun(tmp_path, protocol=SHORT)
    run.begin(monkeypatch, after(4, "durable"))
    _flip(run.logs()[0], 3)
    outcome = run.go_on(monkeypatch)
    assert outcome.outcome == "success"
    assert run.told[-1].startswith("goes on with cool to 25")
    assert [one["reason"] for one in run.records("hold_closed")] == ["crashed"]
    assert {finding.severity for finding in verify(run.run.path)} == {"notice"}
    seq, *_ = _numbers(run)["01_ecm_40C"]
    assert seq.tolist() == [n for n in range(13) if n != 3]


def test_what_repair_has_closed_gets_no_more_frames(tmp_path, monkeypatch):
    run = CrashRun(tmp_path, protocol=SHORT)
    run.begin(monkeypatch, after(4, "durable"))
    repair(run.run.path)
    run.note_evidence()
    assert run.go_on(monkeypatch).outcome == "success"
    run.check()
    assert len(run.records("hold_opened")) == 1


@pytest.mark.parametrize(
    ("outcome", "speed", "alone_s", "start_s"),
    [
        ("crashed", "real", 50.0, 1050.0),
        ("crashed", "real", -3600.0, 1000.0),
        ("crashed", "max", 50.0, 1000.0),
        ("parked", "max", 50.0, 44_200.0),
        ("parked", "100", 50.0, 1050.0),
    ],
)
def test_the_clock_goes_on_and_never_back(outcome, speed, alone_s, start_s):
    left = SimpleNamespace(
        outcome=outcome,
        parked=outcome == "parked",
        t_s=1000.0,
        utc=datetime.now(UTC) - timedelta(seconds=alone_s),
    )
    going_on = Continuation(left, 0, "wait", None, None, None, {})
    assert going_on.clock_start_s(speed, 43_200.0) == pytest.approx(start_s, abs=1.0)


@pytest.mark.parametrize(
    ("outcome", "first_seq", "reason", "said"),
    [
        ("crashed", 26, None, "goes on in hold 02_ecm_40C at frame 26 of 32; the program had died at "),
        ("failed", 26, None, "goes on in hold 02_ecm_40C at frame 26 of 32; the run had failed at "),
        ("crashed", 32, None, "closes hold 02_ecm_40C, which has all its frames, and goes on; the prog"),
        ("crashed", 26, "truncated", "closes hold 02_ecm_40C, which has all its frames, and goes on; "),
    ],
)
def test_it_says_with_what_it_goes_on(outcome, first_seq, reason, said):
    left = SimpleNamespace(outcome=outcome, utc=datetime.now(UTC))
    opening = SimpleNamespace(name="02_ecm_40C", first_seq=first_seq, frames_planned=32)
    taken_up = SimpleNamespace(acquisition=SimpleNamespace(opening=opening, reason=reason))
    assert str(Continuation(left, 0, "acquire ecm", None, None, taken_up, {})).startswith(said)
