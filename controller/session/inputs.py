"""What a run folder says about how the run was made."""

import importlib.metadata
import json
import platform
import sys
from collections.abc import Mapping
from typing import Any

from annealscope.controller.journal import Journal
from annealscope.controller.planning import plan_to_json
from annealscope.controller.record.durable import write_atomically
from annealscope.controller.record.runfolder import RunFolder
from annealscope.controller.session.continuation import Continuation
from annealscope.controller.session.prepare import Prepared

RECORDED_PACKAGES = ("annealscope", "numpy", "scipy", "numba", "h5py", "pyzmq", "pydantic", "transitions")


def write_inputs(folder: RunFolder, prepared: Prepared, options: Mapping[str, Any]) -> None:
    """Write protocol, rig, plan and environment."""
    write_atomically(folder.protocol, prepared.protocol_text)
    write_atomically(folder.rig, prepared.rig_text)
    write_atomically(folder.plan, plan_to_json(prepared.plan))
    write_atomically(folder.environment, json.dumps(_environment(options), indent=1))


def journal_start(journal: Journal, prepared: Prepared, run: str, seed: int, speed: str) -> None:
    """Write the journal's first record."""
    journal.write(
        "run_started",
        run=run,
        protocol=prepared.protocol.name,
        rig=prepared.rig.name,
        seed=seed,
        version=importlib.metadata.version("annealscope"),
        clock=speed,
    )


def journal_continuation(journal: Journal, going_on: Continuation) -> None:
    """Write that a run goes on, and with what."""
    journal.write(
        "run_continued",
        version=importlib.metadata.version("annealscope"),
        clock=going_on.options["speed"],
        left=going_on.left.outcome,
        left_at=going_on.left.utc.isoformat(timespec="milliseconds"),
        why=str(going_on),
    )


def _environment(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "python": sys.version.split()[0],
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES},
        **{name: value for name, value in options.items() if name != "folder"},
    }
