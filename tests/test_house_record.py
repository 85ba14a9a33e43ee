"""Guards of the record: trouble rests, failure ends as planned, and space is watched before it is gone."""

import dataclasses
import itertools

import pytest
from engine_bench import COOL, ECM, ZERO_K, BenchRun, MemoryStream, make_plan

from annealscope.controller.engine.operator import RehearsalOperator
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.house_values import HouseRules
from annealscope.controller.planning.values import HoldEstimate, RampStep
from annealscope.controller.session.preflight import file_system_of, preflight, sync_times_s, worries

GIB = 1024**3
RAMP = RampStep(40 + ZERO_K, 10.0)
HOLD = HoldEstimate(1, "01_ecm_40C", ECM.frames, 80.0, 40 * 1_000_000, 0, 1, 0.0, 0.0)
PLAN = make_plan(RAMP, ECM, COOL, settle=(0.5, 1.0, 300.0), holds=(HOLD,))
NEED = 88_000_000
"""At the start: the frames, their log, a tenth more."""


class Troubled(MemoryStream):
    """Nothing can be recorded for a while."""

    clock = None
    during = (0.0, 0.0)
    slow_during = (0.0, 0.0)

    def trouble(self):
        return "the recorder is being restarted" if self._in(self.during) else None

    def backlog(self):
        return 0.7 if self._in(self.slow_during) else 0.3

    def _in(self, during):
        return during[0] <= self.clock.monotonic() < during[1]


def _troubled(tmp_path, **changes):
    stream = Troubled()
    run = BenchRun(tmp_path, stream, PLAN)
    stream.clock = run.clock
    for name, value in changes.items():
        setattr(stream, name, value)
    return run


def _notes(run):
    return [(g["guard"], g["action"]) for g in run.records("guard")]


@pytest.mark.parametrize("during", [(0.0, 30.0), (40.0, 60.0)])
def test_no_dose_is_spent_while_the_recorder_is_mended(tmp_path, during):
    run = _troubled(tmp_path, during=during)
    blanked = []

    def look(status):
        if status.state == "suspended":
            blanked.append(run.rig.world.blanked)

    assert run.run_with({}, look).outcome == "success"

    assert _notes(run) == [("recorder", "suspended")]
    assert blanked
    assert all(blanked)
    in_trouble = [f for f in run.stream.frames if during[0] + 3.0 < f.t_start_s < during[1]]
    assert in_trouble == []
    assert run.stream.sent == list(range(40))


def test_virtual_time_does_not_run_away_while_a_recorder_is_mended_in_real_time(tmp_path):
    run = _troubled(tmp_path)
    waits_s = []
    run.stream.wait = lambda timeout_s: waits_s.append(timeout_s) if timeout_s else None
    run.stream.trouble = lambda: "it is mended" if run.stream.sent and sum(waits_s) < 2.0 else None
    assert run.run().outcome == "success"
    suspended, again = (r["t_s"] for r in run.records("state")[3:5])
    assert again - suspended == pytest.approx(40.0, abs=3.0)


def test_trouble_on_a_ramp_is_nobodys(tmp_path):
    plan = make_plan(RampStep(60 + ZERO_K, 0.5), ECM, COOL, settle=(0.5, 1.0, 300.0))
    run = _troubled(tmp_path, during=(5.0, 20.0))
    run.bench.plan = plan
    assert run.run().outcome == "success"
    assert _notes(run) == []


def test_a_slow_disk_is_noted_once(tmp_path):
    run = _troubled(tmp_path, slow_during=(30.0, 60.0))
    assert run.run().outcome == "success"
    assert _notes(run) == [("recorder", "noted")]
    assert "70 %" in run.records("guard")[0]["message"] or "70%" in run.records("guard")[0]["message"]


def test_a_recorder_that_is_given_up_at_the_end_does_not_keep_the_heater_on(tmp_path):
    """The file of the last movie never comes: the run ends, and says so."""
    run = BenchRun(tmp_path, MemoryStream(), PLAN)
    stream = run.stream
    stream.closed_hold = lambda hold: None
    stream.failure = lambda: "the disk is full" if not stream.is_open and stream.sent else None

    outcome = run.run()

    assert outcome.exit_code is ExitCode.INCOMPLETE
    assert "the disk is full" in outcome.why
    assert run.is_safe


# ---------------------------------------------------------------------- space


def _with_space(tmp_path, free, plan=PLAN, **operator):
    run = BenchRun(tmp_path, plan=plan, operator=RehearsalOperator(**operator))
    asked = []

    def ask():
        asked.append(run.clock.monotonic())
        return round(free(run.clock.monotonic()))

    run.bench.free_bytes = ask
    return run, asked


def test_space_is_asked_for_once_a_minute(tmp_path):
    run, asked = _with_space(tmp_path, lambda t_s: 100 * GIB)
    assert run.run().outcome == "success"
    assert _notes(run) == []
    assert 2 <= len(asked) <= 4
    assert min(b - a for a, b in itertools.pairwise(asked)) >= 60.0


def test_a_small_run_on_a_small_disk_is_left_alone(tmp_path):
    """Far less than is usually kept free is enough for a run that needs little."""
    run, _ = _with_space(tmp_path, lambda t_s: 3 * NEED)
    assert run.run().outcome == "success"
    assert _notes(run) == []


def test_space_that_is_not_ample_is_noted(tmp_path):
    run, _ = _with_space(tmp_path, lambda t_s: 1.5 * NEED)
    assert run.run().outcome == "success"
    assert _notes(run) == [("disk", "noted")]


def test_a_run_waits_for_room_on_the_disk(tmp_path):
    run, _ = _with_space(tmp_path, lambda t_s: 0.2 * NEED if t_s < 100.0 else 100 * GIB)

    assert run.run().outcome == "success"

    assert _notes(run).count(("disk", "suspended")) == 1
    assert "will not suffice" in next(g["message"] for g in run.records("guard") if "suffice" in g["message"])
    assert run.stream.frames[0].t_start_s > 100.0
    assert run.stream.sent == list(range(40))


def test_a_run_parks_when_nobody_makes_room_and_nobody_else_wakes_it(tmp_path):
    plan = dataclasses.replace(PLAN, house=HouseRules(park_after_s=300.0))
    run, _ = _with_space(tmp_path, lambda t_s: 0.2 * NEED, plan, through_parks=True)

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("parked", ExitCode.OK)
    assert _notes(run)[-2:] == [("disk", "suspended"), ("disk", "parked")]
    assert run.is_safe


def test_a_disk_that_cannot_be_asked_is_what_it_was(tmp_path):
    def free(t_s):
        if t_s > 50.0:
            raise OSError(5, "Input/output error")
        return 100 * GIB

    run, _ = _with_space(tmp_path, free)
    assert run.run().outcome == "success"
    assert _notes(run) == []


# ---------------------------------------------------------------------- before the run


def test_a_small_block_is_measured_and_leaves_nothing(tmp_path):
    run = BenchRun(tmp_path)
    preflight(tmp_path, PLAN, run.journal)
    run.journal.close()
    (record,) = run.records("preflight")
    assert record["sync_ms"] >= 0
    assert record["free_bytes"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]
    assert len(sync_times_s(tmp_path)) == 20


def test_a_slow_or_a_remote_disk_is_a_worry():
    assert list(worries(PLAN, 0.1, "ext4")) == []
    assert "1.5 s" in next(worries(PLAN, 1.5, "ext4"))
    for kind in ("nfs4", "cifs", "remote"):
        assert "network" in next(worries(PLAN, 0.1, kind))


def test_the_innermost_file_system_counts(tmp_path, monkeypatch):
    mounts = [
        _Mount(tmp_path.anchor, "ext4", "rw"),
        _Mount(str(tmp_path), "NFS4", "rw"),
        _Mount(str(tmp_path / "other"), "xfs", "rw"),
    ]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: mounts)
    assert file_system_of(tmp_path) == "nfs4"
    mounts[1] = _Mount(str(tmp_path), "NTFS", "rw,remote")
    assert file_system_of(tmp_path) == "remote"


@dataclasses.dataclass
class _Mount:
    mountpoint: str
    fstype: str
    opts: str
