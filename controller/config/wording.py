"""Numbers as people read them."""

from annealscope.controller.config.quantities import ZERO_CELSIUS_K


def celsius(temperature_K: float) -> str:
    """Write a temperature: ``100 degC``."""
    return f"{temperature_K - ZERO_CELSIUS_K:.6g} degC"


def per_minute(rate_K_per_s: float) -> str:
    """Write a rate: ``20 K/min``."""
    return f"{rate_K_per_s * 60:.6g} K/min"


def duration(duration_s: float) -> str:
    """Write a duration with its two largest units.

    >>> [duration(0.5), duration(90), duration(2000), duration(16200), duration(200000)]
    ['0.5 s', '1 min 30 s', '33 min 20 s', '4 h 30 min', '2 d 8 h']
    """
    if duration_s < 60:
        return f"{duration_s:.3g} s"
    seconds = round(duration_s)
    for unit, size, smaller, below in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // below
            return f"{seconds // size} {unit} {rest} {smaller}" if rest else f"{seconds // size} {unit}"
    return f"{seconds} s"


def data_size(size: float) -> str:
    """Write a number of bytes: ``66 MB``."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} bytes"
