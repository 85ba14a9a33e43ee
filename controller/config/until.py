"""When an acquisition ends (docs/protocol.md)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Discriminator, Field, Tag, model_validator

from annealscope.controller.config.model import Model, broken_rule, exactly_one
from annealscope.controller.config.quantities import DurationS, RelaxationTimes, Share

MIN_FRAMES = 32
"""Fewer frames are not analysed."""
MAX_FRAMES = 10_000_000
"""Frames of one acquisition."""

FrameNumber = Annotated[int, Field(ge=MIN_FRAMES, le=MAX_FRAMES)]


class FramesCondition(Model):
    """So many frames."""

    frames: FrameNumber
    """Lost ones included."""


class DurationCondition(Model):
    """So much time."""

    duration_s: DurationS = Field(alias="duration")
    """With the acquisition running."""


class PrecisionCondition(Model):
    """A relaxation time that is known well enough."""

    tau_within: Share
    """Relative standard error of tau ..."""
    min_duration_tau: RelaxationTimes = Field(10.0, alias="min_duration")
    """... of a record of at least so many relaxation times ..."""
    checks: Annotated[int, Field(ge=1, le=1000)] = 3
    """... found so many times in a row ..."""
    every_s: DurationS = Field(200.0, alias="every")
    """... at this distance."""


_CONDITIONS = {"frames": "<frames>", "duration": "<duration>", "tau_within": "<tau>"}


def _form_of_condition(value: object) -> str | None:
    given = [form for key, form in _CONDITIONS.items() if isinstance(value, dict) and key in value]
    return given[0] if given else None


Condition = Annotated[
    Annotated[FramesCondition, Tag("<frames>")]
    | Annotated[DurationCondition, Tag("<duration>")]
    | Annotated[PrecisionCondition, Tag("<tau>")],
    Discriminator(
        _form_of_condition,
        custom_error_type="condition",
        custom_error_message="has to be {frames: 7000}, {duration: 14000 s} or {tau_within: 3 %}",
    ),
]
Conditions = Annotated[tuple[Condition, ...], Field(strict=False, min_length=1, max_length=10)]


class Until(Model):
    """When an acquisition ends."""

    misplaced: ClassVar[Mapping[str, str]] = {
        key: f"`{key}` belongs to a condition: write {{any: [{{tau_within: 3 %}}], max: 14000 s}}"
        for key in ("tau_within", "min_duration", "checks", "every")
    }

    frames: FrameNumber | None = None
    """After this many frames, lost ones included ..."""
    duration_s: DurationS | None = Field(None, alias="duration")
    """... or after this time ..."""
    any: Conditions | None = None
    """... or when one of several conditions holds ..."""
    all: Conditions | None = None
    """... or when all of several conditions hold."""
    max_s: DurationS | None = Field(None, alias="max")
    """Longest time, with `any` or `all`; conditions on the data need it."""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        exactly_one(self, "`until`", besides=("max",))
        if self.max_s is not None and not self.conditions:
            raise broken_rule("goes with `any` or `all` only", "max")
        if self.max_s is None and self.precision_conditions:
            raise broken_rule("`max` is missing: an end that depends on the data needs a longest time")
        return self

    @property
    def conditions(self) -> tuple[Any, ...]:
        """Conditions of `any` or `all`."""
        return self.any or self.all or ()

    @property
    def precision_conditions(self) -> tuple[PrecisionCondition, ...]:
        """Conditions that depend on the data."""
        return tuple(c for c in self.conditions if isinstance(c, PrecisionCondition))

    def most_frames(self, period_s: float) -> int:
        """Return the frames after which the acquisition ends in any case."""
        if self.frames is not None:
            return self.frames
        if self.duration_s is not None:
            return frames_in(self.duration_s, period_s)
        fixed = [_frames_of(c, period_s) for c in self.conditions if not isinstance(c, PrecisionCondition)]
        longest = [] if self.max_s is None else [frames_in(self.max_s, period_s)]
        if self.any is not None:
            return min(fixed + longest)
        return longest[0] if self.precision_conditions else min([max(fixed), *longest])


def frames_in(duration_s: float, period_s: float) -> int:
    """Return the whole frames in a time."""
    return int(duration_s / period_s + 1e-9)


def _frames_of(condition: FramesCondition | DurationCondition, period_s: float) -> int:
    if isinstance(condition, FramesCondition):
        return condition.frames
    return frames_in(condition.duration_s, period_s)
