"""Numbers with uncertainties as people write them."""

import math
from collections.abc import Callable, Sequence
from typing import Any


def pm(value: float, sigma: float = math.nan, unit: str = "") -> str:
    """Write a value with its standard deviation, both to the digits that mean something.

    The uncertainty keeps two digits and the value ends at the same place, so that neighbours in a table can
    be compared. Without one the value has three digits, or all those before the point.

    >>> pm(512.34, 15.9, "s")
    '512 ± 16 s'
    >>> pm(0.7134, 0.0472)
    '0.713 ± 0.047'
    >>> pm(0.7134)
    '0.713'
    """
    if not math.isfinite(value):
        return "–"
    if not (math.isfinite(sigma) and sigma > 0):
        return _with_unit(f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}", unit)
    places = _places(sigma)
    rounded = [f"{round(number, places):.{max(places, 0)}f}" for number in (value, sigma)]
    return _with_unit(" ± ".join(rounded), unit)


def signed(value: float, sigma: float) -> str:
    """Write a change with its error, always with its sign.

    >>> signed(0.031, 0.0121), signed(-0.031, 0.0121)
    ('+0.031 ± 0.012', '−0.031 ± 0.012')
    """
    text = pm(value, sigma).replace("-", "−")
    return text if text.startswith(("−", "–")) else f"+{text}"


def beside(value: float, sigma: float, unit: str = "") -> str:
    """Write a value without uncertainty with the digits of one that it is compared with.

    >>> beside(0.4, 0.0121)
    '0.400'
    """
    if not (math.isfinite(value) and math.isfinite(sigma) and sigma > 0):
        return pm(value, unit=unit)
    places = _places(sigma)
    return _with_unit(f"{round(value, places):.{max(places, 0)}f}", unit)


def _places(sigma: float) -> int:
    """Return the decimal place at which a value with this uncertainty ends; negative left of the point."""
    return 1 - math.floor(math.log10(sigma))


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def percent(share: float) -> str:
    """Write a share; a small one keeps a digit.

    >>> percent(0.882), percent(0.0021)
    ('88%', '0.2%')
    """
    return f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}"


def sentence(text: str) -> str:
    """Write a message as a sentence.

    >>> sentence("the disk is full")
    'The disk is full.'
    """
    text = text[:1].upper() + text[1:].rstrip()
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


def listed(texts: Sequence[str]) -> str:
    """Write a list as people say it.

    >>> listed(["100", "150", "200"])
    '100, 150 and 200'
    """
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


def span(values: Sequence[Any], write: Callable[[Any], str]) -> str:
    """Write the smallest and the largest value, or one where they look the same.

    >>> span([0.71, 0.89, 0.80], "{:.1f}".format), span([0.71, 0.72], "{:.1f}".format)
    ('0.7 to 0.9', '0.7')
    """
    return " to ".join(dict.fromkeys(write(value) for value in (min(values), max(values))))
