"""What each verb of the command line does: load, call, print."""

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from annealscope.controller.cli.guarded import complain
from annealscope.controller.cli.plain_json import print_json
from annealscope.controller.cli.watching import page_beside
from annealscope.controller.errors import ExitCode, RunError, may_go_on
from annealscope.controller.planning import plan_to_json
from annealscope.controller.session.prepare import Prepared, prepare

if TYPE_CHECKING:
    from annealscope.controller.cli.analyze_options import AnalyzeOptions
    from annealscope.controller.engine.commands import CommandQueue
    from annealscope.controller.engine.outcome import Outcome
    from annealscope.controller.planning import Plan
    from annealscope.controller.session.options import RunOptions


STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Ctrl-C, a polite kill, a terminal that closes, Ctrl-Break on Windows."""

ACCEPTED = {
    "pause": "accepted; the heater is to keep its temperature; go on with: annealscope resume {folder}",
    "resume": "accepted",
    "skip": "accepted; the step ends, its files are closed",
    "park": "accepted; the run cools down and ends; then: annealscope continue {folder}",
    "stop": "accepted; the planned cool-down begins",
    "abort": "accepted; the `safe:` ramp of the protocol begins",
}
"""What happens after a command that a run has accepted."""

LADDER = {
    "stop": "stop: the planned cool-down; Ctrl-C again aborts, with the `safe:` ramp",
    "abort": "abort: the `safe:` ramp; Ctrl-C again switches everything off at once",
    "emergency": "emergency: everything off at once",
}
"""What happens after Ctrl-C, and what Ctrl-C would do next."""


def validate(protocol_name: str, rig_name: str, as_json: bool) -> None:
    """Check, and say what is wrong."""
    prepared = prepare(protocol_name, rig_name, Path.cwd())
    prepared.check()
    plan = prepared.plan
    if as_json:
        print_json({"valid": True, "name": plan.name, "rig": plan.rig, "warnings": prepared.warnings})
        return
    _print_warnings(prepared)
    typer.echo(f"{plan.name}: valid for rig {plan.rig}, {len(plan.steps)} steps, {plan.frames} frames")


def init(file: Path) -> None:
    """Write a protocol to start from."""
    from annealscope.controller.config.template import template

    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(template())
    except FileExistsError:
        message = f"{file} exists and is left alone; give another name"
        raise RunError(message, ExitCode.USAGE) from None
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror}", ExitCode.USAGE) from None
    typer.echo(f"{file}: edit it, then: annealscope plan {file}")


def plan(protocol_name: str, rig_name: str, picture: Path | None, as_json: bool) -> None:
    """Show the plan; a plan that cannot be run is shown too, and refused."""
    prepared = prepare(protocol_name, rig_name, Path.cwd())
    if as_json:
        typer.echo(plan_to_json(prepared.plan))
    else:
        _show_plan(prepared.plan)
    if picture is not None:
        _draw_plan(prepared.plan, picture)
    prepared.check()


def _show_plan(plan: "Plan") -> None:
    from rich.console import Console

    from annealscope.controller.planning import card, table

    console = Console()
    table.render(plan, console)
    console.print()
    card.render(plan, console)


def _draw_plan(plan: "Plan", path: Path) -> None:
    from annealscope.controller.planning.picture import draw

    try:
        draw(plan, path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}", ExitCode.USAGE) from None
    except ValueError as error:  # matplotlib's word for a suffix that it does not know
        raise RunError(f"{path}: {error}", ExitCode.USAGE) from None
    sys.stderr.write(f"picture: {path}\n")


@dataclass(frozen=True)
class Extras:
    """What goes along with a run."""

    report: bool
    """Write the report at the end."""
    notify: str
    """Whom to tell of alarms, questions and the end; empty: nobody."""
    monitor: bool
    """Have the live page up."""


def run(protocol_name: str, rig_name: str, options: "RunOptions", extras: Extras) -> None:
    """Carry out a protocol; exits with the code of its outcome."""
    from annealscope.controller.session.options import default_folder
    from annealscope.controller.session.run import carry_out

    prepared = prepare(protocol_name, rig_name, options.folder or Path.cwd())
    prepared.check()
    _print_warnings(prepared)
    folder = options.folder or default_folder(prepared.protocol)
    with page_beside(folder, extras.monitor, typer.echo):
        _conduct(folder, partial(carry_out, prepared, replace(options, folder=folder)), extras)


def carry_on(folder: Path, parks: str, acknowledge: str, extras: Extras) -> None:
    """Go on with a run; exits with the code of its outcome."""
    from annealscope.controller.session.run import carry_on as go_on

    with page_beside(folder, extras.monitor, typer.echo):
        _conduct(folder, partial(go_on, folder, parks, tell=typer.echo, acknowledge=acknowledge), extras)


def _conduct(folder: Path, conduct: "Callable[..., Outcome]", extras: Extras) -> None:
    """Run with a view on the terminal and Ctrl-C as commands, then report."""
    from annealscope.controller.cli.notify import notifier_for
    from annealscope.controller.cli.progress import view_for
    from annealscope.controller.config.wording import with_reason
    from annealscope.controller.engine.commands import CommandQueue
    from annealscope.controller.engine.outcome import Outcome

    notifier = notifier_for(extras.notify, folder, complain)
    commands, view = CommandQueue(), view_for(folder)
    restore = _catch_interrupts(commands)
    try:
        outcome = conduct(commands, view.show, notifier.show)
    except Exception as error:
        notifier.end(Outcome("failed", str(error), ExitCode.INTERNAL))
        raise
    finally:
        view.close()
        restore()
    typer.echo(with_reason(outcome.outcome, outcome.why))
    notifier.end(outcome)
    if extras.report:
        _report_if_possible(folder)
    if may_go_on(outcome.outcome, outcome.exit_code):
        typer.echo(f"go on with: annealscope continue {folder}")
    if outcome.exit_code is not ExitCode.OK:
        raise SystemExit(int(outcome.exit_code))


def request(folder: Path, command: str) -> None:
    """Ask a live run for something, and say what that means."""
    from annealscope.controller.client import RunClient

    RunClient(folder).command(command)
    typer.echo(f"{command}: {ACCEPTED[command].format(folder=folder)}")


def analyze(source: str, output: Path | None, options: "AnalyzeOptions", as_json: bool) -> None:
    """Compute again, and print what came out."""
    from annealscope.analysis.compiling import when_compiling
    from annealscope.controller.cli.analyze import analyze_record, analyze_stack
    from annealscope.controller.cli.rows import FailedRow

    path, file = Path(source), Path(source.partition("::")[0])
    if not (file.is_file() or file.is_dir()):
        raise RunError(f"{source}: no such file or run folder", ExitCode.INVALID_INPUT)
    ours = path.is_dir() or path.suffix == ".nxs"
    rows = []
    with when_compiling(lambda: typer.echo("first run: compiling, later runs start at once", err=True)):
        found = analyze_record(path, output, options) if ours else analyze_stack(source, output, options)
        for row in found:
            rows.append(row)
            if not as_json:
                typer.echo(row)
    if as_json:
        print_json([asdict(row) for row in rows])
    if not any(row.found for row in rows):
        why = f": {rows[0]}" if as_json else ""  # else it has just been printed
        raise RunError(f"{source}: nothing came out{why}", ExitCode.INCOMPLETE)
    failed = [row.title for row in rows if isinstance(row, FailedRow)]
    if failed:
        raise RunError(f"{source}: no results of {', '.join(failed)}", ExitCode.INCOMPLETE)


def report(source: str, output: Path | None, rehearse: bool) -> None:
    """Write the report of a run or a study."""
    from annealscope.controller.config.study import is_study

    if is_study(source):
        from annealscope.controller.cli.study import report_study

        report_study(source, output, rehearse)
        return
    if output is not None or rehearse:
        raise RunError(f"-o and --rehearse are for studies, {source} is none", ExitCode.USAGE)
    _check_reportable(Path(source))
    _report(Path(source))


def schema() -> None:
    """Print the JSON Schema of protocols."""
    from annealscope.controller.config.schema import protocol_schema

    print_json(protocol_schema())


def _report(folder: Path) -> None:
    from annealscope.controller.report.page import write_report

    typer.echo(f"report: {write_report(folder)}")


def _report_if_possible(folder: Path) -> None:
    """Report at the end of a run: what became of the run is not to depend on it."""
    try:
        _report(folder)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        complain(f"the report could not be written ({why}); again with: annealscope report {folder}")


def _check_reportable(folder: Path) -> None:
    """Refuse a folder that says nothing about any run. Raises RunError."""
    from annealscope.controller.config.errors import did_you_mean
    from annealscope.controller.config.kinds import PROTOCOL, instead
    from annealscope.controller.config.sources import STUDIES, shipped_names
    from annealscope.controller.journal import read_journal
    from annealscope.controller.record.runfolder import RunFolder

    run, name = RunFolder(folder), str(folder)
    if name in shipped_names() and not folder.exists():
        raise RunError(f"{name}: {instead(PROTOCOL, 'run folder or study', name)}", ExitCode.INVALID_INPUT)
    if not run.journal.is_file():
        why = "it has no journal.jsonl" if folder.exists() else "there is no such folder"
        message = f"{folder} is not a run folder: {why}{did_you_mean(name, STUDIES)}"
        raise RunError(message, ExitCode.INVALID_INPUT)
    try:
        begun = next(read_journal(run.journal), None) is not None
    except OSError as error:
        raise RunError(f"{run.journal} cannot be read: {error}", ExitCode.INVALID_INPUT) from None
    if not begun and not run.holds():
        message = f"nothing to report in {folder}: journal.jsonl has no intact record, and there are no holds"
        raise RunError(message, ExitCode.INVALID_INPUT)


def _catch_interrupts(commands: "CommandQueue") -> Callable[[], None]:
    """Let Ctrl-C and a polite kill climb the ladder stop, abort, emergency; return what undoes it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        command = commands.interrupt()
        with suppress(OSError, RuntimeError):  # the terminal may be gone, or in the middle of a line
            sys.stderr.write(f"\nannealscope: {LADDER[command.value]}\n")

    signals = [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]
    heeded = [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, interrupt) for number in heeded}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore


def _print_warnings(prepared: Prepared) -> None:
    for message in prepared.warnings:
        complain(f"warning: {message}")
