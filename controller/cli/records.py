"""`annealscope verify` and `annealscope repair`: is everything still there, and what a crash left behind."""

from collections.abc import Sequence
from pathlib import Path

import typer

from annealscope.controller.cli.plain_json import print_json
from annealscope.controller.config.wording import counted
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.record.findings import Action, Finding
from annealscope.controller.record.repair import repair as repair_run
from annealscope.controller.record.verify_apart import verify_apart


def verify(path: Path, as_json: bool) -> None:
    """Check a record; exits with 7 when something that was recorded is not there any more, or unfinished."""
    findings = verify_apart(path)
    if as_json:
        print_json([{"path": str(f.path), "what": f.what, "severity": f.severity} for f in findings])
    else:
        _tell([f"{f.severity}: {f.path}: {f.what}" for f in findings], f"{path}: everything is as recorded")
    bad = [finding for finding in findings if finding.severity != "notice"]
    if bad:
        raise RunError(_summary(path, bad), ExitCode.INCOMPLETE)


def repair(folder: Path, dry_run: bool, as_json: bool) -> None:
    """Complete a record; exits with 7 when something cannot be repaired."""
    actions = repair_run(folder, dry_run)
    if as_json:
        print_json([{"path": str(a.path), "what": a.what, "done": a.done} for a in actions])
    else:
        _tell([_line(action, dry_run) for action in actions], f"{folder}: nothing to repair")
    left = [action for action in actions if not action.done]
    if left:
        message = f"{folder}: {len(left)} of {len(actions)} cannot be repaired and are left as they were"
        raise RunError(message, ExitCode.INCOMPLETE)


def _tell(lines: Sequence[str], when_none: str) -> None:
    for line in lines or [when_none]:
        typer.echo(line)


def _line(action: Action, dry_run: bool) -> str:
    done = "left" if not action.done else "would be done" if dry_run else "done"
    return f"{done}: {action.path}: {action.what}"


def _summary(path: Path, bad: Sequence[Finding]) -> str:
    damaged = sum(finding.severity == "damage" for finding in bad)
    if damaged:
        return f"{path}: damage in {counted(damaged, 'place')}; restore it from a copy"
    message = f"{path}: a crash left it unfinished; `annealscope repair` completes it"
    return f"{message}, `annealscope continue` goes on with the run" if path.is_dir() else message
