"""Names that a protocol or a rig gives to its parts."""

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from annealscope.controller.config.errors import clip
from annealscope.controller.config.model import broken_rule

_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,31}$"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_REST = _LETTERS | frozenset("0123456789_-")


def _checked_name(name: str) -> str:
    if not (name and name[0] in _LETTERS and set(name) <= _REST and len(name) <= 32):
        raise broken_rule(
            f'"{clip(name)}" cannot be a name: a letter, then letters, digits, _ or -, at most 32 in all'
        )
    return name


Name = Annotated[str, AfterValidator(_checked_name), WithJsonSchema({"type": "string", "pattern": _PATTERN})]
"""A name that is used in file names."""
