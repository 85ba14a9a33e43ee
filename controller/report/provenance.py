"""Where the numbers come from: versions, seed, platform, and the fingerprints of every file."""

import json
from collections.abc import Iterable, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

PRIVATE = frozenset(
    {"cwd", "executable", "home", "host", "hostname", "node", "path", "pid", "prefix", "user", "username"}
)
"""Keys of the environment that say whose machine it was: of no use to a reader of the numbers."""

TWINS = {"packages annealscope": "version", "speed": "clock"}
"""Keys of the environment that repeat a fact of the journal under another name."""

FACTS = ("run", "rig", "version", "seed", "clock")
"""What the journal's first record says."""


def text_of(path: Path) -> str:
    """Return a text file; empty when it is not there, or cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def json_of(path: Path) -> Mapping[str, Any]:
    """Return an object from a JSON file; empty when it is absent or damaged."""
    try:
        value = json.loads(text_of(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def provenance(folder: Path, started: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that a repetition of the run needs, with their names.

    Parameters
    ----------
    folder
        The run folder.
    started
        The journal's first record; may be empty.
    """
    facts = {key: started[key] for key in FACTS if key in started}
    for name in ("protocol.yaml", "rig.yaml"):
        if (folder / name).is_file():
            facts[f"{name.removesuffix('.yaml')} sha256"] = sha256_of(folder / name)
    environment = _flat(json_of(folder / "environment.json"))
    return facts | {key: value for key, value in environment if facts.get(TWINS.get(key, key)) != value}


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, item in value.items():
        if str(key).lower() in PRIVATE:
            continue
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{key} ")
        else:
            yield f"{prefix}{key}", item


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits; in its place why the file cannot be read."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def fingerprints(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every hold file by its name, as it is now."""
    return {path.name: sha256_of(path) for path in sorted((folder / "holds").glob("*.nxs"))}


def recipe(provenance: Mapping[str, Any], simulated: bool) -> list[tuple[str, str]]:
    """Return the commands that give these numbers again, each with what it does."""
    commands = [
        ("annealscope analyze RUN", "computes every number again from the recorded frames, and compares"),
        ("annealscope report RUN", "writes this page again from the files"),
    ]
    if simulated and "seed" in provenance:
        run = f"annealscope run RUN/protocol.yaml --rig RUN/rig.yaml --seed {provenance['seed']} --out AGAIN"
        commands.append((run, "repeats the whole simulated experiment, frame by frame"))
    return commands
