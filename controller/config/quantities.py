"""Numbers with units: ``"20 K/min"`` becomes 0.333 K/s.

A quantity is a text of one number, a space and one unit from the table below. What is ambiguous is refused
with an example: numbers without a unit, two quantities in one (``4 h 30 min``), units of another dimension.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from annealscope.controller.config.errors import clip, did_you_mean, one_of, shown
from annealscope.controller.units import ZERO_CELSIUS_K

ROOM_K = 25 + ZERO_CELSIUS_K
"""Where the specimen is before the first step."""

_MAGNITUDES = (1e-12, 1e15)
"""Values outside, in internal units, are slips of the pen and would overflow what is computed from them."""

_NUMBER = r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_QUANTITY = re.compile(rf"({_NUMBER}) +(\S+)")
_COMPOUND = re.compile(rf"{_NUMBER}\s*[^\W\d_]+\s*{_NUMBER}\s*[^\W\d_]+.*")
_GLUED = re.compile(rf"({_NUMBER})(\S+)")


@dataclass(frozen=True)
class Dimension:
    """A kind of quantity and the units it may be given in."""

    name: str
    internal: str
    """The unit of the number that comes out."""
    units: Mapping[str, float]
    """Size of each unit in internal units."""
    example: str
    zero: Mapping[str, float] = field(default_factory=dict)
    """Internal value of zero, for units that do not begin at zero."""

    @property
    def article_name(self) -> str:
        """The name with its article, for messages."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"


DURATION = Dimension(
    "duration", "s", {"s": 1, "ms": 1e-3, "us": 1e-6, "min": 60, "h": 3600, "d": 86400}, "4.5 h"
)
TEMPERATURE = Dimension(
    "temperature",
    "K",
    {"degC": 1, "°C": 1, "K": 1},
    "100 degC",
    {"degC": ZERO_CELSIUS_K, "°C": ZERO_CELSIUS_K},
)
DIFFERENCE = Dimension("temperature difference", "K", {"K": 1, "mK": 1e-3}, "0.5 K")
RATE = Dimension("heating or cooling rate", "K/s", {"K/min": 1 / 60, "K/s": 1, "K/h": 1 / 3600}, "20 K/min")
LENGTH = Dimension("length", "nm", {"nm": 1, "pm": 1e-3, "um": 1e3, "Å": 0.1}, "5 nm")
SPEED = Dimension("drift rate", "nm/s", {"nm/min": 1 / 60, "nm/s": 1, "nm/h": 1 / 3600}, "1 nm/min")
PER_LENGTH = Dimension("spatial frequency", "1/nm", {"1/nm": 1, "1/Å": 10}, "0.726 1/nm")
DOSE = Dimension("dose", "e/nm^2", {"e/nm^2": 1, "e/Å^2": 100}, "7.0e9 e/nm^2")
DOSE_RATE = Dimension("dose rate", "e/nm^2/s", {"e/nm^2/s": 1, "e/Å^2/s": 100}, "4.4e5 e/nm^2/s")
CURRENT = Dimension("current", "pA", {"pA": 1, "nA": 1e3, "uA": 1e6, "mA": 1e9, "A": 1e12}, "15 pA")
VOLTAGE = Dimension("voltage", "kV", {"kV": 1, "V": 1e-3}, "300 kV")
MAGNIFICATION = Dimension("magnification", "x", {"kx": 1e3, "x": 1}, "340 kx")
CAMERA_LENGTH = Dimension("camera length", "m", {"m": 1, "cm": 1e-2, "mm": 1e-3}, "1 m")
SHARE = Dimension("relative error", "1", {"%": 1e-2}, "3 %")
RELAXATION_TIMES = Dimension("number of relaxation times", "tau", {"tau": 1}, "10 tau")
GAIN = Dimension("gain", "counts/e", {"counts/e": 1}, "10 counts/e")
COUNTS = Dimension("number of counts", "counts", {"counts": 1}, "100 counts")
DATA = Dimension(
    "data size", "bytes", {"GiB": 2**30, "GB": 1e9, "MiB": 2**20, "MB": 1e6, "TB": 1e12}, "2 GiB"
)
RESISTANCE = Dimension("resistance", "ohm", {"ohm": 1, "kohm": 1e3}, "100 ohm")
ELECTRONS = Dimension("number of electrons", "e", {"e": 1}, "2 e")

DIMENSIONS = (
    DURATION, TEMPERATURE, DIFFERENCE, RATE, LENGTH, SPEED, PER_LENGTH, DOSE, DOSE_RATE, CURRENT, VOLTAGE,
    MAGNIFICATION, CAMERA_LENGTH, SHARE, RELAXATION_TIMES, GAIN, COUNTS, ELECTRONS, RESISTANCE, DATA,
)  # fmt: skip

_HINTS = {
    "C": 'write "degC"',
    "deg": 'write "degC"',
    "F": 'write "degC"',
    "degC/min": 'write "K/min"',
    "°C/min": 'write "K/min"',
    "C/min": 'write "K/min"',
    "degC/s": 'write "K/s"',
    "sec": 'write "s"',
    "hr": 'write "h"',
}


def parse_quantity(text: object, dimension: Dimension, *, zero: bool = False) -> float:
    """Return a quantity in the internal unit of its dimension.

    Parameters
    ----------
    text
        One number, a space, one unit: ``"20 K/min"``.
    dimension
        What it has to be.
    zero
        Accept zero; a temperature may always be 0 degC.

    Raises
    ------
    ValueError
        Saying what is wrong, with an example of how to write it.

    >>> parse_quantity("100 degC", TEMPERATURE)
    373.15
    """
    if not isinstance(text, str):
        raise ValueError(_wrong_type(text, dimension))
    number, unit = _split(text.strip(), dimension)
    if unit not in dimension.units:
        raise ValueError(_wrong_unit(text, unit, dimension))
    value = number * dimension.units[unit] + dimension.zero.get(unit, 0.0)
    _check_range(text, value, dimension, zero)
    return value


def _like(example: str) -> str:
    return f'write it like "{example}"'


def _with_unit(number: str, dimension: Dimension) -> str:
    """Say how a number is written that stands there without a unit."""
    unit = next(iter(dimension.units))
    taken_as_it_is = re.fullmatch(_NUMBER, number) and dimension is not SHARE  # 0.03 may well mean 3 %
    return _like(f"{number} {unit}" if taken_as_it_is else dimension.example)


def _wrong_type(value: object, dimension: Dimension) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{shown(value)} has no unit; {_with_unit(shown(value), dimension)}"
    return f"{shown(value)} is not {dimension.article_name}; {_like(dimension.example)}"


def _split(text: str, dimension: Dimension) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text)
    if match:
        return float(match[1]), match[2]
    shown = clip(text)
    if re.fullmatch(_NUMBER, text):
        raise ValueError(f'"{shown}" has no unit; {_with_unit(shown, dimension)}')
    glued = _GLUED.fullmatch(text)
    if glued and any(glued[2] in d.units for d in DIMENSIONS):
        raise ValueError(f'"{shown}" has no space between number and unit; write "{glued[1]} {glued[2]}"')
    if _COMPOUND.fullmatch(text):
        raise ValueError(f'"{shown}" is more than one quantity; {_like(dimension.example)}')
    raise ValueError(f'"{shown}" is not {dimension.article_name}; {_like(dimension.example)}')


def _wrong_unit(text: str, unit: str, dimension: Dimension) -> str:
    others = [d for d in DIMENSIONS if unit in d.units]
    if others:
        there, wanted = others[0].article_name, dimension.article_name
        meant = (
            'write "min" for minutes' if (unit, dimension) == ("m", DURATION) else _like(dimension.example)
        )
        return f'"{clip(text)}" is {there}, not {wanted}; {meant}'
    hint = f"; {_HINTS[unit]}" if unit in _HINTS else did_you_mean(unit, dimension.units)
    return (
        f'unknown unit "{clip(unit)}": {dimension.article_name} is given in {one_of(dimension.units)}{hint}'
    )


def _check_range(text: str, value: float, dimension: Dimension, zero: bool) -> None:
    shown = clip(text)
    if dimension is TEMPERATURE:
        if value <= 0:
            raise ValueError(f'"{shown}" is not above absolute zero')
    elif value < 0 or (value == 0 and not zero):
        raise ValueError(f'"{shown}" has to be {"zero or more" if zero else "more than zero"}')
    low, high = _MAGNITUDES
    if not math.isfinite(value) or (value != 0 and not low <= value <= high):
        raise ValueError(f'"{shown}" is beyond any experiment')


class Quantity:
    """Makes a pydantic field out of a dimension: ``Annotated[float, Quantity(DURATION)]``."""

    def __init__(self, dimension: Dimension, *, zero: bool = False) -> None:
        self._dimension = dimension
        self._zero = zero

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with `parse_quantity`."""
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the text, for editors."""
        return self.json_schema()

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the text: number, space, unit."""
        units = "|".join(re.escape(unit) for unit in self._dimension.units)
        pattern = rf"^\s*{_NUMBER} +({units})\s*$"
        return {"type": "string", "pattern": pattern, "examples": [self._dimension.example]}

    def _validate(self, value: object) -> float:
        try:
            return parse_quantity(value, self._dimension, zero=self._zero)
        except ValueError as error:
            raise PydanticCustomError("quantity", "{message}", {"message": str(error)}) from None


DurationS = Annotated[float, Quantity(DURATION)]
DurationOrZeroS = Annotated[float, Quantity(DURATION, zero=True)]
TemperatureK = Annotated[float, Quantity(TEMPERATURE)]
DifferenceK = Annotated[float, Quantity(DIFFERENCE)]
DifferenceOrZeroK = Annotated[float, Quantity(DIFFERENCE, zero=True)]
RateKPerS = Annotated[float, Quantity(RATE)]
LengthNm = Annotated[float, Quantity(LENGTH)]
LengthOrZeroNm = Annotated[float, Quantity(LENGTH, zero=True)]
SpeedNmPerS = Annotated[float, Quantity(SPEED)]
PerNm = Annotated[float, Quantity(PER_LENGTH)]
CurrentPA = Annotated[float, Quantity(CURRENT)]
VoltageKV = Annotated[float, Quantity(VOLTAGE)]
Magnification = Annotated[float, Quantity(MAGNIFICATION)]
CameraLengthM = Annotated[float, Quantity(CAMERA_LENGTH)]
Share = Annotated[float, Quantity(SHARE)]
RelaxationTimes = Annotated[float, Quantity(RELAXATION_TIMES)]
DosePerNm2 = Annotated[float, Quantity(DOSE)]
DoseRatePerNm2S = Annotated[float, Quantity(DOSE_RATE)]
DataBytes = Annotated[float, Quantity(DATA)]
ResistanceOhm = Annotated[float, Quantity(RESISTANCE)]
GainCountsPerE = Annotated[float, Quantity(GAIN)]
Counts = Annotated[float, Quantity(COUNTS, zero=True)]
Electrons = Annotated[float, Quantity(ELECTRONS, zero=True)]
