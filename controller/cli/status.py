"""What a live run is doing, for another terminal or a program: once, or until the run ends."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from annealscope.controller.cli.plain_json import print_json
from annealscope.controller.cli.progress import view_for
from annealscope.controller.cli.told import describe, next_task, notices, record, where
from annealscope.controller.client import RunClient
from annealscope.controller.config.wording import clock
from annealscope.controller.engine.ports import NextTask, Status
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import read_journal
from annealscope.controller.live import LIVE_FILE, writer_lives
from annealscope.controller.monitor.life import how_it_ended
from annealscope.controller.monitor.outside import report_of
from annealscope.controller.plain import plain

LOOK_EVERY_S = 0.5
ENDED = "ended"
"""The state of a run that nobody carries out any more."""


def show(folder: Path, as_json: bool) -> None:
    """Show the newest snapshot, or how the run ended. Raises RunError: there was no run, or it has died."""
    snapshot = _ended(folder) or RunClient(folder).status()
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
        There was no run, or its program has died; or it dies while it is watched.
    """
    ended = _ended(folder)
    if ended is None:
        client = RunClient(folder)
        client.status()
        (_stream if as_json else _follow)(client, folder)
        ended = _ended(folder)
    if ended is None:
        raise RunError(f"the run in {folder} ended without a word; see journal.jsonl", ExitCode.INCOMPLETE)
    if as_json:
        _write(ended)
    else:
        typer.echo(how_it_ended(folder, ended, report_of(folder)))


def _ended(folder: Path) -> dict[str, Any] | None:
    """Return how a run ended as its last snapshot; None: it goes on, has died, or cannot be read."""
    if (folder / LIVE_FILE).exists():
        return None
    newest: deque[dict[str, Any]] = deque(maxlen=1)
    with suppress(OSError):  # whoever asks the run next says why
        newest.extend(read_journal(folder / "journal.jsonl"))
    if not newest or newest[0]["kind"] != "run_ended":
        return None
    return {"state": ENDED, **{key: newest[0].get(key) for key in ("outcome", "why", "exit_code", "t_s")}}


def _stream(client: RunClient, folder: Path) -> None:
    before: dict[str, Any] = {}
    for snapshot in _snapshots(client, folder):
        if snapshot != before:
            _write(snapshot)
        before = snapshot


def _write(snapshot: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(plain(snapshot), allow_nan=False) + "\n")
    sys.stdout.flush()


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


def _lines(snapshot: dict[str, Any], folder: Path) -> Iterator[str]:
    if snapshot["state"] == ENDED:
        yield how_it_ended(folder, snapshot, report_of(folder))
        return
    if "step" not in snapshot:
        yield snapshot["state"]
        return
    newest = _status(snapshot)
    yield where(newest)
    lines = (describe(newest), record(newest), *notices(newest, folder), next_task(newest))
    yield from (f"  {line.strip()}" for line in lines if line)
    yield f"  {clock(newest.total_s - _done_s(newest))} of the plan's {clock(newest.total_s)} to go"


def _done_s(status: Status) -> float:
    """Return how much of the planned time is over: of an acquisition as much as of its frames."""
    taken = status.frames / status.frames_planned if status.frames_planned else 0.0
    return status.step_from_s + taken * (status.step_to_s - status.step_from_s)


def _status(snapshot: dict[str, Any]) -> Status:
    try:
        task = snapshot["next_task"]
        return Status(**{**snapshot, "next_task": NextTask(**task) if task else None})
    except (KeyError, TypeError):
        message = "the run is carried out by another version of annealscope; use that one, or --json"
        raise RunError(message, ExitCode.INVALID_INPUT) from None
