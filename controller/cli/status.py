"""What a live run is doing, for another terminal or a program: once, or until the run ends."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from annealscope.controller.cli.plain_json import print_json
from annealscope.controller.cli.progress import view_for
from annealscope.controller.cli.told import describe, next_task, notices, record, where
from annealscope.controller.client import RunClient
from annealscope.controller.config.wording import clock, with_reason
from annealscope.controller.engine.ports import NextTask, Status
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import read_journal
from annealscope.controller.live import LIVE_FILE, writer_lives
from annealscope.controller.plain import plain

LOOK_EVERY_S = 0.5


def show(folder: Path, as_json: bool) -> None:
    """Show the newest snapshot. Raises RunError when no run is alive."""
    snapshot = RunClient(folder).status()
    if as_json:
        print_json(snapshot)
        return
    for line in _lines(snapshot, folder):
        typer.echo(line)


def watch(folder: Path, as_json: bool) -> None:
    """Follow a run until it ends: a display that is redrawn, plain lines in a pipe, or a JSON line a change.

    Raises
    ------
    RunError
        When no run is alive at the beginning; or when its program dies while it is watched.
    """
    client = RunClient(folder)
    client.status()
    if as_json:
        _stream(client, folder)
    else:
        _follow(client, folder)
        typer.echo(_end(folder))


def _stream(client: RunClient, folder: Path) -> None:
    before: dict[str, Any] = {}
    for snapshot in _snapshots(client, folder):
        if snapshot != before:
            sys.stdout.write(json.dumps(plain(snapshot), allow_nan=False) + "\n")
            sys.stdout.flush()
        before = snapshot


def _follow(client: RunClient, folder: Path) -> None:
    view = view_for(folder)
    try:
        for snapshot in _snapshots(client, folder):
            if "step" in snapshot:
                view.show(_status(snapshot))
    finally:
        view.close()


def _snapshots(client: RunClient, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield snapshots until the run withdraws its address."""
    while True:
        try:
            yield client.status()
        except RunError:
            live = folder / LIVE_FILE
            if not live.exists():
                return
            if not writer_lives(live):
                raise
        time.sleep(LOOK_EVERY_S)


def _end(folder: Path) -> str:
    """Say how the run ended, as its own terminal does."""
    newest = deque(read_journal(folder / "journal.jsonl"), maxlen=1)
    if not newest or newest[0]["kind"] != "run_ended":
        raise RunError(f"the run in {folder} ended without a word; see journal.jsonl", ExitCode.INCOMPLETE)
    return with_reason(newest[0]["outcome"], newest[0]["why"])


def _lines(snapshot: dict[str, Any], folder: Path) -> Iterator[str]:
    if "step" not in snapshot:
        yield snapshot["state"]
        return
    newest = _status(snapshot)
    yield where(newest)
    lines = (describe(newest), record(newest), *notices(newest, folder), next_task(newest))
    yield from (f"  {line.strip()}" for line in lines if line)
    yield f"  {clock(newest.total_s - newest.step_from_s)} of the plan's {clock(newest.total_s)} to go"


def _status(snapshot: dict[str, Any]) -> Status:
    try:
        task = snapshot["next_task"]
        return Status(**{**snapshot, "next_task": NextTask(**task) if task else None})
    except (KeyError, TypeError):
        message = "the run is carried out by another version of annealscope; use that one, or --json"
        raise RunError(message, ExitCode.INVALID_INPUT) from None
