"""Frozen models, and their validation against a document with all faults at their places."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from annealscope.controller.config.errors import Fault, clip, closest, did_you_mean, one_of, shown
from annealscope.controller.config.yaml_nodes import MAX_FAULTS, Document, Path


class Model(BaseModel):
    """A block of a file; frozen, and no key is unknown or converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    noun: ClassVar[str] = "key"
    """What a key of the block is called."""

    misplaced: ClassVar[Mapping[str, str]] = {}
    """Keys that stand elsewhere, and the rule."""

    @classmethod
    def explain_unknown(cls, key: str) -> str:
        """Say why a key is refused."""
        if key in cls.misplaced:
            return cls.misplaced[key]
        known = cls.known_keys()
        return f"unknown {cls.noun} `{clip(key)}`, known here: {', '.join(known)}{did_you_mean(key, known)}"

    @classmethod
    def meant_by(cls, key: str) -> str | None:
        """Return the key that an unknown one is a slip of the pen for, if there is one."""
        return None if key in cls.misplaced else closest(key, cls.known_keys())

    @classmethod
    def known_keys(cls) -> list[str]:
        """Return the keys of the block as they are written."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _remember(cls, data: Any, info: ValidationInfo) -> Any:
        """Note which model reads which mapping, so that an unknown key can be explained by its model."""
        if isinstance(info.context, dict):
            info.context[id(data)] = cls
        return data


M = TypeVar("M", bound=Model)


_WANTED = {
    "model_type": "a block of `key: value`",
    "dict_type": "a block of `key: value`",
    "list_type": "a list",
    "tuple_type": "a list",
    "too_short": "at least {min_length} long",
    "string_type": "a text",
    "string_too_short": "a text of at least {min_length} characters",
    "string_too_long": "a text of at most {max_length} characters",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "literal_error": "{expected}",
}
"""What was wanted, by pydantic's name of the error."""


def broken_rule(message: str, *at: str) -> PydanticCustomError:
    """Make the error of a rule between the keys of a block, to be raised by a validator of the block.

    Parameters
    ----------
    message
        What is wrong.
    at
        Path below the block that the message is put at.
    """
    return PydanticCustomError("rule", "{message}", {"message": message, "at": at})


def exactly_one(block: Model, what: str, besides: Sequence[str] = ()) -> None:
    """Raise `broken_rule` unless one key of a block, and only one, is set, not counting those ``besides``."""
    values = dict(zip(type(block).known_keys(), (value for _, value in block), strict=True))
    names = [name for name in values if name not in besides]
    given = [name for name in names if values[name] is not None]
    if len(given) != 1:
        got = f"got {' and '.join(given)}" if given else "got none"
        raise broken_rule(f"{what} has exactly one of {one_of(names)}; {got}")


VERSION = 1
"""Version of the language that this program reads."""


def _known_version(version: int) -> int:
    if version != VERSION:
        raise broken_rule(f"this program knows version {VERSION}, got {clip(str(version))}")
    return version


SchemaVersion = Annotated[
    int,
    AfterValidator(_known_version),
    WithJsonSchema({"type": "integer", "minimum": VERSION, "maximum": VERSION}),
]
"""Version of the language of a file."""


class Choice:
    """Makes a pydantic field of a closed set of words: ``Annotated[str, Choice("beam_on", "exposed")]``."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with `check`."""
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """List the words, for editors."""
        return {"type": "string", "enum": list(self._words)}

    def check(self, value: object) -> str:
        """Return the word, or raise the error that explains."""
        if isinstance(value, str) and value in self._words:
            return value
        word = value if isinstance(value, str) else ""
        wanted = one_of(f'"{word}"' for word in self._words)
        raise broken_rule(f"has to be {wanted}, got {shown(value)}{did_you_mean(word, self._words)}")


def one_of_kinds(tag: str, *kinds: str) -> Callable[[Any], Any]:
    """Make a check, before anything else, of the key that says which of several blocks this is."""
    choice = Choice(*kinds)

    def check(data: Any) -> Any:
        if not isinstance(data, dict):
            raise broken_rule(f"has to be {_WANTED['model_type']}, got {shown(data)}")
        if tag not in data:
            raise broken_rule(f"`{tag}` is missing: {one_of(kinds)}")
        try:
            choice.check(data[tag])
        except PydanticCustomError as error:
            raise broken_rule(error.message(), tag) from None
        return data

    return check


def validate(document: Document, model: type[M]) -> tuple[M | None, list[Fault]]:
    """Read a document into a model; return it, or None and the faults, in the order of the text."""
    empty = {path for path in document.values if document.at(path) is None}
    faults = [
        *document.faults,
        *(document.fault(p, "has no value", on_key=p in document.keys) for p in empty),
    ]
    readers: dict[int, type[Model]] = {}
    value = None
    try:
        value = model.model_validate(document.data, context=readers)
    except ValidationError as error:
        errors = error.errors(include_url=False)[:MAX_FAULTS]
        faults += [_fault(document, e, readers) for e in errors if _says_more(document, e, empty)]
        faults += _missing(document, errors, readers)
    return (None if faults else value), sorted(faults, key=lambda fault: (fault.line, fault.col))


def _says_more(document: Document, error: ErrorDetails, empty: set[Path]) -> bool:
    """Leave out what only follows from another fault, and what `_missing` says."""
    path, kind = document.known(error["loc"]), error["type"]
    of_empty_value = path in empty or (kind == "rule" and any(e[:-1] == path for e in empty))
    of_wrong_items = kind == "too_short" and bool(error["input"])
    return kind != "missing" and not of_empty_value and not of_wrong_items


def _missing(
    document: Document, errors: Sequence[ErrorDetails], readers: Mapping[int, type[Model]]
) -> list[Fault]:
    """Make one fault for each block that lacks keys; a key that is there, misspelt, is not lacking."""
    misspelt = {
        (*e["loc"][:-1], _reader(document, e, readers).meant_by(str(e["loc"][-1])))
        for e in errors
        if e["type"] == "extra_forbidden"
    }
    keys: dict[Path, list[str]] = {}
    for error in errors:
        if error["type"] == "missing" and error["loc"] not in misspelt:
            *block, key = error["loc"]
            name = f"`{key}`" if isinstance(key, str) else f"entry {key + 1}"
            keys.setdefault(document.known(tuple(block)), []).append(name)
    return [
        document.fault(path, f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing")
        for path, names in keys.items()
    ]


def _fault(document: Document, error: ErrorDetails, readers: Mapping[int, type[Model]]) -> Fault:
    path, context = error["loc"], error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        message = _reader(document, error, readers).explain_unknown(str(path[-1]))
        return document.fault(path, message, on_key=True)
    if "message" in context:
        return document.fault((*path, *context.get("at", ())), str(context["message"]))
    return document.fault(path, _in_words(error["type"], error["msg"], context, error["input"]))


def _reader(document: Document, error: ErrorDetails, readers: Mapping[int, type[Model]]) -> type[Model]:
    """Return the model that refused an unknown key."""
    return readers[id(document.at(document.known(error["loc"][:-1])))]


def _in_words(kind: str, message: str, context: Mapping[str, Any], got: object) -> str:
    if kind not in _WANTED:
        return message
    wanted = _WANTED[kind].format(**context).replace("'", '"')
    return f"has to be {wanted}, got {shown(got)}"
