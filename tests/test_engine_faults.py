"""Devices that fail while the engine asks them to rest or to end: the hold is closed, everything is safe."""

import errno
import itertools

import pytest
from engine_bench import COOL, ECM, SHORT, ZERO_K, BenchRun, follows_the_table, make_plan

from annealscope.controller.engine.commands import Command
from annealscope.controller.engine.operator import AbsentOperator
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.values import RampStep
from annealscope.drivers.interfaces import DeviceError
from annealscope.simulators.devices import SimulatedHolder, SimulatedMicroscope

MOVIE = make_plan(RampStep(40 + ZERO_K, 10.0), ECM, COOL)


def _break(run, device, names):
    """Make calls of a device fail from now on; its way to safety is another one."""

    def broken(*args, **kwargs):
        raise DeviceError(f"{device.name}: link lost")

    def safe(why):
        if isinstance(device, SimulatedHolder):
            SimulatedHolder.switch_off(device)
        elif isinstance(device, SimulatedMicroscope):
            run.rig.world.blank(True)

    device.safe = safe
    for name in names:
        setattr(device, name, broken)


def _breaking(run, device, names, frames, command=None):
    """Break a device after some frames, and give a command then."""

    def look(status):
        if status.frames == frames and status.phase == "acquiring" and frames not in done:
            done.append(frames)
            _break(run, device, names)
            if command is not None:
                run.commands.put(command, "test")

    done = []
    return run.run_with({}, look)


@pytest.mark.parametrize("command", [None, Command.PAUSE, Command.SKIP, Command.PARK, Command.STOP])
@pytest.mark.parametrize("names", [("stop",), ("stop", "next_frame")])
def test_what_was_recorded_gets_its_file_when_the_camera_has_failed(tmp_path, names, command):
    run = BenchRun(tmp_path, plan=MOVIE)

    outcome = _breaking(run, run.camera, names, 10, command)

    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.DEVICE)
    assert "link lost" in outcome.why
    assert not run.stream.is_open
    assert [record["frames"] for record in run.records("hold_closed")] == [len(run.stream.sent)]
    assert len(run.records("run_ended")) == 1
    assert run.is_safe


CALLS = {
    "holder": ("hold_here", "ramp", "switch_off", "read", "locate"),
    "microscope": ("blank", "region", "image_shift_nm", "shift_image", "optics", "set_optics", "focus"),
}


@pytest.mark.parametrize(
    ("device", "name", "turn"),
    [
        (device, name, turn)
        for (device, names), turn in itertools.product(CALLS.items(), (25, 65))
        for name in names
    ],
)
@pytest.mark.parametrize("command", [Command.PAUSE, Command.SKIP, Command.PARK])
def test_a_device_that_fails_under_a_command_leaves_everything_safe(tmp_path, device, name, turn, command):
    run = BenchRun(tmp_path, plan=SHORT)
    turns = 0

    def look(status):
        nonlocal turns
        turns += 1
        if turns == turn:
            _break(run, getattr(run.rig, device), (name,))
            run.commands.put(command, "test")
        if status.state == "paused":
            run.commands.put(Command.RESUME, "test")

    outcome = run.run_with({}, look)

    assert outcome.outcome in ("success", "failed")
    assert "link lost" in outcome.why or outcome.outcome == "success"
    assert len(run.records("run_ended")) == 1
    assert len(run.records("hold_opened")) == len(run.records("hold_closed"))
    assert follows_the_table(run.states)
    assert run.is_safe


def test_a_holder_that_refuses_the_rest_of_its_way_down_is_switched_off(tmp_path):
    run = BenchRun(tmp_path, plan=make_plan(RampStep(200 + ZERO_K, 10.0), COOL), operator=AbsentOperator())
    told = []

    def tell(command):
        if command not in told:
            told.append(command)
            run.commands.put(command, "test")

    def look(status):
        if status.phase == "ramping" and status.temperature_K > 150 + ZERO_K:
            tell(Command.PARK)
        if status.phase == "cooling" and status.temperature_K < 120 + ZERO_K:
            tell(Command.PAUSE)
        if status.state == "paused":
            _break(run, run.rig.holder, ("ramp",))
            tell(Command.RESUME)

    outcome = run.run_with({}, look)

    assert outcome.outcome == "parked"
    assert [record["action"] for record in run.records("guard")] == ["switched off"]
    assert run.is_safe


def test_a_movie_whose_last_frame_comes_with_the_pause_is_complete(tmp_path):
    """A loop that is late finds the last two frames at once, when it stops the camera."""
    run = BenchRun(tmp_path, plan=MOVIE)

    def look(status):
        if status.frames == 38 and status.state == "running":
            run.clock.sleep_until(run.stream.frames[-1].t_start_s + 5.5)
            run.commands.put(Command.PAUSE, "test")
        if status.state == "paused":
            run.commands.put(Command.RESUME, "test")

    assert run.run_with({}, look).outcome == "success"

    assert "paused" in run.states
    assert run.stream.sent == list(range(40))
    assert run.stream.segments == []


@pytest.mark.parametrize(("command", "ends"), [(Command.STOP, "stopped"), (Command.ABORT, "aborted")])
def test_a_way_down_goes_on_although_the_journal_can_be_written_no_more(tmp_path, command, ends):
    run = BenchRun(tmp_path, plan=make_plan(RampStep(200 + ZERO_K, 10.0), ECM, COOL))
    setpoints_K = []

    def full(kind, fields):
        raise OSError(errno.ENOSPC, "No space left on device")

    def look(status):
        if status.frames == 3 and status.state == "running":
            run.commands.put(command, "test")
        if status.state in ("finishing", "aborting"):
            setpoints_K.append(status.setpoint_K)
            if status.setpoint_K < 150 + ZERO_K:
                run.journal._append = full

    outcome = run.run_with({}, look)

    assert (outcome.outcome, outcome.exit_code) == (ends, ExitCode.OPERATOR)
    steps_K = [before - after for before, after in itertools.pairwise(setpoints_K)]
    assert min(setpoints_K) < 30 + ZERO_K
    assert max(steps_K) < 5.0  # it was never quenched
    assert run.is_safe
