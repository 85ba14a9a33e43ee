"""The drift feedback in the loop: moves between exposures, late rows, what is said about excursions."""

import dataclasses

import pytest
from engine_bench import COOL, ECM, RAMP, BenchRun, MemoryStream, make_plan

from annealscope.controller.stream.messages import DriftRow
from annealscope.drivers.interfaces import FrameSpec


def test_the_image_shift_moves_only_between_exposures_and_against_the_drift(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(1.0, 0.0)))
    moves = []
    shift = run.rig.microscope.shift_image

    def watched(shift_nm):
        moves.append((run.clock.monotonic(), shift_nm))
        shift(shift_nm)

    run.rig.microscope.shift_image = watched
    run.run()

    (opened,) = run.records("hold_opened")
    phases = [(t - opened["t_s"]) % 2.0 for t, _ in moves]
    assert moves
    assert all(0.999 <= phase <= 2.0 for phase in phases)
    matrix = run.bench.feedback.matrix
    pushed = matrix[0][0] * moves[0][1][0] + matrix[0][1] * moves[0][1][1]
    assert pushed == pytest.approx(-0.5, abs=0.05)


def test_drift_beyond_the_limit_is_flagged_once(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(6.0, 0.0)))

    run.run()

    flags = [record for record in run.records("guard") if record["guard"] == "drift"]
    assert len(flags) == 1
    assert "6.00 nm" in flags[0]["message"]
    assert flags[0]["action"] == "flag"


def test_without_drift_correction_nothing_is_steered(tmp_path):
    plan = make_plan(RAMP, dataclasses.replace(ECM, drift=None), COOL)
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(6.0, 0.0)), plan)

    run.run()

    assert set(run.stream.shifts_nm) == {(0.0, 0.0)}


def test_a_frame_that_is_fetched_late_carries_the_shift_of_its_own_time(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(1.0, 0.0)))
    next_frame, moves = run.camera.next_frame, []
    shift = run.rig.microscope.shift_image

    def sometimes_late(timeout_s):
        return None if int(run.clock.monotonic() / 4) % 2 else next_frame(timeout_s)

    def watched(shift_nm):
        shift(shift_nm)
        moves.append((run.clock.monotonic(), run.rig.microscope.image_shift_nm()))

    run.camera.next_frame, run.rig.microscope.shift_image = sometimes_late, watched
    run.run()

    (opened,) = run.records("hold_opened")
    assert moves
    for seq, shift_nm in zip(run.stream.sent, run.stream.shifts_nm, strict=True):
        start_s = opened["t_s"] + 2.0 * seq
        expected = [to for since_s, to in moves if since_s <= start_s + 1e-3]
        assert shift_nm == (expected[-1] if expected else (0.0, 0.0))


class Late(MemoryStream):
    """Drift rows of a frame that was taken some frames ago, as the world had it then."""

    def __init__(self, delay):
        super().__init__()
        self.delay = delay
        self.world = lambda shift: (0.0, 0.0)

    def newest_drift(self):
        seq = len(self.sent) - 1 - self.delay
        if seq < 0:
            return None
        return DriftRow(hold=1, seq=seq, measured_nm=self.world(self.shifts_nm[seq]), quality=1.0)


@pytest.mark.parametrize("delay", [0, 1, 3, 6])
def test_late_rows_do_not_make_the_feedback_swing(tmp_path, delay):
    stream = Late(delay)
    run = BenchRun(tmp_path, stream)
    (a, b), (c, d) = run.bench.feedback.matrix
    stream.world = lambda s: (8.0 + a * s[0] + b * s[1], c * s[0] + d * s[1])

    run.run()

    residual = [stream.world(shift)[0] for shift in stream.shifts_nm]
    assert max(map(abs, residual)) <= 8.0 + 1e-9
    assert abs(residual[-1]) < 1.0
    assert min(residual) > -0.5


def test_a_camera_that_is_slower_than_it_says_is_not_steered_into(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(1.0, 0.0)))
    camera, moves = run.camera, []
    arm = camera.arm
    camera.arm = lambda spec: arm(FrameSpec(spec.exposure_s, spec.period_s * 1.01))
    shift = run.rig.microscope.shift_image

    def watched(shift_nm):
        moves.append(run.clock.monotonic())
        shift(shift_nm)

    run.rig.microscope.shift_image = watched
    run.run()

    (opened,) = run.records("hold_opened")
    phases = [(t - opened["t_s"]) % 2.02 for t in moves]
    assert len(phases) > 30
    assert all(0.999 <= phase <= 2.02 for phase in phases)


def test_drift_beyond_the_warning_is_said_once(tmp_path):
    run = BenchRun(tmp_path, MemoryStream(measured_nm=(0.0, -2.0)))

    run.run()

    said = [record for record in run.records("guard") if record["guard"] == "drift"]
    assert [record["action"] for record in said] == ["warn"]
