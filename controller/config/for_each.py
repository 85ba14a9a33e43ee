"""Repeated steps, written out before anything else is checked.

``for_each: {probe: [a, b], steps: [{acquire: "fem_{probe}"}]}`` becomes two steps. What is wrong in a copy is
reported where it stands in the file, with the value that it is wrong with.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from annealscope.controller.config.errors import Fault, ProtocolError, clip, one_of, shown
from annealscope.controller.config.model import broken_rule
from annealscope.controller.config.yaml_nodes import Copy, Document, Mark, Path

MAX_COPIED = 10_000
"""Keys and values of a document with all its repetitions written out."""

_WORD = r"[A-Za-z][A-Za-z0-9_]{0,31}"
_PLACE = re.compile(r"\{(" + _WORD + r")\}")

FOR_EACH_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "Repeat steps with a list of values: {variable: [values], steps: [...]}; "
    '"{variable}" inside the texts of the steps stands for the value.',
    "properties": {"steps": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
    "required": ["steps"],
    "minProperties": 2,
    "maxProperties": 2,
    "patternProperties": {
        f"^(?!steps$){_WORD}$": {
            "type": "array",
            "minItems": 1,
            "items": {"type": ["string", "number", "boolean"]},
        }
    },
    "additionalProperties": False,
}


def check_for_each(block: Any) -> Any:
    """Return a block that could be written out, or raise the error that says why it could not."""
    wrong = _wrong(block)
    if wrong:
        message, at = wrong
        raise broken_rule(message, *at)
    return block


def _wrong(block: Any) -> tuple[str, tuple[str, ...]] | None:
    """Return what is wrong with the form of a block and where; None when it can be written out."""
    example = "write it like {probe: [a, b], steps: [...]}"
    if not isinstance(block, dict):
        return f"has to be a block of a variable and `steps`, got {shown(block)}; {example}", ()
    variables = [key for key in block if key != "steps"]
    if "steps" not in block or len(variables) != 1:
        return f"has one variable with its values, and `steps`; {example}", ()
    (name,) = variables
    if not re.fullmatch(_WORD, name):
        return f'"{clip(name)}" cannot be a variable: a letter, then letters, digits or _', (name,)
    for key in (name, "steps"):
        if not isinstance(block[key], list) or not block[key]:
            return f"has to be a list with something in it, got {shown(block[key])}", (key,)
    odd = [value for value in block[name] if value is None or isinstance(value, dict | list)]
    return (f"has to be a list of texts or numbers, got {shown(odd[0])} in it", (name,)) if odd else None


def written_out(document: Document) -> Document:
    """Return a document in which every `for_each` has become its steps.

    Blocks whose form is wrong are left as they are, for the model to refuse.

    Raises
    ------
    ProtocolError
        It would be too long; nothing else is checked then.
    """
    if not isinstance(document.data, dict):
        return document
    return _Writer(document).document()


@dataclass
class _Writer:
    """Copies a document, and remembers where each piece comes from."""

    source: Document
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    copies: dict[Path, Copy] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)
    """What is wrong, by its place in the file."""

    def document(self) -> Document:
        """Return the copy."""
        data = self._copy((), (), {})
        return Document(self.source.text, data, self.values, self.keys, self._faults(), self.copies)

    def _faults(self) -> tuple[Fault, ...]:
        found = (self.source.fault(origin, message) for origin, message in self.refused.items())
        return (*self.source.faults, *found)

    def _copy(self, origin: Path, path: Path, given: Mapping[str, Any]) -> Any:
        """Copy what stands at ``origin`` to ``path``, with values for the variables that are given."""
        value = self.source.at(origin)
        self.values[path] = self.source.values[origin]
        if origin in self.source.keys:
            self.keys[path] = self.source.keys[origin]
        if isinstance(value, dict):
            return {key: self._copy((*origin, key), (*path, key), given) for key in value}
        if isinstance(value, list):
            places = self._places(origin, given) if _holds_steps(path) else _as_they_are(origin, value, given)
            return [self._copy_entry(place, (*path, n)) for n, place in enumerate(places)]
        return self._filled_in(value, origin, given) if given and isinstance(value, str) else value

    def _copy_entry(self, place: "_Place", path: Path) -> Any:
        if place.given or place.origin[-1] != path[-1]:
            self.copies[path] = Copy(place.origin, _named(place.given))
        return self._copy(place.origin, path, place.given)

    def _places(self, origin: Path, given: Mapping[str, Any]) -> "Iterator[_Place]":
        """Yield where each step of a list comes from, with repetitions written out."""
        for number, step in enumerate(self.source.at(origin)):
            place = (*origin, number)
            block = step.get("for_each") if isinstance(step, dict) and len(step) == 1 else None
            if block is None or _wrong(block):
                yield _Place(place, given)
            else:
                yield from self._repetitions((*place, "for_each"), given)

    def _repetitions(self, origin: Path, given: Mapping[str, Any]) -> "Iterator[_Place]":
        block = self.source.at(origin)
        (name,) = (key for key in block if key != "steps")
        for value in block[name]:
            if len(self.values) > MAX_COPIED:
                self.refused[origin] = f"more than {MAX_COPIED} keys and values when it is written out"
                raise ProtocolError(self._faults())
            yield from self._places((*origin, "steps"), {**given, name: value})

    def _filled_in(self, text: str, origin: Path, given: Mapping[str, Any]) -> Any:
        """Put values for variables; a text that is nothing but a variable becomes its value."""
        unknown = next((place[1] for place in _PLACE.finditer(text) if place[1] not in given), None)
        if unknown is not None:
            known = one_of(f"{{{name}}}" for name in given)
            self.refused[origin] = f"there is no variable {{{unknown}}} here, only {known}"
            return text
        whole = _PLACE.fullmatch(text)
        return given[whole[1]] if whole else _PLACE.sub(lambda place: _text(given[place[1]]), text)


@dataclass(frozen=True)
class _Place:
    """Where an entry of a list comes from, and the values of the variables there."""

    origin: Path
    given: Mapping[str, Any]


def _as_they_are(origin: Path, value: list[Any], given: Mapping[str, Any]) -> Iterator[_Place]:
    return (_Place((*origin, number), given) for number in range(len(value)))


def _holds_steps(path: Path) -> bool:
    """Say whether a list is one of steps."""
    of_a_sequence = len(path) == 2 and path[0] == "sequences"
    return path == ("steps",) or of_a_sequence or (path[0] == "steps" and path[-1] == "hold")


def _named(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {clip(_text(value))}" for name, value in given.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
