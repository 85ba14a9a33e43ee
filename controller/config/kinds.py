"""Which kind of file somebody has given: a protocol, a rig or a study look alike until they are read."""

from typing import NamedTuple

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.yaml_nodes import Document


class Kind(NamedTuple):
    """A kind of file."""

    noun: str
    key: str
    """At the top of every file of this kind, and of no other."""
    use: str
    """The command that takes it."""


PROTOCOL = Kind("protocol", "steps", "annealscope run {file}")
RIG = Kind("rig", "holder", "annealscope run PROTOCOL --rig {file}")
STUDY = Kind("study", "roles", "annealscope report {file}")
KINDS = (PROTOCOL, RIG, STUDY)


def instead(given: Kind, wanted: str, file: str) -> str:
    """Say that a file is of another kind than is wanted, and what takes it."""
    use = given.use.format(file=file)
    return f"this is a {given.noun}, and a {wanted} is wanted here; for this one: {use}"


def check_kind(document: Document, wanted: Kind) -> None:
    """Refuse a file of another kind in one sentence, not key by key. Raises ProtocolError."""
    if (wanted.key,) in document.keys:
        return
    for kind in KINDS:
        if (kind.key,) in document.keys:
            message = instead(kind, wanted.noun, document.text.file)
            raise ProtocolError([document.fault((kind.key,), message, on_key=True)])
