"""One run from its plan to its outcome: where everything is put together."""

import math
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from annealscope.controller.config.errors import one_of
from annealscope.controller.config.protocol import Protocol
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import Command, CommandQueue
from annealscope.controller.engine.feedback import FeedbackLaw
from annealscope.controller.engine.outcome import Outcome
from annealscope.controller.engine.ports import Observer, Status
from annealscope.controller.engine.runner import Engine
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import Journal
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.runfolder import RunFolder, create, open_run, write_run_file
from annealscope.controller.session.devices import Devices, make_devices
from annealscope.controller.session.inputs import journal_start, write_inputs
from annealscope.controller.session.opening import Announcer
from annealscope.controller.session.prepare import Prepared, prepare
from annealscope.controller.stream.publisher import Publisher
from annealscope.drivers.clock import Clock, VirtualClock, WallClock

MAX_SPEED = 10_000.0
"""A real clock that runs faster would leave no time between two readings."""

COMPRESSIONS = ("auto", "deflate", "none")

DEAD_BAND_PX = 0.3
"""Displacements smaller than this are left alone: the image is not to follow the boiling of the speckle."""


@dataclass(frozen=True)
class RunOptions:
    """How a plan is carried out."""

    folder: Path
    """The run folder; must not exist, or be empty."""
    seed: int = 0
    """Seed of the simulated world."""
    speed: str = "max"
    """``max``: virtual time; ``real``; or a factor."""
    compression: str = "auto"
    """Of the hold files: ``auto``, ``deflate`` or ``none``."""

    def __post_init__(self) -> None:
        if self.compression not in COMPRESSIONS:
            message = f"compression must be {one_of(COMPRESSIONS)}, got {self.compression!r}"
            raise RunError(message, ExitCode.USAGE)


def run(
    protocol: str | Path,
    *,
    rig: str | Path = "simulated",
    out: Path | str | None = None,
    seed: int = 0,
    speed: str = "max",
    compression: str = "auto",
) -> Outcome:
    """Carry out a protocol, as ``annealscope run`` does, without its report.

    Parameters
    ----------
    protocol, rig
        Files, or names of shipped ones.
    out
        The run folder; default ``runs/<UTC>_<name>``.
    seed
        Seed of the simulated world.
    speed
        ``max`` (virtual time), ``real``, or a factor.
    compression
        Of the hold files: ``auto``, ``deflate`` or ``none``.

    Returns
    -------
    Outcome
        ``outcome``, ``why`` and ``exit_code``.

    Raises
    ------
    ProtocolError, RunError
        The run could not begin.
    """
    prepared = prepare(protocol, rig, Path(out or "."))
    prepared.check()
    folder = Path(out) if out else default_folder(prepared.protocol)
    options = RunOptions(folder, seed, speed, compression)
    return carry_out(prepared, options, CommandQueue(), lambda status: None)


def carry_out(prepared: Prepared, options: RunOptions, commands: CommandQueue, observer: Observer) -> Outcome:
    """Carry out a plan that was checked; the folder then holds everything but the report.

    Raises
    ------
    RunError
        The run could not begin: a driver is missing, the folder is in use, a child process did not start.
    """
    clock = make_clock(options.speed)
    devices = make_devices(prepared.rig, clock, options.seed)
    folder = create(options.folder)
    write_inputs(folder, prepared, asdict(options))
    with ExitStack() as stack:
        journal = Journal(folder.journal, clock)
        stack.callback(journal.close)
        journal_start(journal, prepared, folder.path.name, options.seed, options.speed)
        publisher = Publisher(folder.path, journal, lock_step=clock.virtual, compression=options.compression)
        stack.callback(publisher.close)
        desk = _Desk(commands, observer)
        publisher.listen(desk.answer)
        _start(publisher, journal)
        bench = _bench(prepared, options.seed, folder, clock, devices, publisher, journal)
        outcome = Engine(bench, commands, desk.watch).run()
    with suppress(OSError, RecordError):  # it is made of the holds, and can be made again
        write_run_file(open_run(folder.path))
    return outcome


def _start(publisher: Publisher, journal: Journal) -> None:
    """Start the child processes; a run that does not get that far has an end in the journal all the same."""
    try:
        publisher.start()
    except BaseException as error:
        code = error.exit_code if isinstance(error, RunError) else ExitCode.INTERNAL
        journal.write("run_ended", outcome="failed", why=str(error), exit_code=int(code))
        raise


def make_clock(speed: str) -> Clock:
    """Return the clock of a rehearsal: ``max`` (virtual), ``real``, or a factor. Raises RunError."""
    if speed == "max":
        return VirtualClock(datetime.now(UTC).timestamp())
    try:
        factor = 1.0 if speed == "real" else float(speed)
    except ValueError:
        factor = math.nan
    if not 0 < factor <= MAX_SPEED:
        message = f"--speed must be max, real or a number > 0 and at most {MAX_SPEED:g}, got {speed!r}"
        raise RunError(message, ExitCode.USAGE)
    return WallClock(factor)


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
    prepared: Prepared,
    seed: int,
    folder: RunFolder,
    clock: Clock,
    devices: Devices,
    publisher: Publisher,
    journal: Journal,
) -> Bench:
    calibration = prepared.rig.calibration
    pixel_nm = min(camera.pixel_nm for camera in prepared.rig.cameras.values())
    return Bench(
        clock=clock,
        holder=devices.holder,
        microscope=devices.microscope,
        cameras=devices.cameras,
        stream=publisher,
        journal=journal,
        plan=prepared.plan,
        opening=Announcer(
            run=folder.path.name,
            folder=folder.path,
            protocol=prepared.protocol,
            protocol_text=prepared.protocol_text,
            rig=prepared.rig,
            clock=clock,
            truth=devices.truth,
            seed=seed,
        ),
        feedback=FeedbackLaw(
            matrix=calibration.image_shift_matrix,
            dead_band_nm=DEAD_BAND_PX * pixel_nm,
            range_nm=calibration.image_shift_range_nm,
        ),
    )
