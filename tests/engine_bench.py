"""A bench for engine tests: simulated devices on virtual time, and a stream that only remembers."""

from dataclasses import dataclass, field
from pathlib import Path

from annealscope.controller.config.load import load_rig, parse_protocol
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import Command, CommandQueue
from annealscope.controller.engine.feedback import FeedbackLaw
from annealscope.controller.engine.outcome import Outcome
from annealscope.controller.engine.runner import Engine
from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.planning import plan
from annealscope.controller.session.opening import Announcer
from annealscope.controller.stream.messages import DriftRow, HoldClosed
from annealscope.drivers.clock import VirtualClock
from annealscope.simulators import WorldSpec, simulated_rig

PROTOCOL = """
schema_version: 1
name: bench
specimen: {material: AMZ4}
limits: {max_temperature: 300 degC, max_heating_rate: 60 K/min, max_cooling_rate: 60 K/min}
settle: {within: 0.5 K, for: 5 s, timeout: 5 min}
safe: {cool_to: 25 degC, rate: 50 K/min, grace: 30 s}
acquisitions:
  ecm:
    kind: ecm
    camera: imaging
    exposure: 1 s
    period: 2 s
    dose_rate: 4.4e5 e/nm^2/s
    drift: {owner: annealscope, actuator: image_beam_shift, warn: 1 nm, limit: 5 nm, on_limit: flag}
    until: {frames: 40}
steps:
  - ramp: {to: 40 degC, rate: 60 K/min}
  - hold:
      - wait: {for: 10 s}
      - acquire: ecm
  - cool: {to: 25 degC, rate: 50 K/min}
"""


@dataclass
class MemoryStream:
    """A `FrameStream` that keeps headers and answers at once."""

    fail_after: int | None = None
    measured_nm: tuple[float, float] = (0.0, 0.0)
    sent: list = field(default_factory=list)
    shifts_nm: list = field(default_factory=list)
    opened: list = field(default_factory=list)
    closed: dict = field(default_factory=dict)
    reasons: list = field(default_factory=list)
    readings: int = 0

    def open_hold(self, opening):
        self.opened.append(opening)

    def send(self, frame, shift_applied_nm, beam_on):
        self.sent.append(frame.seq)
        self.shifts_nm.append(shift_applied_nm)

    def send_temperature(self, t_s, temperature_K, setpoint_K):
        self.readings += 1

    def ready(self):
        return True

    def newest_drift(self):
        if not self.sent:
            return None
        hold = self.opened[-1].hold
        return DriftRow(hold=hold, seq=self.sent[-1], measured_nm=self.measured_nm, quality=1.0)

    def newest_live(self):
        return None

    def close_hold(self, reason):
        hold = self.opened[-1]
        self.reasons.append(reason)
        self.closed[hold.hold] = HoldClosed(
            hold=hold.hold, path=f"holds/{hold.name}.nxs", frames=len(self.sent), analysis="complete"
        )

    def closed_hold(self, hold):
        return self.closed.get(hold)

    def failure(self):
        full = self.fail_after is not None and len(self.sent) >= self.fail_after
        return "the disk is full" if full else None

    def wait(self, timeout_s):
        pass


class BenchRun:
    """One run of the engine on the bench."""

    def __init__(self, tmp_path: Path, stream: MemoryStream | None = None, protocol: str = PROTOCOL) -> None:
        self.clock = VirtualClock()
        self.stream = stream or MemoryStream()
        self.commands = CommandQueue()
        self.folder = tmp_path
        parsed = parse_protocol(protocol)
        rig = load_rig("simulated")
        self.rig = simulated_rig(WorldSpec(frame_shape=(32, 32)), clock=self.clock, seed=1)
        self.journal = Journal(tmp_path / "journal.jsonl", self.clock)
        self.statuses = []
        self.bench = Bench(
            clock=self.clock,
            holder=self.rig.holder,
            microscope=self.rig.microscope,
            cameras={"imaging": self.rig.camera},
            stream=self.stream,
            journal=self.journal,
            plan=plan(parsed, rig),
            opening=Announcer("r", tmp_path, parsed, protocol, rig, self.clock, lambda T: None, 1),
            feedback=FeedbackLaw(rig.calibration.image_shift_matrix, dead_band_nm=0.05, range_nm=500.0),
        )

    def run(self, at_tick: int | None = None, *commands: Command) -> Outcome:
        """Run to the end, giving commands after a number of turns of the loop."""
        ticks = 0

        def observe(status):
            nonlocal ticks
            self.statuses.append(status)
            if ticks == at_tick:
                for command in commands:
                    self.commands.put(command, "test")
            ticks += 1
            assert ticks < 20_000, "the engine does not come to an end"

        try:
            return Engine(self.bench, self.commands, observe).run()
        finally:
            self.journal.close()

    def records(self, kind: str) -> list[dict]:
        return [record for record in read_journal(self.folder / "journal.jsonl") if record["kind"] == kind]

    @property
    def is_safe(self) -> bool:
        """The heater is off and the beam blanked."""
        chip = self.rig.world.chip
        return self.rig.world.blanked and chip.temperature_K(self.clock.monotonic() + 3600) < 299.0
