"""What `--help` says of the arguments that several commands share. As light as `app`."""

from pathlib import Path
from typing import Annotated

import typer

Protocol = Annotated[
    str, typer.Argument(metavar="PROTOCOL", help="A protocol file, or the name of a shipped one.")
]
Rig = Annotated[str, typer.Option(help="A rig file, or the name of a shipped one.")]
Port = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", min=1, max=65535, help="On this machine. Default: the first free one from 8765 on."
    ),
]
Monitor = Annotated[bool, typer.Option("--monitor", help="Have the live page up as long as the run.")]
RunDir = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Parks = Annotated[
    str,
    typer.Option(
        metavar="end|through",
        help="At a park, `end` the program, for `annealscope continue` to go on; or, in a rehearsal at "
        "--speed max, go `through` it after a simulated night. Default: through at --speed max, else end.",
        show_default=False,
    ),
]
Acknowledge = Annotated[
    str,
    typer.Option(
        metavar="WHY",
        help="The guard of the holder has switched the heater off and locked it: say what was wrong, and "
        "it is unlocked.",
        show_default=False,
    ),
]
Report = Annotated[bool, typer.Option(help="Write the report at the end.")]
Notify = Annotated[
    str,
    typer.Option(
        metavar="HOOK",
        envvar="ANNEALSCOPE_NOTIFY",
        help="Tell of alarms, questions and the end: a command that gets JSON on its input, or an http(s):// "
        "address that it is posted to.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
