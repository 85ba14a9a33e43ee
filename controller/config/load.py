"""From text to a protocol that can be planned, or to all its faults."""

from collections.abc import Iterable
from pathlib import Path

from annealscope.controller.config.checks import (
    broken_limits,
    too_many_steps,
    unknown_names,
    wrong_modes,
)
from annealscope.controller.config.errors import Fault, ProtocolError
from annealscope.controller.config.for_each import written_out
from annealscope.controller.config.kinds import PROTOCOL, RIG, check_kind
from annealscope.controller.config.model import validate
from annealscope.controller.config.protocol import Protocol
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.sources import read_source
from annealscope.controller.config.yaml_nodes import Document, parse_yaml


def load_protocol(name: str | Path) -> Protocol:
    """Read a protocol from a file, or a shipped one by its name.

    Parameters
    ----------
    name
        Path of a YAML file, or the name of a shipped protocol, e.g. ``quick_look``.

    Raises
    ------
    ProtocolError
        With all faults of the form at their places; when there are none, with all that the limits forbid.
    """
    source = read_source(name)
    return parse_protocol(source.content, source.file)


def parse_protocol(content: bytes | str, file: str = "protocol.yaml") -> Protocol:
    """Read a protocol from its text; ``file`` is its name in messages. Raises ProtocolError."""
    document, protocol = parse_form(content, file)
    faults = in_order((*wrong_modes(document, protocol), *broken_limits(document, protocol)))
    if faults:
        raise ProtocolError(faults)
    return protocol


def parse_form(content: bytes | str, file: str) -> tuple[Document, Protocol]:
    """Read a protocol that can be planned, whatever its limits say. Raises ProtocolError."""
    document = parse_yaml(content, file)
    check_kind(document, PROTOCOL)
    document = written_out(document)
    protocol, faults = validate(document, Protocol)
    faults += unknown_names(document)
    if protocol is not None and not faults:
        faults += too_many_steps(document, protocol)
    if protocol is None or faults:
        raise ProtocolError(in_order(faults))
    return document, protocol


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Sort faults as they stand in the text."""
    return sorted(faults, key=lambda fault: (fault.line, fault.col))


def load_rig(name: str | Path) -> RigConfig:
    """Read a rig from a file, or a shipped one by its name. Raises ProtocolError with all faults."""
    source = read_source(name, "rigs")
    return parse_rig(source.content, source.file)


def parse_rig(content: bytes | str, file: str = "rig.yaml") -> RigConfig:
    """Read a rig from its text; ``file`` is its name in messages. Raises ProtocolError."""
    document = parse_yaml(content, file)
    check_kind(document, RIG)
    rig, faults = validate(document, RigConfig)
    if rig is None:
        raise ProtocolError(faults)
    return rig
