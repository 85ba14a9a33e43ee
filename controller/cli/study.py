"""`annealscope report STUDY.yaml`: the runs that are missing, the beginnings of movies, the page."""

import subprocess
import sys
from pathlib import Path

import typer

from annealscope.analysis.compiling import when_compiling
from annealscope.analysis.values import InvalidData
from annealscope.controller.cli.analyze_progress import FrameProgress
from annealscope.controller.config.load import load_rig
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.study import MovieRole, Role, StudyFile, load_study
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.offline.extract import first_movie, make_extract
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.report.study.load import is_run
from annealscope.controller.report.study.page import EXTRACTS, check_place, write_study

SIMULATED = "simulated"
ENOUGH = (ExitCode.OK, ExitCode.INCOMPLETE)
"""Codes of rehearsals that can be reported: a simulated camera loses a frame now and then."""


def report_study(name: str, output: Path | None, rehearse: bool) -> None:
    """Write the report of a study. Raises ProtocolError, RunError."""
    given = load_study(name)
    folder = output or given.folder / f"{Path(given.name).stem}_report"
    check_place(folder)
    if rehearse:
        _rehearse(given)
    _say_missing(given)
    typer.echo(f"report: {write_study(given, folder, _extracts(given, folder / EXTRACTS))}")


def _say_missing(given: StudyFile) -> None:
    """Say which runs are not there, and what can be done about it."""
    missing = [name for name, role in given.roles.items() if not is_run(given.run_folder(role))]
    if missing:
        typer.echo(
            f"{len(missing)} of {len(given.roles)} runs are not there: {', '.join(missing)}; the report says "
            "which command makes each, and --rehearse carries out those of simulated rigs",
            err=True,
        )


def _rehearse(given: StudyFile) -> None:
    """Carry out the runs that are missing, one after the other, on their simulated rigs.

    Those without a protocol are left out: they were never meant to be rehearsed.
    """
    missing = {
        name: role
        for name, role in given.roles.items()
        if role.protocol is not None and not is_run(given.run_folder(role))
    }
    for name, role in missing.items():
        _check_simulated(given, name, role)
    for number, (name, role) in enumerate(missing.items(), start=1):
        typer.echo(f"rehearsal {number} of {len(missing)}: {name} in {given.run_folder(role)}")
        _carry_out(given, name, role)


def _check_simulated(given: StudyFile, name: str, role: Role) -> None:
    """Refuse what would touch a device: a rehearsal is for simulated rigs. Raises ProtocolError, RunError."""
    if not _simulated(load_rig(given.source(role.rig))):
        message = (
            f"{given.name}: roles.{name}: the rig {role.rig} is not simulated, and --rehearse is only for "
            "those that are; use `annealscope run` at the microscope"
        )
        raise RunError(message, ExitCode.INVALID_INPUT)


def _simulated(rig: RigConfig) -> bool:
    drivers = [rig.holder.driver, rig.microscope.driver, *(camera.driver for camera in rig.cameras.values())]
    return rig.simulation is not None and all(driver == SIMULATED for driver in drivers)


def _carry_out(given: StudyFile, name: str, role: Role) -> None:
    """Run a role as its own process, which shows its progress and answers Ctrl-C. Raises RunError."""
    protocol = given.source(role.protocol or "")
    command = [
        sys.executable, "-m", "annealscope.controller.cli", "run", protocol, "--rig", given.source(role.rig),
        "--seed", str(role.seed), "--out", str(given.run_folder(role)), "--no-report",
    ]  # fmt: skip
    with subprocess.Popen(command) as child:
        code = _wait(child)
    if code not in ENOUGH:
        raise RunError(f"the rehearsal of {name} ended with exit code {code}: no report", ExitCode.INCOMPLETE)


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """Wait for a run; Ctrl-C reaches it as well, and it cools down before it ends."""
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


def _extracts(given: StudyFile, folder: Path) -> dict[str, Path]:
    """Analyse the beginnings of movies that are asked for; what cannot be is said, and missed."""
    found = {}
    for name, role in given.roles.items():
        if not isinstance(role, MovieRole) or role.extract_s is None:
            continue
        movie = first_movie(given.run_folder(role) / "holds")
        if movie is None:
            continue
        try:
            found[name] = _extract(name, movie, role.extract_s, folder)
        except (InvalidData, RecordError) as error:
            typer.echo(f"annealscope: {name}: no extract: {error}", err=True)
    return found


def _extract(name: str, movie: Path, span_s: float, folder: Path) -> Path:
    said = "first run: compiling, later runs start at once"
    with (
        when_compiling(lambda: typer.echo(said, err=True)),
        FrameProgress(f"{name}, first {span_s:g} s") as progress,
    ):
        return make_extract(movie, span_s, folder, progress)
