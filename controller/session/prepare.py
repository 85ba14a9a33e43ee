"""What has to be known before a run: protocol and rig as text and as models, and the plan on this machine."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from annealscope.controller.config.checks import broken_limits
from annealscope.controller.config.errors import Fault, ProtocolError
from annealscope.controller.config.load import in_order, parse_form, parse_rig
from annealscope.controller.config.protocol import Protocol
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.sources import read_source
from annealscope.controller.planning import Plan
from annealscope.controller.planning import plan as lay_out
from annealscope.controller.planning.checks import problem_faults


@dataclass(frozen=True)
class Prepared:
    """A protocol on a rig, ready to be run or refused."""

    protocol: Protocol
    protocol_text: str
    protocol_file: str
    """Its name in messages."""
    rig: RigConfig
    rig_text: str
    plan: Plan
    limit_faults: tuple[Fault, ...]
    """What the limits of the protocol forbid."""

    @property
    def warnings(self) -> list[str]:
        """What is not wrong, but should be known."""
        return [f"{p.path}: {p.message}" for p in self.plan.problems if p.severity == "warning"]

    def check(self) -> None:
        """Refuse what breaks a limit, or asks too much of rig or machine: all of it at once.

        Raises ProtocolError.
        """
        problems = problem_faults(self.plan.errors, self.protocol_text, self.protocol_file)
        if self.limit_faults or problems:
            raise ProtocolError(in_order([*self.limit_faults, *problems]))


def prepare(protocol_name: str | Path, rig_name: str | Path, folder: Path) -> Prepared:
    """Read both files and plan with the disk below a folder and the memory of this machine.

    Parameters
    ----------
    protocol_name, rig_name
        Files, or names of shipped ones.
    folder
        Where the run would be written; need not exist.

    Raises
    ------
    ProtocolError
        With all faults of form of both files; what their contents break is for `Prepared.check`.
    """
    faults: list[Fault] = []
    form = rig = None
    try:
        protocol_source = read_source(protocol_name)
        form = parse_form(protocol_source.content, protocol_source.file)
    except ProtocolError as error:
        faults += error.faults
    try:
        rig_source = read_source(rig_name, "rigs")
        rig = parse_rig(rig_source.content, rig_source.file)
    except ProtocolError as error:
        faults += error.faults
    if form is None or rig is None:
        raise ProtocolError(faults)
    document, protocol = form
    planned = lay_out(
        protocol,
        rig,
        free_disk_bytes=shutil.disk_usage(_existing(folder)).free,
        ram_bytes=psutil.virtual_memory().total,
    )
    text, file = protocol_source.content.decode(), protocol_source.file
    limit_faults = tuple(broken_limits(document, protocol))
    return Prepared(protocol, text, file, rig, rig_source.content.decode(), planned, limit_faults)


def _existing(folder: Path) -> Path:
    """Return the nearest folder that is there: the disk on which a new one will be."""
    folder = folder.absolute()  # not resolved: there may be a loop of links on the way
    return next(place for place in (folder, *folder.parents) if place.exists())
