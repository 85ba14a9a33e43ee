"""What a laboratory wants to be watched while a run goes on, and what has to be done every few hours."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from annealscope.controller.config.model import Choice, Model, broken_rule
from annealscope.controller.config.names import Name
from annealscope.controller.config.quantities import DataBytes, DurationS, Share

BUSY_SHARE = 0.75
"""Of the interval of one clock, what the others may take: the last part of it counts as due already."""

GuardAction = Literal["note", "suspend", "park", "stop"]
"""What a guard does, from the mildest to the gravest."""

_Action = Annotated[GuardAction, Choice(*get_args(GuardAction))]
_By = Annotated[Literal["operator", "itself"], Choice("operator", "itself")]


class BeamWatch(Model):
    """When frames become dark."""

    below: Share = 0.5
    """Share of the usual brightness below which a frame is dim; three of them in a row are a trip."""
    action: _Action = "suspend"
    """What is done."""

    @model_validator(mode="after")
    def _is_a_share(self) -> "BeamWatch":
        if not self.below < 1:
            raise broken_rule("has to be less than 100 %", "below")
        return self


class ValvesWatch(Model):
    """When the column valves are closed while frames are taken."""

    action: _Action = "suspend"
    """What is done."""


class DiskWatch(Model):
    """The last space on the disk."""

    keep_free_bytes: DataBytes = Field(default=2.0 * 1024**3, alias="keep_free")
    """A run rests before less is free, unless what it still needs is less."""
    park_after_s: DurationS = Field(default=1800.0, alias="park_after")
    """So long it waits for more; then it parks."""


class Clock(Model):
    """Something that has to be done every few hours."""

    every_s: DurationS = Field(alias="every")
    """From the end of one time to the next."""
    takes_s: DurationS = Field(alias="takes")
    """How long it takes."""
    action: Annotated[Literal["note", "suspend"], Choice("note", "suspend")] = "suspend"
    """Whether no frames are taken meanwhile."""
    by: _By = "itself"
    """Who does it: it goes on by itself, or the operator does it and says `resume`."""
    message: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    """What is to be done, for the operator."""

    @model_validator(mode="after")
    def _leaves_time(self) -> "Clock":
        if not self.takes_s < self.every_s:
            raise broken_rule("has to be less than `every`", "takes")
        return self


class Housekeeping(Model):
    """What is watched, and what is done when."""

    beam: BeamWatch = BeamWatch()
    """When frames become dark."""
    valves: ValvesWatch = ValvesWatch()
    """When the column valves are closed."""
    disk: DiskWatch = DiskWatch()
    """When the disk is nearly full."""
    clocks: dict[Name, Clock] = Field(default_factory=dict)
    """What has to be done every few hours, by name: ``cold_trap``, ``pump``."""

    @model_validator(mode="after")
    def _leaves_time_for_frames(self) -> "Housekeeping":
        """While one thing is done, another must not fall due again: frames would never be taken."""
        suspending = {name: clock for name, clock in self.clocks.items() if clock.action == "suspend"}
        all_take_s = sum(clock.takes_s for clock in suspending.values())
        for name, clock in suspending.items():
            if not all_take_s - clock.takes_s < BUSY_SHARE * clock.every_s:
                raise broken_rule(
                    f"leave no time for frames: the others have to take less than {BUSY_SHARE:.0%} of the "
                    f"`every` of {name} together",
                    "clocks",
                )
        return self
