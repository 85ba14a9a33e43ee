"""The options of `annealscope analyze`, as typed, and what they mean."""

import math
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from annealscope.controller.config.quantities import DURATION, LENGTH, PER_LENGTH, Dimension, parse_quantity
from annealscope.controller.errors import ExitCode, RunError

if TYPE_CHECKING:
    from annealscope.controller.offline.selection import Selection, Span
    from annealscope.controller.offline.sources import StackScale

SPAN = re.compile(r"(\d*):(\d*)")

OF_STACKS = ("period", "pixel", "aperture", "offset", "gain", "no_drift")
"""What a hold says itself."""


@dataclass(frozen=True)
class AnalyzeOptions:
    """The options of `analyze`, as typed; what was not given is None, empty or 1."""

    period: str | None = None
    pixel: str | None = None
    aperture: str | None = None
    offset: float | None = None
    gain: float | None = None
    no_drift: bool = False
    roi: str | None = None
    bin: int = 1
    frames: str | None = None
    exclude: tuple[str, ...] = ()
    exact: bool = False

    @property
    def of_stacks(self) -> str:
        """The options that were given and that only foreign stacks need; empty: none."""
        return self._given(OF_STACKS)

    @property
    def of_parts(self) -> str:
        """The options that were given and that change what is analysed, and how; empty: none."""
        return self._given(tuple(field.name for field in fields(self) if field.name not in OF_STACKS))

    def scale(self) -> "StackScale":
        """Return how a stack was taken. Raises RunError."""
        from annealscope.controller.offline.sources import StackScale

        if self.offset is not None and not math.isfinite(self.offset):
            raise RunError(f"--offset: must be a number of counts: got {self.offset}", ExitCode.USAGE)
        if self.gain is not None and not 0 < self.gain < math.inf:
            raise RunError(f"--gain: must be counts per electron > 0: got {self.gain}", ExitCode.USAGE)
        return StackScale(
            period_s=_quantity("--period", self.period, DURATION),
            pixel_nm=_quantity("--pixel", self.pixel, LENGTH),
            aperture_per_nm=_quantity("--aperture", self.aperture, PER_LENGTH),
            offset_counts=self.offset or 0.0,
            gain_counts_per_e=1.0 if self.gain is None else self.gain,
            drift=not self.no_drift,
        )

    def selection(self) -> "Selection":
        """Return which part is analysed. Raises RunError."""
        from annealscope.controller.offline.selection import Selection

        y, comma, x = (self.roi or ":,:").partition(",")
        if not comma:
            message = f'--roi: must be Y0:Y1,X0:X1, e.g. "0:512,256:768": got {self.roi!r}'
            raise RunError(message, ExitCode.USAGE)
        return Selection(
            frames=_span("--frames", self.frames or ":"),
            exclude=tuple(_span("--exclude", text) for text in self.exclude),
            y=_span("--roi", y),
            x=_span("--roi", x),
            bin=self.bin,
        )

    def _given(self, names: tuple[str, ...]) -> str:
        """Return those of the options that are not as they would be by themselves."""
        usual = AnalyzeOptions()
        given = [name for name in names if getattr(self, name) != getattr(usual, name)]
        return ", ".join(f"--{name.replace('_', '-')}" for name in given)


def _quantity(option: str, text: str | None, dimension: Dimension) -> float | None:
    if text is None:
        return None
    try:
        return parse_quantity(text, dimension)
    except ValueError as error:
        raise RunError(f"{option}: {error}", ExitCode.USAGE) from None


def _span(option: str, text: str) -> "Span":
    from annealscope.controller.offline.selection import Span

    found = SPAN.fullmatch(text.strip())
    if not found:
        message = f"{option}: must be FIRST:END, the end not included, e.g. 3200:3260: got {text!r}"
        raise RunError(message, ExitCode.USAGE)
    first, end = found.groups()
    return Span(int(first or 0), int(end) if end else None)
