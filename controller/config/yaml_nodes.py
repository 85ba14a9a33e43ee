"""A YAML text as plain data with positions: bounded, and without the surprises of YAML 1.1.

Only what JSON has: mappings, lists, text, plain numbers, true, false, null. ``on``, ``010``, ``4:30``,
``1_000`` and ``.nan`` stay text. Anchors, aliases, tags, merge keys, duplicate keys and second documents are
refused. The parser's events are read one by one: the caps hold before anything is built, nothing recurses.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from annealscope.controller.config.errors import Fault, ProtocolError, clip

MAX_BYTES = 64 * 1024
MAX_NODES = 5000
MAX_DEPTH = 20
MAX_DIGITS = 32
MAX_FAULTS = 200
"""Nobody reads on after so many."""

Path = tuple[str | int, ...]
"""Keys and list indices from the top of a document."""

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS = {"": None, "null": None, "true": True, "false": False}
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode's categories of what is not seen but changes what is: escape codes, overrides of the direction."""
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True)
class Mark:
    """A place in a text; line and column from 1."""

    line: int
    col: int


def dotted(path: Path) -> str:
    """Write a path for a message: ``steps.1.ramp``."""
    return ".".join(clip(str(part), 40) for part in path)


@dataclass(frozen=True)
class Text:
    """A file as lines, to quote them."""

    file: str
    lines: tuple[str, ...]

    def fault(self, mark: Mark, path: Path, message: str, given: str = "") -> Fault:
        """Make a fault with its source line."""
        line = self.lines[mark.line - 1] if mark.line <= len(self.lines) else ""
        return Fault(self.file, mark.line, mark.col, dotted(path), message, line, given)


@dataclass(frozen=True)
class Copy:
    """Where a piece of a document comes from that was written out by a repetition."""

    origin: Path
    """Its place in the file."""
    given: str
    """Values of the variables there, for messages; may be empty."""


@dataclass(frozen=True)
class Document:
    """Plain data and where each piece of it stands."""

    text: Text
    data: Any
    values: Mapping[Path, Mark]
    """Where each value begins."""
    keys: Mapping[Path, Mark]
    """Where the key of each value in a mapping begins."""
    faults: tuple[Fault, ...]
    """What is refused although the rest could be read."""
    copies: Mapping[Path, Copy] = field(default_factory=dict)
    """Pieces that were written out, and where they come from."""

    def known(self, path: Path) -> Path:
        """Return the longest beginning of ``path`` that the text has, leaving out parts it does not know."""
        found: Path = ()
        for part in path:
            if (*found, part) in self.values:
                found = (*found, part)
        return found

    def at(self, path: Path) -> Any:
        """Return the data at a known path."""
        data = self.data
        for part in path:
            data = data[part]
        return data

    def fault(self, path: Path, message: str, *, on_key: bool | None = None) -> Fault:
        """Put a message at a path: at the value of a scalar, else at the key of the block."""
        found = self.known(path)
        if on_key is None:
            on_key = isinstance(self.at(found), dict | list)
        mark = self.keys.get(found, self.values[found]) if on_key else self.values[found]
        origin, given = self._origin(found)
        return self.text.fault(mark, origin, message, given)

    def _origin(self, path: Path) -> tuple[Path, str]:
        """Return the place in the file of a piece, and the variables it was written out with."""
        for length in range(len(path), 0, -1):
            copy = self.copies.get(path[:length])
            if copy is not None:
                return (*copy.origin, *path[length:]), copy.given
        return path, ""


def parse_yaml(content: bytes | str, file: str) -> Document:
    """Read a text into plain data.

    Parameters
    ----------
    content
        The text, UTF-8 when bytes, at most 64 KiB.
    file
        Its name in messages.

    Raises
    ------
    ProtocolError
        When the text cannot be read to its end; what can be read past is in ``Document.faults``.
    """
    text = _decoded(content, file)
    builder = _Builder(Text(file, tuple(_LINE_BREAK.split(text))))
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.YAMLError as error:
        builder.stop(*_explained(error, text))
    except (ValueError, OverflowError):  # an escape or directive with an impossible number
        builder.stop(Mark(1, 1), "not YAML: a number in an escape sequence or directive is impossible")
    return builder.document()


def _decoded(content: bytes | str, file: str) -> str:
    try:
        raw = content.encode() if isinstance(content, str) else content
        if len(raw) <= MAX_BYTES:
            return raw.decode("utf-8-sig")
        message = f"a file may have {MAX_BYTES} bytes, this one is larger"
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        message = f"not a text in UTF-8 ({error.reason})"
    raise ProtocolError([Fault(file, 0, 0, "", message)])


def _explained(error: yaml.YAMLError, text: str) -> tuple[Mark, str]:
    if isinstance(error, yaml.reader.ReaderError):
        before = _LINE_BREAK.split(text[: error.position])
        place = Mark(len(before), len(before[-1]) + 1)
        return place, f"the character {text[error.position]!a} is not allowed"
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or "cannot be read")
    if "'\\t'" in problem:
        problem = "a tab cannot indent or begin a value; use spaces"
    return (Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)), f"not YAML: {clip(problem, 200)}"


def _number(text: str) -> int | float:
    value = float(text)
    if not math.isfinite(value) or len(text) > MAX_DIGITS:
        raise ValueError(f"{clip(text)} is not a number that can be used")
    return int(text) if text.lstrip("-").isdigit() else value


def _is_clean(text: str) -> bool:
    return all(c in "\n\t" or unicodedata.category(c) not in _UNSEEN for c in text)


@dataclass
class _Open:
    """A mapping or list that is being read."""

    value: dict[str, Any] | list[Any]
    path: Path | None
    """Its place; None inside a value that is thrown away."""
    key: str | None = None
    """In a mapping: the key whose value comes next."""
    twice: bool = False
    """That key has stood in the mapping before."""

    def next_path(self) -> Path | None:
        """Place of the value that comes next."""
        if self.path is None or self.twice:
            return None
        return (*self.path, len(self.value) if self.key is None else self.key)

    def put(self, value: Any) -> None:
        """Take the value that comes next."""
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.key is not None:
            self.value.setdefault(self.key, value)
            self.key, self.twice = None, False


@dataclass
class _Builder:
    """Builds data and positions from parser events."""

    text: Text
    data: Any = None
    open: list[_Open] = field(default_factory=list)
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    nodes: int = 0
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        mark = _mark_of(event)
        if isinstance(event, yaml.DocumentStartEvent):
            self._start_document(event, mark)
        elif isinstance(event, yaml.NodeEvent):
            self._take_node(event, mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.open.pop()

    def stop(self, mark: Mark, message: str) -> NoReturn:
        """Give up, with all that was found so far."""
        self._refuse(mark, message)
        raise ProtocolError(self.faults)

    def document(self) -> Document:
        """Return what was read."""
        if self.data is None:
            raise ProtocolError([*self.faults, Fault(self.text.file, 0, 0, "", "the file is empty")])
        return Document(self.text, self.data, self.values, self.keys, tuple(self.faults))

    def _refuse(self, mark: Mark, message: str) -> None:
        path = self.open[-1].path if self.open else ()
        self.faults.append(self.text.fault(mark, path or (), message))
        if len(self.faults) >= MAX_FAULTS:
            raise ProtocolError(self.faults)

    def _start_document(self, event: yaml.DocumentStartEvent, mark: Mark) -> None:
        self.documents += 1
        if self.documents > 1:
            self.stop(mark, "a second document begins here; a file has one")
        if event.version or event.tags:
            self._refuse(mark, "directives (%YAML, %TAG) are not allowed")

    def _take_node(self, event: yaml.NodeEvent, mark: Mark) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.stop(mark, f"more than {MAX_NODES} keys and values")
        self._refuse_extras(event, mark)
        top = self.open[-1] if self.open else None
        if top and isinstance(top.value, dict) and top.key is None:
            self._take_key(event, mark, top)
        else:
            self._take_value(event, mark, top)

    def _take_key(self, event: yaml.NodeEvent, mark: Mark, top: _Open) -> None:
        if not isinstance(event, yaml.ScalarEvent) or not event.value or not _is_clean(event.value):
            self.stop(mark, "a key has to be a plain word")
        key = str(event.value)
        first = None if top.path is None else self.keys.setdefault((*top.path, key), mark)
        top.key, top.twice = key, first != mark
        if key == "<<":
            self._refuse(mark, "merge keys (<<) are not allowed; write the keys out")
        elif first and top.twice:
            self._refuse(mark, f"the key `{clip(key)}` stands here twice, first in line {first.line}")

    def _take_value(self, event: yaml.NodeEvent, mark: Mark, top: _Open | None) -> None:
        path = top.next_path() if top else ()
        if path is not None:
            self.values[path] = mark
        value = self._value(event, mark)
        if top:
            top.put(value)
        else:
            self.data = value
        if isinstance(value, dict | list):
            if len(self.open) >= MAX_DEPTH:
                self.stop(mark, f"nested more than {MAX_DEPTH} deep")
            self.open.append(_Open(value, path))

    def _refuse_extras(self, event: yaml.NodeEvent, mark: Mark) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(mark, f"aliases (*{clip(event.anchor or '')}) are not allowed; write the value out")
        elif event.anchor:
            self._refuse(
                mark, f"anchors (&{clip(event.anchor)}) are not allowed; write the value out where it is used"
            )
        tag = getattr(event, "tag", None)
        if tag:
            self._refuse(mark, f"tags ({clip(tag)}) are not allowed")

    def _value(self, event: yaml.NodeEvent, mark: Mark) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return {}
        if isinstance(event, yaml.SequenceStartEvent):
            return []
        return self._scalar(event, mark) if isinstance(event, yaml.ScalarEvent) else ""

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark) -> Any:
        text = str(event.value)
        plain = event.style is None
        if plain and text in _WORDS:
            return _WORDS[text]
        if plain and _NUMBER.fullmatch(text):
            try:
                return _number(text)
            except ValueError as error:
                self._refuse(mark, str(error))
        if not _is_clean(text):
            self._refuse(mark, "control characters and invisible ones are not allowed in a text")
            return "?"  # half a surrogate pair would break whoever prints it
        return text


def _mark_of(event: yaml.Event) -> Mark:
    start = event.start_mark
    return Mark(1, 1) if start is None else Mark(start.line + 1, start.column + 1)
