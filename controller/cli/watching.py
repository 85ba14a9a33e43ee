"""The live page: for a run in a folder, or beside a run that this program carries out."""

import json
import os
import secrets
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.live import is_foreign

SERVER = "annealscope.controller.monitor.serve"
STARTED_WITHIN_S = 15.0
ENDED_WITHIN_S = 5.0

Tell = Callable[[str], None]


def watch(folder: Path, port: int | None, control: bool, open_page: bool, tell: Tell) -> None:
    """Serve the live page of a run until Ctrl-C.

    Parameters
    ----------
    folder
        The run folder; an empty one is one where a run is still to begin.
    port
        On this machine; None: the first that is free.
    control
        Whether the page may give commands.
    open_page
        Open it in a browser.
    tell
        Takes what to say, line by line.

    Raises
    ------
    RunError
        It is no run folder, the port is taken, or the token would stand where others can read it.
    """
    check_run_folder(folder)
    if control and open_page:
        message = "--open hands the address to the browser where every user of this machine can read it, and "
        raise RunError(f"{message}with --control it has a token: open it yourself", ExitCode.USAGE)
    from annealscope.controller.monitor.serve import listen, serve, url_of

    listener = listen(port)
    token = secrets.token_urlsafe(16) if control else None
    url = url_of(listener) + (f"#token={token}" if token else "")
    tell(f"live page: {url}")
    tell("Ctrl-C closes the page; the run does not mind")
    if open_page:
        webbrowser.open(url)
    with suppress(KeyboardInterrupt):
        serve(folder.resolve(), listener, token)


def check_run_folder(folder: Path) -> None:
    """Refuse what is no run folder and cannot become one. Raises RunError."""
    if not folder.is_dir():
        why = "is a file" if folder.exists() else "does not exist"
        raise RunError(f"{folder} {why}; give the folder of a run", ExitCode.USAGE)
    if is_foreign(folder):
        message = f"{folder} is not a run folder: it has no journal.jsonl"
        raise RunError(message, ExitCode.INVALID_INPUT)


@contextmanager
def page_beside(folder: Path, wanted: bool, tell: Tell) -> Iterator[None]:
    """Have the live page of a run up as long as the run; one that cannot be had is no reason to stop.

    Parameters
    ----------
    folder
        The run folder, which the run is still to make.
    wanted
        False: there is no page.
    tell
        Takes what to say, line by line.
    """
    if not wanted:
        yield
        return
    try:
        child = _start(folder)
    except OSError as error:
        tell(f"no live page: {error}")
        yield
        return
    try:
        tell(_address_of(child))
        yield
    finally:
        _end(child)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own, so that Ctrl-C is the run's alone."""
    child = subprocess.Popen(
        [sys.executable, "-m", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        start_new_session=os.name == "posix",
    )
    assert child.stdin is not None  # noqa: S101 - PIPE was asked for
    with suppress(OSError):  # it has died already: then it has no address to tell
        child.stdin.write(json.dumps({"folder": str(folder.resolve())}).encode() + b"\n")
        child.stdin.flush()
    return child


def _address_of(child: subprocess.Popen[bytes]) -> str:
    """Return what to say of the page: its address, or that there is none."""
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.append(_first_line(child)), daemon=True)
    reader.start()
    reader.join(STARTED_WITHIN_S)
    said = lines[0].decode(errors="replace").strip() if lines else ""
    if said.startswith("http"):
        return f"live page: {said}"
    return f"no live page: {said or 'its server did not start'}; the run goes on without it"


def _first_line(child: subprocess.Popen[bytes]) -> bytes:
    assert child.stdout is not None  # noqa: S101 - PIPE was asked for
    return child.stdout.readline()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let it end, as it does when its stdin is closed; kill it when it does not."""
    with suppress(OSError):
        if child.stdin is not None:
            child.stdin.close()
    try:
        child.wait(ENDED_WITHIN_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(ENDED_WITHIN_S)
    if child.stdout is not None:
        child.stdout.close()
