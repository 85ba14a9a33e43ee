"""One run from its plan to its outcome: where everything is put together."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.commands import CommandQueue
from annealscope.controller.engine.feedback import FeedbackLaw
from annealscope.controller.engine.operator import NIGHT_S
from annealscope.controller.engine.outcome import Outcome, with_words_about_heater
from annealscope.controller.engine.ports import Observer
from annealscope.controller.engine.runner import Engine
from annealscope.controller.errors import ExitCode, RunError, may_go_on
from annealscope.controller.journal import Journal
from annealscope.controller.offline.crosshold import write_run_file
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.repair import repair
from annealscope.controller.record.runfolder import RunFolder, create, open_run
from annealscope.controller.session.continuation import (
    Continuation,
    left_of,
    prepare_again,
    take_over,
)
from annealscope.controller.session.desk import Desk
from annealscope.controller.session.devices import Devices, make_devices
from annealscope.controller.session.guarding import host_for
from annealscope.controller.session.inputs import journal_continuation, journal_start, write_inputs
from annealscope.controller.session.opening import Announcer
from annealscope.controller.session.options import RunOptions, default_folder, make_clock, make_operator
from annealscope.controller.session.preflight import preflight
from annealscope.controller.session.prepare import Prepared, prepare
from annealscope.controller.session.rehearsal import restore_world
from annealscope.controller.stream.publisher import Publisher
from annealscope.drivers.clock import Clock

DEAD_BAND_PX = 0.3
"""Displacements smaller than this are left alone: the image is not to follow the boiling of the speckle."""


def run(
    protocol: str | Path,
    *,
    rig: str | Path = "simulated",
    out: Path | str | None = None,
    seed: int = 0,
    speed: str = "max",
    compression: str = "auto",
    parks: str = "auto",
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
    parks
        At a park: ``end`` the run, for ``annealscope continue``; go ``through`` it after a simulated night;
        ``auto``: through on virtual time, else end.

    Returns
    -------
    Outcome
        ``outcome``, ``why`` and ``exit_code``.

    Raises
    ------
    ProtocolError, RunError
        The run could not begin.
    """
    options = RunOptions(Path(out) if out else None, seed, speed, compression, parks)
    prepared = prepare(protocol, rig, options.folder or Path.cwd())
    prepared.check()
    return carry_out(prepared, options, CommandQueue())


def carry_out(
    prepared: Prepared, options: RunOptions, commands: CommandQueue, *observers: Observer
) -> Outcome:
    """Carry out a plan that was checked; the folder then holds everything but the report.

    Raises
    ------
    RunError
        The run could not begin: a driver is missing, the folder is in use, a child process did not start.
    """
    options = replace(options, folder=options.folder or default_folder(prepared.protocol))
    clock = make_clock(options.speed)
    devices = _devices(prepared, clock, options, continues=False)
    folder = create(options.folder or Path.cwd())
    write_inputs(folder, prepared, asdict(options))
    with closing(Journal(folder.journal, clock)) as journal:
        journal_start(journal, prepared, folder.path.name, options.seed, options.speed)
        session = _Session(prepared, options, folder, clock, devices, journal)
        return session.conduct(commands, *observers)


def carry_on(
    path: Path,
    parks: str,
    commands: CommandQueue,
    *observers: Observer,
    tell: Callable[[str], None] = lambda line: None,
    acknowledge: str = "",
) -> Outcome:
    """Go on with a run that was parked, has failed, or whose program died.

    Parameters
    ----------
    path
        The run folder.
    parks
        What the next park does, as in `run`.
    commands, observers
        From and to whoever watches.
    tell
        Takes one line each for what was repaired, and for what the run goes on with.
    acknowledge
        Why a heater that its guard has switched off may be heated again; empty: it may not.

    Raises
    ------
    ProtocolError, RunError
        The run cannot go on: it is alive, was ended by its operator, or its folder was changed.
    """
    folder = open_run(path)
    left = left_of(folder)
    prepared = prepare_again(folder)
    going_on = take_over(folder, prepared.plan, left, tell)
    tell(str(going_on))
    options = RunOptions(folder.path, **{**going_on.options, "parks": parks, "acknowledge": acknowledge})
    clock = make_clock(options.speed, going_on.clock_start_s(options.speed, NIGHT_S))
    devices = _devices(prepared, clock, options, continues=True)
    if devices.world is not None:
        restore_world(folder, devices.world)
    with closing(Journal(folder.journal, clock)) as journal:
        journal_continuation(journal, going_on)
        session = _Session(prepared, options, folder, clock, devices, journal, going_on)
        outcome = session.conduct(commands, *observers)
    if not may_go_on(outcome.outcome, outcome.exit_code):
        repair(folder.path)  # nobody takes up any more what was left before it was taken up
    return outcome


def _devices(prepared: Prepared, clock: Clock, options: RunOptions, continues: bool) -> Devices:
    protocol, rig = prepared.protocol, prepared.rig
    host = host_for(rig, protocol.safe, options, clock, continues)
    return make_devices(rig, clock, options.seed, protocol.specimen.state, host)


@dataclass(frozen=True)
class _Session:
    """One process's part of a run: from its first step to its end, or to its next park."""

    prepared: Prepared
    options: RunOptions
    folder: RunFolder
    clock: Clock
    devices: Devices
    journal: Journal
    going_on: Continuation | None = None
    """Where an earlier process left off."""

    def conduct(self, commands: CommandQueue, *observers: Observer) -> Outcome:
        """Start the children, run the engine, tie the files together."""
        publisher = Publisher(
            self.folder.path,
            self.journal,
            lock_step=self.clock.virtual,
            compression=self.options.compression,
        )
        with closing(publisher):
            desk = Desk(commands)
            shown = (desk.watch, publisher.viewers.show_status, *observers)
            self._start(publisher, desk)
            try:
                outcome = self._engine(publisher, commands, shown).run()
            finally:
                left = self.devices.leave()
        with suppress(OSError, RecordError):  # it is made of the holds, and can be made again
            write_run_file(open_run(self.folder.path))
        return with_words_about_heater(outcome, left)

    def _start(self, publisher: Publisher, desk: Desk) -> None:
        """Start the child processes; a run that does not get that far has its end in the journal too."""
        try:
            if not self.clock.virtual:
                preflight(self.folder.path, self.prepared.plan, self.journal)
            self.devices.start(self.journal)  # first: a heater that was kept hot has its grace time only
            publisher.listen(desk.answer)
            publisher.start()
        except BaseException as error:
            self.devices.leave()
            code = error.exit_code if isinstance(error, RunError) else ExitCode.INTERNAL
            self.journal.write("run_ended", outcome="failed", why=str(error), exit_code=int(code))
            raise

    def _engine(self, publisher: Publisher, commands: CommandQueue, shown: Sequence[Observer]) -> Engine:
        bench, going_on = self._bench(publisher), self.going_on
        if going_on is None:
            return Engine(bench, commands, shown)
        bench.doses = going_on.doses
        earlier = None
        if going_on.taken_up is not None:
            earlier = going_on.taken_up.acquisition
            publisher.remember(earlier.opening.hold, going_on.taken_up.notes)
        return Engine(bench, commands, shown, going_on.start_at, going_on.back, earlier)

    def _bench(self, publisher: Publisher) -> Bench:
        rig = self.prepared.rig
        pixels_nm = [camera.pixel_nm for camera in rig.cameras.values() if camera.pixel_nm is not None]
        return Bench(
            clock=self.clock,
            holder=self.devices.holder,
            microscope=self.devices.microscope,
            cameras=self.devices.cameras,
            stream=publisher,
            journal=self.journal,
            plan=self.prepared.plan,
            opening=self._announcer(),
            dark_counts={name: camera.offset_counts for name, camera in rig.cameras.items()},
            free_bytes=lambda: shutil.disk_usage(self.folder.path).free,
            feedback=FeedbackLaw(
                matrix=rig.calibration.image_shift_matrix,
                dead_band_nm=DEAD_BAND_PX * min(pixels_nm, default=1.0),
                range_nm=rig.calibration.image_shift_range_nm,
            ),
            operator=make_operator(self.options),
        )

    def _announcer(self) -> Announcer:
        return Announcer(
            run=self.folder.path.name,
            folder=self.folder.path,
            protocol=self.prepared.protocol,
            protocol_text=self.prepared.protocol_text,
            rig=self.prepared.rig,
            clock=self.clock,
            region=self.devices.microscope.region,
            truth=self.devices.truth,
            seed=self.options.seed,
        )
