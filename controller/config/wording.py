"""Numbers and reasons as people read them."""

import math

from annealscope.controller.units import ZERO_CELSIUS_K


def celsius(temperature_K: float) -> str:
    """Write a temperature: ``100 °C``."""
    return f"{temperature_K - ZERO_CELSIUS_K:.6g} °C"


def per_minute(rate_K_per_s: float) -> str:
    """Write a rate: ``20 K/min``."""
    return f"{rate_K_per_s * 60:.6g} K/min"


def nm_per_minute(speed_nm_per_s: float) -> str:
    """Write a drift rate: ``1 nm/min``."""
    return f"{speed_nm_per_s * 60:.6g} nm/min"


def duration(duration_s: float) -> str:
    """Write a duration with its two largest units; ``–`` when it is not known.

    >>> [duration(0.5), duration(90), duration(2000), duration(16200), duration(200000)]
    ['0.5 s', '1 min 30 s', '33 min 20 s', '4 h 30 min', '2 d 7 h']
    """
    if not math.isfinite(duration_s):
        return "–"
    if duration_s < 60:
        return f"{duration_s:.3g} s"
    seconds = round(duration_s)
    for unit, size, smaller, below in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // below
            return f"{seconds // size} {unit} {rest} {smaller}" if rest else f"{seconds // size} {unit}"
    return f"{seconds} s"


def duration_as_written(duration_s: float) -> str:
    """Write a duration as a protocol would: one number, in the largest unit that leaves it round.

    >>> [duration_as_written(t) for t in (0.5, 90, 2000, 16200)]
    ['0.5 s', '1.5 min', '2000 s', '4.5 h']
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if duration_s >= size and duration_s % (size / 2) == 0:
            return f"{duration_s / size:g} {unit}"
    return f"{duration_s:.6g} s"


def clock(duration_s: float) -> str:
    """Write a duration as hours, minutes and seconds.

    >>> clock(16275)
    '4:31:15'
    """
    minutes, seconds = divmod(round(duration_s), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def data_size(size: float) -> str:
    """Write a number of bytes: ``66 MB``."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} bytes"


def scientific(value: float, digits: int = 2) -> str:
    """Write a large number with a power of ten, with some digits behind the point.

    >>> scientific(6.16e9)
    '6.16 × 10⁹'
    """
    if not math.isfinite(value):
        return "–"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}"


def counted(number: int, noun: str) -> str:
    """Write a number of things.

    >>> counted(1, "frame"), counted(2, "frame")
    ('1 frame', '2 frames')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def with_reason(what: str, why: object) -> str:
    """Say something with its reason, which may begin with the same words."""
    reason = str(why or "")
    return reason if reason.startswith(what) else f"{what}: {reason}" if reason else what
