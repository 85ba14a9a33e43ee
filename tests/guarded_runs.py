"""Whole runs on a heater of its own: the shipped rig, a protocol of a few seconds, and what the logs say."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from guard_rig import hardware, wait_for
from small_run import command

from annealscope.controller.config.sources import read_source
from annealscope.controller.journal import read_journal
from annealscope.controller.session.guard_setup import STATE_VARIABLE

HOT_K = 373.15
PROTOCOL = """
schema_version: 1
name: Short
specimen: {material: AMZ4, state: as-cast}
limits: {max_temperature: 300 degC, max_heating_rate: 50 K/s, max_cooling_rate: 200 K/s}
settle: {within: 1.5 K, for: 0.5 s, timeout: 30 s}
safe: {cool_to: 25 degC, rate: 100 K/s, grace: GRACE}
ACQUISITIONS
steps:
  - ramp: {to: 100 degC, rate: RATE}
  - hold:
      - wait: {for: WAIT}
      ACQUIRE
  - cool: {to: 25 degC, rate: 100 K/s}
"""
ECM = """
acquisitions:
  ecm:
    kind: ecm
    camera: imaging
    exposure: 50 ms
    period: 100 ms
    dose_rate: 4.4e5 e/nm^2/s
    region: {fresh: true}
    drift: {owner: annealscope, actuator: image_beam_shift, warn: 1 nm, limit: 2.5 nm, on_limit: flag}
    until: {frames: FRAMES}
"""


class GuardedRun:
    """A run in a process of its own, on a heater whose diary is in the test's folder."""

    def __init__(self, folder: Path, wait="1 s", grace="1 s", rate="50 K/s", frames=0, **heater) -> None:
        self.home = folder
        self.folder = folder / "run"
        settings = json.dumps({"log": str(folder / "hardware.jsonl"), "overshoot_K": 0.5, **heater})
        rig = read_source("simulated_guarded", "rigs").content.decode()
        rig = rig.replace("{overshoot_K: 0.5}", settings)
        rig = rig.replace(
            "simulated_blanker", f"simulated_blanker\n  settings: {settings_of_blanker(folder)}"
        )
        (folder / "rig.yaml").write_text(rig, encoding="utf-8")
        protocol = PROTOCOL.replace("GRACE", grace).replace("WAIT", wait).replace("RATE", rate)
        ecm = ECM.replace("FRAMES", str(frames)) if frames else ""
        protocol = protocol.replace("ACQUISITIONS", ecm).replace(
            "ACQUIRE", "- acquire: ecm" if frames else ""
        )
        (folder / "short.yaml").write_text(protocol, encoding="utf-8")
        self.process: subprocess.Popen | None = None

    def start(self, *options: str, out: str = "run", speed: str = "real") -> None:
        """Begin a run."""
        rig = ("--rig", self.home / "rig.yaml", "--speed", speed)
        self._start("run", self.home / "short.yaml", *rig, "--out", self.home / out, *options)

    def carry_on(self, *options: str) -> None:
        """Continue it."""
        self._start("continue", self.folder, *options)

    def _start(self, *arguments: object) -> None:
        environment = {**os.environ, STATE_VARIABLE: str(self.home / "state"), "PYTHONIOENCODING": "utf-8"}
        self.process = subprocess.Popen(
            command(*arguments, "--no-report"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env=environment,
        )

    def ends(self, within_s: float = 60.0) -> tuple[int, str]:
        """Wait for its end; return exit code and what it said."""
        said, _ = self.process.communicate(timeout=within_s)
        return self.process.returncode, said

    def send(self, name: str) -> float:
        """Send it a signal; return when."""
        sent_s = time.monotonic()
        os.kill(self.process.pid, getattr(signal, name))
        return sent_s

    def journal(self, kind: str, **fields: object) -> list[dict]:
        """Return its records of a kind that have these fields."""
        path = self.folder / "journal.jsonl"
        records = read_journal(path) if path.exists() else ()
        return [r for r in records if r["kind"] == kind and fields.items() <= r.items()]

    def reaches(self, kind: str, **fields: object) -> None:
        """Wait for a record of the journal, as long as the run lives."""
        wait_for(lambda: self.journal(kind, **fields) or self.process.poll() is not None, 60.0)
        assert self.journal(kind, **fields), self.ends()[1]

    def outcome(self) -> tuple[str, int]:
        """Return outcome and exit code by the journal."""
        record = self.journal("run_ended")[-1]
        return record["outcome"], record["exit_code"]

    def guard_log(self, what: str) -> list[dict]:
        """Return lines of the log of the guard."""
        path = self.folder / "logs" / "guard.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line for line in map(json.loads, lines) if line["what"] == what]

    def heater(self, *events: str) -> list[dict]:
        """Return what happened to the heater."""
        return hardware(self.home, *events)

    def setpoints_K(self, from_s: float, to_s: float) -> list[float]:
        """Return the setpoint of the heater between two times."""
        return [line["setpoint_K"] for line in self.heater("read") if from_s <= line["t_s"] <= to_s]

    def trip(self) -> str | None:
        """Return the trip in the epoch file."""
        path = self.home / "state" / "holders" / "simulated_chip.json"
        return json.loads(path.read_text(encoding="utf-8"))["trip"]

    def heater_is_off(self, within_s: float = 20.0) -> None:
        """Wait until the guard has ended, and check that the heater is off."""
        wait_for(lambda: len(self.guard_log("ended")) == len(self.guard_log("ready")) > 0, within_s)
        assert self.heater("ramp", "hold", "off")[-1]["what"] == "off"


def settings_of_blanker(folder: Path) -> str:
    """Return the blanker's settings: the same diary."""
    return json.dumps({"log": str(folder / "hardware.jsonl")})
