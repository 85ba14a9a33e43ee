"""What is wrong with a protocol or rig file, and where."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

MAX_PRINTED = 50
"""Faults printed of one file; the rest is counted."""

_WIDTH = 100
"""Longest piece of a source line that is printed."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and where."""

    file: str
    line: int
    """Line, from 1; 0 when the fault has no place in the text."""
    col: int
    """Column, from 1."""
    path: str
    """Place in the document, e.g. ``steps.1.ramp.rate``; empty at the top."""
    message: str
    source_line: str = ""
    given: str = ""
    """Values of the variables of `for_each` with which it is wrong, e.g. ``probe = 0.8``."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.col}" if self.line else self.file
        head = ": ".join(part for part in (where, self.path, self.message) if part)
        head += f" (with {self.given})" if self.given else ""
        return f"{head}\n{self._excerpt()}" if self.source_line.strip() else head

    def _excerpt(self) -> str:
        start = max(0, self.col - 1 - _WIDTH * 3 // 4) if len(self.source_line) > _WIDTH else 0
        piece = self.source_line[start : start + _WIDTH]
        shown = "".join(c if c.isprintable() else " " for c in piece)
        return f"  {shown}\n  {' ' * (self.col - 1 - start)}^"


class ProtocolError(Exception):
    """A protocol or rig file that cannot be used: all its faults at once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(_once(faults))
        super().__init__(self.faults)

    def __str__(self) -> str:
        lines = [str(fault) for fault in self.faults[:MAX_PRINTED]]
        hidden = len(self.faults) - MAX_PRINTED
        return "\n".join([*lines, f"... and {hidden} more"] if hidden > 0 else lines)


def _once(faults: Iterable[Fault]) -> Iterable[Fault]:
    """Leave out what only repeats another fault with other values of the variables."""
    first: dict[Fault, Fault] = {}
    for fault in faults:
        first.setdefault(replace(fault, given=""), fault)
    return first.values()


def clip(text: str, length: int = 60) -> str:
    """Shorten a text from a file for use in a message."""
    return text if len(text) <= length else f"{text[:length]}..."


def closest(word: str, options: Iterable[str]) -> str | None:
    """Return the option that a word is a slip of the pen for, if there is one."""
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word.lower()[:64], by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return ``; did you mean "x"?`` for the closest option, or nothing.

    >>> did_you_mean("rmap", ["ramp", "hold"])
    '; did you mean "ramp"?'
    """
    meant = closest(word, options)
    return "" if meant is None else f'; did you mean "{meant}"?'


def one_of(options: Iterable[str]) -> str:
    """Join options for a message.

    >>> one_of(["ramp", "hold", "cool"])
    'ramp, hold or cool'
    """
    *head, last = options
    return f"{', '.join(head)} or {last}" if head else last


def shown(value: object) -> str:
    """Show a value of a document in a message."""
    if isinstance(value, dict | list | tuple):
        kind = "block" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    if isinstance(value, str):
        return f'"{clip(value)}"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return clip(str(value))
