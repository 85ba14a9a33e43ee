"""Numbers with uncertainties as people write them."""

import math


def pm(value: float, sigma: float = math.nan, unit: str = "") -> str:
    """Write a value with its standard deviation, both to the digits that mean something.

    The uncertainty keeps two digits when they are at most 35 and one otherwise (the rule of the Particle
    Data Group), and the value ends at the same place. Without one the value has three digits, or all those
    before the point.

    >>> pm(512.34, 15.9, "s")
    '512 ± 16 s'
    >>> pm(0.7134, 0.0472)
    '0.71 ± 0.05'
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


def _places(sigma: float) -> int:
    """Return the decimal place at which a value with this uncertainty ends; negative left of the point."""
    leading = math.floor(math.log10(sigma))
    two_digits = round(sigma / 10.0 ** (leading - 1))
    return 1 - leading if two_digits <= 35 else -leading


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def scientific(value: float) -> str:
    """Write a large number with a power of ten.

    >>> scientific(6.16e9)
    '6.16 × 10⁹'
    """
    if not math.isfinite(value):
        return "–"
    mantissa, exponent = f"{value:.2e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}"


def counted(number: int, noun: str) -> str:
    """Write a number of things.

    >>> counted(1, "frame"), counted(2, "frame")
    ('1 frame', '2 frames')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def sentence(text: str) -> str:
    """Write a message as a sentence.

    >>> sentence("the disk is full")
    'The disk is full.'
    """
    text = text[:1].upper() + text[1:].rstrip()
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


def duration(seconds: float) -> str:
    """Write a span of time in the two largest units that matter.

    >>> duration(14000), duration(95), duration(4.2)
    ('3 h 53 min', '1 min 35 s', '4.2 s')
    """
    if not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for size, name, part, part_name in ((3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {name}" + (f" {rest} {part_name}" if rest else "")
    return f"{whole} s"
