"""The command line. Imports are inside the commands, so that `--help` is instant."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from annealscope.controller.cli import analyze_arguments as given
from annealscope.controller.cli.arguments import (
    Acknowledge,
    Json,
    Monitor,
    Notify,
    Parks,
    Port,
    Protocol,
    Report,
    Rig,
    RunDir,
)
from annealscope.controller.cli.guarded import guarded

app = typer.Typer(
    name="annealscope",
    help="Run a heating experiment in an electron microscope from a YAML file, and learn what the glass did.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"annealscope {version('annealscope')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def validate(protocol: Protocol, rig: Rig = "simulated", as_json: Json = False) -> None:
    """Check a protocol against its schema and a rig; touches nothing."""
    from annealscope.controller.cli import verbs

    verbs.validate(protocol, rig, as_json)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new protocol file.")] = Path(
        "protocol.yaml"
    ),
) -> None:
    """Write a commented protocol to start from; an existing file is left alone."""
    from annealscope.controller.cli import verbs

    verbs.init(file)


@app.command()
def plan(
    protocol: Protocol,
    rig: Rig = "simulated",
    picture: Annotated[
        Path | None,
        typer.Option("--picture", "-p", help="Draw temperature against time: a .png, .pdf or .svg file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a protocol will do: timeline, what it takes, what it can tell, what you have to do."""
    from annealscope.controller.cli import verbs

    verbs.plan(protocol, rig, picture, as_json)


@app.command()
def run(
    protocol: Protocol,
    rig: Rig = "simulated",
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder; must not exist or be empty. Default: runs/<UTC>_<name>."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.", min=0)] = 0,
    speed: Annotated[
        str,
        typer.Option(
            metavar="max|real|FACTOR",
            help="`max`: a rehearsal on virtual time; `real`: a real clock; 100: one 100 times as fast.",
        ),
    ] = "max",
    compression: Annotated[
        str, typer.Option(metavar="auto|deflate|none", help="Of the hold files.")
    ] = "auto",
    parks: Parks = "auto",
    acknowledge: Acknowledge = "",
    notify: Notify = "",
    monitor: Monitor = False,
    report: Report = True,
) -> None:
    """Carry out a protocol and write the report.

    Ctrl-C stops with the planned cool-down; again: with the `safe:` ramp; again: everything off at once.

    From another terminal: status, pause, resume, skip, park, stop, abort.
    """
    from annealscope.controller.cli import verbs
    from annealscope.controller.session.options import RunOptions

    verbs.run(
        protocol,
        rig,
        RunOptions(out, seed, speed, compression, parks, acknowledge),
        verbs.Extras(report, notify, monitor),
    )


@app.command("continue")
def carry_on(
    folder: RunDir,
    parks: Parks = "auto",
    acknowledge: Acknowledge = "",
    notify: Notify = "",
    monitor: Monitor = False,
    report: Report = True,
) -> None:
    """Go on with a run that was parked, has failed, or whose program died; and write the report.

    Seed and speed are those of the run. A movie that was interrupted goes on at its next frame.

    A heater that a guard has kept hot is taken over within the grace time of the protocol's `safe:`.
    """
    from annealscope.controller.cli import verbs

    verbs.carry_on(folder, parks, acknowledge, verbs.Extras(report, notify, monitor))


@app.command()
def status(
    folder: RunDir,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow the run until it ends.")] = False,
    as_json: Json = False,
) -> None:
    """Show what a live run is doing, what it asks of you, and when you are needed next."""
    from annealscope.controller.cli import status as snapshots

    (snapshots.watch if watch else snapshots.show)(folder, as_json)


@app.command()
def monitor(
    folder: RunDir,
    port: Port = None,
    control: Annotated[
        bool, typer.Option("--control", help="Let the page pause, resume, skip, park, stop and abort.")
    ] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Show a run in a browser of this machine, live, until Ctrl-C; the run does not notice.

    From another machine: ssh -L 8765:127.0.0.1:8765 HOST, then the same address there.
    """
    from annealscope.controller.cli import watching

    watching.watch(folder, port, control, open_page, typer.echo)


@app.command()
def pause(folder: RunDir) -> None:
    """Ask a live run to pause: the heater keeps the temperature it has, the beam is blanked."""
    from annealscope.controller.cli import verbs

    verbs.request(folder, "pause")


@app.command()
def resume(folder: RunDir) -> None:
    """Let a paused or suspended run go on; or answer what it asks: a prompt, a checklist, an order."""
    from annealscope.controller.cli import verbs

    verbs.request(folder, "resume")


@app.command()
def skip(folder: RunDir) -> None:
    """End the present step properly and go on with the next."""
    from annealscope.controller.cli import verbs

    verbs.request(folder, "skip")


@app.command()
def park(folder: RunDir) -> None:
    """Ask a live run to cool down, switch off and end, for `annealscope continue` to go on."""
    from annealscope.controller.cli import verbs

    verbs.request(folder, "park")


@app.command()
def stop(folder: RunDir) -> None:
    """Ask a live run for its planned cool-down; everything is closed and written."""
    from annealscope.controller.cli import verbs

    verbs.request(folder, "stop")


@app.command()
def abort(folder: RunDir) -> None:
    """Ask a live run for the protocol's `safe:` ramp; everything is closed and written."""
    from annealscope.controller.cli import verbs

    verbs.request(folder, "abort")


@app.command()
def analyze(
    source: given.Source,
    output: given.Output = None,
    period: given.Period = None,
    pixel: given.Pixel = None,
    aperture: given.Aperture = None,
    offset: given.Offset = None,
    gain: given.Gain = None,
    drift: given.Drift = True,
    frames: given.FrameSpan = None,
    exclude: given.Exclude = None,
    roi: given.Roi = None,
    bin: given.Bin = 1,
    exact: given.Exact = False,
    as_json: Json = False,
) -> None:
    """Compute every number again, from a run or from anybody's frame stack.

    Results of a stack go into NAME.results.nxs in the present folder.

    Results of a hold go into its file where they are missing, or beside a file that cannot be changed.

    Results that are there stay, and are compared with the new ones.

    Results of a part of a hold (--frames, --exclude, --roi, --bin, --exact) go where -o says.
    """
    from annealscope.controller.cli import verbs
    from annealscope.controller.cli.analyze_options import AnalyzeOptions

    excluded = tuple(exclude or ())
    options = AnalyzeOptions(
        period, pixel, aperture, offset, gain, not drift, roi, bin, frames, excluded, exact
    )
    verbs.analyze(source, output, options, as_json)


@app.command()
def report(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN|STUDY",
            help="A run folder; or a study: a YAML file, or the name of a shipped one, amz4_study.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Studies: the folder of the report; default: STUDY_report."),
    ] = None,
    rehearse: Annotated[
        bool,
        typer.Option("--rehearse", help="Studies: first carry out the runs that are missing, simulated."),
    ] = False,
) -> None:
    """Write the report of a run, or of a study of several: one offline page, figures as PNG, PDF and CSV."""
    from annealscope.controller.cli import verbs

    verbs.report(source, output, rehearse)


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A run folder, a hold file or a frame log.")],
    as_json: Json = False,
) -> None:
    """Check every frame, table and journal record against its checksum; changes nothing."""
    from annealscope.controller.cli import records

    records.verify(path, as_json)


@app.command()
def repair(
    folder: RunDir,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Make hold files of the frame logs that a crash left behind; raw frames are never changed.

    To go on with the run use `annealscope continue` instead: a hold that was repaired gets no more frames.
    """
    from annealscope.controller.cli import records

    records.repair(folder, dry_run, as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of protocols, for editors."""
    from annealscope.controller.cli import verbs

    verbs.schema()


def main() -> None:
    """Entry point of the program: every expected error becomes a message and an exit code."""
    _force_utf8()
    os.environ["MPLBACKEND"] = "agg"  # that of a notebook is not to be had here, and ends matplotlib
    sys.exit(guarded(app))


def _force_utf8() -> None:
    """A console in another code page must not end a run because of a degree sign."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    main()
