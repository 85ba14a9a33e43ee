"""One run from its protocol to its report: where everything is put together."""

import importlib.metadata
import json
import platform
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from annealscope.controller.config.protocol import Protocol
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.devices import Devices, make_devices
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import Command, CommandQueue
from annealscope.controller.engine.feedback import FeedbackLaw
from annealscope.controller.engine.ports import Observer, Status
from annealscope.controller.engine.runner import Engine, Outcome
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import Journal, read_journal
from annealscope.controller.opening import Announcer
from annealscope.controller.plan import Plan, plan_to_json
from annealscope.controller.record.runfolder import RunFolder, create
from annealscope.controller.stream.publisher import Publisher
from annealscope.drivers.clock import Clock, VirtualClock, WallClock

DEAD_BAND_PX = 0.3
"""Displacements smaller than this are left alone: the estimate of one frame is no better."""

RECORDED_PACKAGES = ("annealscope", "numpy", "scipy", "numba", "h5py", "pyzmq", "pydantic", "transitions")


@dataclass(frozen=True)
class RunRequest:
    """What is to be run, and how."""

    protocol: Protocol
    protocol_text: str
    rig: RigConfig
    rig_text: str
    plan: Plan
    folder: Path
    seed: int = 0
    speed: str = "max"
    compression: str = "auto"


def run(request: RunRequest, commands: CommandQueue, observer: Observer) -> Outcome:
    """Carry out a plan; the folder then holds everything but the report.

    Raises
    ------
    RunError
        The run could not begin: the folder is in use, a driver is missing, a child process did not start.
    """
    clock = make_clock(request.speed)
    folder = create(request.folder)
    _write_inputs(folder, request)
    with ExitStack() as stack:
        journal = Journal(folder.journal, clock)
        stack.callback(journal.close)
        _write_start(journal, request)
        devices = make_devices(request.rig, clock, request.seed)
        publisher = Publisher(folder.path, journal, lock_step=clock.virtual, compression=request.compression)
        stack.callback(publisher.close)
        desk = _Desk(commands, observer)
        publisher.listen(desk.answer)
        publisher.start()
        bench = _bench(request, clock, devices, publisher, journal)
        outcome = Engine(bench, commands, desk.watch).run()
    return _with_analysis_checked(outcome, folder)


def make_clock(speed: str) -> Clock:
    """Return the clock of a rehearsal: ``max`` (virtual), ``real``, or a factor. Raises RunError."""
    if speed == "max":
        return VirtualClock(datetime.now(UTC).timestamp())
    try:
        return WallClock(1.0 if speed == "real" else float(speed))
    except ValueError:
        message = f"--speed must be max, real or a number > 0, got {speed!r}"
        raise RunError(message, ExitCode.USAGE) from None


def default_folder(protocol: Protocol) -> Path:
    """Return ``runs/<UTC>_<slug>`` below the present folder."""
    slug = "".join(c if c.isascii() and c.isalnum() else "-" for c in protocol.name.lower())
    slug = "-".join(part for part in slug.split("-") if part)[:40] or "run"
    return Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}_{slug}"


class _Desk:
    """Keeps the newest snapshot and answers who asks for it."""

    def __init__(self, commands: CommandQueue, observer: Observer) -> None:
        self._commands = commands
        self._observer = observer
        self._newest: Status | None = None

    def watch(self, status: Status) -> None:
        """Take a snapshot from the engine."""
        self._newest = status
        self._observer(status)

    def answer(self, request: str) -> dict[str, Any]:
        """Answer a request from another process. Raises ValueError for one that does not exist."""
        if request == "status":
            return asdict(self._newest) if self._newest else {"state": "arming"}
        self._commands.put(Command(request), "another process")
        return {"accepted": request}


def _bench(
    request: RunRequest, clock: Clock, devices: Devices, publisher: Publisher, journal: Journal
) -> Bench:
    calibration = request.rig.calibration
    pixel_nm = min(camera.pixel_nm for camera in request.rig.cameras.values())
    return Bench(
        clock=clock,
        holder=devices.holder,
        microscope=devices.microscope,
        cameras=devices.cameras,
        stream=publisher,
        journal=journal,
        plan=request.plan,
        opening=_announcer(request, clock, devices),
        feedback=FeedbackLaw(
            matrix=calibration.image_shift_matrix,
            dead_band_nm=DEAD_BAND_PX * pixel_nm,
            range_nm=calibration.image_shift_range_nm,
        ),
    )


def _announcer(request: RunRequest, clock: Clock, devices: Devices) -> Announcer:
    return Announcer(
        run=request.folder.name,
        folder=request.folder,
        protocol=request.protocol,
        protocol_text=request.protocol_text,
        rig=request.rig,
        clock=clock,
        truth=devices.truth,
        seed=request.seed,
    )


def _write_inputs(folder: RunFolder, request: RunRequest) -> None:
    folder.protocol.write_text(request.protocol_text, encoding="utf-8")
    folder.rig.write_text(request.rig_text, encoding="utf-8")
    folder.plan.write_text(plan_to_json(request.plan), encoding="utf-8")
    folder.environment.write_text(json.dumps(_environment(request), indent=1), encoding="utf-8")


def _environment(request: RunRequest) -> dict[str, Any]:
    return {
        "python": sys.version.split()[0],
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": {name: importlib.metadata.version(name) for name in RECORDED_PACKAGES},
        "seed": request.seed,
        "speed": request.speed,
        "compression": request.compression,
    }


def _write_start(journal: Journal, request: RunRequest) -> None:
    journal.write(
        "run_started",
        run=request.folder.name,
        protocol=request.protocol.name,
        rig=request.rig.name,
        seed=request.seed,
        version=importlib.metadata.version("annealscope"),
        clock=request.speed,
    )


def _with_analysis_checked(outcome: Outcome, folder: RunFolder) -> Outcome:
    """A run whose results are not all there is incomplete, however well it went."""
    if outcome.exit_code is not ExitCode.OK:
        return outcome
    missing = [
        record["path"]
        for record in read_journal(folder.journal)
        if record["kind"] == "hold_closed" and record["analysis"] == "missing"
    ]
    if not missing:
        return outcome
    why = (
        f"{outcome.why}, but results are missing in {', '.join(missing)}: `annealscope analyze {folder.path}`"
    )
    return replace(outcome, why=why, exit_code=ExitCode.INCOMPLETE)
