"""What is done, in order (docs/protocol.md)."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from annealscope.controller.config.for_each import FOR_EACH_SCHEMA, check_for_each
from annealscope.controller.config.model import Choice, Model, broken_rule, exactly_one
from annealscope.controller.config.names import Name
from annealscope.controller.config.quantities import DurationS, RateKPerS, SpeedNmPerS, TemperatureK


class Ramp(Model):
    """A change of temperature at a constant rate, up or down, then settling."""

    to_K: TemperatureK = Field(alias="to")
    """Target."""
    rate_K_per_s: RateKPerS = Field(alias="rate")
    """Rate of the setpoint."""


class Cool(Ramp):
    """A ramp that only goes down."""


class Wait(Model):
    """Time at temperature."""

    for_s: DurationS | None = Field(None, alias="for")
    """From now ..."""
    until_age_s: DurationS | None = Field(None, alias="until_age")
    """... or until this long after the temperature has settled ..."""
    drift_below_nm_per_s: SpeedNmPerS | None = Field(None, alias="drift_below")
    """... or, then, until the specimen drifts more slowly than this ..."""
    at_most_s: DurationS | None = Field(None, alias="at_most")
    """... but no longer than this: an age where `until_age` is given, else from now."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.for_s is None and self.drift_below_nm_per_s is not None:
            self._check_watch(self.at_most_s)
            return self
        exactly_one(self, "`wait`", besides=("drift_below", "at_most"))
        for key, value in (("drift_below", self.drift_below_nm_per_s), ("at_most", self.at_most_s)):
            if value is not None and self.for_s is not None:
                raise broken_rule("cannot stand beside `for`; with `until_age` it can", key)
        if self.at_most_s is not None:
            raise broken_rule("goes with `drift_below` only", "at_most")
        return self

    def _check_watch(self, at_most_s: float | None) -> None:
        if at_most_s is None:
            raise broken_rule("needs `at_most`: the drift may never become that slow", "drift_below")
        if self.until_age_s is not None and at_most_s <= self.until_age_s:
            raise broken_rule("has to be more than `until_age`: it is an age too", "at_most")


Message = Annotated[str, Field(min_length=1, max_length=1000)]


def _text_or(key: str) -> Callable[[Any], Any]:
    """Make a check that reads a mere text as the value of one key of the block."""
    return lambda data: {key: data} if isinstance(data, str) else data


class Prompt(Model):
    """A question to the operator, who answers with `annealscope resume`."""

    message: Message
    """What the operator is asked to do."""
    timeout_s: DurationS | None = Field(None, alias="timeout")
    """How long an answer is waited for; for ever unless said otherwise."""
    on_timeout: Annotated[Literal["cool", "continue"], Choice("cool", "continue")] | None = None
    """What happens when none comes: cool down and stop (the default), or go on."""

    @model_validator(mode="after")
    def _has_a_timeout(self) -> Self:
        if self.on_timeout is not None and self.timeout_s is None:
            raise broken_rule("needs a `timeout`", "on_timeout")
        return self


class Park(Model):
    """The end of a day: heater off, beam blanked, until `annealscope continue`."""

    message: Message
    """Why, for those who come the next day."""


_PromptForm = Annotated[Prompt, BeforeValidator(_text_or("message"), json_schema_input_type=Message | Prompt)]
_ParkForm = Annotated[Park, BeforeValidator(_text_or("message"), json_schema_input_type=Message | Park)]
_ForEach = Annotated[
    Any,
    BeforeValidator(check_for_each),
    WithJsonSchema(dict(FOR_EACH_SCHEMA)),
]


class HoldStep(Model):
    """One step at constant temperature: exactly one of its keys."""

    noun: ClassVar[str] = "step"
    misplaced: ClassVar[Mapping[str, str]] = {
        key: f"`{key}` cannot stand inside a hold: write it as a step of its own, outside"
        for key in ("ramp", "cool", "hold", "park")
    }

    wait: Wait | None = None
    """Let time pass."""
    prepare: Name | None = None
    """Set the column, go to the region and focus for the acquisition of this name, but take nothing yet."""
    acquire: Name | None = None
    """Take the acquisition of this name; it prepares what has not been prepared."""
    prompt: _PromptForm | None = None
    """Ask the operator, and wait for the answer."""
    for_each: _ForEach | None = None
    """Repeat steps with a list of values."""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        exactly_one(self, "a step")
        return self


class HoldFor(Model):
    """A hold in which nothing is measured."""

    for_s: DurationS = Field(alias="for")
    """How long."""


HoldSteps = Annotated[tuple[HoldStep, ...], Field(strict=False, min_length=1)]


def _form_of_hold(value: object) -> str | None:
    if isinstance(value, str):
        return "<name>"
    if isinstance(value, list):
        return "<steps>"
    return "<for>" if isinstance(value, dict) else None


Hold = Annotated[
    Annotated[Name, Tag("<name>")] | Annotated[HoldSteps, Tag("<steps>")] | Annotated[HoldFor, Tag("<for>")],
    Discriminator(
        _form_of_hold,
        custom_error_type="hold",
        custom_error_message="has to be a list of steps, the name of a sequence, or {for: 2 h}",
    ),
]


class Step(HoldStep):
    """One step of the experiment: exactly one of its keys."""

    misplaced: ClassVar[Mapping[str, str]] = {}

    ramp: Ramp | None = None
    """Go to a temperature and settle."""
    cool: Cool | None = None
    """Go down to a temperature and settle."""
    hold: Hold | None = None
    """Keep the temperature for a list of steps, for the steps of a sequence, or for a time."""
    park: _ParkForm | None = None
    """Cool down, switch off and blank: the run can be left alone, and continued another day."""
