"""What each verb of the command line does: load, call, print."""

import json
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import typer

from annealscope.controller.config.errors import Fault, ProtocolError
from annealscope.controller.config.load import parse_protocol, parse_rig
from annealscope.controller.config.protocol import Protocol
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.sources import read_source
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.plan import Plan, plan_to_json
from annealscope.controller.plan import plan as make_plan
from annealscope.controller.plan_checks import problem_faults


@dataclass(frozen=True)
class Loaded:
    """A protocol and a rig, as text and as models."""

    protocol: Protocol
    protocol_text: str
    protocol_file: str
    """Its name in messages."""
    rig: RigConfig
    rig_text: str


@dataclass(frozen=True)
class StackOptions:
    """The options of `analyze` that only foreign stacks need, as typed."""

    period: str | None
    pixel: str | None
    aperture: str | None
    offset_counts: float
    drift: bool


def load(protocol_name: str, rig_name: str) -> Loaded:
    """Read both files, and complain about both at once. Raises ProtocolError."""
    faults: list[Fault] = []
    protocol = rig = None
    try:
        protocol_source = read_source(protocol_name)
        protocol = parse_protocol(protocol_source.content, protocol_source.file)
    except ProtocolError as error:
        faults += error.faults
    try:
        rig_source = read_source(rig_name, "rigs")
        rig = parse_rig(rig_source.content, rig_source.file)
    except ProtocolError as error:
        faults += error.faults
    if protocol is None or rig is None:
        raise ProtocolError(faults)
    text, file = protocol_source.content.decode(), protocol_source.file
    return Loaded(protocol, text, file, rig, rig_source.content.decode())


def plan_here(loaded: Loaded, folder: Path) -> Plan:
    """Plan with the disk below a folder and the memory of this machine."""
    free_bytes = shutil.disk_usage(_existing(folder)).free
    return make_plan(
        loaded.protocol, loaded.rig, free_disk_bytes=free_bytes, ram_bytes=psutil.virtual_memory().total
    )


def validate(protocol_name: str, rig_name: str, as_json: bool) -> None:
    """Check, and say what is wrong."""
    loaded = load(protocol_name, rig_name)
    plan = plan_here(loaded, Path.cwd())
    _refuse(plan, loaded)
    if as_json:
        _print_json({"valid": True, "name": plan.name, "rig": plan.rig, "warnings": _messages(plan)})
        return
    _print_warnings(plan)
    typer.echo(f"{plan.name}: valid for rig {plan.rig}, {len(plan.steps)} steps, {plan.frames} frames")


def plan(protocol_name: str, rig_name: str, as_json: bool) -> None:
    """Show the plan; a plan that cannot be run is shown too, and refused."""
    loaded = load(protocol_name, rig_name)
    planned = plan_here(loaded, Path.cwd())
    if as_json:
        typer.echo(plan_to_json(planned))
    else:
        from rich.console import Console

        from annealscope.controller.plan_table import render

        render(planned, Console())
    _refuse(planned, loaded)


def run(
    protocol_name: str,
    rig_name: str,
    out: Path | None,
    seed: int,
    speed: str,
    compression: str,
    with_report: bool,
) -> None:
    """Carry out a protocol; exits with the code of its outcome."""
    from annealscope.controller.engine.commands import CommandQueue
    from annealscope.controller.progress import view_for
    from annealscope.controller.run import RunRequest, default_folder
    from annealscope.controller.run import run as carry_out

    if compression not in ("auto", "deflate", "none"):
        message = f"--compression must be auto, deflate or none, got {compression!r}"
        raise RunError(message, ExitCode.USAGE)
    loaded = load(protocol_name, rig_name)
    folder = out or default_folder(loaded.protocol)
    planned = plan_here(loaded, folder)
    _refuse(planned, loaded)
    _print_warnings(planned)
    request = RunRequest(
        loaded.protocol,
        loaded.protocol_text,
        loaded.rig,
        loaded.rig_text,
        planned,
        folder,
        seed,
        speed,
        compression,
    )
    commands, view = CommandQueue(), view_for()
    restore = _catch_interrupts(commands)
    try:
        outcome = carry_out(request, commands, view.show)
    finally:
        view.close()
        restore()
    typer.echo(f"{outcome.outcome}: {outcome.why}")
    _finish(folder, with_report)
    if outcome.exit_code is not ExitCode.OK:
        raise SystemExit(int(outcome.exit_code))


def status(folder: Path, as_json: bool) -> None:
    """Show the newest snapshot of a live run."""
    from annealscope.controller.client import RunClient

    snapshot = RunClient(folder).status()
    if as_json:
        _print_json(snapshot)
        return
    from annealscope.controller.engine.ports import Status
    from annealscope.controller.progress import Pace, describe

    if "step" not in snapshot:
        typer.echo(snapshot["state"])
        return
    newest = Status(**snapshot)
    typer.echo(f"{newest.state}: {newest.step}: {describe(newest, Pace())}")


def request(folder: Path, command: str) -> None:
    """Ask a live run for something."""
    from annealscope.controller.client import RunClient

    getattr(RunClient(folder), command)()
    typer.echo(f"{command}: accepted")


def analyze(source: str, output: Path | None, options: StackOptions, as_json: bool) -> None:
    """Compute again, and print what came out."""
    from annealscope.controller.analyze_verb import analyze_record, analyze_stack

    path = Path(source)
    ours = path.is_dir() or path.suffix == ".nxs"
    rows = analyze_record(path, output) if ours else analyze_stack(source, output, options)
    if as_json:
        _print_json([row.as_json() for row in rows])
        return
    for row in rows:
        typer.echo(row)


def report(folder: Path) -> None:
    """Write the report."""
    from annealscope.controller.report.page import write_report

    typer.echo(write_report(_run_folder(folder)))


def schema() -> None:
    """Print the JSON Schema of protocols."""
    from annealscope.controller.config.schema import protocol_schema

    _print_json(protocol_schema())


def _finish(folder: Path, with_report: bool) -> None:
    """Write what is derived from the holds; a fault here does not spoil the run."""
    from annealscope.controller.record.runfolder import open_run, write_run_file

    write_run_file(open_run(folder))
    if with_report:
        from annealscope.controller.report.page import write_report

        typer.echo(f"report: {write_report(folder)}")


def _run_folder(folder: Path) -> Path:
    if not (folder / "journal.jsonl").exists():
        message = f"{folder} is not a run folder: it has no journal.jsonl"
        raise RunError(message, ExitCode.INVALID_INPUT)
    return folder


def _catch_interrupts(commands: Any) -> Any:
    """Let Ctrl-C and a polite kill climb the ladder stop, abort, emergency; return what undoes it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        command = commands.interrupt()
        sys.stderr.write(f"\nannealscope: {command.value} (again for more)\n")

    signals = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, interrupt) for number in signals}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore


def _refuse(plan: Plan, loaded: Loaded) -> None:
    if plan.errors:
        raise ProtocolError(problem_faults(plan.errors, loaded.protocol_text, loaded.protocol_file))


def _messages(plan: Plan) -> list[str]:
    return [f"{p.path}: {p.message}" for p in plan.problems if p.severity == "warning"]


def _print_warnings(plan: Plan) -> None:
    for message in _messages(plan):
        sys.stderr.write(f"annealscope: warning: {message}\n")


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def _existing(folder: Path) -> Path:
    """Return the nearest folder that is there: the disk on which a new one will be."""
    folder = folder.resolve()
    return next(place for place in (folder, *folder.parents) if place.exists())
