"""Where a protocol or rig comes from: a path, or the name of one that ships with the program."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from annealscope.controller.config.errors import Fault, ProtocolError, did_you_mean, one_of
from annealscope.controller.config.kinds import STUDY, instead
from annealscope.controller.config.yaml_nodes import MAX_BYTES

SHIPPED = "annealscope.protocols"
STUDIES = ("amz4_study",)
"""Names of the studies that ship with the program."""

_NOT_PROTOCOLS = frozenset({"amz4_paper", "template", *STUDIES})
"""YAML files beside the protocols that are none."""


@dataclass(frozen=True)
class Source:
    """The text of a file and its name in messages."""

    file: str
    content: bytes


def shipped_names(folder: str = "") -> list[str]:
    """Return the names of the protocols that ship with the program, or of the rigs (``folder="rigs"``)."""
    place = files(SHIPPED).joinpath(folder) if folder else files(SHIPPED)
    names = (Path(entry.name) for entry in place.iterdir())
    return sorted(name.stem for name in names if name.suffix == ".yaml" and name.stem not in _NOT_PROTOCOLS)


def read_source(name: str | Path, folder: str = "", names: Sequence[str] = ()) -> Source:
    """Read a file, or a shipped one when ``name`` is a plain word.

    Parameters
    ----------
    name
        Path of a file, or the name of a shipped one, e.g. ``quick_look``.
    folder
        Where shipped ones are looked for below ``protocols/``: ``""`` or ``"rigs"``.
    names
        What ships, where that is neither protocols nor rigs: studies.

    Raises
    ------
    ProtocolError
        There is no such file, or it cannot be read.
    """
    path = Path(name)
    text = str(name)
    if path.suffix or path.name != text:
        return Source(text, _read(path, text))
    what = "study" if names else "rig" if folder else "protocol"
    names = names or shipped_names(folder)
    if text not in names:
        if text in STUDIES:
            raise _cannot(text, instead(STUDY, what, text))
        hint = did_you_mean(text, names)
        ships = f"no {what} of this name ships, only {one_of(names)}"
        raise _cannot(text, f"{ships}; a file is given with its suffix, as in {text}.yaml{hint}")
    shipped = (
        files(SHIPPED).joinpath(folder, f"{text}.yaml") if folder else files(SHIPPED).joinpath(f"{text}.yaml")
    )
    return Source(f"{text}.yaml", shipped.read_bytes())


def _read(path: Path, text: str) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe would never end
            raise OSError("it is a folder, a pipe or a device, not a file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _cannot(text, f"cannot be read: {reason}") from None


def _cannot(file: str, message: str) -> ProtocolError:
    return ProtocolError([Fault(file, 0, 0, "", message)])
