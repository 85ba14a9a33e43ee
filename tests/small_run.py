"""A small experiment for tests of whole runs: 64 x 64 pixels, a few hundred frames, real processes."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from annealscope.controller.cli.app import app
from annealscope.controller.cli.guarded import guarded


def rig_text() -> str:
    """The shipped rig with smaller cameras."""
    from annealscope.controller.config.sources import read_source

    text = read_source("simulated", "rigs").content.decode().replace("[128, 128]", "[64, 64]")
    return text.replace("[512, 512]", "[128, 128]").replace("0.0284 1/nm", "0.1136 1/nm")


PROTOCOL = """
schema_version: 1
name: Small run
specimen: {material: AMZ4, state: as-cast}
limits: {max_temperature: 300 degC, max_heating_rate: 60 K/min, max_cooling_rate: 60 K/min}
settle: {within: 0.5 K, for: 10 s, timeout: 5 min}
safe: {cool_to: 25 degC, rate: 50 K/min, grace: 30 s}
acquisitions:
  ecm:
    kind: ecm
    camera: imaging
    exposure: 4 s
    period: 20 s
    dose_rate: 4.4e5 e/nm^2/s
    region: {fresh: true}
    drift: {owner: annealscope, actuator: image_beam_shift, warn: 1 nm, limit: 2.5 nm, on_limit: flag}
    until: {frames: FRAMES}
steps:
  - ramp: {to: 100 degC, rate: 60 K/min}
  - hold:
      - wait: {until_age: 2000 s}
      - acquire: ecm
  - cool: {to: 25 degC, rate: 50 K/min}
"""


def write_inputs(folder: Path, frames: int = 200, protocol: str = PROTOCOL) -> tuple[Path, Path]:
    """Write protocol and rig; return their paths."""
    paths = folder / "small.yaml", folder / "small_rig.yaml"
    paths[0].write_text(protocol.replace("FRAMES", str(frames)), encoding="utf-8")
    paths[1].write_text(rig_text(), encoding="utf-8")
    return paths


def command(*arguments: object) -> list[str]:
    """The command line of the program, as a user would have it."""
    return [sys.executable, "-m", "annealscope.controller.cli", *map(str, arguments)]


def annealscope_here(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """Run the program to its end in this process: it says the same, but need not be started."""
    said, complained = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complained),
        contextlib.chdir(cwd or Path.cwd()),
        mock.patch.object(sys, "argv", ["annealscope", *map(str, arguments)]),
    ):
        exit_code = guarded(app)
    return subprocess.CompletedProcess(arguments, exit_code, said.getvalue(), complained.getvalue())


def annealscope(
    *arguments: object, cwd: Path | None = None, timeout_s: float = 150.0
) -> subprocess.CompletedProcess:
    """Run the program to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout_s,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
