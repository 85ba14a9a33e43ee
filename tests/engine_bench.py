"""A bench for engine tests: simulated devices on virtual time, hand-made plans, a stream that remembers."""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import Command, CommandQueue
from annealscope.controller.engine.feedback import FeedbackLaw
from annealscope.controller.engine.machine import LEGAL, RunState
from annealscope.controller.engine.operator import RehearsalOperator
from annealscope.controller.engine.outcome import Outcome
from annealscope.controller.engine.runner import Engine
from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    DriftPlan,
    GridPlan,
    ParkStep,
    Plan,
    PlannedStep,
    PrepareStep,
    PromptStep,
    RampStep,
    SafeRule,
    SettleRule,
    Setup,
    WaitStep,
)
from annealscope.controller.stream.messages import CameraInfo, DriftRow, Grid, HoldClosed, OpenHold
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.interfaces import Optics
from annealscope.simulators import CameraFaults, CameraSpec, WorldSpec, simulated_rig
from annealscope.simulators.camera import SimulatedCamera

ZERO_K = 273.15
ROOM_K = 25 + ZERO_K
PER_MIN = 1 / 60
MATRIX = ((0.956, -0.273), (0.292, 0.962))

DARK_FIELD = Optics("tem_dark_field", 300.0, magnification=340e3, objective_aperture_um=10.0)
NANOBEAM = Optics("nanobeam", 300.0, probe_nm=0.91, probe_current_pA=15.0, camera_length_m=1.0)

AS_IT_IS = Setup("ecm", None, None, 0.0, (), False, None)
"""Nothing to prepare."""
ECM = AcquireStep(
    hold=1, name="01_ecm_40C", key="ecm", title="ecm at 40 °C", camera="imaging",
    exposure_s=1.0, period_s=2.0, frames=40, drift=DriftPlan(1.0, 5.0), dose_rate_per_nm2_s=4.4e5,
    setup=AS_IT_IS, setpoint_K=40 + ZERO_K,
)  # fmt: skip


def make_plan(*steps, settle=(0.5, 5.0, 300.0), start_K=ROOM_K, **changes) -> Plan:
    """Put steps one after another, in time and temperature."""
    planned, t_s, setpoint_K = [], 0.0, start_K
    for index, step in enumerate(steps):
        lasts_s = _lasts_s(step, setpoint_K)
        setpoint_K = getattr(step, "target_K", getattr(step, "cool_to_K", setpoint_K))
        planned.append(PlannedStep(index, f"steps.{index}", step.kind, t_s, lasts_s, setpoint_K, step))
        t_s += lasts_s
    plan = Plan(
        "bench", "bench", tuple(planned), SettleRule(*settle), SafeRule(ROOM_K, 50 * PER_MIN, 30.0),
        max_temperature_K=300 + ZERO_K,
    )  # fmt: skip
    return dataclasses.replace(plan, **changes)


def _lasts_s(step, setpoint_K):
    match step:
        case RampStep() | CoolStep():
            return abs(step.target_K - setpoint_K) / step.rate_K_per_s + 5.0
        case ParkStep():
            return abs(step.cool_to_K - setpoint_K) / step.rate_K_per_s
        case AcquireStep():
            return step.frames * step.period_s
        case WaitStep():
            return step.for_s or step.until_age_s or 0.0
    return 0.0


FEM = AcquireStep(
    hold=2, name="02_fem_40C", key="fem", title="fem at 40 °C", camera="diffraction",
    exposure_s=1.0, period_s=1.0, frames=6, drift=None, dose_rate_per_nm2_s=3.7e4,
    setup=Setup("fem", "nanobeam", NANOBEAM, 2.0, ("insert the 10 um aperture",), True, (0.6, 1.0)),
    setpoint_K=40 + ZERO_K, method="fem", grid=GridPlan((2, 3), 5.0), haadf=True,
)  # fmt: skip


RAMP = RampStep(40 + ZERO_K, 60 * PER_MIN)
COOL = CoolStep(ROOM_K, 50 * PER_MIN)
PLAN = make_plan(RAMP, WaitStep(for_s=10.0), ECM, COOL)

SHORT = make_plan(
    RampStep(40 + ZERO_K, 10.0),
    WaitStep(for_s=3.0),
    PrepareStep(dataclasses.replace(AS_IT_IS, optics_name="dark_field", optics=DARK_FIELD, settle_s=3.0)),
    dataclasses.replace(ECM, frames=6, dose_rate_per_nm2_s=1e5),
    PromptStep("Is the holder connected?", timeout_s=600.0),
    FEM,
    CoolStep(ROOM_K, 10.0),
    settle=(0.5, 1.0, 300.0),
)
"""A step of every kind but a park, in about 120 turns."""


class EndlessRun(BaseException):
    """The engine does not come to an end; no ordinary exception, which it would take for a broken display."""


@dataclass
class MemoryStream:
    """A `FrameStream` that keeps headers and answers at once."""

    fail_after: int | None = None
    measured_nm: tuple[float, float] = (0.0, 0.0)
    live: object = None
    sent: list = field(default_factory=list)
    """Of the newest hold."""
    frames: list = field(default_factory=list)
    shifts_nm: list = field(default_factory=list)
    opened: list = field(default_factory=list)
    closed: dict = field(default_factory=dict)
    reasons: list = field(default_factory=list)
    segments: list = field(default_factory=list)
    """(number, why, first frame)"""
    is_open: bool = False
    readings: int = 0

    def open_hold(self, opening):
        assert not self.is_open, "a hold is opened while another one is open"
        self.opened.append(opening)
        self.is_open, self.sent, self.frames, self.segments = True, [], [], []

    def new_segment(self, why):
        assert self.is_open
        self.segments.append((len(self.segments) + 1, why, len(self.sent)))
        return len(self.segments)

    def send(self, frame, shift_applied_nm, beam_on):
        assert self.is_open
        assert not self.sent or frame.seq == self.sent[-1] + frame.lost_before + 1
        self.sent.append(frame.seq)
        self.frames.append(frame)
        self.shifts_nm.append(shift_applied_nm)

    def send_temperature(self, t_s, temperature_K, setpoint_K):
        self.readings += 1

    def ready(self):
        return True

    def backlog(self):
        return 0.0

    def newest_drift(self):
        if not self.sent:
            return None
        hold = self.opened[-1].hold
        return DriftRow(hold=hold, seq=self.sent[-1], measured_nm=self.measured_nm, quality=1.0)

    def newest_live(self):
        return self.live

    def close_hold(self, reason, end_seq=0):
        assert self.is_open
        hold, self.is_open = self.opened[-1], False
        self.reasons.append(reason)
        self.closed[hold.hold] = HoldClosed(
            hold=hold.hold, path=f"holds/{hold.name}.nxs", frames=len(self.sent), analysis="complete"
        )

    def closed_hold(self, hold):
        return self.closed.get(hold)

    def trouble(self):
        return None

    def failure(self):
        full = self.fail_after is not None and len(self.sent) >= self.fail_after
        return "the disk is full" if full else None

    def wait(self, timeout_s):
        pass


class BlankScene:
    """What a camera sees does not matter here."""

    pixels = np.zeros((16, 16), np.uint16)

    def expose(self, t_start_s, exposure_s, seq, scan_yx_nm):
        return self.pixels, None if scan_yx_nm is None else 1.0


CAMERAS = {
    "imaging": CameraSpec("imaging", shape=(16, 16)),
    "diffraction": CameraSpec("diffraction", "diffraction", (16, 16), None, 0.0284),
}


class QuickOperator:
    """Answers after three seconds; nights are short."""

    night_s = 1800.0

    def answers(self, asked_s, now_s):
        return now_s - asked_s >= 3.0


class BenchRun:
    """One run of the engine on the bench."""

    def __init__(
        self, tmp_path: Path, stream=None, plan: Plan = PLAN, operator=None, faults=None, seed=1, clock=None
    ) -> None:
        self.clock = clock or VirtualClock()
        self.stream = stream or MemoryStream()
        self.commands = CommandQueue()
        self.folder = tmp_path
        world = WorldSpec(cameras=tuple(CAMERAS.values()))
        self.rig = simulated_rig(world, clock=self.clock, seed=seed)
        self.cameras = {
            name: SimulatedCamera(
                dataclasses.replace(spec, faults=faults or CameraFaults()), BlankScene(), self.clock, seed
            )
            for name, spec in CAMERAS.items()
        }
        self.camera = self.cameras["imaging"]
        self.journal = Journal(tmp_path / "journal.jsonl", self.clock)
        self.statuses = []
        self.bench = Bench(
            clock=self.clock,
            holder=self.rig.holder,
            microscope=self.rig.microscope,
            cameras=self.cameras,
            stream=self.stream,
            journal=self.journal,
            plan=plan,
            opening=_announce,
            feedback=FeedbackLaw(MATRIX, dead_band_nm=0.05, range_nm=500.0),
            operator=operator or RehearsalOperator(),
        )

    def run(self, at_tick=None, *commands: Command, **engine) -> Outcome:
        """Run to the end, giving commands after a number of turns of the loop."""
        return self.run_with({} if at_tick is None else {at_tick: commands}, **engine)

    def run_with(self, commands_at, on_turn=None, **engine) -> Outcome:
        """Run to the end, giving commands after numbers of turns, and telling someone of each turn."""
        ticks = 0

        def observe(status):
            nonlocal ticks
            self.statuses.append(status)
            for command in commands_at.get(ticks, ()):
                self.commands.put(command, "test")
            ticks += 1
            if on_turn is not None:
                on_turn(status)

        def show(status):
            if ticks >= 20_000:
                raise EndlessRun
            try:
                observe(status)
            except Exception as error:  # the engine would take it for a broken display
                self.broken = error
                raise

        self.broken = None
        try:
            outcome = Engine(self.bench, self.commands, [show], **engine).run()
        finally:
            self.journal.close()
        if self.broken is not None:
            raise self.broken
        return outcome

    def records(self, kind: str) -> list[dict]:
        return [record for record in read_journal(self.folder / "journal.jsonl") if record["kind"] == kind]

    @property
    def states(self) -> list[str]:
        return [record["state"] for record in self.records("state")]

    @property
    def is_safe(self) -> bool:
        """The heater is off and the beam blanked."""
        chip = self.rig.world.chip
        return self.rig.world.blanked and chip.temperature_K(self.clock.monotonic() + 3600) < 299.0


def follows_the_table(states) -> bool:
    """Say whether a sequence of states is along LEGAL."""
    legal = {(source.value, target.value) for _, sources, target in LEGAL for source in sources}
    return all(pair in legal for pair in zip([RunState.IDLE.value, *states], states, strict=False))


def _announce(step: AcquireStep, t_settled_s: float, now_s: float) -> OpenHold:
    return OpenHold(
        run="r", hold=step.hold, name=step.name, folder="r", title=step.title, method=step.method,
        camera=CameraInfo(shape=(16, 16), dtype="uint16", offset_counts=100.0, gain_counts_per_e=10.0),
        grid=Grid(points=step.grid.points, pitch_nm=step.grid.pitch_nm) if step.grid else None,
        exposure_s=step.exposure_s, period_s=step.period_s, frames_planned=step.frames,
        t_settled_s=t_settled_s, start_utc="2026-01-01T00:00:00.000+00:00", setpoint_K=step.setpoint_K,
        image_shift_matrix=MATRIX, drift=step.drift is not None,
        settings={"warn_nm": step.drift.warn_nm if step.drift else math.inf},
    )  # fmt: skip
